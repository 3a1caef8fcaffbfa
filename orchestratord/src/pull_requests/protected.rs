//! Paths that run code elsewhere when they change: in CI, in an editor, in a package manager, in the
//! next agent. A person looks at them before they are pushed.

use super::names;

/// The built-in list. A pattern matches at any depth, without regard to case, and what lies below.
const BUILT_IN: &[&str] = &[
    ".github/**",
    ".gitlab/**",
    ".gitlab-ci.yml",
    ".circleci/**",
    "CODEOWNERS",
    ".claude/**",
    ".codex/**",
    ".cursor/**",
    ".aider.conf.yml",
    ".mcp.json",
    ".vscode/**",
    ".idea/**",
    ".devcontainer/**",
    ".envrc",
    ".npmrc",
    ".yarnrc.yml",
    ".pypirc",
    ".cargo/config*",
    ".husky/**",
    ".githooks/**",
    ".pre-commit-config.yaml",
    "lefthook.yml",
    "Jenkinsfile",
];

/// Patterns: `*` and `?` within a name, a leading `/` for the root of the repository only.
#[derive(Debug)]
pub(crate) struct Protected {
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    text: String,
    anchored: bool,
    parts: Vec<Vec<char>>,
}

impl Protected {
    /// The built-in list and a project's own.
    pub(crate) fn new(own: &[String]) -> Self {
        let own = own.iter().map(String::as_str);
        let patterns = BUILT_IN
            .iter()
            .copied()
            .chain(own)
            .map(Pattern::new)
            .filter(|pattern| !pattern.parts.is_empty())
            .collect();
        Self { patterns }
    }

    /// The pattern that a path falls under.
    pub(crate) fn matching(&self, path: &[u8]) -> Option<&str> {
        self.find(path, Pattern::matches)
    }

    /// The pattern that something directly or deeper below a path could fall under, though the path
    /// itself does not.
    pub(crate) fn matching_below(&self, path: &[u8]) -> Option<&str> {
        self.find(path, Pattern::begins)
    }

    fn find(
        &self,
        path: &[u8],
        falls_under: impl Fn(&Pattern, &[Vec<char>]) -> bool,
    ) -> Option<&str> {
        let path = String::from_utf8_lossy(path);
        let parts = path
            .split('/')
            .map(|part| names::folded(part).chars().collect());
        let parts: Vec<Vec<char>> = parts.collect();
        self.patterns
            .iter()
            .find(|pattern| falls_under(pattern, &parts))
            .map(|pattern| pattern.text.as_str())
    }
}

impl Pattern {
    fn new(text: &str) -> Self {
        let body = text.trim().to_lowercase();
        let anchored = body.starts_with('/');
        let body = body.trim_start_matches("**/").trim_matches('/');
        // A pattern covers what lies below it, so a trailing `**` says nothing more.
        let body = body.strip_suffix("/**").unwrap_or(body);
        let parts = body
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| part.chars().collect())
            .collect();
        Self {
            text: text.to_owned(),
            anchored,
            parts,
        }
    }

    fn matches(&self, path: &[Vec<char>]) -> bool {
        let last = if self.anchored { 0 } else { path.len() };
        (0..=last).any(|start| prefix(&self.parts, path.get(start..).unwrap_or_default()))
    }

    /// Whether the path ends within the pattern: as `.cargo` does in `.cargo/config*`.
    fn begins(&self, path: &[Vec<char>]) -> bool {
        let last = if self.anchored { 1 } else { path.len() };
        let within = |path: &[Vec<char>]| {
            (1..self.parts.len()).any(|most| {
                let (first, rest) = self.parts.split_at(most);
                let open = first.last().is_some_and(|part| part[..] == ['*', '*']);
                !rest.is_empty() && (open || first.len() == path.len()) && prefix(first, path)
            })
        };
        (0..last).any(|start| within(&path[start..]))
    }
}

/// Whether the pattern matches the first parts of the path.
fn prefix(pattern: &[Vec<char>], path: &[Vec<char>]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, _) => true,
        (Some((first, rest)), _) if first[..] == ['*', '*'] => {
            (0..=path.len()).any(|skip| prefix(rest, &path[skip..]))
        }
        (Some((first, rest)), Some((name, below))) => glob(first, name) && prefix(rest, below),
        (Some(_), None) => false,
    }
}

/// `*` any characters, `?` one. Linear: on a mismatch only the last star is widened.
fn glob(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            Some(_) | None => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protected_path_is_found_in_any_case_and_at_any_depth() {
        let protected = Protected::new(&["/deploy/**".into(), "*.tf".into(), "a/**/z".into()]);
        for path in [
            ".github/workflows/ci.yml",
            ".GitHub/x",
            "web/.vscode/tasks.json",
            "CODEOWNERS",
            "docs/codeowners",
            ".cargo/config.toml",
            ".cargo/config",
            ".envrc",
            ".github",
            "deploy/prod",
            "infra/main.tf",
            "a/z",
            "a/b/c/z",
            "CODEOWNERS/x",
            // As some file systems see it.
            ".vscode./tasks.json",
            ".envrc ",
            ".npmrc::$DATA",
            ".ｇithub/workflows/x.yml",
        ] {
            assert!(protected.matching(path.as_bytes()).is_some(), "{path}");
        }
        for path in [
            "src/main.rs",
            "github/x",
            "x/deploy/prod",
            "main.tfx",
            ".cargo/registry",
            "a/b",
            "cargo/config",
        ] {
            assert!(protected.matching(path.as_bytes()).is_none(), "{path}");
        }
    }

    #[test]
    fn a_link_in_the_place_of_a_protected_directory_is_seen() {
        let protected = Protected::new(&["/infra/prod/*.tf".into(), "a/**/z".into()]);
        for path in [".cargo", "x/.Cargo", "infra", "infra/prod", "a", "a/b/c"] {
            assert!(
                protected.matching_below(path.as_bytes()).is_some(),
                "{path}"
            );
        }
        for path in [
            "cargo", ".cargo/x", "x/infra", "prod", "b", "docs", ".github",
        ] {
            assert!(
                protected.matching_below(path.as_bytes()).is_none(),
                "{path}"
            );
        }
    }
}
