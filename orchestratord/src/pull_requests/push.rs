//! The push: one ref that we computed, from the mirror, with a lease.

use cloud_code_domain::id::Oid;

use crate::mirrors::Mirror;
use crate::mirrors::branch::WorkBranch;
pub use crate::mirrors::push::Pushed;
use crate::ports::{GitAccess, Trouble};

/// Moves a branch of ours to `head`, if it is at `expected` (none: it does not exist yet). Repeating
/// it is harmless: where the branch is at the head already, that is the answer.
///
/// # Errors
/// `Refused` where the remote's rules forbid it or it is checked out there, `Later` where it
/// certainly had no effect, `Unknown` where the answer was lost.
pub async fn push(
    mirror: &Mirror,
    access: &GitAccess,
    branch: &WorkBranch,
    head: &Oid,
    expected: Option<&Oid>,
) -> Result<Pushed, Trouble> {
    mirror.push_ref(access, branch.name(), head, expected).await
}
