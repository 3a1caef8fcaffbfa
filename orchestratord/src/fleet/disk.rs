//! What a directory lies on: how much room there is, and whether it is a disk at all.

use std::io;
use std::path::Path;

/// The bytes that we may still write below a directory; of the nearest one above that exists.
///
/// # Errors
/// Whatever the system says.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(existing(path))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Why a store does not belong on the file system of this directory; none where it does.
///
/// # Errors
/// Whatever the system says.
pub fn unfit(path: &Path) -> io::Result<Option<&'static str>> {
    let stat = rustix::fs::statfs(existing(path))?;
    // The kernel's numbers are 32 bits wide, whatever the type here is.
    Ok(
        match u64::try_from(stat.f_type).unwrap_or(0) & 0xffff_ffff {
            0x0102_1994 | 0x8584_58f6 => Some("memory: nothing survives a restart of the machine"),
            0x6969 => Some("NFS: locks and syncs are not what they are on a disk"),
            0x517b | 0xfe53_4d42 | 0xff53_4d42 => {
                Some("a Windows share: locks and syncs are not what they are on a disk")
            }
            _ => None,
        },
    )
}

fn existing(path: &Path) -> &Path {
    let found = path.ancestors().find(|folder| folder.exists());
    found.unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_not_there_yet_has_the_room_of_the_one_above() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free_bytes(&dir.path().join("not/yet")).unwrap() > 0);
    }

    #[test]
    fn memory_is_no_place_for_a_store() {
        assert!(unfit(Path::new("/dev/shm")).unwrap().is_some());
        assert_eq!(unfit(Path::new("/etc")).unwrap(), None);
    }
}
