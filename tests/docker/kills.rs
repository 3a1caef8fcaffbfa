//! A short run of what `cargo kill-loop --runtime docker` does for hours.

use anyhow::ensure;
use cloud_code_tests::docker_checks::Image;
use cloud_code_tests::kill_loop::{self, Plan, Workstations};
use cloud_code_tests::trials::trial;
use libtest_mimic::Trial;

use super::{PROGRAMS, demand};

pub(super) fn trials() -> Vec<Trial> {
    let look = async || Image::Backend.look(demand()).await;
    let name = "containers_and_all_in_them_may_be_killed_at_any_moment";
    vec![trial(name, demand(), look, async |_image| {
        let plan = Plan {
            runtime: Workstations::Docker,
            ..Plan::short(8)
        };
        let counts = kill_loop::run(PROGRAMS, &plan).await?;
        ensure!(counts.are_clean(), "{counts}");
        Ok(())
    })]
}
