//! An issue with the facts that trust needs.
//!
//! Not all of it can always be had, and none of it is guessed:
//!
//! | no answer from | then |
//! | --- | --- |
//! | the issue (404) | it is asked for again a moment later: what is new is not shown everywhere at once |
//! | its events | its timeline has the same; who set a label that neither tells of is nobody |
//! | GraphQL | an issue that did not change after its label was set was not edited after it either |
//! | its dependencies | an API that has no such thing knows of none |
//!
//! The text is read first, the facts after it: an edit in between is seen in the facts, and sends the
//! text to triage instead of into a prompt.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cloud_code_domain::id::ProjectName;
use cloud_code_domain::issue::{Actor, IssueSnapshot, Trigger};
use cloud_code_domain::time::Timestamp;
use http::StatusCode;
use jiff::Timestamp as Time;
use serde_json::json;
use tokio::time::Instant;

use super::client::{Client, Listed};
use super::people::People;
use super::trouble::Failure;
use super::wire::{EditedData, Graphql, Issue, IssueEvent, Label};
use crate::ports::Trouble;

/// Seconds that an issue's events may come later than its change.
const EVENTS_LAG: i64 = 30;
/// An issue that is not shown is not there when a look after this time says so as well.
const ABSENT_AFTER: Duration = Duration::from_secs(10);
/// Absent issues that are remembered.
const MOST_ABSENT: usize = 1_000;
const EDITED: &str = "query($owner:String!,$name:String!,$number:Int!){\
    repository(owner:$owner,name:$name){issue(number:$number){lastEditedAt}}}";

/// Issues that were not there when they were asked for, and since when.
#[derive(Debug, Default)]
pub(super) struct Absences(Mutex<BTreeMap<u64, Instant>>);

impl Absences {
    /// Whether an issue that is not shown is not there: so it was said some time ago as well.
    fn confirm(&self, number: u64, now: Instant) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST_ABSENT {
            seen.clear();
        }
        let first = *seen.entry(number).or_insert(now);
        let confirmed = now.duration_since(first) >= ABSENT_AFTER;
        if confirmed {
            seen.remove(&number);
        }
        confirmed
    }

    fn forget(&self, number: u64) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(&number);
    }
}

pub(super) async fn read(
    client: &Client,
    project: &ProjectName,
    trigger_labels: &[String],
    absences: &Absences,
    number: u64,
) -> Result<Option<IssueSnapshot>, Trouble> {
    let issue = match client.get::<Issue>(&format!("issues/{number}")).await {
        Ok(issue) => issue,
        Err(failure) if failure.status == Some(StatusCode::GONE) => return Ok(None),
        Err(failure) if failure.is_absent() && absences.confirm(number, Instant::now()) => {
            return Ok(None);
        }
        Err(failure) => return Err(failure.into()),
    };
    absences.forget(number);
    if issue.pull_request.is_some() {
        return Ok(None);
    }
    if !(issue.number == number && is_here(client, &issue)) {
        return elsewhere(client, number, &issue).await;
    }
    let (events, date) = events(client, number).await?;
    let open = issue.state == "open";
    let labels: Vec<String> = issue
        .labels
        .into_iter()
        .filter_map(Label::into_name)
        .collect();
    let facts = facts(&labels, trigger_labels, &events);
    facts.wait_for_the_label(number, date.saturating_sub(issue.updated_at.as_second()))?;
    let mut people = People::new(client);
    let closed_by = match facts.closed.filter(|_| !open) {
        Some(event) => actor(&mut people, event).await?,
        None => None,
    };
    let untriggered_by = match facts.untriggered {
        Some(event) => actor(&mut people, event).await?,
        None => None,
    };
    let (mut trigger, mut edited_at, mut blocked_by) = (None, None, Vec::new());
    if let Some((label, event)) = facts.trigger {
        let set_by = match event {
            Some(event) => actor(&mut people, event).await?,
            None => None,
        };
        let at = event.and_then(|event| event.created_at);
        trigger = Some(Trigger {
            label,
            at: timestamp(at.unwrap_or(issue.created_at)),
            actor: set_by,
        });
        let text_edited = text_edited(client, number, (issue.updated_at, at)).await?;
        edited_at = text_edited.max(facts.renamed).map(timestamp);
        blocked_by = blockers(client, number).await?;
    }
    Ok(Some(IssueSnapshot {
        project: project.clone(),
        number: issue.number,
        url: issue.html_url,
        title: issue.title,
        body: issue.body.unwrap_or_default(),
        labels,
        open,
        closed_by,
        blocked_by,
        trigger,
        untriggered_by,
        edited_at,
        merged: false,
    }))
}

/// Whether it is one of this repository, as far as it says.
fn is_here(client: &Client, issue: &Issue) -> bool {
    let name = issue.repository_url.as_deref().map(repository_of);
    name.is_none_or(|name| client.is_ours(name))
}

fn repository_of(url: &str) -> &str {
    url.rsplit_once("/repos/").map_or("", |(_, name)| name)
}

/// GitHub answers for an issue that was transferred with the issue it became, elsewhere: then it is
/// none of ours any more. Where everything is elsewhere, the repository was renamed.
async fn elsewhere(
    client: &Client,
    number: u64,
    issue: &Issue,
) -> Result<Option<IssueSnapshot>, Trouble> {
    let query = [("state", "all")];
    let (others, _, _) = client.page::<Issue>("issues", &query, 1).await?;
    let stays = |other: &Issue| other.repository_url.is_some() && is_here(client, other);
    if others.iter().any(stays) {
        return Ok(None);
    }
    let name = issue.repository_url.as_deref().map_or("", repository_of);
    Err(Trouble::Refused {
        what: format!(
            "issue {number} is in {name:?} by now; if the repository was renamed, name the project so"
        ),
    })
}

/// What happened to the issue, and GitHub's clock.
async fn events(client: &Client, number: u64) -> Result<(Vec<IssueEvent>, i64), Failure> {
    for place in ["events", "timeline"] {
        let path = format!("issues/{number}/{place}");
        match client.list_unless(&path, &[], None).await {
            Ok(Listed::Items { items, date, .. }) => return Ok((items, date)),
            // Without a tag there is no such answer.
            Ok(Listed::Same) => break,
            Err(failure) if failure.is_absent() => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok((Vec::new(), i64::MAX))
}

/// What the events say.
#[derive(Debug)]
struct Facts<'a> {
    /// The trigger label that was set last, of those it carries, and the event that set it.
    trigger: Option<(String, Option<&'a IssueEvent>)>,
    /// What took the last trigger label away, where it carries none.
    untriggered: Option<&'a IssueEvent>,
    /// What closed it last.
    closed: Option<&'a IssueEvent>,
    /// When its title changed last.
    renamed: Option<Time>,
}

impl Facts<'_> {
    /// Events lag behind the issue: one that carries a label, changed a moment ago, whose setting is
    /// not told yet is looked at again instead of being held against it.
    fn wait_for_the_label(&self, number: u64, seconds_since: i64) -> Result<(), Trouble> {
        if matches!(self.trigger, Some((_, None))) && seconds_since < EVENTS_LAG {
            return Err(Trouble::Later {
                what: format!("issue {number}: who set its label is not told yet"),
                until: None,
            });
        }
        Ok(())
    }
}

/// `events` in the order in which they happened. Labels are the same in any case, as at GitHub.
fn facts<'a>(labels: &[String], trigger_labels: &[String], events: &'a [IssueEvent]) -> Facts<'a> {
    let last = |kind: &str| events.iter().rev().find(|event| event.event == kind);
    let about = |event: &IssueEvent, wanted: &str| {
        let name = event.label.as_ref().and_then(|label| label.name.as_deref());
        name.is_some_and(|name| same(name, wanted))
    };
    let is_trigger = |label: &str| trigger_labels.iter().any(|trigger| same(trigger, label));
    let trigger = labels
        .iter()
        .filter(|label| is_trigger(label))
        .map(|label| {
            // Where it was taken away last, and is there, its newest setting is not told.
            let last = events.iter().rev().find(|event| {
                matches!(event.event.as_str(), "labeled" | "unlabeled") && about(event, label)
            });
            let set = last.filter(|event| event.event == "labeled");
            (label.clone(), set)
        })
        .max_by_key(|(_, set)| set.and_then(|event| event.created_at));
    let untriggered = events.iter().rev().find(|event| {
        event.event == "unlabeled" && trigger_labels.iter().any(|label| about(event, label))
    });
    Facts {
        untriggered: untriggered.filter(|_| trigger.is_none()),
        trigger,
        closed: last("closed"),
        renamed: last("renamed").and_then(|event| event.created_at),
    }
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

async fn actor(people: &mut People<'_>, event: &IssueEvent) -> Result<Option<Actor>, Trouble> {
    let by_app = event.performed_via_github_app.is_some();
    match &event.actor {
        Some(user) => people.actor(user, by_app).await.map(Some),
        None => Ok(None),
    }
}

/// When the text was edited, as far as that is after the label was `set`. Without GraphQL the time of
/// the last change bounds it; where that is not enough, the change counts as an edit, if there is no
/// GraphQL, and is asked about again, if there is one that does not answer.
async fn text_edited(
    client: &Client,
    number: u64,
    (changed, set): (Time, Option<Time>),
) -> Result<Option<Time>, Trouble> {
    let failure = match last_edited(client, number).await {
        Ok(edited) => return Ok(edited),
        Err(failure) => failure,
    };
    if set.is_some_and(|set| changed <= set) {
        return Ok(None);
    }
    let absent = [
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::GONE,
        StatusCode::NOT_IMPLEMENTED,
    ];
    if failure
        .status
        .is_some_and(|status| absent.contains(&status))
    {
        return Ok(Some(changed));
    }
    Err(failure.into())
}

/// When the text was edited last: only GraphQL knows.
async fn last_edited(client: &Client, number: u64) -> Result<Option<Time>, Failure> {
    let variables = json!({
        "owner": client.owner(),
        "name": client.repository(),
        "number": number,
    });
    let body = json!({ "query": EDITED, "variables": variables });
    let answer: Graphql<EditedData> = client.query(&body).await?;
    let issue = answer
        .data
        .and_then(|data| data.repository)
        .and_then(|repository| repository.issue);
    match (issue, answer.errors.into_iter().next()) {
        (Some(issue), None) => Ok(issue.last_edited_at),
        (_, error) => {
            let said = error.map_or_else(
                || "no issue in the answer".to_owned(),
                |error| format!("{} {}", error.kind.unwrap_or_default(), error.message),
            );
            let said: String = said.chars().filter(|c| !c.is_control()).take(300).collect();
            let what = format!("GraphQL: whether issue {number} was edited is not known: {said}");
            Err(Failure::later(what, None))
        }
    }
}

/// The open issues of this repository that block it; none where the API has no such thing.
async fn blockers(client: &Client, number: u64) -> Result<Vec<u64>, Failure> {
    let path = format!("issues/{number}/dependencies/blocked_by");
    let issues: Vec<Issue> = match client.list(&path, &[]).await {
        Ok(issues) => issues,
        Err(failure) if failure.is_absent() || failure.is_not_understood() => {
            return Ok(Vec::new());
        }
        Err(failure) => return Err(failure),
    };
    Ok(issues
        .iter()
        .filter(|issue| issue.state == "open" && is_here(client, issue))
        .map(|issue| issue.number)
        .collect())
}

pub(super) fn timestamp(time: Time) -> Timestamp {
    Timestamp(time.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, label: &str, second: i64) -> IssueEvent {
        serde_json::from_value(json!({
            "event": kind,
            "label": { "name": label },
            "actor": { "login": "ada", "id": 1, "type": "User" },
            "created_at": Time::from_second(second).unwrap(),
        }))
        .unwrap()
    }

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn set_at(facts: &Facts<'_>) -> Option<i64> {
        let (_, event) = facts.trigger.as_ref()?;
        Some((*event)?.created_at?.as_second())
    }

    #[test]
    fn the_last_setting_of_a_label_it_still_carries_counts() {
        let events = [
            event("labeled", "cloud-code", 1),
            event("unlabeled", "cloud-code", 2),
            event("labeled", "Cloud-Code", 3),
            event("labeled", "bug", 4),
        ];
        let facts = facts(
            &strings(&["bug", "Cloud-Code"]),
            &strings(&["cloud-code"]),
            &events,
        );
        assert_eq!(set_at(&facts), Some(3));
        assert!(facts.untriggered.is_none());
    }

    #[test]
    fn of_two_trigger_labels_the_younger_setting_counts() {
        let events = [event("labeled", "b", 7), event("labeled", "a", 9)];
        let facts = facts(&strings(&["a", "b"]), &strings(&["a", "b"]), &events);
        assert_eq!(set_at(&facts), Some(9));
    }

    #[test]
    fn a_label_whose_setting_is_not_recorded_was_set_by_nobody() {
        let facts = facts(&strings(&["cloud-code"]), &strings(&["cloud-code"]), &[]);
        assert!(matches!(facts.trigger, Some((_, None))));
    }

    #[test]
    fn a_setting_that_is_not_told_yet_is_waited_for_a_moment() {
        let triggers = strings(&["a"]);
        let lagging = [event("labeled", "a", 1), event("unlabeled", "a", 2)];
        for events in [&lagging[..], &[]] {
            let facts = facts(&triggers, &triggers, events);
            assert!(matches!(
                facts.wait_for_the_label(7, 3),
                Err(Trouble::Later { .. })
            ));
            assert!(facts.wait_for_the_label(7, EVENTS_LAG).is_ok());
        }
        let told = [event("labeled", "a", 1)];
        assert!(
            facts(&triggers, &triggers, &told)
                .wait_for_the_label(7, 0)
                .is_ok()
        );
        assert!(facts(&[], &triggers, &[]).wait_for_the_label(7, 0).is_ok());
    }

    #[test]
    fn who_took_the_last_trigger_away_is_told_only_where_none_is_left() {
        let events = [event("labeled", "a", 1), event("unlabeled", "a", 2)];
        let triggers = strings(&["a", "b"]);
        assert!(facts(&[], &triggers, &events).untriggered.is_some());
        assert!(
            facts(&strings(&["b"]), &triggers, &events)
                .untriggered
                .is_none()
        );
    }

    #[test]
    fn an_issue_that_is_not_shown_is_missing_only_when_a_later_look_says_so() {
        let (absences, now) = (Absences::default(), Instant::now());
        assert!(!absences.confirm(7, now));
        assert!(!absences.confirm(7, now + ABSENT_AFTER / 2));
        absences.forget(7);
        assert!(!absences.confirm(7, now + ABSENT_AFTER));
        assert!(absences.confirm(7, now + ABSENT_AFTER * 2));
        assert!(!absences.confirm(7, now + ABSENT_AFTER * 3));
    }

    #[test]
    fn a_new_title_is_an_edit() {
        let events = [event("renamed", "", 5), event("labeled", "a", 6)];
        let renamed = facts(&[], &[], &events).renamed.unwrap();
        assert_eq!(renamed.as_second(), 5);
    }
}
