//! Names of branches.

#![no_main]

use cloud_code_domain::workspace::is_branch_name;
use orchestratord::mirrors::branch::BranchName;

/// What no name of ours may hold, said once more and in another way: git's own rules, and that no
/// argument of git's begins with it.
fn is_safe(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"~^:?*[\\@{".contains(&byte))
        && ["..", "//", "/."].iter().all(|bad| !name.contains(bad))
        && !name.starts_with(['-', '/', '.'])
        && !name.ends_with(['/', '.'])
        && name.split('/').all(|part| !part.ends_with(".lock"))
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let name = cloud_code_fuzz::text(data);
    if let Ok(branch) = name.parse::<BranchName>() {
        assert!(is_safe(branch.as_str()), "{name:?}");
        assert_eq!(branch.full_ref(), format!("refs/heads/{name}"));
    }
    if is_branch_name(&name) {
        assert!(is_safe(&name), "{name:?}");
    }
});
