//! A line of an execution's log.

pub mod retention;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Characters of a line that are kept.
pub const MAX_LINE: usize = 4_000;

/// How important a line is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Details.
    Debug,
    /// What happens.
    #[default]
    Info,
    /// Unexpected.
    Warning,
    /// Failed.
    Error,
}

/// What a line is about.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum LogCategory {
    /// agentd or the orchestrator.
    #[default]
    System,
    /// What the coding CLI says.
    Message,
    /// What a tool was asked.
    ToolInput,
    /// What a tool answered.
    ToolOutput,
    /// A model call.
    Llm,
    /// Raw output of the coding CLI, a setup or a check command.
    Output,
}

/// A line of a log. The text is as the agent wrote it: hostile, cut at [`MAX_LINE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, by agentd's clock.
    pub at: Timestamp,
    /// How important.
    pub level: LogLevel,
    /// What about.
    pub category: LogCategory,
    /// The text.
    pub text: String,
}
