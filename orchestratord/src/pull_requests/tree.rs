//! Git's tree objects, read by us: order, modes and names exactly as git writes them, nothing else.

use cloud_code_domain::id::Oid;

/// What an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    File,
    Executable,
    Link,
    Directory,
    Submodule,
    /// Something that git would not write.
    Other,
}

/// An entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) mode: Mode,
    pub(crate) name: Vec<u8>,
    pub(crate) oid: Oid,
}

/// Reads a tree object.
///
/// # Errors
/// What is wrong with it, where it is none: cut off, out of order, a name twice.
pub(crate) fn parse(mut data: &[u8], oid_bytes: usize) -> Result<Vec<Entry>, &'static str> {
    let mut entries: Vec<Entry> = Vec::new();
    while !data.is_empty() {
        let space = position(data, b' ').ok_or("a tree is cut off in a mode")?;
        let (mode, rest) = data.split_at(space);
        let rest = &rest[1..];
        let end = position(rest, 0).ok_or("a tree is cut off in a name")?;
        let (name, rest) = rest.split_at(end);
        let rest = &rest[1..];
        if rest.len() < oid_bytes {
            return Err("a tree is cut off in an object id");
        }
        let (oid, rest) = rest.split_at(oid_bytes);
        let oid = hex::encode(oid);
        let entry = Entry {
            mode: mode_of(mode),
            name: name.to_vec(),
            oid: oid.parse().map_err(|_| "a tree names no object id")?,
        };
        if entries.last().is_some_and(|last| !before(last, &entry)) {
            return Err("the entries of a tree are out of order");
        }
        entries.push(entry);
        data = rest;
    }
    Ok(entries)
}

fn position(data: &[u8], wanted: u8) -> Option<usize> {
    data.iter().position(|byte| *byte == wanted)
}

fn mode_of(text: &[u8]) -> Mode {
    match text {
        b"100644" => Mode::File,
        b"100755" => Mode::Executable,
        b"120000" => Mode::Link,
        b"40000" => Mode::Directory,
        b"160000" => Mode::Submodule,
        _ => Mode::Other,
    }
}

/// Git's order: a directory sorts as if its name ended with a slash.
fn before(a: &Entry, b: &Entry) -> bool {
    let key = |entry: &Entry| {
        let mut key = entry.name.clone();
        if entry.mode == Mode::Directory {
            key.push(b'/');
        }
        key
    };
    a.name != b.name && key(a) < key(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut data = Vec::new();
        for (mode, name) in entries {
            data.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            data.extend_from_slice(&[7; 20]);
        }
        data
    }

    #[test]
    fn a_tree_is_read_as_git_writes_it_and_in_no_other_way() {
        let tree = parse(
            &raw(&[("100644", "a.b"), ("40000", "a"), ("120000", "c")]),
            20,
        )
        .unwrap();
        let modes: Vec<_> = tree.iter().map(|entry| entry.mode).collect();
        assert_eq!(modes, [Mode::File, Mode::Directory, Mode::Link]);
        assert!(parse(&raw(&[("100644", "b"), ("100644", "a")]), 20).is_err());
        assert!(parse(&raw(&[("100644", "a"), ("100644", "a")]), 20).is_err());
        assert!(parse(&raw(&[("100644", "a")])[..20], 20).is_err());
        assert_eq!(
            parse(&raw(&[("0100644", "a")]), 20).unwrap()[0].mode,
            Mode::Other
        );
        assert_eq!(
            parse(&raw(&[("100664", "a")]), 20).unwrap()[0].mode,
            Mode::Other
        );
    }
}
