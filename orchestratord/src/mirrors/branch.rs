//! Names of branches. What `git check-ref-format` allows is far too much (`refs/heads/-x`,
//! `refs/heads/HEAD`, control pictures of other scripts), so a name is made of few characters, and
//! the ref that belongs to it is computed here and nowhere else.

use std::fmt;
use std::str::FromStr;

/// Why a text is not the name of a branch that we fetch or push.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no branch that we touch: {rule}")]
pub struct BadBranch {
    /// The text, cut.
    pub name: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

/// A branch, without `refs/heads/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BranchName(String);

impl BranchName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The full ref.
    #[must_use]
    pub fn full_ref(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl fmt::Display for BranchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BranchName {
    type Err = BadBranch;

    fn from_str(text: &str) -> Result<Self, BadBranch> {
        match broken_rule(text) {
            None => Ok(Self(text.to_owned())),
            Some(rule) => Err(BadBranch {
                name: text.chars().take(80).collect(),
                rule,
            }),
        }
    }
}

fn broken_rule(text: &str) -> Option<&'static str> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.+/".contains(&b);
    if text.is_empty() || text.len() > 200 {
        return Some("1 to 200 characters");
    }
    if !text.bytes().all(fits) {
        return Some("only a-z, A-Z, 0-9, '-', '_', '.', '+' and '/'");
    }
    if text.starts_with("refs/") {
        return Some("the name of a branch, not of a ref");
    }
    if text.contains("..") {
        return Some("no '..'");
    }
    for part in text.split('/') {
        if part.is_empty() {
            return Some("no empty part");
        }
        if part.starts_with(['-', '.']) || part.ends_with('.') {
            return Some("no part begins with '-' or '.' or ends with '.'");
        }
        if part.to_ascii_lowercase().ends_with(".lock") {
            return Some("no part ends with '.lock'");
        }
    }
    if text.eq_ignore_ascii_case("HEAD") || text.ends_with("/HEAD") {
        return Some("not HEAD");
    }
    None
}

/// A branch that is ours to push: it begins with the project's prefix and is not the branch that
/// pull requests go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkBranch(BranchName);

impl WorkBranch {
    /// Checks a branch name against the project it belongs to.
    ///
    /// # Errors
    /// Where the name is no branch name, lacks the prefix, or is the default branch (in any case,
    /// since some hosts' file systems do not tell cases apart).
    pub fn new(prefix: &str, default_branch: &str, name: &str) -> Result<Self, BadBranch> {
        let bad = |rule| BadBranch {
            name: name.chars().take(80).collect(),
            rule,
        };
        let branch: BranchName = name.parse()?;
        let rest = name
            .strip_prefix(prefix)
            .ok_or_else(|| bad("it begins with the project's branch_prefix"))?;
        if rest.is_empty() || rest.contains('/') {
            return Err(bad("one part follows the project's branch_prefix"));
        }
        if name.eq_ignore_ascii_case(default_branch) {
            return Err(bad("it is not the default branch"));
        }
        Ok(Self(branch))
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &BranchName {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_branches_that_a_project_names_are_accepted() {
        for name in ["main", "cloud-code/12-k3f9x2ab", "release/1.0+build", "a_b"] {
            assert!(name.parse::<BranchName>().is_ok(), "{name}");
        }
    }

    #[test]
    fn only_the_one_computed_ref_is_ours() {
        let ours = |name: &str| WorkBranch::new("cloud-code/", "main", name);
        assert_eq!(
            ours("cloud-code/12-k3f9x2ab").unwrap().name().full_ref(),
            "refs/heads/cloud-code/12-k3f9x2ab"
        );
        let seeds = [
            "main",
            "MAIN",
            "HEAD",
            "@",
            "@{-1}",
            "-x",
            "--mirror",
            "refs/heads/main",
            "x..y",
            "refs/replace/0000000000000000000000000000000000000000",
            "refs/pull/1/head",
            "../main",
            "main:main",
            "+main",
            "a b",
            "a\tb",
            "a\nb",
            "a\0b",
            "~1",
            "x^",
            "x?",
            "x*",
            "[x]",
            "x.lock",
            "x.LOCK",
            ".x",
            "x.",
            "/x",
            "x/",
            "x//y",
            "\\x",
            "x\u{301}",
            "ｍain",
            "HE\u{200d}AD",
        ];
        let wraps: [fn(&str) -> String; 8] = [
            str::to_owned,
            |s| format!("cloud-code/../{s}"),
            |s| format!("cloud-code//{s}"),
            |s| format!("Cloud-Code/{s}"),
            |s| format!("cloud-code/x/{s}"),
            |s| format!("refs/heads/cloud-code/{s}"),
            |s| format!("cloud-code/{s}/.."),
            |s| format!("{s}:refs/heads/cloud-code/x"),
        ];
        for seed in seeds {
            for wrap in wraps {
                let name = wrap(seed);
                assert!(ours(&name).is_err(), "{name:?}");
            }
        }
        assert!(ours("cloud-code/").is_err());
        assert!(WorkBranch::new("", "main", "Main").is_err());
    }
}
