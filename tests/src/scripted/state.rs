//! What the scripted CLI knows: the task, and where its session stands.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The session, kept in HOME.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    /// Its id.
    session: String,
    /// The step that comes next.
    pub(super) next: usize,
    /// What was claimed so far.
    pub(super) claim: Map<String, Value>,
    /// Steps that are to fail once and did; kept by a new session as well.
    pub(super) failed_once: BTreeSet<usize>,
}

impl State {
    /// A new session, which begins with the first step.
    pub(super) fn new(session: &str) -> Self {
        Self {
            session: session.to_owned(),
            failed_once: Self::kept().failed_once,
            ..Self::default()
        }
    }

    /// The session in HOME, where it is this one.
    pub(super) fn resumed(session: &str) -> Option<Self> {
        let kept = Self::kept();
        (kept.session == session).then_some(kept)
    }

    fn kept() -> Self {
        path()
            .and_then(|path| fs::read(path).ok())
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// Keeps it. A HOME that cannot be written makes every turn the first one.
    pub(super) fn save(&self) {
        if let Some(path) = path()
            && let Ok(bytes) = serde_json::to_vec(self)
        {
            // Whoever is killed meanwhile keeps the state before.
            let fresh = path.with_extension("new");
            drop(fs::write(&fresh, bytes).and_then(|()| fs::rename(fresh, path)));
        }
    }
}

fn path() -> Option<PathBuf> {
    let home = std::env::var_os("HOME")?;
    Some(PathBuf::from(home).join(".scripted.json"))
}

/// Our task, from `.cloud-code/tasking.yaml`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Tasking {
    pub(super) id: String,
    pub(super) title: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default, rename = "acceptance_criteria")]
    pub(super) criteria: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct File {
    tasks: Vec<Tasking>,
}

impl Tasking {
    pub(super) fn load() -> Self {
        fs::read_to_string(".cloud-code/tasking.yaml")
            .ok()
            .and_then(|text| serde_saphyr::from_str::<File>(&text).ok())
            .and_then(|file| file.tasks.into_iter().next())
            .unwrap_or_default()
    }
}
