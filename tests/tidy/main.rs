//! The rules of the house that a compiler does not check: sizes, names, forgotten files, edges
//! between crates, forbidden words, and that the documents name what is there.

#![expect(clippy::unwrap_used, reason = "what cannot be read fails the test")]

mod documents;
mod edges;
mod files;
mod modules;
mod tree;
mod words;
