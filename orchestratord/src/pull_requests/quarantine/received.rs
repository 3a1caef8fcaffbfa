//! What a pack brought.

use std::collections::HashMap;

use cloud_code_domain::id::Oid;

use super::feed::Looked;
use crate::pull_requests::secrets::Hit;

/// The objects of a received pack.
#[derive(Debug, Default)]
pub(crate) struct Received {
    objects: HashMap<Oid, Option<Seen>>,
    /// The bytes of the pack.
    pub(crate) bytes: u64,
    /// Its longest chain of deltas; none where that is not known.
    pub(crate) deepest: Option<u32>,
}

/// A blob within the limits, and what is in it that should not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen(pub(crate) Option<Hit>);

impl Received {
    /// Nothing yet, of a pack of so many bytes.
    pub(super) fn of(bytes: u64, looked: &Looked) -> Self {
        Self {
            objects: HashMap::new(),
            bytes,
            deepest: looked.made.deepest,
        }
    }

    /// Takes what `git show-index` lists, a line for an object: its offset, its id, a checksum.
    pub(super) fn take(&mut self, listing: &str, looked: &Looked) {
        for line in listing.lines() {
            let mut words = line.split(' ');
            let offset = words.next().and_then(|word| word.parse::<u64>().ok());
            let oid = words.next().and_then(|word| word.parse::<Oid>().ok());
            if let (Some(offset), Some(oid)) = (offset, oid) {
                let seen = looked.blobs.get(&offset).copied().map(Seen);
                self.objects.insert(oid, seen);
            }
        }
    }

    /// Whether it was sent.
    pub(crate) fn contains(&self, oid: &Oid) -> bool {
        self.objects.contains_key(oid)
    }

    /// What was seen of a blob on its way in; none where it has to be read.
    pub(crate) fn seen(&self, oid: &Oid) -> Option<Seen> {
        self.objects.get(oid).copied().flatten()
    }

    /// All of it.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Oid> {
        self.objects.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pull_requests::scan::Made;

    #[test]
    fn an_object_is_what_was_seen_at_its_offset() {
        let (blob, other) = ("a".repeat(40), "b".repeat(40));
        let made = Made {
            objects: 2,
            deepest: Some(0),
        };
        let looked = Looked {
            made,
            blobs: HashMap::from([(12, Some(Hit::Known)), (99, None)]),
        };
        let mut received = Received::default();
        received.take(
            &format!("12 {blob} (00000000)\n70 {other} (0)\nodd"),
            &looked,
        );
        let (blob, other): (Oid, Oid) = (blob.parse().unwrap(), other.parse().unwrap());
        assert_eq!(received.seen(&blob), Some(Seen(Some(Hit::Known))));
        assert!(received.contains(&other));
        assert_eq!(received.seen(&other), None);
        assert_eq!(received.objects().count(), 2);
    }
}
