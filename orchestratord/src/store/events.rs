//! The events: append-only, numbered without a gap, and an index of them by task.
//!
//! The index is written in the transaction that writes the event, so neither is ever without the
//! other. It holds no more than numbers; what happened is said once.

use redb::{ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use cloud_code_domain::event::Event;

use super::{Store, StoreError, encode, storage};

const EVENTS: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("events");

/// `(TaskId, seq)`: which events belong to the history of a task.
const OF_TASKS: TableDefinition<'static, (&'static str, u64), ()> =
    TableDefinition::new("events_of_tasks");

/// A page of the history of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskEvents {
    /// Oldest first.
    pub events: Vec<Event>,
    /// How many came before them.
    pub before: u64,
}

pub(super) fn append(write: &WriteTransaction, events: &[Event]) -> Result<(), StoreError> {
    let mut table = write.open_table(EVENTS).map_err(storage("written"))?;
    let mut of_tasks = write.open_table(OF_TASKS).map_err(storage("written"))?;
    for event in events {
        table
            .insert(event.seq, encode(event).as_slice())
            .map_err(storage("written"))?;
        if let Some(task) = event.subject.task() {
            of_tasks
                .insert((task, event.seq), ())
                .map_err(storage("written"))?;
        }
    }
    Ok(())
}

/// Makes the index of a store that was written without one.
pub(super) fn index(write: &WriteTransaction) -> Result<(), StoreError> {
    let table = write.open_table(EVENTS).map_err(storage("written"))?;
    let mut of_tasks = write.open_table(OF_TASKS).map_err(storage("written"))?;
    for entry in table.iter().map_err(storage("read"))? {
        let (seq, value) = entry.map_err(storage("read"))?;
        let event = decode(seq.value(), value.value())?;
        if let Some(task) = event.subject.task() {
            of_tasks
                .insert((task, event.seq), ())
                .map_err(storage("written"))?;
        }
    }
    Ok(())
}

/// Makes of a store what a program of schema 1 would have written.
#[cfg(test)]
pub(crate) fn without_index(store: &Store) -> Result<(), StoreError> {
    store.db(|db| {
        let write = super::begin(db)?;
        write.delete_table(OF_TASKS).map_err(storage("written"))?;
        {
            let meta = super::Table::Meta.definition();
            let mut meta = write.open_table(meta).map_err(storage("written"))?;
            meta.insert("schema", encode(&1_u64).as_slice())
                .map_err(storage("written"))?;
        }
        write.commit().map_err(storage("written"))
    })
}

/// All events of a store into a new one, which gets its own index of them.
pub(super) fn copy(store: &ReadTransaction, new: &WriteTransaction) -> Result<(), StoreError> {
    let from = store.open_table(EVENTS).map_err(storage("read"))?;
    {
        let mut to = new.open_table(EVENTS).map_err(storage("written"))?;
        for entry in from.iter().map_err(storage("read"))? {
            let (seq, event) = entry.map_err(storage("read"))?;
            to.insert(seq.value(), event.value())
                .map_err(storage("written"))?;
        }
    }
    index(new)
}

impl Store {
    /// The number of the last event; 0 where there is none.
    ///
    /// # Errors
    /// [`StoreError`] where the store does not read.
    pub fn last_event(&self) -> Result<u64, StoreError> {
        let read = self.db(|db| db.begin_read().map_err(storage("read")))?;
        let table = read.open_table(EVENTS).map_err(storage("read"))?;
        let last = table.last().map_err(storage("read"))?;
        Ok(last.map_or(0, |(seq, _)| seq.value()))
    }

    /// Events after `since`, at most `limit`, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] where the store or an event does not read.
    pub fn events(&self, since: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        let read = self.db(|db| db.begin_read().map_err(storage("read")))?;
        let table = read.open_table(EVENTS).map_err(storage("read"))?;
        let mut events = Vec::new();
        for entry in table
            .range(since.saturating_add(1)..)
            .map_err(storage("read"))?
            .take(limit)
        {
            let (seq, value) = entry.map_err(storage("read"))?;
            events.push(decode(seq.value(), value.value())?);
        }
        Ok(events)
    }

    /// The newest events of a task with a number below `before`, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] where the store or an event does not read.
    pub fn events_of_task(
        &self,
        task: &str,
        before: u64,
        limit: usize,
    ) -> Result<TaskEvents, StoreError> {
        let read = self.db(|db| db.begin_read().map_err(storage("read")))?;
        let table = read.open_table(EVENTS).map_err(storage("read"))?;
        let of_tasks = read.open_table(OF_TASKS).map_err(storage("read"))?;
        let mut page = TaskEvents::default();
        let numbers = of_tasks
            .range((task, 0)..(task, before))
            .map_err(storage("read"))?;
        for entry in numbers.rev() {
            let (key, _) = entry.map_err(storage("read"))?;
            if page.events.len() == limit {
                page.before = page.before.saturating_add(1);
                continue;
            }
            let seq = key.value().1;
            if let Some(value) = table.get(seq).map_err(storage("read"))? {
                page.events.push(decode(seq, value.value())?);
            }
        }
        page.events.reverse();
        Ok(page)
    }
}

fn decode(seq: u64, bytes: &[u8]) -> Result<Event, StoreError> {
    let json = bytes.get(1..).unwrap_or_default();
    serde_json::from_slice(json).map_err(|error| StoreError::Record {
        table: "events",
        key: seq.to_string(),
        why: error.to_string(),
    })
}

#[cfg(test)]
mod tests;
