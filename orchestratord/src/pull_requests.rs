//! OUT: what an agent made becomes a branch that people see.
//!
//! ```text
//! pack ─▶ scan ─▶ quarantine ─▶ history ─▶ walk ─▶ closure ─▶ rebuild ─▶ promote ─▶ push
//!         sizes   index-pack    whose      names,   nothing    same       into the   one ref,
//!         first   --strict      commits    modes,   it never   trees,     mirror     with a
//!                                          paths,   was sent   our name              lease
//!                                          secrets
//! ```
//!
//! Everything left of `promote` happens in a directory that is thrown away. An agent is hostile:
//! only trees are taken from it, and each is read by us before git may do anything but store it.

mod arrival;
pub mod finding;
pub mod gate;
mod history;
mod message;
pub(crate) mod names;
pub mod open;
mod protected;
pub mod publish;
pub mod push;
mod quarantine;
mod rebuild;
pub(crate) mod scan;
mod secrets;
mod touched;
pub(crate) mod tree;
mod walk;

pub use finding::{Finding, Rule};
pub use gate::{Accepted, Gate, GateError, GateInput};
pub use push::push;
