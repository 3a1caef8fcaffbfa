//! How two commits differ, by what git would have to write: a pure reading of `diff-tree --raw -z`.

use std::collections::BTreeSet;

/// Paths that are named to git one by one. It looks for every one of them in the whole index.
const FEW: usize = 200;

/// The mode of a submodule.
const SUBMODULE: &[u8] = b"160000";

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// A few paths, none of them in the way of another: each with a NUL after it.
    Paths(Vec<u8>),
    /// More, or a file where a folder was.
    Much,
    /// Files that are the same in both may have to be written in another way.
    Form,
}

impl Difference {
    /// Of what git printed. What cannot be read is the worst.
    pub(super) fn read(raw: &[u8]) -> Self {
        let mut paths: BTreeSet<&[u8]> = BTreeSet::new();
        let mut parts = raw.split(|&byte| byte == 0).filter(|part| !part.is_empty());
        while let Some(head) = parts.next() {
            let (Some(modes), Some(path)) = (head.strip_prefix(b":"), parts.next()) else {
                return Self::Form;
            };
            let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
            let mut modes = modes.split(|&byte| byte == b' ').take(2);
            if name == b".gitattributes" || modes.any(|mode| mode == SUBMODULE) {
                return Self::Form;
            }
            paths.insert(path);
        }
        if paths.len() > FEW || paths.iter().any(|path| has_folder_in(path, &paths)) {
            return Self::Much;
        }
        Self::Paths(
            paths
                .into_iter()
                .flat_map(|path| [path, b"\0"].concat())
                .collect(),
        )
    }
}

/// Whether a folder of the path is itself one of the paths.
fn has_folder_in(path: &[u8], paths: &BTreeSet<&[u8]>) -> bool {
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    ends.map(|(at, _)| &path[..at])
        .any(|folder| paths.contains(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(records: &[(&str, &str)]) -> Vec<u8> {
        let id = "0".repeat(40);
        let text = |(modes, path): &(&str, &str)| format!(":{modes} {id} {id} M\0{path}\0");
        records.iter().map(text).collect::<String>().into_bytes()
    }

    const FILE: &str = "100644 100644";

    #[test]
    fn a_few_paths_are_named() {
        let found = Difference::read(&raw(&[(FILE, "b/c"), (FILE, ":(glob)**"), (FILE, "b-c")]));
        assert_eq!(found, Difference::Paths(b":(glob)**\0b-c\0b/c\0".to_vec()));
        assert_eq!(Difference::read(b""), Difference::Paths(Vec::new()));
    }

    #[test]
    fn many_paths_and_a_file_where_a_folder_was_are_much() {
        let names: Vec<String> = (0..=FEW).map(|number| format!("f{number}")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (FILE, name.as_str())).collect();
        assert_eq!(Difference::read(&raw(&many)), Difference::Much);
        assert!(matches!(
            Difference::read(&raw(&many[1..])),
            Difference::Paths(_)
        ));
        let swapped = [("100644 000000", "a/b"), ("000000 100644", "a/b/c/d")];
        assert_eq!(Difference::read(&raw(&swapped)), Difference::Much);
    }

    #[test]
    fn attributes_submodules_and_what_nobody_understands_ask_for_a_new_worktree() {
        for records in [
            raw(&[(FILE, "a"), (FILE, "deep/.gitattributes")]),
            raw(&[(FILE, ".gitattributes")]),
            raw(&[("160000 160000", "library")]),
            raw(&[("000000 160000", "library")]),
            b"a\0b\0".to_vec(),
            b":100644 100644 x y M\0".to_vec(),
        ] {
            assert_eq!(Difference::read(&records), Difference::Form);
        }
    }
}
