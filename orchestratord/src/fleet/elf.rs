//! Whether a program is static. agentd is mounted into images that we did not make: it must not need
//! their C library.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// As much of a program as [`check_static_head`] wants to see.
pub const HEAD: usize = 64 << 10;

/// Why a file does not run in every image.
#[derive(Debug, thiserror::Error)]
pub enum NotStatic {
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[from] std::io::Error),
    /// It is no 64-bit Linux program.
    #[error("it is no 64-bit Linux program")]
    NoProgram,
    /// It asks for a dynamic linker, which an image may not have.
    #[error("it is linked dynamically")]
    Dynamic,
}

/// Checks a program on disk.
///
/// # Errors
/// [`NotStatic`]
pub fn check_static(path: &Path) -> Result<(), NotStatic> {
    let mut head = Vec::new();
    let most = u64::try_from(HEAD).unwrap_or(u64::MAX);
    File::open(path)?.take(most).read_to_end(&mut head)?;
    check_static_head(&head)
}

/// Checks the first [`HEAD`] bytes of a program: a static one has no `PT_INTERP` among its program
/// headers.
///
/// # Errors
/// [`NotStatic`]
pub fn check_static_head(head: &[u8]) -> Result<(), NotStatic> {
    const MAGIC_64_BIT_LITTLE_ENDIAN: &[u8] = &[0x7f, b'E', b'L', b'F', 2, 1];
    const PT_INTERP: u64 = 3;
    if !head.starts_with(MAGIC_64_BIT_LITTLE_ENDIAN) {
        return Err(NotStatic::NoProgram);
    }
    let table = number(head, 32, 8)?;
    let entry_size = number(head, 54, 2)?;
    let entries = number(head, 56, 2)?;
    if entries == 0 || entry_size < 4 {
        return Err(NotStatic::NoProgram);
    }
    for index in 0..entries {
        let offset = table.saturating_add(index * entry_size);
        let offset = usize::try_from(offset).map_err(|_| NotStatic::NoProgram)?;
        if number(head, offset, 4)? == PT_INTERP {
            return Err(NotStatic::Dynamic);
        }
    }
    Ok(())
}

fn number(head: &[u8], offset: usize, size: usize) -> Result<u64, NotStatic> {
    let end = offset.checked_add(size).ok_or(NotStatic::NoProgram)?;
    let bytes = head.get(offset..end).ok_or(NotStatic::NoProgram)?;
    let value = bytes
        .iter()
        .rev()
        .fold(0, |sum, b| sum << 8 | u64::from(*b));
    Ok(value)
}

/// The head of a program with two program headers, the second of this type.
#[cfg(test)]
pub(crate) fn example(second: u8) -> Vec<u8> {
    let mut head = vec![0; 64 + 2 * 56];
    head[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
    (head[32], head[54], head[56]) = (64, 56, 2);
    (head[64], head[64 + 56]) = (1, second);
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_asks_for_a_linker_is_not_static() {
        assert!(check_static_head(&example(1)).is_ok());
        let dynamic = check_static_head(&example(3));
        assert!(matches!(dynamic, Err(NotStatic::Dynamic)));
    }

    #[test]
    fn what_is_no_program_is_told_apart_and_never_a_panic() {
        let whole = example(1);
        for end in 0..whole.len() - 52 {
            assert!(check_static_head(&whole[..end]).is_err(), "{end}");
        }
        let mut far = whole.clone();
        far[32..40].fill(0xff);
        assert!(check_static_head(&far).is_err());
        assert!(check_static_head(b"#!/bin/sh\n").is_err());
    }

    #[test]
    fn the_shell_of_this_machine_is_dynamic() {
        let shell = check_static(Path::new("/bin/sh"));
        assert!(matches!(shell, Err(NotStatic::Dynamic)), "{shell:?}");
    }
}
