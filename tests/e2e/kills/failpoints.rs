//! orchestratord and agentd die at each of their failpoints: what comes after is what would have come
//! anyway.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use cloud_code_tests::docker_cluster::FAILPOINTS_OF_DOCKER;
use cloud_code_tests::kill_loop;
use futures_util::{StreamExt, TryStreamExt};

use super::super::PROGRAMS;
use super::super::local::modes::DIES_AT;

/// Installations that run at once.
const AT_ONCE: usize = 4;

/// Each failpoint, and which time it is reached is the last: early ones are passed at every start.
const FAILPOINTS: [(&str, &str); 26] = [
    ("core::after_ack", "20*off->return"),
    ("core::after_commit_before_ack", "25*off->return"),
    ("core::before_commit", "30*off->return"),
    ("edge::after_commit_before_202", "return"),
    ("edge::after_mac", "return"),
    ("edge::before_commit", "return"),
    ("git::commit_made", "return"),
    ("git::index_pack", "return"),
    ("git::out_stream", "return"),
    ("git::promote", "return"),
    ("git::push_after", "return"),
    ("git::push_before", "return"),
    ("git::quarantine_made", "return"),
    ("git::walk", "return"),
    ("group::mid", "35*off->return"),
    ("gw::first_byte", "return"),
    ("gw::forwarded", "return"),
    ("gw::reserved", "return"),
    ("gw::settled", "return"),
    ("logs::before_sync", "2*off->return"),
    ("outbox::after_done", "3*off->return"),
    ("outbox::after_mark_sending", "4*off->return"),
    ("outbox::after_reply_before_done", "5*off->return"),
    ("outbox::observe", "return"),
    ("poll::after_page", "1*off->return"),
    ("secret::recorded", "return"),
];

/// Each failpoint of agentd.
const OF_AGENTD: [(&str, &str); 12] = [
    ("agentd::base_kept", "return"),
    ("agentd::cli_started", "return"),
    ("agentd::end_after", "return"),
    ("agentd::end_before", "return"),
    ("agentd::report_parse", "return"),
    ("agentd::result_kept", "return"),
    ("agentd::session_chosen", "return"),
    ("agentd::spool_ack", "2*off->return"),
    ("agentd::spool_trim", "return"),
    ("agentd::spool_write", "3*off->return"),
    ("agentd::turn_ended", "return"),
    ("agentd::worktree_made", "return"),
];

#[tokio::test(flavor = "multi_thread")]
async fn agentd_may_die_at_every_failpoint() -> Result<()> {
    let runs = futures_util::stream::iter(OF_AGENTD).map(|(name, when)| async move {
        let counts = kill_loop::agentd_dying_at(PROGRAMS, &format!("{name}={when}")).await;
        let counts = counts.context(name)?;
        ensure!(counts.are_clean(), "{name}: {counts}");
        Ok(())
    });
    runs.buffer_unordered(AT_ONCE).try_collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_die_at_every_failpoint() -> Result<()> {
    let runs = futures_util::stream::iter(FAILPOINTS).map(|(name, when)| async move {
        let counts = kill_loop::dying_at(PROGRAMS, &format!("{name}={when}")).await;
        let counts = counts.context(name)?;
        ensure!(counts.are_clean(), "{name}: {counts}");
        Ok(())
    });
    runs.buffer_unordered(AT_ONCE).try_collect().await
}

#[test]
fn every_failpoint_is_one_that_it_dies_at() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut there = BTreeSet::new();
    for program in ["../orchestratord/src", "../agentd/src"] {
        collect(&root.join(program), &mut there)?;
    }
    let tables = FAILPOINTS.iter().chain(&OF_AGENTD).map(|(name, _)| *name);
    // Those around the engine's calls are reached where there is an engine.
    let isolated = DIES_AT.split_once('=').map(|(name, _)| name);
    let reached: BTreeSet<String> = tables
        .chain(FAILPOINTS_OF_DOCKER)
        .chain(isolated)
        .map(str::to_owned)
        .collect();
    let missed: Vec<&String> = there.difference(&reached).collect();
    ensure!(missed.is_empty(), "no test dies at {missed:?}");
    let gone: Vec<&String> = reached.difference(&there).collect();
    ensure!(gone.is_empty(), "there are no {gone:?}");
    Ok(())
}

/// The names in `failpoint!("…")` below a directory.
fn collect(directory: &Path, names: &mut BTreeSet<String>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, names)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path)?;
            let calls = text.lines().filter(|line| !line.contains("//"));
            let after = calls.filter_map(|line| line.trim().strip_prefix("failpoint!(\""));
            names.extend(after.filter_map(|name| Some(name.split_once('"')?.0.to_owned())));
        }
    }
    Ok(())
}
