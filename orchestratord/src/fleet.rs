//! Plan → workstations. Two runtimes behind one port; both adopt what they find, so that a restart
//! of ours is no special path.
//!
//! ```text
//!                 ┌─ docker: a container without network ─┐
//!  WorkstationSpec┤                                       ├─▶ agentd ──▶ its own Unix socket ──▶ sessions/
//!                 └─ process: a process of our own uid ───┘
//! ```

pub mod disk;
pub mod docker;
pub mod docker_spec;
pub mod doctor;
pub mod elf;
pub mod process;
mod process_tree;
