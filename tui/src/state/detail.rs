//! The task that is open.

use cloud_code_proto::v1;

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
            Ok(detail) => {
                self.loaded = Some(detail);
                self.error = None;
            }
            Err(error) => self.error = Some(error),
        }
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
