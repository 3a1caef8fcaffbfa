//! What is said of one entry that differs: its name, its mode, what is in it.

use cloud_code_domain::id::Oid;

use crate::mirrors::MirrorError;
use crate::mirrors::objects::{Found, ObjectKind};
use crate::pull_requests::finding::{Finding, Rule};
use crate::pull_requests::gate::GateError;
use crate::pull_requests::names;
use crate::pull_requests::quarantine::Seen;
use crate::pull_requests::secrets::Hit;
use crate::pull_requests::touched;
use crate::pull_requests::tree::{Entry, Mode};

use super::{Frame, Walk, directories};

const MAX_PATH: usize = 1024;

/// What a path was, and what it is.
type Change = (Option<String>, Option<String>);

impl Walk<'_> {
    pub(super) fn judge_name(
        &mut self,
        frame: &Frame,
        entry: &Entry,
        path: &[u8],
        was: Option<&Entry>,
    ) {
        let change = || (touched::state(was), touched::state(Some(entry)));
        if entry.mode != Mode::Directory {
            self.look_for_protection(path, change());
        }
        if entry.mode == Mode::Link {
            self.look_for_protection_below(path, change());
        }
        if self.guarding {
            return;
        }
        if let Some(rule) = names::broken_rule(&entry.name) {
            self.findings.push(Finding::at(Rule::BadPath, path, rule));
        }
        if path.len() > MAX_PATH {
            let what = format!("the path has more than {MAX_PATH} bytes");
            self.findings.push(Finding::at(Rule::BadPath, path, what));
        }
        if names::is_like(&entry.name, ".gitmodules") {
            let what = "submodules are not accepted from an agent";
            self.findings.push(Finding::at(Rule::Submodule, path, what));
        }
        if frame.depth == 0 && names::is_like(&entry.name, ".cloud-code") {
            let what = "the files between us and the agent are no part of the work";
            self.findings.push(Finding::at(Rule::OwnFiles, path, what));
        }
        if let Some(hit) = self.secrets.find(path) {
            self.found_secret(hit, b"", "the name of a file");
        }
    }

    pub(super) fn look_for_protection(&mut self, path: &[u8], change: Change) {
        if let Some(pattern) = self.protected.matching(path) {
            let pattern = names::visible(pattern.as_bytes());
            let what = format!("changes a protected path ({pattern})");
            self.touched.note(path, change, what, self.guarding);
        }
    }

    /// What lies behind a link to a directory lies, for who follows it, below the link.
    fn look_for_protection_below(&mut self, path: &[u8], change: Change) {
        if let Some(pattern) = self.protected.matching_below(path) {
            let pattern = names::visible(pattern.as_bytes());
            let what = format!("puts a link where a protected path would be ({pattern})");
            self.touched.note(path, change, what, self.guarding);
        }
    }

    pub(super) async fn judge_entry(
        &mut self,
        frame: &Frame,
        entry: &Entry,
        path: &[u8],
        was: &[&Entry],
        frames: &mut Vec<Frame>,
    ) -> Result<(), GateError> {
        match entry.mode {
            Mode::Directory => {
                self.need(&entry.oid, path, frame.given);
                frames.push(Frame {
                    now: Some(entry.oid.clone()),
                    before: directories(was),
                    path: path.to_vec(),
                    depth: frame.depth + 1,
                    given: frame.given || !self.received.contains(&entry.oid),
                });
                return Ok(());
            }
            // What is in it was judged with the commit.
            Mode::File | Mode::Executable | Mode::Link | Mode::Submodule | Mode::Other
                if self.guarding => {}
            Mode::File | Mode::Executable => {
                self.need(&entry.oid, path, frame.given);
                self.look_into_file(&entry.oid, path).await?;
            }
            Mode::Link => {
                self.need(&entry.oid, path, frame.given);
                self.look_into_link(frame, entry, path).await?;
            }
            Mode::Submodule => {
                let what = "submodules are not accepted from an agent";
                self.findings.push(Finding::at(Rule::Submodule, path, what));
            }
            Mode::Other => {
                let what = "the mode is none of file, executable, link, directory";
                self.findings.push(Finding::at(Rule::BadMode, path, what));
            }
        }
        self.gone(directories(was), path, frame, frames);
        Ok(())
    }

    async fn look_into_file(&mut self, oid: &Oid, path: &[u8]) -> Result<(), GateError> {
        if !self.received.contains(oid) || !self.looked_at.insert(oid.clone()) {
            return Ok(());
        }
        if let Some(Seen(hit)) = self.received.seen(oid) {
            if let Some(hit) = hit {
                self.found_secret(hit, path, "the file");
            }
            return Ok(());
        }
        let found = self.objects.read(oid, self.limits.blob_bytes).await;
        match found.map_err(MirrorError::from)? {
            Found::Object(ObjectKind::Blob, data) => {
                if let Some(hit) = self.secrets.find(&data) {
                    self.found_secret(hit, path, "the file");
                }
            }
            Found::TooLarge => {
                let what = format!("the file has more than {} bytes", self.limits.blob_bytes);
                self.findings.push(Finding::at(Rule::TooLarge, path, what));
            }
            Found::Missing | Found::Object(_, _) => self.not_what_it_says(path),
        }
        Ok(())
    }

    async fn look_into_link(
        &mut self,
        frame: &Frame,
        entry: &Entry,
        path: &[u8],
    ) -> Result<(), GateError> {
        let special = [".gitattributes", ".gitignore", ".mailmap", ".gitmodules"];
        if special.iter().any(|name| names::is_like(&entry.name, name)) {
            let what = "git reads this file; it may not be a link";
            self.findings.push(Finding::at(Rule::BadLink, path, what));
        }
        self.links.insert(entry.oid.clone());
        let found = self.objects.read(&entry.oid, 8 << 10).await;
        match found.map_err(MirrorError::from)? {
            Found::Object(ObjectKind::Blob, target) => {
                if let Some(rule) = names::broken_target(&target, frame.depth) {
                    self.findings.push(Finding::at(Rule::BadLink, path, rule));
                }
                if let Some(hit) = self.secrets.find(&target) {
                    self.found_secret(hit, path, "the link");
                }
            }
            Found::TooLarge => {
                let what = "a link's target has 1 to 4096 bytes";
                self.findings.push(Finding::at(Rule::BadLink, path, what));
            }
            Found::Missing | Found::Object(_, _) => self.not_what_it_says(path),
        }
        Ok(())
    }

    fn not_what_it_says(&mut self, path: &[u8]) {
        let what = "the tree names something else than a file";
        self.findings
            .push(Finding::at(Rule::MalformedPack, path, what));
    }

    /// Adds a finding about a secret, never the secret.
    pub(crate) fn found_secret(&mut self, hit: Hit, path: &[u8], place: &str) {
        let (rule, what) = match hit {
            Hit::Known => (
                Rule::KnownSecret,
                format!("{place} holds a secret of this host"),
            ),
            Hit::Looks(name) => (
                Rule::Secret,
                format!("{place} holds what looks like {name}"),
            ),
        };
        self.findings.push(if path.is_empty() {
            Finding::whole(rule, what)
        } else {
            Finding::at(rule, path, what)
        });
    }
}
