//! The README keeps its word: its commands are run or understood, its configuration is one, its picture
//! is a screen.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be read fails the test"
)]

mod commands;
mod configuration;
mod picture;
