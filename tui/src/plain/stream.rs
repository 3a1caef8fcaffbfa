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
            let line = Line::new(wire);
            let (at, letter, word) = (clock(line.at_ms), line.letter(), line.word());
            out.line(&format!("{at} {letter} {word:<4} {}", line.text))?;
        }
    }
    Ok(())
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
