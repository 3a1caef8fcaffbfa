//! The README as a text, and the steps in it that lead to a running daemon.

use std::path::{Path, PathBuf};

/// The root of the repository.
#[must_use]
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Where the README is.
#[must_use]
pub fn path() -> PathBuf {
    root().join("README.md")
}

/// The whole text; empty where there is none.
#[must_use]
pub fn text() -> String {
    std::fs::read_to_string(path()).unwrap_or_default()
}

/// What stands in fences of this language, one after the other.
#[must_use]
pub fn fences(language: &str) -> Vec<String> {
    let text = text();
    let fences = Fences::of(&text).filter(|fence| fence.language == language);
    fences.map(|fence| fence.text).collect()
}

/// A command of the README, on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its line, from 1.
    pub line: usize,
    /// What is typed.
    pub command: String,
}

/// What is typed for a real repository, up to the daemon that runs and is looked at. Label and client
/// come after that.
#[must_use]
pub fn steps() -> Vec<Step> {
    let text = text();
    let line_of = |words: &str| text.lines().position(|line| line.starts_with(words));
    let (Some(begin), Some(end)) = (line_of("## A real repository"), line_of("**8. ")) else {
        return Vec::new();
    };
    let fences = Fences::of(&text)
        .filter(|fence| fence.language == "sh" && (begin..end).contains(&fence.line));
    let steps = fences.flat_map(|fence| {
        let commands: Vec<Step> = fence
            .text
            .lines()
            .enumerate()
            .map(|(below, command)| Step {
                line: fence.line + below + 1,
                command: command.to_owned(),
            })
            .collect();
        commands
    });
    steps.collect()
}

struct Fence {
    language: String,
    /// The line of its first line, from 0; also of the fence itself, from 1.
    line: usize,
    text: String,
}

struct Fences<'a>(std::iter::Enumerate<std::str::Lines<'a>>);

impl<'a> Fences<'a> {
    fn of(text: &'a str) -> Self {
        Self(text.lines().enumerate())
    }
}

impl Iterator for Fences<'_> {
    type Item = Fence;

    fn next(&mut self) -> Option<Fence> {
        let (at, language) = self
            .0
            .find_map(|(at, line)| Some((at, line.strip_prefix("```")?)))?;
        let lines = self.0.by_ref().map(|(_, line)| line);
        let lines = lines.take_while(|line| !line.starts_with("```"));
        Some(Fence {
            language: language.to_owned(),
            line: at + 1,
            text: lines.map(|line| format!("{line}\n")).collect(),
        })
    }
}
