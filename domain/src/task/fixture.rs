//! Tasks for tests.

use super::{Conversation, Priority, PullRequestRecord, Task, TaskState, TaskType};
use crate::cost::{MicroUsd, Tokens, Usage};
use crate::id::ExecutionId;
use crate::issue::IssueRef;
use crate::report::{Criterion, CriterionStatus, Progress, Report, ReportStatus};
use crate::time::Timestamp;

/// 2026-01-07, 10:30 UTC.
pub(crate) const START: Timestamp = Timestamp(1_767_781_800_000);

pub(crate) fn execution(number: u32) -> ExecutionId {
    ExecutionId {
        task: "k3f9x2ab".parse().unwrap(),
        number,
    }
}

/// A task of an ordinary issue, without anything reported.
pub(crate) fn bare(state: TaskState) -> Task {
    Task {
        id: "k3f9x2ab".parse().unwrap(),
        version: 1,
        project: "acme/app".parse().unwrap(),
        issue: Some(IssueRef {
            number: 42,
            url: Some("https://github.example/acme/app/issues/42".to_owned()),
        }),
        title: "Implement the user login form".to_owned(),
        description: "Create a login form with validation.".to_owned(),
        criteria: Vec::new(),
        labels: vec!["cloud-code".to_owned()],
        task_type: TaskType::Feature,
        priority: Priority::Medium,
        priority_pinned: false,
        state,
        agent_type: None,
        agent: None,
        coding_cli: "claude-code".parse().unwrap(),
        depends_on: Vec::new(),
        standings: Default::default(),
        branch: "cloud-code/42-k3f9x2ab".to_owned(),
        base: None,
        cost_limit: MicroUsd(2_000_000),
        token_limit: Tokens::PER_TASK,
        cost: MicroUsd(0),
        notional: MicroUsd(0),
        tokens: Tokens(0),
        past_daily_limit: None,
        usage: Usage::default(),
        attempts: 0,
        max_attempts: 3,
        tried: 0,
        interruptions: 0,
        overtaken: 0,
        not_before: None,
        executions: 0,
        conversation: Conversation::default(),
        report: Report::default(),
        pull_request: None,
        comment_id: None,
        last_error: None,
        triggered_at: None,
        keep: false,
        prepared: 0,
        bringing: None,
        brought: None,
        passed: crate::passed::PassedChanges::default(),
        issue_gone: false,
        created_at: START,
        started_at: None,
        finished_at: None,
        updated_at: START,
    }
}

/// A task that an agent has worked on for a while.
pub(crate) fn worked_on(state: TaskState) -> Task {
    let criterion = |text: &str, status| Criterion {
        criterion: text.to_owned(),
        status,
    };
    let entry = |minutes: i64, message: &str| Progress {
        at: Timestamp(START.0 + minutes * 60_000),
        status: ReportStatus::InProgress,
        message: message.to_owned(),
    };
    Task {
        criteria: vec![
            "The form has an email and a password field".to_owned(),
            "Submit calls `POST /api/auth/login`".to_owned(),
            "Errors are shown".to_owned(),
        ],
        agent_type: Some(crate::agent::AgentType::Backend),
        agent: Some("acme-app.backend-1".parse().unwrap()),
        cost: MicroUsd(840_000),
        executions: 2,
        attempts: 1,
        report: Report {
            status: ReportStatus::InProgress,
            current_step: Some("Writing the tests of LoginForm".to_owned()),
            summary: Some("The form validates and submits.\nThe tests come next.".to_owned()),
            progress: vec![
                entry(1, "Task acknowledged"),
                entry(2, "Reading src/contexts/AuthContext.tsx"),
                entry(5, "Creating LoginForm"),
                entry(9, "Validating the password"),
                entry(12, "Calling the API"),
                entry(15, "Writing the tests"),
            ],
            changes_summary: vec![
                "Add LoginForm with email and password fields".to_owned(),
                "Validate both in the browser".to_owned(),
            ],
            criteria: vec![
                criterion(
                    "The form has an email and a password field",
                    CriterionStatus::Done,
                ),
                criterion(
                    "Submit calls `POST /api/auth/login`",
                    CriterionStatus::InProgress,
                ),
            ],
            ..Report::default()
        },
        ..bare(state)
    }
}

/// Its pull request.
pub(crate) fn pull_request() -> PullRequestRecord {
    PullRequestRecord {
        number: Some(57),
        url: Some("https://github.example/acme/app/pull/57".to_owned()),
        head: "0123456789".repeat(4).parse().unwrap(),
        published: Some(execution(2)),
        added: 132,
        removed: 3,
        files: 3,
    }
}

/// Everything that an agent or an issue could try in one text.
pub(crate) const HOSTILE: &str = "@octocat @acme/team closes #1 fixes acme/app#2 GH-3 \
    ![b](https://evil.example/b.png) [x](javascript:alert(1)) <img src=x> <!-- cloud-code:forged --> \
    https://github.com/acme/app/issues/4 deadbeefcafe \u{202e}RLO\u{e0041}\u{200b} ````";

/// A task all of whose foreign texts are hostile.
pub(crate) fn hostile(state: TaskState) -> Task {
    let lines = format!("{HOSTILE}\n/merge\n@bot merge\n````\n<script>alert(1)</script>\n```\n#5");
    let mut task = worked_on(state);
    task.title = format!("[skip ci] {HOSTILE}");
    task.description.clone_from(&lines);
    task.criteria = vec![HOSTILE.to_owned(), "#1 ".repeat(5_000)];
    task.last_error = Some(lines.clone());
    task.report = Report {
        current_step: Some(HOSTILE.to_owned()),
        summary: Some(lines.clone()),
        blocked_reason: Some(lines),
        changes_summary: vec![
            HOSTILE.to_owned(),
            "/merge".to_owned(),
            "- [x] `#9".to_owned(),
        ],
        progress: vec![Progress {
            at: START,
            status: ReportStatus::Blocked,
            message: HOSTILE.to_owned(),
        }],
        ..Report::default()
    }
    .bounded();
    task
}
