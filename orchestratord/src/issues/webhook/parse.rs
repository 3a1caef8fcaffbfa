//! What a signed delivery is about.
//!
//! The event's name stands in a header that nobody signed, so the body must have that event's shape
//! and no other's. Types are read, never a tree of values: a duplicate key is an error, and what we do
//! not read costs no memory.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::issues::About;

/// Deeper than anything that GitHub sends; far less than what would exhaust a stack.
const DEEPEST: usize = 64;

/// What a delivery is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// `owner/repository`, where it names one.
    pub repository: Option<String>,
    /// Where to look.
    pub about: About,
    /// The comment or review of a person that was just made.
    pub remark: Option<String>,
}

/// Why a signed body is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It nests deeper than anything GitHub sends.
    #[error("it is nested deeper than {DEEPEST} levels")]
    Deep,
    /// It is not the JSON of this event: another shape, a key twice, cut off, no UTF-8.
    #[error("it does not have the shape of its event: {0}")]
    Shape(#[source] serde_json::Error),
    /// It has the shape of another event.
    #[error("it has the shape of another event: {0}")]
    OtherEvent(&'static str),
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    Text,
}

impl Refused {
    /// One line for the sender.
    #[must_use]
    pub fn line(&self) -> &'static str {
        match self {
            Self::Deep => "the body is nested too deeply",
            Self::Shape(_) | Self::OtherEvent(_) => "the body does not have the shape of its event",
            Self::Text => "the body is not UTF-8",
        }
    }
}

#[derive(Deserialize)]
struct Named {
    full_name: String,
}

#[derive(Deserialize)]
struct Numbered {
    number: u64,
    pull_request: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Identified {
    id: u64,
    user: Option<Sender>,
}

#[derive(Deserialize)]
struct Sender {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Installation {
    #[serde(rename = "id")]
    _id: u64,
    /// Only the event about an installation says whose it is; others name its id alone.
    account: Option<IgnoredAny>,
}

/// What the events have that we tell apart.
#[derive(Deserialize)]
struct Payload {
    action: Option<String>,
    zen: Option<String>,
    hook_id: Option<u64>,
    repository: Option<Named>,
    issue: Option<Numbered>,
    comment: Option<Identified>,
    pull_request: Option<Numbered>,
    review: Option<Identified>,
    installation: Option<Installation>,
}

/// What the body of this event is about.
///
/// # Errors
///
/// Where the body does not have the shape of the event.
pub fn parse(event: &str, body: &[u8]) -> Result<Parsed, Refused> {
    let text = std::str::from_utf8(body).map_err(|_| Refused::Text)?;
    if depth(body) > DEEPEST {
        return Err(Refused::Deep);
    }
    let payload: Payload = serde_json::from_str(text).map_err(Refused::Shape)?;
    let about = about(event, &payload)?;
    Ok(Parsed {
        repository: payload
            .repository
            .as_ref()
            .map(|named| named.full_name.clone()),
        about,
        remark: remark(event, &payload),
    })
}

/// What bots say is no input: it is not waited for.
fn remark(event: &str, payload: &Payload) -> Option<String> {
    let (kind, said) = match (event, payload.action.as_deref()?) {
        ("issue_comment", "created") => ("comment", payload.comment.as_ref()?),
        ("pull_request_review", "submitted") => ("review", payload.review.as_ref()?),
        _no_remark => return None,
    };
    let by = said.user.as_ref().and_then(|user| user.kind.as_deref());
    (by != Some("Bot")).then(|| format!("{kind}/{}", said.id))
}

fn about(event: &str, payload: &Payload) -> Result<About, Refused> {
    let about = match event {
        "ping" => {
            require(
                payload.zen.is_some() && payload.hook_id.is_some(),
                "zen, hook_id",
            )?;
            return Ok(About::Ping);
        }
        "installation" | "installation_repositories" => {
            let installation = payload.installation.as_ref();
            let whose = installation.is_some_and(|it| it.account.is_some());
            require(
                whose && payload.repository.is_none(),
                "installation.account",
            )?;
            About::Installation
        }
        "issues" => {
            require(payload.comment.is_none(), "no comment")?;
            about_issue(payload.issue.as_ref())?
        }
        "issue_comment" => {
            require(payload.comment.is_some(), "comment")?;
            about_issue(payload.issue.as_ref())?
        }
        "pull_request" => {
            require(
                payload.comment.is_none() && payload.review.is_none(),
                "no review",
            )?;
            about_pull_request(payload.pull_request.as_ref())?
        }
        "pull_request_review" => {
            require(
                payload.review.is_some() && payload.comment.is_none(),
                "review",
            )?;
            about_pull_request(payload.pull_request.as_ref())?
        }
        "pull_request_review_comment" => {
            require(payload.comment.is_some(), "comment")?;
            about_pull_request(payload.pull_request.as_ref())?
        }
        other => return Ok(About::Recorded(other.to_owned())),
    };
    require(payload.action.is_some(), "action")?;
    require(
        about == About::Installation || payload.repository.is_some(),
        "repository",
    )?;
    Ok(about)
}

fn require(met: bool, what: &'static str) -> Result<(), Refused> {
    if met {
        Ok(())
    } else {
        Err(Refused::OtherEvent(what))
    }
}

fn about_issue(issue: Option<&Numbered>) -> Result<About, Refused> {
    let issue = issue.ok_or(Refused::OtherEvent("issue"))?;
    Ok(match issue.pull_request {
        Some(_) => About::PullRequest(issue.number),
        None => About::Issue(issue.number),
    })
}

fn about_pull_request(pull_request: Option<&Numbered>) -> Result<About, Refused> {
    let number = pull_request
        .ok_or(Refused::OtherEvent("pull_request"))?
        .number;
    Ok(About::PullRequest(number))
}

/// How deeply arrays and objects are nested, counted without parsing: the parser skips ignored values
/// without a limit of its own.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for &byte in body {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _other => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_just_said_is_named_and_nothing_else() {
        let named = |event: &str, action: &str, said: &str, kind: &str| {
            let body = format!(
                r#"{{"action":"{action}","repository":{{"full_name":"acme/app"}},
                "issue":{{"number":7}},"pull_request":{{"number":7}},
                "{said}":{{"id":12,"user":{{"login":"ada","type":"{kind}"}}}}}}"#
            );
            parse(event, body.as_bytes()).unwrap().remark
        };
        let comment = named("issue_comment", "created", "comment", "User");
        assert_eq!(comment.as_deref(), Some("comment/12"));
        let review = named("pull_request_review", "submitted", "review", "User");
        assert_eq!(review.as_deref(), Some("review/12"));
        assert_eq!(named("issue_comment", "edited", "comment", "User"), None);
        assert_eq!(named("issue_comment", "created", "comment", "Bot"), None);
        assert_eq!(
            named("pull_request_review", "dismissed", "review", "User"),
            None
        );
    }

    #[test]
    fn depth_is_that_of_the_structure_not_of_strings() {
        assert_eq!(depth(br#"{"a":[{"b":"[[[\"[[["}]}"#), 3);
        assert_eq!(depth(br#""\\"[[]"#), 2);
        assert_eq!(depth(&vec![b'['; 100_000]), 100_000);
    }
}
