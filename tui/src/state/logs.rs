//! The log that is open: lines as they come in, the oldest forgotten first; or a part of it around a
//! line that the daemon found.

use std::collections::VecDeque;
use std::sync::Arc;

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
    /// Where it is in the log, where the daemon says so.
    pub place: Option<Place>,
}

/// Where a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The execution that it is of.
    pub execution: Arc<str>,
    /// Its number there.
    pub number: u64,
}

impl Place {
    /// The number of the execution within its task.
    #[must_use]
    pub(crate) fn attempt(&self) -> Option<u32> {
        self.execution.rsplit_once('.')?.1.parse().ok()
    }
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
            place: None,
        }
    }

    /// Whether it has a text: in either case, unless the text has capitals.
    #[must_use]
    pub(crate) fn has(&self, text: &str) -> bool {
        let line = self.text.as_str();
        match text.to_lowercase() == text {
            true => line.to_lowercase().contains(text),
            false => line.contains(text),
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
    /// It is a part of the log that was asked for, and nothing comes.
    pub part: bool,
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
        let execution: Arc<str> = response.execution.as_str().into();
        for (index, line) in response.lines.iter().enumerate() {
            if self.lines.len() == KEPT {
                self.lines.pop_front();
                self.first += 1;
            }
            let number = response.numbers.get(index);
            self.lines.push_back(Line {
                place: number.map(|number| Place {
                    execution: execution.clone(),
                    number: *number,
                }),
                ..Line::new(line)
            });
        }
    }

    /// Shows a part of the log instead. What its stream still sends is ignored.
    pub(crate) fn show(&mut self, part: &[v1::LogsResponse]) {
        let (source, stream) = (self.source.take(), self.stream + 1);
        *self = Self {
            source,
            stream,
            part: true,
            ..Self::default()
        };
        for response in part {
            self.extend(stream, response);
        }
    }

    /// The number here of the line at this place, where it is kept.
    #[must_use]
    pub(crate) fn find(&self, execution: &str, number: u64) -> Option<u64> {
        let is = |line: &Line| {
            let place = line.place.as_ref();
            place.is_some_and(|place| *place.execution == *execution && place.number == number)
        };
        let at = self.lines.iter().position(is)?;
        Some(self.first + u64::try_from(at).ok()?)
    }

    /// The line with this number here.
    #[must_use]
    pub(crate) fn line(&self, number: u64) -> Option<&Line> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.lines.get(at)
    }

    /// Takes the end of a stream.
    pub(crate) fn end_stream(&mut self, stream: u64, why: String) {
        if stream == self.stream {
            self.ended = Some(why);
        }
    }

    /// The number of the stream that is open.
    pub(crate) fn stream(&self) -> u64 {
        self.stream
    }
}
