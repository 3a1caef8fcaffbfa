//! Whether a copy of the store is good: its pages, its records, and that its events, told again from
//! the first, lead to the states that its records say.

use std::path::Path;

use cloud_code_domain::agent::Agent;
use cloud_code_domain::credential::CredentialRequest;
use cloud_code_domain::event::{Replay, Subject};
use cloud_code_domain::task::Task;

use super::{SCHEMA, Store, StoreError, Table, cannot_open};

/// Events that are read at once.
const PAGE: usize = 4_096;

/// What a good store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// Events, which is also the number of the last one.
    pub events: u64,
    /// Tasks, finished ones too.
    pub tasks: u64,
}

impl std::fmt::Display for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tasks and {} events", self.tasks, self.events)
    }
}

/// Reads a store that no daemon uses from end to end.
///
/// # Errors
/// [`StoreError`] where it does not open or read, or does not agree with itself.
pub fn verify(path: &Path) -> Result<Contents, StoreError> {
    let wrong = |what: String| StoreError::Inconsistent {
        path: path.to_owned(),
        what,
    };
    let checked = redb::Database::builder()
        .set_check_integrity_on_open(true)
        .open(path);
    let db = checked.map_err(cannot_open(path))?;
    let store = Store::of(db, path);
    let schema = store.schema()?;
    if schema > SCHEMA {
        return Err(StoreError::Newer { found: schema });
    }
    let replay = replay(&store, &wrong)?;
    let agree = |subject: Subject, state: &str| match replay.state(&subject) {
        Some(told) if told == state => Ok(()),
        told => Err(wrong(format!(
            "its events say {} of {subject:?}, its record says {state}",
            told.unwrap_or("nothing"),
        ))),
    };
    let mut tasks = 0;
    for table in [Table::Tasks, Table::Finished] {
        for task in store.scan::<Task>(table, "")? {
            tasks += 1;
            agree(
                Subject::Task(task.id.to_string()),
                task.state.name().as_str(),
            )?;
        }
    }
    for agent in store.scan::<Agent>(Table::Agents, "")? {
        agree(Subject::Agent(agent.id.to_string()), agent.state.as_str())?;
    }
    for request in store.scan::<CredentialRequest>(Table::Requests, "")? {
        agree(
            Subject::Credential(request.id.to_string()),
            request.state.as_str(),
        )?;
    }
    Ok(Contents {
        events: replay.last(),
        tasks,
    })
}

fn replay(store: &Store, wrong: &impl Fn(String) -> StoreError) -> Result<Replay, StoreError> {
    let mut replay = Replay::default();
    loop {
        let page = store.events(replay.last(), PAGE)?;
        if page.is_empty() {
            return Ok(replay);
        }
        for event in &page {
            replay.take(event).map_err(|gap| wrong(gap.to_string()))?;
        }
    }
}
