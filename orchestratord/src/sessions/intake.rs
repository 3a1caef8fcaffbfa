//! Records of one link on their way into the store.
//!
//! ```text
//!  record 7 ─┐
//!  record 8 ─┼─▶ log lines on disk ─▶ together to the engine ─▶ commit ─▶ 9
//!  record 9 ─┘                        (what has come in by then)
//! ```
//!
//! A thousand agents send tens of thousands of records a second: what has come in together is handed
//! over, committed and acknowledged together.

use cloud_code_domain::id::AgentId;
use cloud_code_proto::v1;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::oneshot;

use crate::engine::{Engine, Input, RecordBody, Reply};
use crate::logs::Logs;

use super::records;

/// Records that are handed over together at most.
const TOGETHER: usize = 64;
/// Of those how many may await their commit; the rest waits in the agent's spool.
const IN_FLIGHT: usize = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct Intake {
    agent: AgentId,
    engine: Engine,
    logs: Logs,
    gathered: Vec<Input>,
    commits: FuturesOrdered<oneshot::Receiver<Vec<Reply>>>,
}

impl Intake {
    pub(super) fn new(agent: AgentId, engine: Engine, logs: Logs) -> Self {
        Self {
            agent,
            engine,
            logs,
            gathered: Vec::new(),
            commits: FuturesOrdered::new(),
        }
    }

    /// Whether more is to be read from the agent, or what it sent has to be committed first.
    pub(super) fn has_room(&self) -> bool {
        self.commits.len() < IN_FLIGHT
    }

    /// Whether what was gathered has to be handed over before there is more of it.
    pub(super) fn is_full(&self) -> bool {
        self.gathered.len() >= TOGETHER
    }

    /// Whether a commit is awaited.
    pub(super) fn awaits(&self) -> bool {
        !self.commits.is_empty()
    }

    /// Gathers a record. False where its log lines cannot be written: they are on disk before the
    /// record that carried them is acknowledged.
    pub(super) async fn take(&mut self, record: v1::Record) -> bool {
        let (agent, seq) = (self.agent.clone(), record.seq);
        let input = match records::read(record) {
            Ok(mut record) => {
                if let Err(error) = log(&self.logs, seq, &mut record).await {
                    tracing::error!(error, agent_id = %agent, "a log cannot be written");
                    return false;
                }
                Input::Record {
                    agent,
                    seq,
                    execution: record.execution,
                    body: record.body,
                }
            }
            Err(malformed) => Input::Unreadable {
                agent,
                seq,
                why: malformed.to_string(),
            },
        };
        self.gathered.push(input);
        true
    }

    /// Hands over what was gathered. False where the engine has stopped.
    pub(super) async fn hand_over(&mut self) -> bool {
        if self.gathered.is_empty() {
            return true;
        }
        let posted = self.engine.post(std::mem::take(&mut self.gathered)).await;
        posted
            .map(|replies| self.commits.push_back(replies))
            .is_ok()
    }

    /// Waits for a commit; the newest record that is committed by then. None where the agent has to
    /// begin anew and send again: after a gap, or where the store cannot be written.
    pub(super) async fn committed(&mut self) -> Option<u64> {
        let mut newest = None;
        let mut next = self.commits.next().await;
        while let Some(replies) = next {
            newest = Some(last(replies.ok()?)?);
            next = self.commits.next().now_or_never().flatten();
        }
        newest
    }
}

/// The last of records that went into one commit, where all of them did.
fn last(replies: Vec<Reply>) -> Option<u64> {
    let mut last = None;
    for reply in replies {
        match reply {
            Reply::Committed { seq } => last = Some(seq),
            Reply::Ok
            | Reply::Gap { .. }
            | Reply::Make(_)
            | Reply::Duplicate
            | Reply::NotWanted
            | Reply::CallAllowed { .. }
            | Reply::CallRefused(_)
            | Reply::Acted { .. }
            | Reply::ActRefused(_)
            | Reply::Unavailable { .. } => return None,
        }
    }
    last
}

/// Appends the lines of a record, or the gap that it tells of, and makes them safe; a record that was
/// appended before is not appended again.
async fn log(logs: &Logs, seq: u64, record: &mut records::Record) -> Result<(), String> {
    let lost = match record.body {
        RecordBody::LogsDropped(lines) => lines,
        RecordBody::Started { .. }
        | RecordBody::Report(_)
        | RecordBody::Logged
        | RecordBody::Delivered(_)
        | RecordBody::Ended(_) => 0,
    };
    let lines = std::mem::take(&mut record.lines);
    if lines.is_empty() && lost == 0 {
        return Ok(());
    }
    let (logs, execution) = (logs.clone(), record.execution.clone());
    let written = tokio::task::spawn_blocking(move || {
        if lost > 0 {
            logs.append_lost(&execution, seq, lost)?;
        } else {
            logs.append(&execution, seq, &lines)?;
        }
        logs.sync(&execution)
    });
    match written.await {
        Ok(written) => written.map_err(|error| error.to_string()),
        Err(broken) => Err(broken.to_string()),
    }
}
