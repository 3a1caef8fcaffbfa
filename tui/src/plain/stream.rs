//! `cloud-code logs` and `events`: one line each, as they come.

use cloud_code_proto::v1;

use super::{About, Failure, Out, json};
use crate::link::Client;
use crate::safe_text::SafeText;
use crate::state::Line;

fn clock(at_ms: i64) -> String {
    let zone = jiff::tz::TimeZone::system();
    jiff::Timestamp::from_millisecond(at_ms)
        .map(|at| at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string())
        .unwrap_or_default()
}

/// Shows the log of a task's newest execution.
pub(super) async fn logs(
    mut client: Client,
    task: &str,
    follow: bool,
    tail: u32,
    out: Out,
) -> Result<(), Failure> {
    let request = v1::LogsRequest {
        task: task.to_owned(),
        agent: String::new(),
        follow,
        tail,
        ..v1::LogsRequest::default()
    };
    let refused = |status: tonic::Status| Failure::status(&status, About::Task(task));
    let mut stream = client.logs(request).await.map_err(refused)?.into_inner();
    while let Some(response) = stream.message().await.map_err(refused)? {
        if response.dropped > 0 && !out.json {
            out.line(&format!("… {} lines were lost", response.dropped))?;
        }
        for wire in &response.lines {
            if out.json {
                out.record(&json::line(&response.execution, wire))?;
                continue;
            }
            out.line(&shown(wire))?;
        }
    }
    Ok(())
}

/// Shows the lines of a task's logs that have a text. They are found where the logs are.
pub(super) async fn search(
    mut client: Client,
    task: &str,
    text: &str,
    out: Out,
) -> Result<(), Failure> {
    let request = v1::SearchLogsRequest {
        task: task.to_owned(),
        text: text.to_owned(),
        ..v1::SearchLogsRequest::default()
    };
    let refused = |status: tonic::Status| Failure::status(&status, About::Task(task));
    let found = client.search_logs(request).await.map_err(refused)?;
    let found = found.into_inner();
    for hit in &found.hits {
        let wire = hit.line.clone().unwrap_or_default();
        if out.json {
            out.record(&json::hit(hit, &wire))?;
        } else {
            let place = format!("{}:{}", hit.execution, hit.number);
            out.line(&format!("{} {}", SafeText::new(&place), shown(&wire)))?;
        }
    }
    let count = u64::try_from(found.hits.len()).unwrap_or(u64::MAX);
    if found.total > count && !out.json {
        out.line(&format!("… the first {count} of {} lines", found.total))?;
    }
    if found.unread > 0 && !out.json {
        let unread = found.unread;
        out.line(&format!(
            "… {unread} lines are damaged on disk, and were not searched"
        ))?;
    }
    Ok(())
}

/// A line of a log.
fn shown(wire: &v1::LogLine) -> String {
    let line = Line::new(wire);
    let (at, letter, word) = (clock(line.at_ms), line.letter(), line.word());
    format!("{at} {letter} {word:<4} {}", line.text)
}

/// Shows events.
pub(super) async fn events(
    mut client: Client,
    since: u64,
    follow: bool,
    out: Out,
) -> Result<(), Failure> {
    let request = v1::EventsRequest { since, follow };
    let refused = |status: tonic::Status| Failure::status(&status, About::Fleet);
    let mut stream = client.events(request).await.map_err(refused)?.into_inner();
    while let Some(event) = stream.message().await.map_err(refused)? {
        if out.json {
            out.record(&json::event(&event))?;
            continue;
        }
        let line = self::event(&event);
        out.line(SafeText::new(&line).as_str().trim_end())?;
    }
    Ok(())
}

/// An event in a line.
pub(super) fn event(event: &v1::Event) -> String {
    format!(
        "{:>6} {} {} {}  {} {}  {} {}",
        event.seq,
        clock(event.at_ms),
        event.actor_kind,
        event.actor,
        event.kind,
        event.subject_kind,
        event.subject,
        event.detail
    )
}
