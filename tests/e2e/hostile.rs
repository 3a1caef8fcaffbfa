//! What an agent, a repository and a report can do, and what comes of it: nothing.

mod canary;
mod report;
mod repository;
