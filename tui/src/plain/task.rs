//! `cloud-code task show`.

use cloud_code_proto::v1;

use super::table::table;
use super::{About, Failure, Out, json};
use crate::link::Client;
use crate::safe_text::SafeText;
use crate::state::{Task, spent, tokens, usd};

/// Shows everything about a task.
pub(super) async fn show(
    mut client: Client,
    task: &str,
    all_events: bool,
    out: Out,
) -> Result<(), Failure> {
    let request = v1::GetTaskRequest {
        task: task.to_owned(),
    };
    let answer = client.get_task(request).await;
    let mut detail = answer
        .map_err(|status| Failure::status(&status, About::Task(task)))?
        .into_inner();
    if all_events {
        earlier(&mut client, &mut detail).await?;
    }
    if out.json {
        return out.value(&json::detail(&detail));
    }
    if let Some(wire) = detail.task.clone() {
        head(&Task::new(wire), out)?;
    }
    section(out, "DESCRIPTION", &detail.description)?;
    if !detail.criteria.is_empty() {
        out.line("\nCRITERIA")?;
    }
    for criterion in &detail.criteria {
        let done = criterion.status == i32::from(v1::CriterionStatus::Done);
        let sign = if done { "[x]" } else { "[ ]" };
        out.line(&format!("  {sign} {}", SafeText::new(&criterion.criterion)))?;
    }
    section(out, "SUMMARY", &detail.summary)?;
    section(out, "CHANGES", &detail.changes_summary.join("\n"))?;
    section(out, "REFUSED BY THE GATE", &detail.findings.join("\n"))?;
    section(out, "LAST WORDS", &detail.last_words)?;
    section(out, "REPORT NOT TAKEN", &detail.report_invalid)?;
    executions(&detail, out)?;
    for entry in &detail.conversation {
        let known = if entry.delivered {
            ""
        } else {
            " (not delivered yet)"
        };
        section(
            out,
            &format!("{} from {}{known}", entry.kind, entry.author),
            &entry.text,
        )?;
    }
    section(out, "EVENTS", &history(&detail))?;
    section(out, "DIFF", &detail.diff)?;
    if detail.diff_cut {
        out.line("  … the difference is longer: see the pull request")?;
    }
    Ok(())
}

/// Fetches the events before the newest, page by page.
async fn earlier(client: &mut Client, detail: &mut v1::TaskDetail) -> Result<(), Failure> {
    let id = detail
        .task
        .as_ref()
        .map(|task| task.id.clone())
        .unwrap_or_default();
    let about = About::Task(&id);
    while let Some(first) = detail.events.first().filter(|_| detail.events_before > 0) {
        let request = v1::TaskEventsRequest {
            task: id.clone(),
            before: first.seq,
            limit: 500,
        };
        let answer = client.task_events(request).await;
        let mut page = answer
            .map_err(|status| Failure::status(&status, about))?
            .into_inner();
        if page.events.is_empty() {
            break;
        }
        page.events.append(&mut detail.events);
        detail.events = page.events;
        detail.events_before = page.events_before;
    }
    Ok(())
}

fn history(detail: &v1::TaskDetail) -> String {
    let earlier = match detail.events_before {
        0 => None,
        count => Some(format!("… {count} earlier: --all-events shows them")),
    };
    let lines = detail.events.iter().map(super::stream::event);
    earlier
        .into_iter()
        .chain(lines)
        .collect::<Vec<_>>()
        .join("\n")
}

fn head(task: &Task, out: Out) -> Result<(), Failure> {
    let wire = &task.wire;
    let mut lines = vec![
        format!("{} {}", task.short(), wire.title),
        format!("  id        {}", wire.id),
        format!("  state     {} {}", wire.state, wire.state_detail),
        format!(
            "  project   {}  P{}  {}",
            wire.project, wire.priority, wire.agent
        ),
        format!(
            "  spent     {}, {} in / {} out, try {} of {}",
            spent(wire),
            tokens(wire.tokens_in),
            tokens(wire.tokens_out),
            wire.attempts,
            wire.max_attempts
        ),
    ];
    if let Some(request) = &wire.pull_request {
        let number = request.number.map(|number| format!("#{number} "));
        lines.push(format!(
            "  pull req. {}{} {} {}",
            number.unwrap_or_default(),
            request.state,
            wire.branch,
            request.url
        ));
    }
    if !wire.last_error.is_empty() {
        lines.push(format!("  error     {}", wire.last_error));
    }
    if !wire.actions.is_empty() {
        lines.push(format!("  you can   {}", wire.actions.join(", ")));
    }
    for line in lines {
        out.line(SafeText::new(&line).as_str().trim_end())?;
    }
    Ok(())
}

fn section(out: Out, title: &str, text: &str) -> Result<(), Failure> {
    if text.trim().is_empty() {
        return Ok(());
    }
    out.line(&format!("\n{}", SafeText::new(title)))?;
    for line in SafeText::lines(text, 100_000) {
        out.line(&format!("  {line}"))?;
    }
    Ok(())
}

fn executions(detail: &v1::TaskDetail, out: Out) -> Result<(), Failure> {
    if detail.executions.is_empty() {
        return Ok(());
    }
    let row = |run: &v1::Execution| {
        vec![
            run.number.to_string(),
            format!("{} {}", run.state, run.cause).trim().to_owned(),
            run.agent.clone(),
            run.coding_cli.clone(),
            usd(run.cost_micro_usd),
            run.models.join(" "),
        ]
    };
    let rows: Vec<Vec<String>> = detail.executions.iter().map(row).collect();
    out.line("\nEXECUTIONS")?;
    for line in table(&["#", "STATE", "AGENT", "CODING CLI", "$", "MODELS"], &rows) {
        out.line(&format!("  {line}"))?;
    }
    Ok(())
}
