use super::*;
use crate::issue::{Permission, Trigger};
use crate::time::Timestamp;

fn labels(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn actor(permission: Permission, bot: bool) -> Actor {
    Actor {
        login: "mona".to_owned(),
        id: 7,
        permission,
        bot,
    }
}

fn issue(actor: Option<Actor>) -> IssueSnapshot {
    IssueSnapshot {
        project: "acme/app".parse().unwrap(),
        number: 42,
        url: Some("https://example.com/42".to_owned()),
        title: "Fix the login".to_owned(),
        body: String::new(),
        labels: labels(&["Cloud-Code"]),
        open: true,
        closed_by: None,
        blocked_by: Vec::new(),
        trigger: Some(Trigger {
            label: "cloud-code".to_owned(),
            at: Timestamp(1_000),
            actor,
        }),
        untriggered_by: None,
        edited_at: None,
        merged: false,
    }
}

struct Rules(Vec<String>, Vec<String>, bool);

impl Rules {
    fn new() -> Self {
        Self(labels(&["cloud-code"]), labels(&["wontfix"]), true)
    }

    fn get(&self) -> AdmissionRules<'_> {
        AdmissionRules {
            trigger_labels: &self.0,
            ignore_labels: &self.1,
            auto_assign: self.2,
        }
    }
}

fn triage_of(issue: &IssueSnapshot) -> Option<TriageReason> {
    match admit(&Rules::new().get(), issue) {
        Admission::Admitted { triage } => triage,
        Admission::Ignored(why) => panic!("ignored: {why:?}"),
    }
}

#[test]
fn only_a_person_who_may_write_starts_work() {
    for permission in [
        Permission::None,
        Permission::Read,
        Permission::Triage,
        Permission::Write,
        Permission::Maintain,
        Permission::Admin,
    ] {
        let person = triage_of(&issue(Some(actor(permission, false))));
        assert_eq!(person.is_none(), permission >= Permission::Write);
        assert!(matches!(
            triage_of(&issue(Some(actor(permission, true)))),
            Some(TriageReason::UntrustedActor { .. })
        ));
    }
}

#[test]
fn what_cannot_be_found_out_waits_in_triage() {
    assert_eq!(triage_of(&issue(None)), Some(TriageReason::UnknownActor));
    let mut untriggered = issue(Some(actor(Permission::Admin, false)));
    untriggered.trigger = None;
    assert_eq!(triage_of(&untriggered), Some(TriageReason::UnknownActor));
    let mut other = issue(Some(actor(Permission::Admin, false)));
    other.trigger.as_mut().unwrap().label = "bug".to_owned();
    assert_eq!(triage_of(&other), Some(TriageReason::UnknownActor));
}

#[test]
fn a_text_edited_after_the_trigger_waits_in_triage() {
    for (edited, waits) in [(999, false), (1_000, false), (1_001, true)] {
        let mut issue = issue(Some(actor(Permission::Write, false)));
        issue.edited_at = Some(Timestamp(edited));
        let expected = waits.then_some(TriageReason::EditedAfterTrigger);
        assert_eq!(triage_of(&issue), expected, "edited at {edited}");
    }
}

#[test]
fn a_project_that_does_not_assign_by_itself_asks_for_everything() {
    let mut rules = Rules::new();
    rules.2 = false;
    assert_eq!(
        admit(&rules.get(), &issue(Some(actor(Permission::Admin, false)))),
        Admission::Admitted {
            triage: Some(TriageReason::Manual)
        }
    );
}

#[test]
fn closed_ignored_and_unlabelled_issues_are_no_work() {
    let rules = Rules::new();
    let good = issue(Some(actor(Permission::Write, false)));
    let mut closed = good.clone();
    closed.open = false;
    let mut ignored = good.clone();
    ignored.labels.push("WontFix".to_owned());
    let mut plain = good;
    plain.labels = labels(&["cloud-code-not"]);
    let why = |issue| match admit(&rules.get(), issue) {
        Admission::Ignored(why) => why,
        Admission::Admitted { .. } => panic!("admitted"),
    };
    assert_eq!(why(&closed), IgnoredBecause::Closed);
    assert_eq!(
        why(&ignored),
        IgnoredBecause::IgnoreLabel("WontFix".to_owned())
    );
    assert_eq!(why(&plain), IgnoredBecause::NoTriggerLabel);
}

#[test]
fn a_merge_wins_over_the_close_that_it_causes() {
    let mut done = issue(None);
    done.merged = true;
    done.open = false;
    done.closed_by = Some(actor(Permission::Write, true));
    assert_eq!(ending(&Rules::new().get(), &done), Some(Ending::Merged));
}

#[test]
fn only_somebody_who_may_instruct_ends_a_task_from_its_issue() {
    let rules = Rules::new();
    let open = issue(Some(actor(Permission::Write, false)));
    assert_eq!(ending(&rules.get(), &open), None);

    let mut closed = open.clone();
    closed.open = false;
    assert_eq!(ending(&rules.get(), &closed), None, "nobody is known");
    closed.closed_by = Some(actor(Permission::Triage, false));
    assert_eq!(ending(&rules.get(), &closed), None);
    closed.closed_by = Some(actor(Permission::Admin, true));
    assert_eq!(ending(&rules.get(), &closed), None, "a stale bot");
    closed.closed_by = Some(actor(Permission::Write, false));
    assert_eq!(ending(&rules.get(), &closed), Some(Ending::Closed));

    let mut local = open.clone();
    local.open = false;
    local.url = None;
    assert_eq!(ending(&rules.get(), &local), Some(Ending::Closed));

    let mut unlabelled = open;
    unlabelled.labels.clear();
    unlabelled.trigger = None;
    assert_eq!(ending(&rules.get(), &unlabelled), None);
    unlabelled.untriggered_by = Some(actor(Permission::Read, false));
    assert_eq!(ending(&rules.get(), &unlabelled), None);
    unlabelled.untriggered_by = Some(actor(Permission::Write, false));
    assert_eq!(ending(&rules.get(), &unlabelled), Some(Ending::Unlabelled));
}
