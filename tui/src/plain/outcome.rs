//! What becomes of a merge or a close.
//!
//! The daemon answers as soon as it is wanted; whether the other side takes it is known a moment
//! later, and is an event of the task. A script has to know it, so that the command waits for that
//! event.

use std::time::Duration;

use cloud_code_proto::v1::{self, action::Action};
use serde_json::json;

use super::{About, Failure, Out};
use crate::link::Client;
use crate::safe_text::SafeText;

/// How long it is waited for: a forge that is not there may take hours.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Merge,
    Close,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// As it was asked for.
    Done,
    /// The other side said no, and why.
    Refused(String),
    /// The pull request came to the other end.
    Otherwise,
}

/// An outcome that is waited for.
#[derive(Debug)]
pub(super) struct Awaited {
    asked: Asked,
    /// The last event of the task before it was asked for.
    since: u64,
}

impl Asked {
    fn of(action: &Action) -> Option<(Self, &String)> {
        if let Action::Merge(task) = action {
            Some((Self::Merge, task))
        } else if let Action::Close(task) = action {
            Some((Self::Close, task))
        } else {
            None
        }
    }

    /// What an event of the task says about it.
    fn outcome(self, event: &v1::Event) -> Option<Outcome> {
        let refused = || Some(Outcome::Refused(event.detail.clone()));
        match (self, event.kind.as_str()) {
            (Self::Merge, "completed") | (Self::Close, "cancelled") => Some(Outcome::Done),
            (Self::Merge, "cancelled") | (Self::Close, "completed") => Some(Outcome::Otherwise),
            (Self::Merge, "merge_refused") | (Self::Close, "close_refused") => refused(),
            (Self::Merge | Self::Close, _) => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Close => "close",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Merge => "merged",
            Self::Close => "closed",
        }
    }
}

impl Awaited {
    /// Looks where the history stands before an action whose outcome is waited for; none where the
    /// answer to the action is its outcome.
    pub(super) async fn before(
        client: &mut Client,
        action: &Action,
    ) -> Result<Option<Self>, Failure> {
        let Some((asked, task)) = Asked::of(action) else {
            return Ok(None);
        };
        let newest = v1::TaskEventsRequest {
            task: task.clone(),
            before: 0,
            limit: 1,
        };
        let page = client.task_events(newest).await;
        let page = page.map_err(|status| Failure::status(&status, About::Task(task)))?;
        let last = page.into_inner().events.pop();
        let since = last.map_or(0, |event| event.seq);
        Ok(Some(Self { asked, since }))
    }

    /// Waits, and says how it ended.
    pub(super) async fn wait(self, client: Client, task: &str, out: Out) -> Result<(), Failure> {
        let outcome = tokio::time::timeout(PATIENCE, self.outcome(client, task)).await;
        let word = self.asked.word();
        let (message, done) = match outcome.unwrap_or(Ok(None))? {
            Some(Outcome::Done) => (self.asked.done().to_owned(), true),
            None => {
                let still = format!(
                    "it is still being {}; how it goes on: cloud-code task show {task}",
                    self.asked.done()
                );
                (still, false)
            }
            Some(Outcome::Refused(why)) => {
                let fix = format!("when that is put right: cloud-code task {word} {task}");
                let what = match self.asked {
                    Asked::Merge => "it was not merged",
                    Asked::Close => "it was not closed",
                };
                return Err(Failure::new(what, why, &fix));
            }
            Some(Outcome::Otherwise) => {
                let (what, why) = match self.asked {
                    Asked::Merge => ("it was not merged", "it was closed meanwhile"),
                    Asked::Close => ("it was not closed", "it was merged meanwhile"),
                };
                let fix = format!("cloud-code task show {task}");
                return Err(Failure::new(what, why, &fix));
            }
        };
        if out.json {
            return out.value(&json!({ "message": message, "task": task, "done": done }));
        }
        out.line(SafeText::new(&format!("{task}  {message}")).as_str())
    }

    /// The outcome; none where the events ended before it.
    async fn outcome(&self, mut client: Client, task: &str) -> Result<Option<Outcome>, Failure> {
        let request = v1::EventsRequest {
            since: self.since,
            follow: true,
        };
        let broken = |status: tonic::Status| Failure::status(&status, About::Task(task));
        let mut events = client.events(request).await.map_err(broken)?.into_inner();
        while let Some(event) = events.message().await.map_err(broken)? {
            let ours = event.subject_kind == "task" && event.subject == task;
            if let Some(outcome) = self.asked.outcome(&event).filter(|_| ours) {
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_what_was_asked_for_is_its_outcome() {
        let no = || Some(Outcome::Refused("why".to_owned()));
        for (kind, merge, close) in [
            ("completed", Some(Outcome::Done), Some(Outcome::Otherwise)),
            ("cancelled", Some(Outcome::Otherwise), Some(Outcome::Done)),
            ("merge_refused", no(), None),
            ("close_refused", None, no()),
            ("refused", None, None),
            ("merge_requested", None, None),
        ] {
            let event = v1::Event {
                kind: kind.to_owned(),
                detail: "why".to_owned(),
                ..v1::Event::default()
            };
            assert_eq!(Asked::Merge.outcome(&event), merge, "{kind}");
            assert_eq!(Asked::Close.outcome(&event), close, "{kind}");
        }
    }
}
