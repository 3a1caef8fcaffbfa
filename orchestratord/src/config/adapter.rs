//! The adapters of agentd: which there are, and what each of them needs.

use cloud_code_domain::account::Provider;

/// An adapter of agentd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdapterKind {
    /// Claude Code over stream-json.
    ClaudeCode,
    /// Codex over app-server.
    Codex,
    /// Aider through its scripting interface.
    Aider,
    /// opencode over the Agent Client Protocol.
    Opencode,
    /// Qwen Code over the Agent Client Protocol.
    Qwen,
    /// GitHub's Copilot CLI, with a provider of one's own, over the Agent Client Protocol.
    Copilot,
    /// Gemini CLI over the Agent Client Protocol.
    Gemini,
    /// Any program that speaks the Agent Client Protocol.
    Acp,
    /// The scripted CLI of the demo and the tests.
    Scripted,
    /// Any program.
    Lines,
}

/// Coding CLIs that speak the Agent Client Protocol and cannot work here, and why.
pub(super) const CANNOT: [(&str, &str); 1] = [(
    "cline",
    "speaks the Agent Client Protocol for accounts of its own service alone",
)];

impl AdapterKind {
    /// All, with their configured names.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::ClaudeCode, "claude-code"),
        (Self::Codex, "codex"),
        (Self::Aider, "aider"),
        (Self::Opencode, "opencode"),
        (Self::Qwen, "qwen"),
        (Self::Copilot, "copilot"),
        (Self::Gemini, "gemini"),
        (Self::Acp, "acp"),
        (Self::Scripted, "scripted"),
        (Self::Lines, "lines"),
    ];

    /// The configured name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Aider => "aider",
            Self::Opencode => "opencode",
            Self::Qwen => "qwen",
            Self::Copilot => "copilot",
            Self::Gemini => "gemini",
            Self::Acp => "acp",
            Self::Scripted => "scripted",
            Self::Lines => "lines",
        }
    }

    /// The program of an adapter for one coding CLI; none for those that drive any.
    pub(super) fn program(self) -> Option<&'static str> {
        match self {
            Self::ClaudeCode => Some("claude"),
            Self::Codex => Some("codex"),
            Self::Aider => Some("aider"),
            Self::Opencode => Some("opencode"),
            Self::Qwen => Some("qwen"),
            Self::Copilot => Some("copilot"),
            Self::Gemini => Some("gemini"),
            Self::Acp | Self::Scripted | Self::Lines => None,
        }
    }

    /// The providers that it speaks to.
    pub(super) fn providers(self) -> &'static [Provider] {
        match self {
            Self::ClaudeCode => &[Provider::Anthropic],
            Self::Codex | Self::Qwen | Self::Copilot => &[Provider::Openai],
            Self::Gemini => &[Provider::Google],
            Self::Aider | Self::Opencode => &[Provider::Anthropic, Provider::Openai],
            Self::Acp | Self::Scripted | Self::Lines => &Provider::ALL,
        }
    }

    /// Whether it can present the token of a subscription.
    pub(super) fn takes_subscriptions(self) -> bool {
        match self {
            Self::ClaudeCode | Self::Acp | Self::Scripted | Self::Lines => true,
            Self::Codex
            | Self::Aider
            | Self::Opencode
            | Self::Qwen
            | Self::Copilot
            | Self::Gemini => false,
        }
    }

    /// Whether it has to be told its model: by itself it would choose one of another account.
    pub(super) fn needs_model(self) -> bool {
        match self {
            Self::Opencode | Self::Qwen | Self::Copilot | Self::Gemini => true,
            Self::ClaudeCode
            | Self::Codex
            | Self::Aider
            | Self::Acp
            | Self::Scripted
            | Self::Lines => false,
        }
    }
}
