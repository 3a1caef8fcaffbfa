//! Records from the wire.

use cloud_code_domain::id::ExecutionId;
use cloud_code_domain::log::LogLine;
use cloud_code_proto::{Malformed, v1};

use crate::engine::{Ended, EndedHow, RecordBody};

/// A record that reads, with the log lines it carries.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) execution: ExecutionId,
    pub(super) body: RecordBody,
    pub(super) lines: Vec<LogLine>,
}

fn malformed(field: &'static str, why: impl std::fmt::Display) -> Malformed {
    Malformed {
        field,
        why: why.to_string(),
    }
}

/// Reads a record. What does not read is taken note of and passed over: it would not read the next
/// time either.
pub(super) fn read(record: v1::Record) -> Result<Record, Malformed> {
    use v1::record::Body;
    let execution = record
        .execution
        .parse()
        .map_err(|why| malformed("execution", why))?;
    let mut lines = Vec::new();
    let body = match record
        .body
        .ok_or_else(|| malformed("body", "it is missing"))?
    {
        Body::Started(started) => RecordBody::Started {
            version: started.coding_cli_version,
        },
        Body::Report(delta) => RecordBody::Report(delta.try_into()?),
        Body::Logs(logs) => {
            lines = logs
                .lines
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?;
            RecordBody::Logged
        }
        Body::LogsDropped(dropped) => RecordBody::LogsDropped(dropped.lines),
        Body::MessagesDelivered(delivered) => RecordBody::Delivered(delivered.below),
        Body::Ended(ended) => RecordBody::Ended(read_ended(ended)?),
    };
    Ok(Record {
        execution,
        body,
        lines,
    })
}

fn read_ended(ended: v1::Ended) -> Result<Ended, Malformed> {
    let kind = v1::EndKind::try_from(ended.kind).map_err(|why| malformed("kind", why))?;
    let head = ended.head.parse().ok();
    let how = match kind {
        v1::EndKind::Succeeded => EndedHow::Succeeded {
            head: ended.head.parse().map_err(|why| malformed("head", why))?,
        },
        v1::EndKind::Blocked => EndedHow::Blocked {
            needs_credential: ended.needs_credential,
            reason: ended.blocked_reason,
        },
        v1::EndKind::Failed => EndedHow::Failed(ended.failure_cause()?),
        v1::EndKind::Cancelled => EndedHow::Cancelled,
        v1::EndKind::Unspecified => return Err(malformed("kind", "it is not specified")),
    };
    Ok(Ended {
        how,
        head,
        last_words: ended.last_words,
    })
}
