//! What the tracker shows becomes tasks, messages and endings.

use cloud_code_domain::admission::{Admission, AdmissionRules, Ending, admit, ending};
use cloud_code_domain::event::{EventActor, Subject};
use cloud_code_domain::id::TaskId;
use cloud_code_domain::issue::{
    IssueRef, IssueSnapshot, PullRequestSnapshot, PullRequestState, Remark, RemarkKind,
};
use cloud_code_domain::task::{
    BlockedReason, CancelledBy, Message, MessageKind, Task, TaskEvent, TaskState, TriageReason,
};
use cloud_code_domain::{dependencies, priority, text};

use crate::engine::input::Inspected;
use crate::engine::world::World;

use super::task::Seed;

/// Characters of a remark that are kept.
const MAX_REMARK: usize = 16_000;

impl World {
    /// An inspection: the pull request first, since merged wins over everything.
    pub(super) fn inspected(&mut self, inspected: Inspected) {
        if let Some(pull_request) = &inspected.pull_request {
            self.pull_request_observed(pull_request);
        }
        if let Some(issue) = inspected.issue {
            let (project, number) = (issue.project.clone(), issue.number);
            self.issue_observed(issue);
            self.remarks_observed(&project, number, inspected.remarks);
        } else if let Some(pull_request) = inspected.pull_request {
            let (project, number) = (pull_request.project, pull_request.number);
            self.remarks_observed(&project, number, inspected.remarks);
        }
    }

    fn issue_observed(&mut self, issue: IssueSnapshot) {
        let Some(config) = self.config.clone().project(&issue.project).cloned() else {
            return;
        };
        let rules = AdmissionRules {
            trigger_labels: &config.trigger_labels,
            ignore_labels: &config.ignore_labels,
            auto_assign: config.auto_assign,
        };
        let known = self.task_of_issue(&issue.project, issue.number);
        let triggered_again = |task: &Task| {
            issue
                .trigger
                .as_ref()
                .is_some_and(|trigger| Some(trigger.at) > task.triggered_at)
        };
        match known {
            Some(task) if !task.state.is_finished() => {
                if let Some(ending) = ending(&rules, &issue) {
                    self.issue_ended(&task.id, &ending, &issue);
                } else {
                    self.issue_changed(&task, &issue, &rules);
                }
            }
            Some(task) if !triggered_again(&task) => {}
            Some(_) | None => {
                if let Admission::Admitted { triage } = admit(&rules, &issue) {
                    self.admitted(issue, triage);
                }
            }
        }
    }

    fn admitted(&mut self, issue: IssueSnapshot, triage: Option<TriageReason>) {
        let actor = issue
            .trigger
            .as_ref()
            .and_then(|trigger| trigger.actor.as_ref())
            .map_or(EventActor::Engine, |actor| {
                EventActor::Tracker(actor.login.clone())
            });
        let seed = Seed {
            triggered_at: issue.trigger.as_ref().map(|trigger| trigger.at),
            issue: Some(IssueRef {
                number: issue.number,
                url: issue.url,
            }),
            title: issue.title,
            body: issue.body,
            labels: issue.labels,
            blocked_by: issue.blocked_by,
            priority: None,
            triage,
        };
        self.make_task(&issue.project, seed, actor);
    }

    fn issue_ended(&mut self, id: &TaskId, ending: &Ending, issue: &IssueSnapshot) {
        let who = issue.closed_by.as_ref().or(issue.untriggered_by.as_ref());
        let actor = who.map_or(EventActor::Engine, |actor| {
            EventActor::Tracker(actor.login.clone())
        });
        let (event, detail) = match ending {
            Ending::Merged => (TaskEvent::PullRequestMerged, "its pull request was merged"),
            Ending::Closed => (
                TaskEvent::CancelRequested(CancelledBy::Issue),
                "its issue was closed",
            ),
            Ending::Unlabelled => (
                TaskEvent::CancelRequested(CancelledBy::Issue),
                "its issue lost the label",
            ),
        };
        // A task that has ended otherwise stays as it is.
        let _moved = self.move_task(id, &event, actor, detail);
    }

    /// Labels and dependencies follow the issue; its text does not, unless it is admitted anew.
    fn issue_changed(&mut self, task: &Task, issue: &IssueSnapshot, rules: &AdmissionRules<'_>) {
        let admission = admit(rules, issue);
        let mut depends_on = dependencies::from_body(&task.description);
        depends_on.extend(&issue.blocked_by);
        depends_on.sort_unstable();
        depends_on.dedup();
        let wanted = match priority::from_labels(&issue.labels) {
            Some(priority) if !task.priority_pinned => priority,
            Some(_) | None => task.priority,
        };
        let changed =
            wanted != task.priority || depends_on != task.depends_on || issue.labels != task.labels;
        if changed {
            let labels = issue.labels.clone();
            self.change_task(&task.id, |task| {
                task.priority = wanted;
                task.standings.retain(|issue, _| depends_on.contains(issue));
                task.depends_on = depends_on;
                task.labels = labels;
            });
        }
        // In triage a new setting of the label by somebody who may is the answer.
        let again = issue
            .trigger
            .as_ref()
            .is_some_and(|trigger| Some(trigger.at) > task.triggered_at);
        if matches!(task.state, TaskState::Triage(_)) && again {
            self.triggered_in_triage(&task.id, issue, &admission);
        }
    }

    fn triggered_in_triage(&mut self, id: &TaskId, issue: &IssueSnapshot, admission: &Admission) {
        let title = text::one_line(&issue.title, 200);
        let body = text::visible(&issue.body, 60_000);
        let at = issue.trigger.as_ref().map(|trigger| trigger.at);
        let triage = match admission {
            Admission::Ignored(_) => return,
            Admission::Admitted { triage } => triage.clone(),
        };
        let criteria = cloud_code_domain::criteria::from_markdown(&body);
        self.change_task(id, |task| {
            task.title = title;
            task.description = body;
            task.criteria = criteria;
            task.triggered_at = at;
            if let Some(reason) = &triage {
                task.state = TaskState::Triage(reason.clone());
            }
        });
        let routed = self
            .tasks
            .get(id)
            .is_some_and(|task| task.agent_type.is_some());
        if triage.is_none() && routed {
            let _moved = self.move_task(
                id,
                &TaskEvent::Accepted,
                EventActor::Engine,
                "the label was set again by somebody who may",
            );
        }
    }

    pub(super) fn pull_request_observed(&mut self, seen: &PullRequestSnapshot) {
        let found = self.tasks.values().find(|task| {
            task.project == seen.project
                && task
                    .pull_request
                    .as_ref()
                    .is_some_and(|pr| pr.number == Some(seen.number))
        });
        let Some(id) = found.map(|task| task.id.clone()) else {
            return;
        };
        let event = match seen.state {
            PullRequestState::Open => return,
            PullRequestState::Merged => TaskEvent::PullRequestMerged,
            PullRequestState::Closed => TaskEvent::PullRequestClosed,
        };
        let detail = format!("pull request #{}", seen.number);
        // A task that has ended otherwise stays as it is.
        let _moved = self.move_task(&id, &event, EventActor::Engine, detail);
    }

    fn remarks_observed(
        &mut self,
        project: &cloud_code_domain::id::ProjectName,
        number: u64,
        remarks: Vec<Remark>,
    ) {
        let Some(id) = self
            .task_by_number(project, number)
            .map(|task| task.id.clone())
        else {
            return;
        };
        for remark in remarks {
            let relevant = self
                .tasks
                .get(&id)
                .is_some_and(|task| remark.at >= task.hears_since());
            if relevant && remark.author.may_instruct() {
                self.remarked(&id, remark);
            }
        }
    }

    fn remarked(&mut self, id: &TaskId, remark: Remark) {
        let kind = match remark.kind {
            RemarkKind::Comment => MessageKind::Steer,
            RemarkKind::Review => MessageKind::Review,
        };
        let login = text::one_line(&remark.author.login, 80);
        let message = Message {
            kind,
            author: login.clone(),
            text: text::visible(&remark.text, MAX_REMARK),
            source: Some(remark.source.clone()),
            at: remark.at,
        };
        if self.hear(id, message) {
            let actor = EventActor::Tracker(login);
            self.record(
                actor.clone(),
                Subject::Task(id.to_string()),
                "heard",
                remark.source,
            );
            self.answered_by_words(id, actor);
        }
    }

    /// Words of a person start the next execution, where words are what the task waits for.
    pub(super) fn answered_by_words(&mut self, id: &TaskId, actor: EventActor) {
        let waits_for_words = self
            .tasks
            .get(id)
            .is_some_and(|task| task.state.is_answered_by_words());
        if waits_for_words {
            let findings = self.findings_of(id);
            // It is possible in each of these states.
            let _moved = self.move_task(id, &TaskEvent::ChangesRequested, actor, "");
            self.tell_findings(id, &findings);
        }
    }

    /// What the gate found in a result that waits for a person.
    pub(super) fn findings_of(&self, id: &TaskId) -> Vec<String> {
        match self.tasks.get(id).map(|task| &task.state) {
            Some(TaskState::Blocked(BlockedReason::PublishRejected { findings, .. })) => {
                findings.clone()
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// A refused result that goes back to its agent goes with what the gate found.
    pub(super) fn tell_findings(&mut self, id: &TaskId, findings: &[String]) {
        if findings.is_empty() {
            return;
        }
        let message = Message {
            kind: MessageKind::Gate,
            author: "gate".to_owned(),
            text: text::visible(&findings.join("\n"), MAX_REMARK),
            source: None,
            at: self.now,
        };
        self.change_task(id, |task| {
            task.conversation.push(message);
        });
    }
}
