//! The harness: what the end-to-end, fault and contract tests and the demo are made of.

pub mod cluster;
pub mod coding_cli_cases;
pub mod coding_cli_run;
pub mod demo;
pub mod docker_checks;
pub mod docker_cluster;
pub mod docker_way;
pub mod forge;
pub mod kill_loop;
pub mod model;
pub mod operator;
pub mod programs;
pub mod readme;
pub mod sample;
pub mod scripted;
pub mod static_agentd;
pub mod trials;
