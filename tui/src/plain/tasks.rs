//! `cloud-code tasks`.

use cloud_code_proto::v1;
use serde_json::Value;

use super::table::table;
use super::{About, Failure, Out, json};
use crate::args::Tasks;
use crate::link::Client;
use crate::state::{Task, amount, roughly};

/// Lists tasks.
pub(super) async fn run(mut client: Client, which: &Tasks, out: Out) -> Result<(), Failure> {
    let open = [
        "triage",
        "pending",
        "assigned",
        "in_progress",
        "review",
        "blocked",
        "failed",
    ];
    let states = if which.open {
        open.map(str::to_owned).into()
    } else {
        which.states.clone()
    };
    let request = v1::ListTasksRequest {
        project: which.project.clone(),
        states,
        limit: which.limit,
    };
    let answer = client.list_tasks(request).await;
    let list = answer
        .map_err(|status| Failure::status(&status, About::Fleet))?
        .into_inner();
    if out.json {
        return out.value(&Value::Array(list.tasks.iter().map(json::task).collect()));
    }
    if list.tasks.is_empty() {
        return out.line("no tasks; make one: cloud-code task new TITLE");
    }
    let shown = list.tasks.len();
    let rows: Vec<Vec<String>> = list
        .tasks
        .into_iter()
        .map(|wire| row(&Task::new(wire)))
        .collect();
    let heading = [
        "ID",
        "ISSUE",
        "P",
        "STATE",
        "AGENT",
        "TRY",
        "$",
        "PULL REQUEST",
        "TITLE",
    ];
    for line in table(&heading, &rows) {
        out.line(&line)?;
    }
    if list.total > u64::try_from(shown).unwrap_or(u64::MAX) {
        out.line(&format!("{shown} of {}; more: --limit N", list.total))?;
    }
    Ok(())
}

fn row(task: &Task) -> Vec<String> {
    let wire = &task.wire;
    let request = wire.pull_request.as_ref();
    let number = request.and_then(|request| request.number);
    let issue = wire.issue_number.map(|number| format!("#{number}"));
    let needs = if wire.needs_operator { " !" } else { "" };
    vec![
        wire.id.clone(),
        issue.unwrap_or_default(),
        format!("P{}", wire.priority),
        format!("{}{needs}", wire.state),
        wire.agent.clone(),
        format!("{}/{}", wire.attempts, wire.max_attempts),
        format!(
            "{}{}",
            roughly(wire.counts_tokens),
            amount(wire.cost_micro_usd)
        ),
        match (number, request) {
            (Some(number), _) => format!("#{number}"),
            (None, Some(_)) => "yes".to_owned(),
            (None, None) => String::new(),
        },
        wire.title.clone(),
    ]
}
