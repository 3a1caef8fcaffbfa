//! The events: append-only, numbered without a gap.

use redb::{ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use cloud_code_domain::event::Event;

use super::{Store, StoreError, encode, storage};

const EVENTS: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("events");

pub(super) fn append(write: &WriteTransaction, events: &[Event]) -> Result<(), StoreError> {
    let mut table = write.open_table(EVENTS).map_err(storage("written"))?;
    for event in events {
        table
            .insert(event.seq, encode(event).as_slice())
            .map_err(storage("written"))?;
    }
    Ok(())
}

/// All events of a store into a new one.
pub(super) fn copy(store: &ReadTransaction, new: &WriteTransaction) -> Result<(), StoreError> {
    let from = store.open_table(EVENTS).map_err(storage("read"))?;
    let mut to = new.open_table(EVENTS).map_err(storage("written"))?;
    for entry in from.iter().map_err(storage("read"))? {
        let (seq, event) = entry.map_err(storage("read"))?;
        to.insert(seq.value(), event.value())
            .map_err(storage("written"))?;
    }
    Ok(())
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
}

fn decode(seq: u64, bytes: &[u8]) -> Result<Event, StoreError> {
    let json = bytes.get(1..).unwrap_or_default();
    serde_json::from_slice(json).map_err(|error| StoreError::Record {
        table: "events",
        key: seq.to_string(),
        why: error.to_string(),
    })
}
