//! What the gate finds: a rule, a place, a sentence. Shown to an operator and sent back to the agent.

use std::fmt;

use super::names;

/// The most findings that are kept; the rest is counted.
const MAX_FINDINGS: usize = 40;

/// The rules of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// A pack, file or history beyond the limits.
    TooLarge,
    /// More paths than allowed; a tree bomb has 10^10 of them in 841 bytes.
    TooManyPaths,
    /// A tree deeper than allowed.
    TooDeep,
    /// Not a pack, or not whole.
    MalformedPack,
    /// It names an object that the agent neither sent nor was sent.
    ClosureViolation,
    /// The history does not go back to a commit that the agent was given.
    ForeignHistory,
    /// Commits that were pushed before are gone from it.
    RewrittenHistory,
    /// There is no change.
    NoChange,
    /// A name that a person, a file system or git could take for another.
    BadPath,
    /// A mode other than file, executable, link, directory.
    BadMode,
    /// A link out of the tree, or one where git wants a file.
    BadLink,
    /// A submodule, or a change of `.gitmodules`.
    Submodule,
    /// A file of `.cloud-code/`.
    OwnFiles,
    /// A secret that this host keeps.
    KnownSecret,
    /// A path that a person has to look at.
    ProtectedPath,
    /// Something that looks like a secret.
    Secret,
}

impl Rule {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::TooManyPaths => "too_many_paths",
            Self::TooDeep => "too_deep",
            Self::MalformedPack => "malformed_pack",
            Self::ClosureViolation => "closure_violation",
            Self::ForeignHistory => "foreign_history",
            Self::RewrittenHistory => "rewritten_history",
            Self::NoChange => "no_change",
            Self::BadPath => "bad_path",
            Self::BadMode => "bad_mode",
            Self::BadLink => "bad_link",
            Self::Submodule => "submodule",
            Self::OwnFiles => "own_files",
            Self::KnownSecret => "known_secret",
            Self::ProtectedPath => "protected_path",
            Self::Secret => "secret",
        }
    }

    /// Whether it is a matter of judgement, so that an operator may let it pass once.
    #[must_use]
    pub fn passable(self) -> bool {
        match self {
            Self::ProtectedPath | Self::Secret | Self::RewrittenHistory => true,
            Self::TooLarge
            | Self::TooManyPaths
            | Self::TooDeep
            | Self::MalformedPack
            | Self::ClosureViolation
            | Self::ForeignHistory
            | Self::NoChange
            | Self::BadPath
            | Self::BadMode
            | Self::BadLink
            | Self::Submodule
            | Self::OwnFiles
            | Self::KnownSecret => false,
        }
    }
}

/// One thing that the gate found. All its text is visible and bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule that is broken.
    pub rule: Rule,
    /// Where: a path in the tree, made visible; none for the whole.
    pub path: Option<String>,
    /// What is wrong, never the secret itself.
    pub what: String,
}

impl Finding {
    /// A finding about the whole.
    pub(crate) fn whole(rule: Rule, what: impl Into<String>) -> Self {
        let path = None;
        let what = what.into();
        Self { rule, path, what }
    }

    /// A finding about a path.
    pub(crate) fn at(rule: Rule, path: &[u8], what: impl Into<String>) -> Self {
        Self {
            rule,
            path: Some(names::visible(path)),
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {path}: {}", self.rule.as_str(), self.what),
            None => write!(f, "{}: {}", self.rule.as_str(), self.what),
        }
    }
}

/// Findings as they are made.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    more: u64,
    blocked: bool,
}

impl Findings {
    pub(crate) fn push(&mut self, finding: Finding) {
        self.blocked |= !finding.rule.passable();
        if self.list.contains(&finding) {
            return;
        }
        if self.list.len() < MAX_FINDINGS {
            self.list.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// Whether one of them cannot be passed.
    pub(crate) fn blocked(&self) -> bool {
        self.blocked
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Those that cannot be passed first, and how many more there were.
    pub(crate) fn into_list(mut self) -> Vec<Finding> {
        self.list
            .sort_by_key(|finding| (finding.rule.passable(), finding.rule));
        if let (Some(last), 1..) = (self.list.last(), self.more) {
            let rule = last.rule;
            let what = format!("and {} more findings", self.more);
            self.list.push(Finding::whole(rule, what));
        }
        self.list
    }
}
