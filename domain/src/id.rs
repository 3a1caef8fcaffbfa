//! Names of things. Each is a newtype with its own parser, so that a name which came from outside
//! has been checked exactly once, where it came in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a name of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {text:?} is not valid: {rule}")]
pub struct BadName {
    /// What was wanted, for example `task id`.
    pub kind: &'static str,
    /// What was given, cut to 80 characters.
    pub text: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

fn bad(kind: &'static str, text: &str, rule: &'static str) -> BadName {
    BadName {
        kind,
        text: text.chars().take(80).collect(),
        rule,
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.to_owned())) } else { Err(bad($kind, text, $rule)) }
            }
        }

        impl TryFrom<String> for $type {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn is_slug(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b))
        && !text.contains("..")
        && !text.ends_with(['.', '-'])
}

/// The alphabet of task ids: no vowels but `a` and `e`, nothing that looks like something else.
pub const ID_ALPHABET: &[u8; 32] = b"23456789abcdefghjkmnpqrstvwxyz-_";

name!(
    /// A task's id: eight characters, drawn once by the engine, for example `k3f9x2ab`.
    TaskId,
    "task id",
    "eight characters of a-z and 2-9",
    |text| text.len() == 8 && text.bytes().all(|b| ID_ALPHABET[..30].contains(&b))
);

name!(
    /// A project's name as configured, for example `acme/app`.
    ProjectName,
    "project name",
    "one or two parts of a-z, A-Z, 0-9, '-', '_', '.', joined by '/', at most 100 characters",
    |text| {
        let parts: Vec<&str> = text.split('/').collect();
        text.len() <= 100
            && (1..=2).contains(&parts.len())
            && parts.iter().all(|part| {
                !part.is_empty()
                    && !part.starts_with(['-', '.'])
                    && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
                    && !part.contains("..")
            })
    }
);

name!(
    /// A workstation's id, unique on the host: `<project slug>.<type>-<n>`.
    AgentId,
    "agent id",
    "a slug of at most 120 characters of a-z, 0-9, '-', '_', '.'",
    |text| is_slug(text, 120)
);

name!(
    /// The name of an account in the configuration, for example `main`.
    AccountName,
    "account name",
    "a slug of at most 40 characters of a-z, 0-9, '-', '_', '.'",
    |text| is_slug(text, 40)
);

name!(
    /// The name of a coding CLI in the configuration, for example `claude-code`.
    CodingCliName,
    "coding CLI name",
    "a slug of at most 40 characters of a-z, 0-9, '-', '_', '.'",
    |text| is_slug(text, 40)
);

name!(
    /// A git object id: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
    Oid,
    "object id",
    "40 or 64 lower-case hexadecimal digits",
    |text| (text.len() == 40 || text.len() == 64)
        && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
);

impl TaskId {
    /// A task id from forty random bits.
    #[must_use]
    pub fn from_random(bits: u64) -> Self {
        let mut rest = bits;
        let mut text = String::with_capacity(8);
        for _ in 0..8 {
            let index = usize::try_from(rest % 30).unwrap_or(0);
            text.push(char::from(ID_ALPHABET[index]));
            rest /= 30;
        }
        Self(text)
    }
}

impl ProjectName {
    /// The name in a form fit for file, container and agent names.
    #[must_use]
    pub fn slug(&self) -> String {
        let slug: String = self.0.to_ascii_lowercase().replace('/', "-");
        slug.trim_end_matches(['.', '-']).to_owned()
    }
}

/// One attempt at a task. Numbers grow by one per task and are never used again, so the pair fences
/// everything that the attempt sends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExecutionId {
    /// The task that is attempted.
    pub task: TaskId,
    /// 1 for the first execution of the task.
    pub number: u32,
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.task, self.number)
    }
}

fn numbered(kind: &'static str, text: &str, separator: char) -> Result<(TaskId, u32), BadName> {
    let rule = "a task id, a separator and a number from 1";
    let (task, number) = text
        .split_once(separator)
        .ok_or_else(|| bad(kind, text, rule))?;
    let digits = !number.starts_with('0') && number.bytes().all(|b| b.is_ascii_digit());
    let number: u32 = number.parse().map_err(|_| bad(kind, text, rule))?;
    if digits {
        Ok((task.parse()?, number))
    } else {
        Err(bad(kind, text, rule))
    }
}

impl FromStr for ExecutionId {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        let (task, number) = numbered("execution id", text, '.')?;
        Ok(Self { task, number })
    }
}

impl TryFrom<String> for ExecutionId {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<ExecutionId> for String {
    fn from(id: ExecutionId) -> Self {
        id.to_string()
    }
}

/// A credential request of a task, numbered by the engine: what the agent calls it is only a label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId {
    /// The task that asks.
    pub task: TaskId,
    /// 1 for the first request of the task.
    pub number: u32,
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.task, self.number)
    }
}

impl FromStr for RequestId {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        let (task, number) = numbered("request id", text, ':')?;
        Ok(Self { task, number })
    }
}

impl TryFrom<String> for RequestId {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<RequestId> for String {
    fn from(id: RequestId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_outside_is_checked_where_it_comes_in() {
        assert!("k3f9x2ab".parse::<TaskId>().is_ok());
        for bad in ["", "K3F9X2AB", "../../et", "k3f9x2a", "k3f9x2a\n"] {
            assert!(bad.parse::<TaskId>().is_err(), "{bad:?}");
        }
        assert!("acme/app".parse::<ProjectName>().is_ok());
        for bad in [
            "",
            "/",
            "a/b/c",
            "../x",
            "a/..",
            "-x",
            "a b",
            "acme/\u{202e}app",
        ] {
            assert!(bad.parse::<ProjectName>().is_err(), "{bad:?}");
        }
        assert!("k3f9x2ab.12".parse::<ExecutionId>().is_ok());
        for bad in [
            "k3f9x2ab",
            "k3f9x2ab.0",
            "k3f9x2ab.01",
            "k3f9x2ab.-1",
            "k3f9x2ab.4294967296",
        ] {
            assert!(bad.parse::<ExecutionId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn random_bits_make_a_task_id_that_parses() {
        for bits in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            let id = TaskId::from_random(bits);
            assert_eq!(id.as_str().parse::<TaskId>().as_ref(), Ok(&id));
        }
    }

    #[test]
    fn a_slug_of_a_project_is_an_agent_id_part() {
        let project: ProjectName = "Acme/App".parse().unwrap();
        assert_eq!(project.slug(), "acme-app");
        assert!(
            format!("{}.backend-1", project.slug())
                .parse::<AgentId>()
                .is_ok()
        );
    }
}
