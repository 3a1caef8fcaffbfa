//! What the coding CLI is told. The texts are the domain's; this picks what goes into them.

use cloud_code_domain::prompt::{self, Earlier, Prompt, Said};
use cloud_code_proto::v1;

use super::job::Job;

/// What is found in the worktree before the first turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Where commits are kept that conflict with the base.
    pub(crate) aside: Option<&'a str>,
    /// Commits of who worked on it before, the newest first.
    pub(crate) commits: &'a [String],
}

/// The first prompt. A resumed session knows what was said before.
pub(crate) fn first(job: &Job, resumed: bool, place: Place<'_>) -> String {
    let messages = if resumed {
        job.waiting()
    } else {
        &job.conversation
    };
    let conversation: Vec<Said<'_>> = messages.iter().map(said).collect();
    let criteria: Vec<String> = job
        .criteria
        .iter()
        .map(|criterion| criterion.criterion.clone())
        .collect();
    prompt::first_turn(&Prompt {
        project: &job.project,
        issue: (!job.issue.is_empty()).then_some(job.issue.as_str()),
        title: &job.title,
        description: &job.description,
        criteria: &criteria,
        branch: &job.branch,
        task_type: &job.task_type,
        agent_type: &job.agent_type,
        conversation: &conversation,
        check: (!job.check.is_empty()).then_some(job.check.as_str()),
        resumed,
        aside: place.aside,
        earlier: job.earlier.as_ref().map(|earlier| Earlier {
            agent: &earlier.agent,
            coding_cli: &earlier.coding_cli,
            from: earlier.from.as_str(),
            pushed: earlier.pushed,
            commits: place.commits,
            summary: &earlier.summary,
            changes: &earlier.changes,
        }),
        can_run_git: job.cli.adapter != "aider",
    })
}

/// The prompt of a turn that answers messages; also a message into a running turn.
pub(crate) fn follow_up(messages: &[&v1::Message]) -> String {
    let said: Vec<Said<'_>> = messages.iter().copied().map(said).collect();
    prompt::follow_up(&said)
}

/// The prompt after a failed check.
pub(crate) fn check_failed(command: &str, output: &str) -> String {
    prompt::check_failed(command, output)
}

/// The prompt after a credential came.
pub(crate) fn granted(labels: &[String]) -> String {
    let mut text = String::from(
        "The credentials you asked for were granted. They are in your environment and below \
         .cloud-code/credentials; do not print or commit them.\n",
    );
    for label in labels {
        text.push_str("- ");
        text.push_str(label);
        text.push('\n');
    }
    text.push_str("Go on with the task.\n");
    text
}

fn said(message: &v1::Message) -> Said<'_> {
    Said {
        kind: &message.kind,
        author: &message.author,
        text: &message.text,
    }
}
