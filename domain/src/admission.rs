//! Admission: whether an issue becomes a task, and what ends a task from its issue's side.
//!
//! ```text
//!            closed, ignore label, no trigger label ──▶ ignored
//!  issue ──▶ trigger set by somebody who may not, or unknown, or text edited since ──▶ triage
//!            everything else ──▶ pending
//! ```
//!
//! Who may trigger work is decided here and nowhere later. What cannot be found out counts against
//! the issue: it waits in triage, where an operator decides.

use crate::issue::{Actor, IssueSnapshot};
use crate::task::TriageReason;

/// The rules of a project.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionRules<'a> {
    /// Labels that make an issue a task.
    pub trigger_labels: &'a [String],
    /// Labels that keep an issue from becoming one.
    pub ignore_labels: &'a [String],
    /// Whether a task starts without an operator; otherwise everything waits in triage.
    pub auto_assign: bool,
}

/// What becomes of an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It is no work for us.
    Ignored(IgnoredBecause),
    /// It becomes a task.
    Admitted {
        /// Why an operator has to accept it first, if so.
        triage: Option<TriageReason>,
    },
}

/// Why an issue is no work for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IgnoredBecause {
    /// It is closed.
    Closed,
    /// It carries this label.
    IgnoreLabel(String),
    /// It carries no trigger label.
    NoTriggerLabel,
}

/// Decides whether an issue becomes a task.
#[must_use]
pub fn admit(rules: &AdmissionRules<'_>, issue: &IssueSnapshot) -> Admission {
    if !issue.open {
        return Admission::Ignored(IgnoredBecause::Closed);
    }
    if let Some(label) = first_common(&issue.labels, rules.ignore_labels) {
        return Admission::Ignored(IgnoredBecause::IgnoreLabel(label.to_owned()));
    }
    if !is_triggered(rules, issue) {
        return Admission::Ignored(IgnoredBecause::NoTriggerLabel);
    }
    Admission::Admitted {
        triage: triage(rules, issue),
    }
}

fn triage(rules: &AdmissionRules<'_>, issue: &IssueSnapshot) -> Option<TriageReason> {
    let set = issue
        .trigger
        .as_ref()
        .filter(|trigger| contains(rules.trigger_labels, &trigger.label));
    let Some((trigger, actor)) = set.and_then(|t| t.actor.as_ref().map(|actor| (t, actor))) else {
        return Some(TriageReason::UnknownActor);
    };
    if !actor.may_instruct() {
        return Some(untrusted(actor));
    }
    if issue.edited_at.is_some_and(|edited| edited > trigger.at) {
        return Some(TriageReason::EditedAfterTrigger);
    }
    (!rules.auto_assign).then_some(TriageReason::Manual)
}

fn untrusted(actor: &Actor) -> TriageReason {
    let permission = actor.permission.as_str();
    TriageReason::UntrustedActor {
        login: actor.login.clone(),
        permission: if actor.bot {
            format!("bot, {permission}")
        } else {
            permission.to_owned()
        },
    }
}

/// What ends a task from its issue's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its pull request was merged: the work is done.
    Merged,
    /// The issue was closed by somebody who may.
    Closed,
    /// The trigger label was taken away by somebody who may.
    Unlabelled,
}

/// What the issue says about the end of its task, if anything. Merged wins: a merge closes the
/// issue too, and that close is not a cancellation.
#[must_use]
pub fn ending(rules: &AdmissionRules<'_>, issue: &IssueSnapshot) -> Option<Ending> {
    let may = |actor: &Option<Actor>| actor.as_ref().is_some_and(Actor::may_instruct);
    if issue.merged {
        Some(Ending::Merged)
    } else if !issue.open {
        // Issues of a local project are closed by the operator, who needs no name.
        let local = issue.closed_by.is_none() && issue.url.is_none();
        (local || may(&issue.closed_by)).then_some(Ending::Closed)
    } else if !is_triggered(rules, issue) {
        may(&issue.untriggered_by).then_some(Ending::Unlabelled)
    } else {
        None
    }
}

fn is_triggered(rules: &AdmissionRules<'_>, issue: &IssueSnapshot) -> bool {
    first_common(&issue.labels, rules.trigger_labels).is_some()
}

fn first_common<'a>(labels: &'a [String], wanted: &[String]) -> Option<&'a str> {
    labels
        .iter()
        .find(|label| contains(wanted, label))
        .map(String::as_str)
}

/// Trackers compare labels without regard to case, and so do we.
fn contains(labels: &[String], label: &str) -> bool {
    let label = label.to_lowercase();
    labels.iter().any(|other| other.to_lowercase() == label)
}

#[cfg(test)]
mod tests;
