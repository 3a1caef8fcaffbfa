//! Ports against what they stand for, and the stand-ins against its description.

mod github;
