//! The trackers and code hosts that a project can be at, each in a folder that its wire types never
//! leave.

pub mod github;
pub mod local;
