use super::{Store, StoreError};

#[test]
fn a_store_that_is_in_use_is_not_taken_for_a_damaged_one() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Store::open(dir.path()).unwrap();
    let second = Store::open(dir.path());
    assert!(
        matches!(second, Err(StoreError::InUse { .. })),
        "{second:?}"
    );
}
