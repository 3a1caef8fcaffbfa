//! The task that is open, and its history as far as it was fetched.
//!
//! The history never has a hole: a page joins what is known, or takes its place.

use std::collections::BTreeMap;

use cloud_code_proto::v1;

/// Events of one task that are kept at most.
const KEPT: usize = 5_000;

/// The open task, as far as it is loaded.
#[derive(Debug, Default)]
pub(crate) struct Detail {
    /// Its id; empty where none is open.
    pub task: String,
    /// What the server said.
    pub loaded: Option<v1::TaskDetail>,
    /// A request is under way.
    pub loading: bool,
    /// It changed since it was loaded.
    pub outdated: bool,
    /// Why it could not be loaded.
    pub error: Option<String>,
    /// What happened to it, by number.
    history: BTreeMap<u64, v1::Event>,
    /// How much happened before that.
    before: u64,
}

impl Detail {
    /// Opens a task. What was loaded of it is kept.
    pub(crate) fn open(&mut self, task: &str) {
        if self.task != task {
            *self = Self {
                task: task.to_owned(),
                ..Self::default()
            };
        }
        self.outdated = true;
    }

    /// Takes the answer, unless another task was opened since.
    pub(crate) fn take(&mut self, task: &str, answer: Result<v1::TaskDetail, String>) {
        if self.task != task {
            return;
        }
        self.loading = false;
        match answer {
            Ok(mut detail) => {
                let events = std::mem::take(&mut detail.events);
                self.take_newest(events, detail.events_before);
                self.loaded = Some(detail);
                self.error = None;
            }
            Err(error) => self.error = Some(error),
        }
    }

    fn take_newest(&mut self, events: Vec<v1::Event>, before: u64) {
        let joins = events.first().is_some_and(|first| {
            let known = self.history.keys().next_back();
            known.is_some_and(|last| first.seq <= *last)
        });
        if !joins {
            self.history.clear();
            self.before = before;
        }
        self.history
            .extend(events.into_iter().map(|event| (event.seq, event)));
    }

    /// Takes the page that was asked for with [`Self::wants_earlier`].
    pub(crate) fn take_earlier(&mut self, task: &str, below: u64, page: v1::TaskEventsResponse) {
        // Another task was opened since, or the history began anew.
        if self.task != task || self.first() != Some(below) {
            return;
        }
        self.before = page.events_before;
        self.history
            .extend(page.events.into_iter().map(|event| (event.seq, event)));
    }

    fn first(&self) -> Option<u64> {
        self.history.keys().next().copied()
    }

    /// The number below which the next page begins; none where everything is here.
    #[must_use]
    pub(crate) fn wants_earlier(&self) -> Option<u64> {
        let more = self.before > 0 && self.history.len() < KEPT;
        self.first().filter(|_| more)
    }

    /// How much happened before what is here.
    #[must_use]
    pub(crate) fn before(&self) -> u64 {
        self.before
    }

    /// What happened, oldest first, and what was heard since it was loaded.
    pub(crate) fn history<'a>(
        &'a self,
        heard: &'a super::Activity,
    ) -> impl Iterator<Item = &'a v1::Event> {
        let last = self.history.keys().next_back().copied().unwrap_or(0);
        let since = heard
            .of_task(&self.task)
            .filter(move |event| event.seq > last);
        self.history.values().chain(since)
    }

    /// Whether it has to be asked for now; it then counts as under way.
    pub(crate) fn wants_loading(&mut self) -> bool {
        let wanted = self.outdated && !self.loading && !self.task.is_empty();
        if wanted {
            self.loading = true;
            self.outdated = false;
        }
        wanted
    }

    pub(super) fn note_change(&mut self, task: &v1::Task) {
        self.outdated |= task.id == self.task;
    }
}
