//! The store: what the engine knows, durable.
//!
//! One redb database. A [`Batch`] is everything that one group of inputs changed: records, events and
//! effects go into one transaction, or none of them does. Values are ours: a version byte and JSON,
//! so that a newer program can read an older record. The database is made under another name and
//! renamed when its first commit is on disk, since a power cut during creation leaves a file that
//! never opens.

mod events;
mod records;
mod snapshot;
mod tables;
#[cfg(test)]
mod tests;
mod verify;

pub use events::TaskEvents;
#[cfg(test)]
pub(crate) use events::without_index;
pub use records::{HostRecord, ProjectRecord, Reservation, SpendRow};
pub use snapshot::snapshot;
pub use tables::Table;
pub use verify::{Contents, verify};

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::{
    ConcurrencyMode, Database, Durability, ReadableDatabase, StorageBackend, WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use cloud_code_domain::event::Event;

/// The version of the tables and records that this program writes.
///
/// 2: the history of a task is found by an index. A store of schema 1 is brought up to it when it
/// is opened.
pub const SCHEMA: u64 = 2;

/// The version byte in front of every record.
const RECORD: u8 = 1;

/// The name of the store in `state_dir`.
pub const FILE: &str = "state.redb";

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened.
    #[error(
        "the store {path} cannot be opened; move it away, and put a backup in its place with \
         orchestratord restore"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<redb::Error>,
    },
    /// Another process has the database open.
    #[error("another orchestratord uses the store {path}; one state_dir has one daemon")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("{what} {path}")]
    File {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Reading or writing failed.
    #[error("the store cannot be {what}")]
    Storage {
        /// `read` or `written`.
        what: &'static str,
        /// Why.
        source: Box<redb::Error>,
    },
    /// It failed and could not be opened again yet.
    #[error("the store is closed after an error; it is opened again by itself")]
    Closed,
    /// The database was written by a newer program.
    #[error(
        "the store has schema {found}, this program knows {SCHEMA}; start the newer orchestratord"
    )]
    Newer {
        /// Its schema.
        found: u64,
    },
    /// What it holds cannot be: it was damaged, or changed by another hand.
    #[error("the store {path} does not agree with itself: {what}; restore a backup")]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// What does not agree with what.
        what: String,
    },
    /// A record does not read.
    #[error("the record {key} of {table} does not read: {why}")]
    Record {
        /// The table.
        table: &'static str,
        /// The key.
        key: String,
        /// Why.
        why: String,
    },
}

fn storage<E: Into<redb::Error>>(what: &'static str) -> impl Fn(E) -> StoreError {
    move |source| StoreError::Storage {
        what,
        source: Box::new(source.into()),
    }
}

/// What one group of inputs changed.
#[derive(Debug, Default)]
pub struct Batch {
    puts: Vec<(Table, String, Vec<u8>)>,
    deletes: Vec<(Table, String)>,
    events: Vec<Event>,
}

impl Batch {
    /// Writes a record.
    pub fn put<T: Serialize>(&mut self, table: Table, key: impl Into<String>, record: &T) {
        self.puts.push((table, key.into(), encode(record)));
    }

    /// Deletes a record.
    pub fn delete(&mut self, table: Table, key: impl Into<String>) {
        self.deletes.push((table, key.into()));
    }

    /// Appends an event.
    pub fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    fn touches(&self, table: Table) -> bool {
        self.puts.iter().any(|(of, _, _)| *of == table)
            || self.deletes.iter().any(|(of, _)| *of == table)
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.deletes.is_empty() && self.events.is_empty()
    }
}

fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    let mut bytes = vec![RECORD];
    // Our records are plain data: JSON of them cannot fail but for memory.
    if let Err(error) = serde_json::to_writer(&mut bytes, record) {
        tracing::error!(%error, "a record could not be encoded");
    }
    bytes
}

fn decode<T: DeserializeOwned>(table: Table, key: &str, bytes: &[u8]) -> Result<T, StoreError> {
    let wrong = |why: String| StoreError::Record {
        table: table.name(),
        key: key.into(),
        why,
    };
    match bytes.split_first() {
        Some((&RECORD, json)) => {
            serde_json::from_slice(json).map_err(|error| wrong(error.to_string()))
        }
        Some((version, _)) => Err(wrong(format!("its version is {version}"))),
        None => Err(wrong("it is empty".into())),
    }
}

type Opener = Box<dyn Fn() -> Result<Database, StoreError> + Send + Sync>;

/// The open store.
pub struct Store {
    /// None only while it is being opened again and where that failed.
    db: RwLock<Option<Database>>,
    opener: Opener,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in this directory, and makes it where there is none.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be opened, made, or is of a newer schema.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        if !path.exists() {
            create(dir, &path)?;
        }
        Self::with(Box::new(move || {
            shared().open(&path).map_err(cannot_open(&path))
        }))
    }

    /// Opens a store over backends of the caller's: power loss and full disks are tested with them.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn over<B: StorageBackend>(
        backend: impl Fn() -> B + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        Self::with(Box::new(move || {
            let database = Database::builder().create_with_backend(backend());
            let db = database.map_err(|source| StoreError::Open {
                path: "(backend)".into(),
                source: Box::new(source.into()),
            })?;
            initialise(&db)?;
            Ok(db)
        }))
    }

    /// A database that is open already; it is not opened again after an error.
    fn of(db: Database, path: &Path) -> Self {
        let path = path.to_owned();
        Self {
            db: RwLock::new(Some(db)),
            opener: Box::new(move || shared().open(&path).map_err(cannot_open(&path))),
        }
    }

    fn with(opener: Opener) -> Result<Self, StoreError> {
        let db = opener()?;
        let store = Self {
            db: RwLock::new(Some(db)),
            opener,
        };
        let found = store.schema()?;
        if found > SCHEMA {
            return Err(StoreError::Newer { found });
        }
        if found < SCHEMA {
            store.db(upgrade)?;
        }
        Ok(store)
    }

    /// Opens it again after an I/O error, which poisons the handle.
    ///
    /// # Errors
    /// As [`Store::open`]; it cannot be used then until this succeeds.
    pub fn reopen(&self) -> Result<(), StoreError> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        // The old handle holds the file's lock.
        drop(db.take());
        *db = Some((self.opener)()?);
        Ok(())
    }

    fn db<T>(
        &self,
        use_it: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        use_it(db.as_ref().ok_or(StoreError::Closed)?)
    }

    fn schema(&self) -> Result<u64, StoreError> {
        self.get(Table::Meta, "schema")
            .map(Option::unwrap_or_default)
    }

    /// Writes a batch. When this returns, it is on disk.
    ///
    /// # Errors
    /// [`StoreError::Storage`]; nothing of the batch is written then, and the handle has to be
    /// opened again.
    pub fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.db(|db| commit(db, batch, false))
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`StoreError`] where the store or the record does not read.
    pub fn get<T: DeserializeOwned>(
        &self,
        table: Table,
        key: &str,
    ) -> Result<Option<T>, StoreError> {
        let read = self.db(|db| db.begin_read().map_err(storage("read")))?;
        let open = read
            .open_table(table.definition())
            .map_err(storage("read"))?;
        let value = open.get(key).map_err(storage("read"))?;
        value
            .map(|bytes| decode(table, key, bytes.value()))
            .transpose()
    }

    /// Reads the records whose keys begin with `prefix`, in the order of their keys.
    ///
    /// # Errors
    /// [`StoreError`] where the store or a record does not read.
    pub fn scan<T: DeserializeOwned>(
        &self,
        table: Table,
        prefix: &str,
    ) -> Result<Vec<T>, StoreError> {
        let read = self.db(|db| db.begin_read().map_err(storage("read")))?;
        let open = read
            .open_table(table.definition())
            .map_err(storage("read"))?;
        let mut records = Vec::new();
        for entry in open.range(prefix..).map_err(storage("read"))? {
            let (key, value) = entry.map_err(storage("read"))?;
            if !key.value().starts_with(prefix) {
                break;
            }
            records.push(decode(table, key.value(), value.value())?);
        }
        Ok(records)
    }

    /// How many records a table has.
    ///
    /// # Errors
    /// [`StoreError`] where the store does not read.
    pub fn count(&self, table: Table) -> Result<u64, StoreError> {
        use redb::ReadableTableMetadata as _;
        let read = self.db(|db| db.begin_read().map_err(storage("read")))?;
        let open = read
            .open_table(table.definition())
            .map_err(storage("read"))?;
        open.len().map_err(storage("read"))
    }
}

/// How the database is opened: one process writes, others may read beside it, as a backup does.
fn shared() -> redb::Builder {
    let mut builder = Database::builder();
    builder
        .set_cache_size(64 << 20)
        .set_concurrency_mode(ConcurrencyMode::SingleWriter);
    builder
}

fn cannot_open(path: &Path) -> impl FnOnce(redb::DatabaseError) -> StoreError {
    let path = path.to_owned();
    move |error| {
        if matches!(error, redb::DatabaseError::DatabaseAlreadyOpen) {
            return StoreError::InUse { path };
        }
        let source = Box::new(error.into());
        StoreError::Open { path, source }
    }
}

fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::File { what, path, source }
}

fn sync(path: &Path) -> std::io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

/// Makes the database under another name, and gives it its own when it is on disk.
fn create(dir: &Path, path: &Path) -> Result<(), StoreError> {
    let new = dir.join("state.redb.new");
    if new.exists() {
        std::fs::remove_file(&new).map_err(file("cannot remove the half-made store", &new))?;
    }
    {
        let db = Database::create(&new).map_err(cannot_open(&new))?;
        initialise(&db)?;
    }
    sync(&new).map_err(file("cannot sync the new store", &new))?;
    std::fs::rename(&new, path).map_err(file("cannot name the new store", path))?;
    sync(dir).map_err(file("cannot sync the directory of the store", dir))
}

fn initialise(db: &Database) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    batch.put(Table::Meta, "schema", &SCHEMA);
    commit(db, &batch, true)
}

/// Brings a store of an older schema up to this one, or leaves it as it is.
fn upgrade(db: &Database) -> Result<(), StoreError> {
    let write = begin(db)?;
    events::index(&write)?;
    {
        let mut meta = write
            .open_table(Table::Meta.definition())
            .map_err(storage("written"))?;
        meta.insert("schema", encode(&SCHEMA).as_slice())
            .map_err(storage("written"))?;
    }
    write.commit().map_err(storage("written"))
}

fn begin(db: &Database) -> Result<WriteTransaction, StoreError> {
    let mut write = db.begin_write().map_err(storage("written"))?;
    write
        .set_durability(Durability::Immediate)
        .map_err(storage("written"))?;
    write.set_two_phase_commit(true);
    write.set_quick_repair(true);
    Ok(write)
}

fn commit(db: &Database, batch: &Batch, all_tables: bool) -> Result<(), StoreError> {
    let write = begin(db)?;
    for table in Table::ALL {
        if !all_tables && !batch.touches(table) {
            continue;
        }
        let mut open = write
            .open_table(table.definition())
            .map_err(storage("written"))?;
        for (_, key, value) in batch.puts.iter().filter(|(of, _, _)| *of == table) {
            open.insert(key.as_str(), value.as_slice())
                .map_err(storage("written"))?;
        }
        for (_, key) in batch.deletes.iter().filter(|(of, _)| *of == table) {
            open.remove(key.as_str()).map_err(storage("written"))?;
        }
    }
    events::append(&write, &batch.events)?;
    write.commit().map_err(storage("written"))
}
