//! The log that is open: lines as they come in, the oldest forgotten first.

use std::collections::VecDeque;

use cloud_code_proto::v1;

use crate::safe_text::SafeText;

/// Lines that are kept at most.
const KEPT: usize = 200_000;

/// Whose log it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogSource {
    /// A task's newest execution.
    Task(String),
    /// What an agent is doing.
    Agent(String),
}

/// A line, made harmless when it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// How important.
    pub level: v1::LogLevel,
    /// What kind.
    pub category: v1::LogCategory,
    /// What.
    pub text: SafeText,
}

impl Line {
    /// Takes a line from the wire; a level or category that a newer server has counts as none.
    #[must_use]
    pub(crate) fn new(wire: &v1::LogLine) -> Self {
        Self {
            at_ms: wire.at_ms,
            level: v1::LogLevel::try_from(wire.level).unwrap_or(v1::LogLevel::Unspecified),
            category: v1::LogCategory::try_from(wire.category)
                .unwrap_or(v1::LogCategory::Unspecified),
            text: SafeText::new(&wire.text),
        }
    }

    /// The letter of its level.
    #[must_use]
    pub(crate) fn letter(&self) -> &'static str {
        match self.level {
            v1::LogLevel::Unspecified => " ",
            v1::LogLevel::Debug => "D",
            v1::LogLevel::Info => "I",
            v1::LogLevel::Warning => "W",
            v1::LogLevel::Error => "E",
        }
    }

    /// The word of its category, at most four letters.
    #[must_use]
    pub(crate) fn word(&self) -> &'static str {
        match self.category {
            v1::LogCategory::Unspecified => "",
            v1::LogCategory::System => "sys",
            v1::LogCategory::Message => "says",
            v1::LogCategory::ToolInput => "tool",
            v1::LogCategory::ToolOutput => "out",
            v1::LogCategory::Llm => "llm",
            v1::LogCategory::Output => "cli",
        }
    }
}

/// The open log.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    /// Whose; none before one is chosen.
    pub source: Option<LogSource>,
    /// The execution that the lines are of.
    pub execution: String,
    /// Lines that were lost, here or before they came here.
    pub lost: u64,
    /// Why the stream ended, where it did.
    pub ended: Option<String>,
    lines: VecDeque<Line>,
    first: u64,
    stream: u64,
}

impl Logs {
    /// Opens a log. Gives the number of the stream: what another stream still sends is ignored.
    pub(crate) fn open(&mut self, source: LogSource) -> u64 {
        let stream = self.stream + 1;
        *self = Self {
            source: Some(source),
            stream,
            ..Self::default()
        };
        stream
    }

    /// The lines.
    #[must_use]
    pub(crate) fn lines(&self) -> &VecDeque<Line> {
        &self.lines
    }

    /// The number of the first line that is kept: numbers never change while lines come and go.
    #[must_use]
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The number after the last line.
    #[must_use]
    pub(crate) fn end(&self) -> u64 {
        self.first + u64::try_from(self.lines.len()).unwrap_or(u64::MAX)
    }

    /// Takes lines of a stream.
    pub(crate) fn extend(&mut self, stream: u64, response: &v1::LogsResponse) {
        if stream != self.stream {
            return;
        }
        self.lost = self.lost.saturating_add(response.dropped);
        if !response.execution.is_empty() {
            response.execution.clone_into(&mut self.execution);
        }
        for line in &response.lines {
            if self.lines.len() == KEPT {
                self.lines.pop_front();
                self.first += 1;
            }
            self.lines.push_back(Line::new(line));
        }
    }

    /// Takes the end of a stream.
    pub(crate) fn end_stream(&mut self, stream: u64, why: String) {
        if stream == self.stream {
            self.ended = Some(why);
        }
    }

    /// The number of the stream that is open.
    #[cfg(test)]
    pub(crate) fn stream(&self) -> u64 {
        self.stream
    }
}
