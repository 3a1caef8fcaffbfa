//! What an agent, a repository and a report can do, and what comes of it: nothing.

mod canary;
mod inputs;
mod report;
mod repository;
