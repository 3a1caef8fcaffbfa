//! A copy of the store as it is at one moment, also while the daemon goes on writing.

use std::path::Path;

use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable};

use super::{FILE, StoreError, Table, cannot_open, events, file, shared, storage, sync};

/// Copies the store of `state_dir` into a new file, durably.
///
/// # Errors
/// [`StoreError`] where the store cannot be read or the copy cannot be written.
pub fn snapshot(state_dir: &Path, copy: &Path) -> Result<(), StoreError> {
    let path = state_dir.join(FILE);
    match shared().open_read_only(&path) {
        Ok(store) => copy_of(&store.begin_read().map_err(storage("read"))?, copy)?,
        // A daemon that was killed left it like this: opening it as the writer mends it.
        Err(DatabaseError::RepairAborted) => {
            let store = shared().open(&path).map_err(cannot_open(&path))?;
            copy_of(&store.begin_read().map_err(storage("read"))?, copy)?;
        }
        Err(error) => return Err(cannot_open(&path)(error)),
    }
    sync(copy).map_err(file("cannot sync the copy of the store", copy))
}

fn copy_of(store: &ReadTransaction, copy: &Path) -> Result<(), StoreError> {
    let new = Database::create(copy).map_err(cannot_open(copy))?;
    let write = new.begin_write().map_err(storage("written"))?;
    for table in Table::ALL {
        let from = store
            .open_table(table.definition())
            .map_err(storage("read"))?;
        let mut to = write
            .open_table(table.definition())
            .map_err(storage("written"))?;
        for entry in from.iter().map_err(storage("read"))? {
            let (key, value) = entry.map_err(storage("read"))?;
            to.insert(key.value(), value.value())
                .map_err(storage("written"))?;
        }
    }
    events::copy(store, &write)?;
    write.commit().map_err(storage("written"))
}
