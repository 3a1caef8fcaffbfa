//! `.cloud-code/` in a worktree: the contract between agentd and a coding CLI, version 1.
//!
//! ```text
//!  tasking.yaml    agentd writes, the CLI reads
//!  config.yaml     agentd writes, the CLI reads
//!  reporting.yaml  agentd writes when a turn starts and ends; in between the CLI may edit it
//!  credentials     a link to memory-backed storage
//! ```
//!
//! Whoever can write the worktree can put anything in the place of these files. They are written by
//! renaming a finished file over them and read through a bound, without following links.

pub(crate) mod dir;
pub(crate) mod merge;
pub(crate) mod reporting;
pub(crate) mod tasking;
pub(crate) mod watch;

/// The version of the contract.
pub(crate) const VERSION: u32 = 1;
