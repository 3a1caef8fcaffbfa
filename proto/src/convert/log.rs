//! Conversions of `log.proto`.

use cloud_code_domain::log::{LogCategory, LogLevel, LogLine, MAX_LINE};
use cloud_code_domain::time::Timestamp;

use super::{Malformed, malformed};
use crate::v1;

impl From<LogLine> for v1::LogLine {
    fn from(line: LogLine) -> Self {
        let level = match line.level {
            LogLevel::Debug => v1::LogLevel::Debug,
            LogLevel::Info => v1::LogLevel::Info,
            LogLevel::Warning => v1::LogLevel::Warning,
            LogLevel::Error => v1::LogLevel::Error,
        };
        let category = match line.category {
            LogCategory::System => v1::LogCategory::System,
            LogCategory::Message => v1::LogCategory::Message,
            LogCategory::ToolInput => v1::LogCategory::ToolInput,
            LogCategory::ToolOutput => v1::LogCategory::ToolOutput,
            LogCategory::Llm => v1::LogCategory::Llm,
            LogCategory::Output => v1::LogCategory::Output,
        };
        Self {
            at_ms: line.at.0,
            level: level.into(),
            category: category.into(),
            text: cut(line.text),
        }
    }
}

impl TryFrom<v1::LogLine> for LogLine {
    type Error = Malformed;

    /// The text is cut at [`MAX_LINE`] characters and otherwise left alone: what shows it makes it
    /// visible.
    fn try_from(line: v1::LogLine) -> Result<Self, Malformed> {
        Ok(Self {
            at: Timestamp(line.at_ms),
            level: level(line.level)?,
            category: category(line.category)?,
            text: cut(line.text),
        })
    }
}

fn level(number: i32) -> Result<LogLevel, Malformed> {
    let field = "level";
    let known = v1::LogLevel::try_from(number).map_err(|error| malformed(field, error))?;
    match known {
        v1::LogLevel::Unspecified => Err(malformed(field, "it is missing")),
        v1::LogLevel::Debug => Ok(LogLevel::Debug),
        v1::LogLevel::Info => Ok(LogLevel::Info),
        v1::LogLevel::Warning => Ok(LogLevel::Warning),
        v1::LogLevel::Error => Ok(LogLevel::Error),
    }
}

fn category(number: i32) -> Result<LogCategory, Malformed> {
    let field = "category";
    let known = v1::LogCategory::try_from(number).map_err(|error| malformed(field, error))?;
    match known {
        v1::LogCategory::Unspecified => Err(malformed(field, "it is missing")),
        v1::LogCategory::System => Ok(LogCategory::System),
        v1::LogCategory::Message => Ok(LogCategory::Message),
        v1::LogCategory::ToolInput => Ok(LogCategory::ToolInput),
        v1::LogCategory::ToolOutput => Ok(LogCategory::ToolOutput),
        v1::LogCategory::Llm => Ok(LogCategory::Llm),
        v1::LogCategory::Output => Ok(LogCategory::Output),
    }
}

fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(MAX_LINE) {
        text.truncate(at);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: LogLevel, category: LogCategory, text: &str) -> LogLine {
        LogLine {
            at: Timestamp(1_700_000_000_000),
            level,
            category,
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_line_comes_back_from_the_wire_as_it_went() {
        for level in [
            LogLevel::Debug,
            LogLevel::Info,
            LogLevel::Warning,
            LogLevel::Error,
        ] {
            for category in [
                LogCategory::System,
                LogCategory::Message,
                LogCategory::ToolInput,
                LogCategory::ToolOutput,
                LogCategory::Llm,
                LogCategory::Output,
            ] {
                let line = line(level, category, "\u{1b}[31mr\u{e9}d");
                let wire = v1::LogLine::from(line.clone());
                assert_eq!(LogLine::try_from(wire), Ok(line));
            }
        }
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let long = line(
            LogLevel::Info,
            LogCategory::Output,
            &"é".repeat(MAX_LINE + 1),
        );
        let mut wire = v1::LogLine::from(long.clone());
        assert_eq!(wire.text.chars().count(), MAX_LINE);
        wire.text = long.text;
        let back = LogLine::try_from(wire).unwrap();
        assert_eq!(back.text, "é".repeat(MAX_LINE));
    }

    #[test]
    fn a_number_without_a_meaning_is_malformed_and_never_a_default() {
        let good = v1::LogLine::from(line(LogLevel::Info, LogCategory::Llm, ""));
        for number in [0, 99, -1] {
            let mut bad = good.clone();
            bad.level = number;
            assert_eq!(LogLine::try_from(bad).unwrap_err().field, "level");
            let mut bad = good.clone();
            bad.category = number;
            assert_eq!(LogLine::try_from(bad).unwrap_err().field, "category");
        }
    }
}
