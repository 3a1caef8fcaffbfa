//! The language of scripts.

/// A step; see the list in [`super`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'a> {
    Say(&'a str),
    Write(&'a str, &'a str),
    Append(&'a str, &'a str),
    Run(&'a str),
    Commit(&'a str),
    Spend(&'a str, u32),
    Report(&'a str),
    /// The number of a criterion, from 1; none for all.
    Criteria(Option<usize>),
    Request {
        kind: &'a str,
        scope: &'a str,
        reason: &'a str,
    },
    Block(&'a str),
    Fail {
        code: u8,
        once: bool,
    },
    WaitFor(&'a str),
    EndTurn,
    Hang,
}

impl<'a> Step<'a> {
    /// Whether it takes only a moment.
    pub(super) fn is_brief(&self) -> bool {
        match self {
            Self::Say(_)
            | Self::Write(_, _)
            | Self::Append(_, _)
            | Self::Commit(_)
            | Self::Report(_)
            | Self::Criteria(_)
            | Self::Request { .. }
            | Self::Block(_)
            | Self::Fail { .. }
            | Self::EndTurn => true,
            Self::Run(_) | Self::Spend(_, _) | Self::WaitFor(_) | Self::Hang => false,
        }
    }

    /// The step that a line describes.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let (word, rest) = split(line.trim());
        let (first, second) = split(rest);
        let step = match word {
            "say" => Self::Say(rest),
            "write" => Self::Write(first, second),
            "append" => Self::Append(first, second),
            "run" => Self::Run(rest),
            "commit" => Self::Commit(rest),
            "spend" => Self::Spend(first, second.parse().ok()?),
            "report" => Self::Report(rest),
            "criteria" if first == "done" && second == "all" => Self::Criteria(None),
            "criteria" if first == "done" => Self::Criteria(Some(second.parse().ok()?)),
            "request" => {
                let (scope, reason) = split(second);
                Self::Request {
                    kind: first,
                    scope,
                    reason,
                }
            }
            "block" => Self::Block(rest),
            "fail" => Self::Fail {
                code: first.parse().ok().filter(|code| *code != 0)?,
                once: second == "once",
            },
            "wait-for" => Self::WaitFor(rest),
            "end-turn" => Self::EndTurn,
            "hang" => Self::Hang,
            _ => return None,
        };
        Some(step)
    }
}

fn split(text: &str) -> (&str, &str) {
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim()),
        None => (text, ""),
    }
}

/// The steps of the first block that is fenced as `script`, without empty lines and comments.
pub(super) fn script(text: &str) -> Option<Vec<String>> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| *line == "```script")?;
    Some(
        lines
            .take_while(|line| !line.starts_with("```"))
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned)
            .collect(),
    )
}
