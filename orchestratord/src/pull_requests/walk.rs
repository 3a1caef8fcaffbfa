//! Our own walk over an agent's trees. Git's diff, log and ls-tree are not asked: they follow a tree
//! bomb to its end.
//!
//! First every distinct tree is counted once (so 10^10 paths cost ten reads); only a tree within the
//! limits is then compared, path by path, with the trees it came from. What is the same as there is
//! not judged: it is not the agent's.

mod judge;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cloud_code_domain::id::Oid;

use crate::config::GateLimits;
use crate::mirrors::MirrorError;
use crate::mirrors::objects::{Found, ObjectKind, ObjectReader};

use super::finding::{Finding, Findings, Rule};
use super::gate::GateError;
use super::names;
use super::protected::Protected;
use super::quarantine::Received;
use super::secrets::Secrets;
use super::touched::{self, Touched};
use super::tree::{self, Entry, Mode};

const MAX_TREE_BYTES: u64 = 64 << 20;
/// Compared entries over all commits of a result.
const MAX_STEPS: u64 = 4_000_000;

/// Walks the trees of one result.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    pub(crate) objects: ObjectReader,
    pub(crate) received: &'a Received,
    pub(crate) limits: &'a GateLimits,
    pub(crate) protected: &'a Protected,
    pub(crate) secrets: &'a Secrets,
    trees: HashMap<Oid, Arc<Vec<Entry>>>,
    sizes: HashMap<Oid, Size>,
    looked_at: HashSet<Oid>,
    links: HashSet<Oid>,
    /// Only protected paths are looked for: everything else was judged before.
    guarding: bool,
    steps: u64,
    /// What was found.
    pub(crate) findings: Findings,
    /// Protected paths that were touched.
    pub(crate) touched: Touched,
    /// Objects that the result needs and the agent did not send.
    pub(crate) outside: HashMap<Oid, String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Size {
    paths: u64,
    depth: u32,
}

/// A directory to compare: what it is now (none: it is gone), and what it was in each parent.
#[derive(Debug)]
struct Frame {
    now: Option<Oid>,
    before: Vec<Oid>,
    path: Vec<u8>,
    depth: usize,
    /// Whether a directory above was not sent: then what is below is not expected to be.
    given: bool,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        objects: ObjectReader,
        received: &'a Received,
        limits: &'a GateLimits,
        protected: &'a Protected,
        secrets: &'a Secrets,
    ) -> Self {
        Self {
            objects,
            received,
            limits,
            protected,
            secrets,
            trees: HashMap::new(),
            sizes: HashMap::new(),
            looked_at: HashSet::new(),
            links: HashSet::new(),
            guarding: false,
            steps: 0,
            findings: Findings::default(),
            touched: Touched::default(),
            outside: HashMap::new(),
        }
    }

    /// Counts the paths below a tree, each distinct tree once.
    pub(crate) async fn measure(&mut self, root: &Oid) -> Result<(), GateError> {
        // Entries are kept for one commit at a time: all of them together may be gigabytes.
        self.trees.clear();
        let mut stack: Vec<(Oid, usize, Size)> = vec![(root.clone(), 0, Size::default())];
        while let Some((oid, at, mut size)) = stack.pop() {
            if self.sizes.contains_key(&oid) {
                continue;
            }
            let entries = self.tree(&oid).await?;
            let mut at = at;
            let mut wait = None;
            while let Some(entry) = entries.get(at) {
                if entry.mode == Mode::Directory {
                    let Some(below) = self.sizes.get(&entry.oid) else {
                        wait = Some(entry.oid.clone());
                        break;
                    };
                    size.paths = size.paths.saturating_add(below.paths);
                    size.depth = size.depth.max(below.depth + 1);
                }
                size.paths = size.paths.saturating_add(1);
                at += 1;
            }
            self.within_limits(size, stack.len())?;
            match wait {
                Some(below) => {
                    stack.push((oid, at, size));
                    stack.push((below, 0, Size::default()));
                }
                None => {
                    self.sizes.insert(oid, size);
                }
            }
        }
        Ok(())
    }

    /// Whether this walk has looked at an object of the result.
    pub(crate) fn judged(&self, oid: &Oid) -> bool {
        self.looked_at.contains(oid) || self.links.contains(oid) || self.sizes.contains_key(oid)
    }

    fn within_limits(&self, size: Size, above: usize) -> Result<(), GateError> {
        let deepest = u64::from(size.depth) + u64::try_from(above).unwrap_or(u64::MAX);
        if deepest > u64::from(self.limits.depth) {
            let what = format!("a tree is deeper than {} directories", self.limits.depth);
            return Err(Finding::whole(Rule::TooDeep, what).into());
        }
        if size.paths > self.limits.paths {
            let what = format!("a tree has more than {} paths", self.limits.paths);
            return Err(Finding::whole(Rule::TooManyPaths, what).into());
        }
        Ok(())
    }

    /// Compares a measured tree with those of its parents, and judges what differs from all of them.
    pub(crate) async fn compare(&mut self, root: &Oid, parents: &[Oid]) -> Result<(), GateError> {
        if parents.contains(root) {
            return Ok(());
        }
        self.need(root, b"", false);
        let mut frames = vec![Frame {
            now: Some(root.clone()),
            before: parents.to_vec(),
            path: Vec::new(),
            depth: 0,
            given: !self.received.contains(root),
        }];
        while let Some(frame) = frames.pop() {
            self.compare_directory(&frame, &mut frames).await?;
        }
        Ok(())
    }

    /// Looks for protected paths that a merge took from elsewhere than from what it merged: keeping
    /// one's own older version takes a change of them back, though no file is new.
    pub(crate) async fn guard(&mut self, root: &Oid, merged: &Oid) -> Result<(), GateError> {
        self.guarding = true;
        let compared = self.compare(root, std::slice::from_ref(merged)).await;
        self.guarding = false;
        compared
    }

    async fn compare_directory(
        &mut self,
        frame: &Frame,
        frames: &mut Vec<Frame>,
    ) -> Result<(), GateError> {
        let mut before = Vec::new();
        for oid in &frame.before {
            before.push(self.tree(oid).await?);
        }
        let now = match &frame.now {
            Some(oid) => self.tree(oid).await?,
            None => Arc::default(),
        };
        let old: Vec<HashMap<&[u8], &Entry>> = before
            .iter()
            .map(|entries| entries.iter().map(|e| (e.name.as_slice(), e)).collect())
            .collect();
        let changed = |entry: &Entry| {
            !old.iter().any(|names| {
                names
                    .get(entry.name.as_slice())
                    .is_some_and(|e| *e == entry)
            })
        };
        if !self.guarding {
            self.look_for_collisions(frame, &now, &changed);
        }
        for entry in now.iter().filter(|entry| changed(entry)) {
            self.step()?;
            let path = join(&frame.path, &entry.name);
            let was: Vec<&Entry> = old
                .iter()
                .filter_map(|names| names.get(entry.name.as_slice()).copied())
                .collect();
            self.judge_name(frame, entry, &path, was.first().copied());
            self.judge_entry(frame, entry, &path, &was, frames).await?;
        }
        self.look_for_removals(frame, &now, &old, frames)
    }

    fn step(&mut self) -> Result<(), GateError> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            let what = "the commits of the result change too many files";
            return Err(Finding::whole(Rule::TooLarge, what).into());
        }
        Ok(())
    }

    fn look_for_collisions(
        &mut self,
        frame: &Frame,
        now: &[Entry],
        changed: &impl Fn(&Entry) -> bool,
    ) {
        let mut seen: HashMap<_, &Entry> = HashMap::new();
        for entry in now {
            let key = names::collision_key(&entry.name).into_owned();
            if let Some(other) = seen.insert(key, entry)
                && (changed(entry) || changed(other))
            {
                let what = format!(
                    "some file systems take it for its neighbour {}",
                    names::visible(&other.name)
                );
                let path = join(&frame.path, &entry.name);
                self.findings.push(Finding::at(Rule::BadPath, &path, what));
            }
        }
    }

    /// What no parent's removal explains was removed by the agent.
    fn look_for_removals(
        &mut self,
        frame: &Frame,
        now: &[Entry],
        old: &[HashMap<&[u8], &Entry>],
        frames: &mut Vec<Frame>,
    ) -> Result<(), GateError> {
        let Some((first, others)) = old.split_first() else {
            return Ok(());
        };
        let left: HashSet<&[u8]> = now.iter().map(|entry| entry.name.as_slice()).collect();
        for (name, entry) in first {
            let in_all = others.iter().all(|names| names.contains_key(name));
            if left.contains(name) || !in_all {
                continue;
            }
            self.step()?;
            let path = join(&frame.path, name);
            if entry.mode == Mode::Directory {
                self.gone(vec![entry.oid.clone()], &path, frame, frames);
            } else {
                self.look_for_protection(&path, (touched::state(Some(entry)), None));
            }
            let submodule = names::is_like(name, ".gitmodules") || entry.mode == Mode::Submodule;
            if submodule && !self.guarding {
                let what = "submodules are not for an agent to remove";
                self.findings
                    .push(Finding::at(Rule::Submodule, &path, what));
            }
        }
        Ok(())
    }

    fn gone(&self, before: Vec<Oid>, path: &[u8], above: &Frame, frames: &mut Vec<Frame>) {
        if !before.is_empty() {
            frames.push(Frame {
                now: None,
                before: before.into_iter().take(1).collect(),
                path: path.to_vec(),
                depth: above.depth + 1,
                given: true,
            });
        }
    }

    /// Notes an object that the agent did not send: it has to be in what it was given.
    fn need(&mut self, oid: &Oid, path: &[u8], given: bool) {
        if !given && !self.received.contains(oid) {
            self.outside
                .entry(oid.clone())
                .or_insert_with(|| names::visible(path));
        }
    }

    async fn tree(&mut self, oid: &Oid) -> Result<Arc<Vec<Entry>>, GateError> {
        if let Some(entries) = self.trees.get(oid) {
            return Ok(Arc::clone(entries));
        }
        let found = self.objects.read(oid, MAX_TREE_BYTES).await;
        let entries = match found.map_err(MirrorError::from)? {
            Found::Object(ObjectKind::Tree, data) => tree::parse(&data, oid.as_str().len() / 2)
                .map_err(|what| Finding::whole(Rule::MalformedPack, what))?,
            Found::TooLarge => {
                let what = "a directory has too many files";
                return Err(Finding::whole(Rule::TooManyPaths, what).into());
            }
            Found::Missing | Found::Object(_, _) => {
                let what = format!("the result names the directory {oid}, which was not sent");
                return Err(Finding::whole(Rule::ClosureViolation, what).into());
            }
        };
        let entries = Arc::new(entries);
        self.trees.insert(oid.clone(), Arc::clone(&entries));
        Ok(entries)
    }
}

fn directories(entries: &[&Entry]) -> Vec<Oid> {
    entries
        .iter()
        .filter(|entry| entry.mode == Mode::Directory)
        .map(|entry| entry.oid.clone())
        .collect()
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = directory.to_vec();
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}
