//! agentd as a whole, against an orchestratord that is made for this: real git, real programs, a
//! real session over a Unix socket.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also what is shared by tests fails them this way"
)]

#[path = "session/host.rs"]
mod host;
#[path = "session/station.rs"]
mod station;

#[path = "session/copies.rs"]
mod copies;
#[path = "session/files.rs"]
mod files;
#[path = "session/kills.rs"]
mod kills;
#[path = "session/links.rs"]
mod links;
#[path = "session/spares.rs"]
mod spares;
#[path = "session/stops.rs"]
mod stops;
#[path = "session/turns.rs"]
mod turns;
#[path = "session/warm.rs"]
mod warm;
#[path = "session/workspaces.rs"]
mod workspaces;
