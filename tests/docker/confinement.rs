//! What an agent finds that looks around: commands that the model runs through a real coding CLI.

use anyhow::{Context, Result, ensure};
use cloud_code_tests::docker_cluster::{
    ContainedCli, DockerCluster, PATIENCE, PROJECT, PROVIDER_KEY, PUSH_TOKEN, engine,
};
use cloud_code_tests::model::{Action, Script, Step};
use libtest_mimic::Trial;

use super::installed;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        installed(
            "an_agent_that_looks_around_finds_nothing_of_the_host",
            ContainedCli::Codex,
            looking_around(),
            finds_nothing_of_the_host,
        ),
        installed(
            "a_granted_credential_is_in_memory_and_nowhere_else",
            ContainedCli::ClaudeCode,
            asking(),
            keeps_a_credential_in_memory,
        ),
    ]
}

/// Looks at all that an agent could reach, and commits what it found. The secrets are searched for by
/// patterns that do not find themselves. The engine's own mounts are left out.
const LOOK: &str = r#"{
echo "user $(id -u) $(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)"
echo "routes $(sed 1d /proc/net/route | wc -l)"
echo "addresses $(awk '/32 host LOCAL/ {print $2 last} {last=$2}' /proc/net/fib_trie | sed 's/^host//' | sort -u | tr '\n' ' ')"
echo "root $(touch /written 2>/dev/null && echo writable || echo read-only)"
echo "sockets $(find / -path /proc -prune -o -type s -print 2>/dev/null | tr '\n' ' ')"
echo "mounts $(awk '{print $5}' /proc/self/mountinfo | grep -v -e '^/proc' -e '^/sys' -e '^/dev' -e '^/etc/' -e '/docker-init$' | sort | tr '\n' ' ')"
echo "secrets $(grep -rlas -D skip -e 'sk-the-key-of-the-provide[r]' -e 'ghp_forgeforg[e]' /workspace /tools /cache /tmp /run /etc /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\n' ' ')"
} > found.txt"#;

const FOUND: [&str; 7] = [
    "user 10001 0000000000000000",
    "routes 0",
    "addresses 127.0.0.1 ",
    "root read-only",
    "sockets /cc/agentd.sock ",
    "mounts / /cache /cc /run /run/cloud-code /tmp /tools /usr/local/lib/cloud-code/agentd /workspace ",
    "secrets ",
];

fn looking_around() -> Script {
    Script::playing(vec![
        Step::does("I look around.", Action::run(LOOK)),
        Step::says("Done: found.txt has it all."),
    ])
}

async fn finds_nothing_of_the_host(cluster: &mut DockerCluster) -> Result<()> {
    let issue = cluster.file_issue("Look around", "What is there?");
    cluster.reviewed(issue).await?;
    let (pull, _) = cluster.one_of_each(issue)?;
    let found = cluster.forge.read_file(&pull.branch, "found.txt").await?;
    let missing: Vec<&str> = FOUND
        .into_iter()
        .filter(|&line| !found.lines().any(|seen| seen == line))
        .collect();
    ensure!(missing.is_empty(), "expected {missing:#?} in\n{found}");

    let inspected = engine(&["inspect", &cluster.container()?]).await?;
    for secret in [PROVIDER_KEY, PUSH_TOKEN] {
        ensure!(!inspected.contains(secret), "the engine shows a secret");
    }
    Ok(())
}

const SECRET: &str = "npm_0123456789abcdefghijklmnop";

/// Asks for a credential; when it is there, waits to be looked at and says what it is stored on.
fn asking() -> Script {
    let ask = r#"id=$(sed -n 's/^ *-\{0,1\} *id: *//p' .cloud-code/tasking.yaml | head -n 1 | tr -d "'\"")
printf '{"version":1,"tasks":{"%s":{"credential_requests":[{"id":"registry","type":"npm_token","scope":"@acme:registry","reason":"npm ci needs it"}]}}}\n' "$id" > .cloud-code/.new
mv .cloud-code/.new .cloud-code/reporting.yaml"#;
    let show = r#"touch /tmp/begun; until test -e /tmp/go; do sleep 0.1; done
{ stat -f -c %T .cloud-code/credentials/NPM_TOKEN; printf '%s' "$NPM_TOKEN" | sha256sum; } > stored.txt"#;
    let go_on = vec![
        Step::does("I have it.", Action::run(show)),
        Step::says("Done: stored.txt says where."),
    ];
    Script::playing(vec![
        Step::does("I ask for the token.", Action::run(ask)),
        Step::says("I wait for the token."),
    ])
    .on("were granted", go_on.clone())
    .on("is granted", go_on)
}

async fn keeps_a_credential_in_memory(cluster: &mut DockerCluster) -> Result<()> {
    let operator = cluster.operator()?;
    operator
        .set_secret("npm_token", "@acme:registry", PROJECT, SECRET)
        .await?;
    let issue = cluster.file_issue("Install the packages", "They are private.");
    cluster.task(issue).await?;
    cluster.wait_inside("/tmp/begun").await?;

    let held = cluster.inside("cat /run/cloud-code/*/NPM_TOKEN").await?;
    ensure!(held == SECRET, "the file does not hold it");
    let inspected = engine(&["inspect", &cluster.container()?]).await?;
    ensure!(!inspected.contains(SECRET), "the engine shows it");
    let search = format!("grep -rlas -D skip -e {SECRET} /workspace /tools /cache /tmp || true");
    let stored = cluster.inside(&search).await?;
    ensure!(stored.is_empty(), "it lies in {stored}");

    cluster.inside("touch /tmp/go").await?;
    let detail = cluster.reviewed(issue).await?;
    let (pull, comment) = cluster.one_of_each(issue)?;
    let said = cluster.forge.read_file(&pull.branch, "stored.txt").await?;
    let expected = format!("tmpfs\n{}  -", digest(SECRET));
    ensure!(said.trim_end() == expected, "{said:?} is not {expected:?}");
    let told = format!("{pull:?} {comment:?} {detail:?}");
    ensure!(!told.contains(SECRET), "it is told on");

    cluster.forge.merge("ada", pull.number).await?;
    let gone = "while cat /run/cloud-code/*/NPM_TOKEN >/dev/null 2>&1; do sleep 0.1; done";
    let withdrawn = tokio::time::timeout(PATIENCE, cluster.inside(gone)).await;
    withdrawn.context("it is not withdrawn with the end of its task")??;
    Ok(())
}

fn digest(text: &str) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(text))
}
