//! The log of an execution: redacted, cut, batched, and limited in what it may flood.

use std::collections::VecDeque;
use std::time::Duration;

use cloud_code_domain::log::{LogCategory, LogLevel, LogLine, MAX_LINE};
use cloud_code_proto::v1;
use cloud_code_proto::v1::record::Body;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::cli::CliEvent;
use crate::clock;
use crate::credentials::Secret;
use crate::session::spool::{Spool, SpoolError};

/// Lines of a batch.
const LINES: usize = 128;
/// Lines of one text; a whole file that a tool printed is not a log.
const TEXT_LINES: usize = 200;
/// Bytes per second that pass.
const RATE: u64 = 256 << 10;
/// Bytes that may come at once.
const BURST: u64 = 2 << 20;
/// What a flood ended with: so many of its last lines are kept, since there the reason is.
const TAIL: usize = 50;
/// What stands at the end of a line that was longer.
const CUT: &str = " [cut]";
/// A batch waits at most this long.
const DELAY: Duration = Duration::from_millis(300);
/// Shorter secrets would redact half of the log.
const SHORTEST: usize = 6;

/// Collects lines and puts them into the spool.
#[derive(Debug)]
pub(crate) struct Logs {
    spool: Spool,
    execution: String,
    batch: Vec<v1::LogLine>,
    /// Lines that were dropped after those of `batch`, and those that came after them.
    dropped: u64,
    late: Vec<v1::LogLine>,
    /// The newest of the dropped ones, if nothing was kept since.
    tail: VecDeque<v1::LogLine>,
    tokens: u64,
    filled_at: Instant,
    due: Option<Instant>,
    redactor: Redactor,
}

impl Logs {
    pub(crate) fn new(spool: Spool, execution: &str) -> Self {
        Self {
            spool,
            execution: execution.to_owned(),
            batch: Vec::new(),
            dropped: 0,
            late: Vec::new(),
            tail: VecDeque::new(),
            tokens: BURST,
            filled_at: Instant::now(),
            due: None,
            redactor: Redactor::default(),
        }
    }

    /// What must not be seen.
    pub(crate) fn redact(&mut self, secrets: &[Secret]) {
        self.redactor.add(secrets);
    }

    /// The text without secrets.
    pub(crate) fn redacted(&self, text: &str) -> String {
        self.redactor.apply(text)
    }

    /// A word of agentd's own.
    pub(crate) fn system(&mut self, level: LogLevel, text: &str) {
        self.push(level, LogCategory::System, text);
    }

    /// An event of a coding CLI.
    pub(crate) fn event(&mut self, event: &CliEvent) {
        match event {
            CliEvent::Session { id, model } => {
                let model = model.as_deref().unwrap_or("its own choice of model");
                self.system(LogLevel::Debug, &format!("session {id}, {model}"));
            }
            CliEvent::Message { text } => self.push(LogLevel::Info, LogCategory::Message, text),
            CliEvent::ToolCall { name, input } => {
                let text = format!("{name} {input}");
                self.push(LogLevel::Info, LogCategory::ToolInput, &text);
            }
            CliEvent::ToolResult { ok, text } => {
                let level = if *ok {
                    LogLevel::Debug
                } else {
                    LogLevel::Warning
                };
                self.push(level, LogCategory::ToolOutput, text);
            }
            CliEvent::FileChange { path } => {
                self.push(
                    LogLevel::Debug,
                    LogCategory::ToolOutput,
                    &format!("changed {path}"),
                );
            }
            CliEvent::Retry { status, kind, .. } => {
                let status = status.map_or(String::new(), |status| format!(" ({status})"));
                let text = format!(
                    "a model call failed: {}{status}; it is repeated",
                    kind.words()
                );
                self.push(LogLevel::Warning, LogCategory::Llm, &text);
            }
            CliEvent::Denied { tool } => {
                let text = format!("its own permissions refused {tool}");
                self.push(LogLevel::Warning, LogCategory::ToolOutput, &text);
            }
            CliEvent::Error { kind, message } => {
                let text = format!("{}: {message}", kind.words());
                self.push(LogLevel::Error, LogCategory::Message, &text);
            }
            CliEvent::TurnEnded { ok, kind, text } => {
                let (level, word) = match (ok, kind) {
                    (true, _) => (LogLevel::Info, "the turn ended".to_owned()),
                    (false, Some(kind)) => (
                        LogLevel::Error,
                        format!("the turn failed: {}", kind.words()),
                    ),
                    (false, None) => (LogLevel::Error, "the turn failed".to_owned()),
                };
                self.keep_tail();
                self.system(level, &word);
                // The last words of a good turn were said as a message before.
                if !ok {
                    self.push(level, LogCategory::Message, text);
                }
            }
            CliEvent::Line { text } => self.push(LogLevel::Info, LogCategory::Output, text),
        }
    }

    /// Adds a text, a line each.
    pub(crate) fn push(&mut self, level: LogLevel, category: LogCategory, text: &str) {
        let redacted = self.redactor.apply(text);
        let mut lines = redacted.lines().filter(|line| !line.trim().is_empty());
        for line in lines.by_ref().take(TEXT_LINES) {
            self.line(level, category, line);
        }
        let more = lines.count();
        if more > 0 {
            self.line(level, category, &format!("[{more} more lines]"));
        }
    }

    fn line(&mut self, level: LogLevel, category: LogCategory, line: &str) {
        self.refill();
        let line = LogLine {
            at: clock::now(),
            level,
            category,
            text: cut(line),
        };
        let cost = line.text.len() as u64 + 64;
        // Our own words are few, and a flood must not hide them.
        let own = category == LogCategory::System;
        if !own && (self.tokens < cost || self.waiting() >= LINES * 8) {
            self.drop(line.into());
            return;
        }
        self.tokens = self.tokens.saturating_sub(cost);
        if !own {
            self.tail.clear();
        }
        self.keep(line.into());
    }

    /// How many lines the next flush writes.
    fn waiting(&self) -> usize {
        self.batch.len() + self.late.len()
    }

    fn keep(&mut self, line: v1::LogLine) {
        if self.dropped == 0 {
            self.batch.push(line);
        } else {
            self.late.push(line);
        }
        self.due.get_or_insert_with(|| Instant::now() + DELAY);
    }

    fn drop(&mut self, line: v1::LogLine) {
        self.dropped += 1;
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    /// Keeps what a flood ended with, as far as it is not yet counted as lost.
    fn keep_tail(&mut self) {
        let tail = std::mem::take(&mut self.tail);
        let uncounted = usize::try_from(self.dropped).unwrap_or(usize::MAX);
        let skipped = tail.len().saturating_sub(uncounted);
        for line in tail.into_iter().skip(skipped) {
            self.dropped -= 1;
            self.late.push(line);
            self.due.get_or_insert_with(|| Instant::now() + DELAY);
        }
    }

    fn refill(&mut self) {
        let passed = self.filled_at.elapsed();
        let more = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        let more = more.saturating_mul(RATE) / 1_000;
        if more > 0 {
            self.tokens = self.tokens.saturating_add(more).min(BURST);
            self.filled_at = Instant::now();
        }
    }

    /// Writes the batch where it is full or has waited long enough.
    pub(crate) async fn flush_if_due(&mut self) -> Result<(), SpoolError> {
        let due = self.due.is_some_and(|due| Instant::now() >= due);
        if due || self.waiting() >= LINES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Writes everything.
    pub(crate) async fn flush(&mut self) -> Result<(), SpoolError> {
        self.due = None;
        let batch = std::mem::take(&mut self.batch);
        self.append(batch).await?;
        let lines = std::mem::take(&mut self.dropped);
        if lines > 0 {
            let body = Body::LogsDropped(v1::LogsDropped { lines });
            self.spool.append(&self.execution, body).await?;
        }
        let late = std::mem::take(&mut self.late);
        self.append(late).await
    }

    async fn append(&self, mut lines: Vec<v1::LogLine>) -> Result<(), SpoolError> {
        while !lines.is_empty() {
            let lines = lines.drain(..lines.len().min(LINES)).collect();
            let body = Body::Logs(v1::Logs { lines });
            self.spool.append(&self.execution, body).await?;
        }
        Ok(())
    }
}

/// A line, of which no more than the bound is kept.
fn cut(line: &str) -> String {
    if line.chars().nth(MAX_LINE).is_none() {
        return line.to_owned();
    }
    let room = MAX_LINE - CUT.len();
    line.chars().take(room).chain(CUT.chars()).collect()
}

/// Replaces granted secrets by the names of their variables.
#[derive(Default)]
struct Redactor(Vec<(String, Zeroizing<String>)>);

impl Redactor {
    fn add(&mut self, secrets: &[Secret]) {
        for secret in secrets {
            let Ok(value) = std::str::from_utf8(&secret.value) else {
                continue;
            };
            let known = self
                .0
                .iter()
                .any(|(_, known)| known.as_str() == value.trim());
            if value.trim().len() >= SHORTEST && !known {
                let value = Zeroizing::new(value.trim().to_owned());
                self.0.push((secret.variable.clone(), value));
            }
        }
    }

    fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (variable, value) in &self.0 {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), &format!("[{variable}]"));
            }
        }
        text
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::spool::CAPACITY;

    async fn records(spool: &Spool) -> Vec<v1::Record> {
        spool.after(0, usize::MAX).await.unwrap()
    }

    #[tokio::test]
    async fn a_granted_secret_never_reaches_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), CAPACITY).unwrap();
        let mut logs = Logs::new(spool.clone(), "k3f9x2ab.1");
        logs.redact(&[Secret {
            variable: "NPM_TOKEN".into(),
            value: Zeroizing::new(b"npm_s3cret\n".to_vec()),
        }]);
        logs.event(&CliEvent::Line {
            text: "//registry/:_authToken=npm_s3cret".into(),
        });
        logs.flush().await.unwrap();
        let text = format!("{:?}", records(&spool).await);
        assert!(text.contains("_authToken=[NPM_TOKEN]"));
        assert!(!text.contains("s3cret"));
    }

    #[tokio::test]
    async fn a_line_that_is_longer_than_all_that_may_come_at_once_is_cut_and_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), CAPACITY).unwrap();
        let mut logs = Logs::new(spool.clone(), "k3f9x2ab.1");
        let text = "x".repeat(2 * usize::try_from(BURST).unwrap());
        logs.event(&CliEvent::Line { text });
        logs.flush().await.unwrap();
        let mut bodies = records(&spool).await.into_iter().map(|record| record.body);
        let Some(Some(Body::Logs(kept))) = bodies.next() else {
            panic!("nothing was kept")
        };
        assert!(bodies.next().is_none());
        assert_eq!(kept.lines[0].text.chars().count(), MAX_LINE);
        assert!(kept.lines[0].text.ends_with(CUT));
    }

    #[tokio::test]
    async fn what_a_flood_ended_with_is_kept_after_the_count_of_what_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), CAPACITY).unwrap();
        let mut logs = Logs::new(spool.clone(), "k3f9x2ab.1");
        for number in 0..10_000 {
            logs.push(
                LogLevel::Info,
                LogCategory::Output,
                &format!("line {number}"),
            );
        }
        logs.event(&CliEvent::TurnEnded {
            ok: true,
            kind: None,
            text: String::new(),
        });
        logs.flush().await.unwrap();
        let mut said: Vec<String> = Vec::new();
        for record in records(&spool).await {
            match record.body {
                Some(Body::Logs(logs)) => said.extend(logs.lines.into_iter().map(|l| l.text)),
                Some(Body::LogsDropped(logs)) => said.push(format!("{} lost", logs.lines)),
                other => panic!("{other:?}"),
            }
        }
        let kept = said.len() - 2;
        let end = &said[said.len() - 3..];
        assert_eq!(end, ["line 9998", "line 9999", "the turn ended"]);
        assert!(said.contains(&format!("{} lost", 10_000 - kept)), "{kept}");
        assert_eq!(
            said[said.len() - 2 - TAIL],
            format!("{} lost", 10_000 - kept)
        );
    }

    #[tokio::test]
    async fn a_flood_is_counted_where_it_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), CAPACITY).unwrap();
        let mut logs = Logs::new(spool.clone(), "k3f9x2ab.1");
        let line = "x".repeat(1_000);
        for _ in 0..20_000 {
            logs.push(LogLevel::Info, LogCategory::Output, &line);
        }
        logs.flush().await.unwrap();
        let (mut kept, mut dropped) = (0, 0);
        let mut seq = 0;
        while seq < spool.last() {
            for record in spool.after(seq, 1 << 20).await.unwrap() {
                seq = record.seq;
                match record.body {
                    Some(Body::Logs(logs)) => kept += logs.lines.len() as u64,
                    Some(Body::LogsDropped(logs)) => dropped += logs.lines,
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(kept + dropped, 20_000);
        assert!(dropped > 0 && kept > 0);
        assert!(spool.bytes() < 2 * BURST);
    }
}
