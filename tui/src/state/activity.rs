//! The newest events.

use std::collections::VecDeque;

use cloud_code_proto::v1;

use super::tasks::{matches, terms};

/// Events that are kept at most.
const KEPT: usize = 5_000;

/// The newest events, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Activity(VecDeque<v1::Event>);

impl Activity {
    /// Takes a snapshot.
    pub(crate) fn replace(&mut self, events: Vec<v1::Event>) {
        self.0.clear();
        self.extend(events);
    }

    /// Takes new events; one that is known already is not taken twice.
    pub(crate) fn extend(&mut self, events: Vec<v1::Event>) {
        for event in events {
            if self.0.back().is_some_and(|last| last.seq >= event.seq) {
                continue;
            }
            if self.0.len() == KEPT {
                self.0.pop_front();
            }
            self.0.push_back(event);
        }
    }

    /// The rows of the list, newest first.
    #[must_use]
    pub(crate) fn rows(&self, filter: &str) -> Vec<&v1::Event> {
        let terms = terms(filter);
        self.0
            .iter()
            .rev()
            .filter(|event| matches(&terms, &|| haystack(event)))
            .collect()
    }

    /// What happened to a task and to its credential requests, oldest first.
    pub(crate) fn of_task<'a>(
        &'a self,
        task: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a v1::Event> {
        let is_of = move |event: &&v1::Event| match event.subject_kind.as_str() {
            "task" => event.subject == task,
            "credential" => event
                .subject
                .split_once(':')
                .is_some_and(|(of, _)| of == task),
            _ => false,
        };
        self.0.iter().filter(is_of)
    }
}

fn haystack(event: &v1::Event) -> String {
    [
        event.actor_kind.as_str(),
        &event.actor,
        &event.subject_kind,
        &event.subject,
        &event.kind,
        &event.detail,
    ]
    .join(" ")
    .to_lowercase()
}
