//! An installation whose workstations are containers, with a real coding CLI in them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cloud_code_domain::cost::Usage;
use nix::sys::signal::Signal;

use super::Plan;
use super::counts::Counts;
use super::installation::{AGENTS, GRANTED, Installation, PROJECT, Program, SEATS};
use super::random::Random;
use crate::docker_checks::Image;
use crate::docker_cluster::{self, Beside, ContainedCli, DockerCluster, Wanted, engine};
use crate::forge::Forge;
use crate::model::{Action, ModelServer, Script, Step};
use crate::operator::Operator;
use crate::static_agentd::static_agentd;
use crate::trials::{Demand, Found};

/// A container is paused for so long at most, in milliseconds.
const PAUSED: u64 = 3_000;
/// What the model costs: the numbers that money is counted with.
const PRICES: &str = r#"
[prices."gpt-5.5"]
input = 3.0
output = 15.0
cache_read = 0.3
cache_write = 3.75
"#;

/// Makes an installation, harms it as planned, counts, and takes it away again.
pub(super) async fn run(binary: &str, plan: &Plan, random: &mut Random) -> Result<Counts> {
    let image = match Image::Backend.look(Demand::Required).await {
        Found::There(image) => image,
        Found::Missing(why) => bail!(why),
    };
    let wanted = Wanted {
        cli: ContainedCli::Codex,
        script: writing(),
        image,
        agentd: static_agentd().await?,
        programs: binary.into(),
        beside: Beside {
            agents: AGENTS.to_owned(),
            agent_type: format!("count = {SEATS}\nmemory = \"1GB\""),
            project: PROJECT.to_owned(),
            rest: PRICES.to_owned(),
        },
    };
    let mut counts = None;
    DockerCluster::run(wanted, async |cluster: &mut DockerCluster| {
        let operator = cluster.operator()?;
        operator
            .set_secret("npm_token", "read", docker_cluster::PROJECT, GRANTED)
            .await?;
        counts = Some(super::harmed(cluster, plan, random).await?);
        Ok(())
    })
    .await?;
    counts.context("nothing was counted")
}

/// What the model does in every turn: it asks for a credential, takes its time, and writes the file that
/// the task's title names. Done twice it changes nothing.
fn writing() -> Script {
    const TASK: &str = r#"word() { sed -n "s/^[ -]*$1: *//p" .cloud-code/tasking.yaml | head -n 1 | tr -d "'\""; }
n=$(word title | tr -dc 0-9)
claim() {
printf '{"version":1,"tasks":{"%s":{"progress":[%s],"credential_requests":[{"id":"npm_token","type":"npm_token","scope":"read","reason":"To install"}]}}}\n' "$(word id)" "$1" > .cloud-code/.new
mv .cloud-code/.new .cloud-code/reporting.yaml
}
"#;
    let does = |words, steps: &str| {
        let usage = Usage {
            input: 2_000,
            output: 120,
            cache_read: 0,
            cache_write: 0,
        };
        Step::does(words, Action::run(&format!("{TASK}{steps}"))).costing(usage)
    };
    let looking = r#"claim '{"message":"Looking"}'; sleep 0.5"#;
    let written = r#"printf '%s' "$n" > "file-$n.txt"; sleep 0.5
claim '{"message":"Looking"},{"message":"Writing"}'"#;
    let usage = Usage {
        input: 250,
        output: 40,
        cache_read: 0,
        cache_write: 0,
    };
    Script::playing(vec![
        does("I look around.", looking),
        does("I write.", written),
        Step::says("Done.").costing(usage),
    ])
}

/// Command lines in a container as a pattern of the shell's.
fn pattern(program: Program) -> &'static str {
    match program {
        Program::Orchestratord => "",
        Program::Agentd => "/usr/local/lib/cloud-code/agentd*",
        Program::CodingCli => "*codex*",
    }
}

/// Prints the command line of every process that is meant, and sends it a signal; 0: none.
const SIGNALLED: &str = r#"for process in /proc/[0-9]*; do
line=$(tr '\0' ' ' 2>/dev/null < "$process/cmdline") || continue
case "$line" in $PROGRAM) kill -s "$SIGNAL" "${process#/proc/}" 2>/dev/null && echo "$line";; esac
done; :"#;

/// The processes of a program in a container, which may not run.
async fn signalled(container: &str, program: Program, signal: &str) -> Vec<String> {
    let (program, signal) = (
        format!("PROGRAM={}", pattern(program)),
        format!("SIGNAL={signal}"),
    );
    let shell = ["/bin/sh", "-c", SIGNALLED];
    let command = ["exec", "--env", &program, "--env", &signal, container];
    let found = engine(&[&command[..], &shell[..]].concat()).await;
    let found = found.unwrap_or_default();
    found.lines().map(str::to_owned).collect()
}

impl Installation for DockerCluster {
    fn forge(&self) -> &Forge {
        &self.forge
    }

    fn model(&self) -> &ModelServer {
        &self.model
    }

    fn root(&self) -> &Path {
        self.root()
    }

    fn operator(&self) -> Result<&Operator> {
        self.operator()
    }

    fn pause(&self) -> Duration {
        // A killed container loses its execution, and each pause of the task is longer than the last.
        Duration::from_secs(4)
    }

    fn text(&self, _number: usize, _calls: u64) -> String {
        "Please.".to_owned()
    }

    async fn signal(&self, program: Program, signal: Signal) -> Result<usize> {
        if program == Program::Orchestratord {
            return self.signal_orchestratord(signal);
        }
        let name = signal.as_str().trim_start_matches("SIG");
        let mut number = 0;
        for container in self.containers().await? {
            number += signalled(&container, program, name).await.len();
        }
        Ok(number)
    }

    async fn restart(&mut self) -> Result<()> {
        if self.operator().is_ok() {
            self.kill().await?;
        }
        self.start().await
    }

    async fn harm_workstation(&self, random: &mut Random) -> Result<Option<(&'static str, usize)>> {
        let containers = self.containers().await?;
        let at = random.below(containers.len() as u64);
        let Some(container) = containers.get(usize::try_from(at)?) else {
            return Ok(Some(("container killed", 0)));
        };
        // Refused where it is already gone.
        let act = async |words: &[&str]| {
            let command = [words, &[container.as_str()]].concat();
            usize::from(engine(&command).await.is_ok())
        };
        Ok(Some(match random.below(4) {
            0 => ("container killed", act(&["kill"]).await),
            1 => ("container removed", act(&["rm", "--force"]).await),
            2 => ("container stopped", act(&["stop"]).await),
            _paused => {
                let paused = act(&["pause"]).await;
                tokio::time::sleep(Duration::from_millis(random.below(PAUSED))).await;
                act(&["unpause"]).await;
                ("container paused", paused)
            }
        }))
    }

    async fn has_workspace(&self, task: &str) -> Result<bool> {
        let folder = format!("/workspace/tasks/{task}/work");
        for container in self.containers().await? {
            let there = engine(&["exec", &container, "test", "-e", &folder]).await;
            if there.is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn left_behind(&self) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        for container in self.containers().await? {
            wrong.extend(signalled(&container, Program::CodingCli, "0").await);
            let agents = signalled(&container, Program::Agentd, "0").await;
            wrong.extend(agents.into_iter().skip(1));
        }
        let ours = crate::cluster::processes_of(self.root()).into_iter();
        let ours = ours.map(|(_, line)| line);
        wrong.extend(ours.filter(|line| !line.contains("bin/orchestratord")));
        Ok(wrong)
    }

    async fn misplaced(&self) -> Result<Vec<String>> {
        self.misplaced(SEATS).await
    }

    async fn orchestratord(&self, arguments: &[&str]) -> Result<()> {
        self.orchestratord(arguments).await
    }
}
