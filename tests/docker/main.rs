//! What needs a Docker engine: workstations as they are made, and the whole way from an issue to a
//! pull request by real coding CLIs in containers without network.
//!
//! Without an engine or an image a test is reported as ignored, with the reason. With
//! `CLOUD_CODE_REQUIRE_DOCKER=1` images are made where they are missing, and what is missing then
//! fails.

mod confinement;
mod faults;
mod git_vectors;
mod isolated;
mod issues;
mod kills;
mod workstations;

use std::process::ExitCode;

use anyhow::Result;
use cloud_code_tests::docker_cluster::{Beside, ContainedCli, DockerCluster, Wanted};
use cloud_code_tests::model::Script;
use cloud_code_tests::static_agentd::static_agentd;
use cloud_code_tests::trials::{Demand, trial};
use libtest_mimic::{Arguments, Trial};

/// All programs in one.
const PROGRAMS: &str = env!("CARGO_BIN_EXE_demo");

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = [
        workstations::trials(),
        confinement::trials(),
        issues::trials(),
        isolated::trials(),
        faults::trials(),
        kills::trials(),
        git_vectors::trials(),
    ];
    let trials = trials.into_iter().flatten().collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn demand() -> Demand {
    Demand::of_variable("CLOUD_CODE_REQUIRE_DOCKER")
}

/// A test with an installation of its own.
fn installed(
    name: &str,
    cli: ContainedCli,
    script: Script,
    test: impl AsyncFnOnce(&mut DockerCluster) -> Result<()> + Send + 'static,
) -> Trial {
    let look = async move || cli.image().look(demand()).await;
    trial(name, demand(), look, async move |image| {
        let wanted = Wanted {
            cli,
            script,
            image,
            agentd: static_agentd().await?,
            programs: PROGRAMS.into(),
            beside: Beside::default(),
        };
        DockerCluster::run(wanted, test).await
    })
}
