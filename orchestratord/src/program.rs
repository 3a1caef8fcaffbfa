//! Programs by their whole paths.
//!
//! A program that is named by a word alone, and gets an environment of its own, can only be started by
//! a fork: the kernel copies the tables of this process's memory, and every page that is written to
//! meanwhile. With a thousand agents that is most of what a start of git costs. One that is named by its
//! path is spawned without.

use std::env::split_paths;
use std::ffi::OsStr;
use std::path::PathBuf;

/// Where a program is on a search path; its name where it is nowhere, so that starting it says so.
pub(crate) fn find(name: &str, path: &OsStr) -> PathBuf {
    let places = split_paths(path).filter(|folder| folder.is_absolute());
    let mut places = places.map(|folder| folder.join(name));
    places
        .find(|place| place.is_file())
        .unwrap_or_else(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_the_first_on_the_path_and_never_one_of_where_we_happen_to_be() {
        let [one, two] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for dir in [&one, &two] {
            std::fs::write(dir.path().join("git"), "").unwrap();
        }
        std::fs::create_dir(one.path().join("sh")).unwrap();
        let path =
            std::env::join_paths([OsStr::new("."), one.path().as_ref(), two.path().as_ref()]);
        let path = path.unwrap();
        assert_eq!(find("git", &path), one.path().join("git"));
        assert_eq!(find("sh", &path), PathBuf::from("sh"));
        assert_eq!(find("git", OsStr::new("")), PathBuf::from("git"));
    }
}
