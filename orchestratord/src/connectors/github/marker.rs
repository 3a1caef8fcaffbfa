//! What our comments are recognised by: a keyed mark that nobody else can make.
//!
//! `<!-- cloud-code:<task>:<mac> -->` stands alone on the first line of a comment. The MAC binds the
//! project and the task, so a mark is good for one task. It can be copied by who reads it, so it is no
//! proof of authorship: the oldest comment with it is ours, as ours was there before any copy.

use cloud_code_domain::id::{ProjectName, TaskId};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

const OPEN: &str = "<!-- cloud-code:";
const CLOSE: &str = " -->";

/// The key of our marks. Keep it as long as the store: with another key our comments are strangers'.
pub struct MarkerKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for MarkerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MarkerKey")
    }
}

impl MarkerKey {
    /// The key with these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The mark of the task's comment: one line, without its end.
    #[must_use]
    pub fn marker(&self, project: &ProjectName, task: &TaskId) -> String {
        let mac = hex::encode(self.mac(project, task).finalize().into_bytes());
        format!("{OPEN}{task}:{mac}{CLOSE}")
    }

    /// The task whose mark of ours the text begins with.
    #[must_use]
    pub fn verify(&self, project: &ProjectName, text: &str) -> Option<TaskId> {
        let inner = first_line(text).strip_prefix(OPEN)?.strip_suffix(CLOSE)?;
        let (task, mac) = inner.split_once(':')?;
        let task: TaskId = task.parse().ok()?;
        let mac = hex::decode(mac).ok()?;
        // `verify_slice` compares in constant time.
        self.mac(project, &task).verify_slice(&mac).ok()?;
        Some(task)
    }

    fn mac(&self, project: &ProjectName, task: &TaskId) -> Hmac<Sha256> {
        // A key shorter than a block is padded with zeros: so does HMAC itself.
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(self.0.as_slice());
        Hmac::<Sha256>::new((&*block).into())
            .chain_update(b"comment\0")
            .chain_update(project.as_str().as_bytes())
            .chain_update(b"\0")
            .chain_update(task.as_str().as_bytes())
    }
}

/// Whether the text begins with this mark.
pub(super) fn begins_with(text: &str, marker: &str) -> bool {
    first_line(text) == marker.trim()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> (ProjectName, TaskId) {
        ("acme/app".parse().unwrap(), "k3f9x2ab".parse().unwrap())
    }

    #[test]
    fn our_own_mark_is_recognised_also_with_carriage_returns() {
        let ((project, task), key) = (names(), MarkerKey::new([7; 32]));
        let marker = key.marker(&project, &task);
        assert_eq!(
            key.verify(&project, &format!("{marker}\r\nWorking.")),
            Some(task)
        );
        assert!(begins_with(&format!("{marker}\r\nWorking."), &marker));
    }

    #[test]
    fn a_mark_that_was_made_up_quoted_or_moved_is_not_ours() {
        let ((project, task), key) = (names(), MarkerKey::new([7; 32]));
        let marker = key.marker(&project, &task);
        let other: ProjectName = "acme/other".parse().unwrap();
        let forged = MarkerKey::new([8; 32]).marker(&project, &task);
        let another_task = marker.replace("k3f9x2ab", "k3f9x2ac");
        for text in [
            forged.as_str(),
            another_task.as_str(),
            &format!("> {marker}"),
            &format!("I say\n{marker}"),
            &marker.replace(" -->", "0 -->"),
            &marker[..marker.len() - 6],
            "<!-- cloud-code:k3f9x2ab: -->",
            "",
        ] {
            assert_eq!(key.verify(&project, text), None, "{text}");
        }
        assert_eq!(key.verify(&other, &marker), None);
    }
}
