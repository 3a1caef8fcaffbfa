//! What an agent finds that looks around: commands that the model runs through a real coding CLI.

use anyhow::{Context, Result, ensure};
use cloud_code_tests::canary::Canary;
use cloud_code_tests::cluster::{asked_until, processes_of};
use cloud_code_tests::docker_cluster::{
    ContainedCli, DockerCluster, PATIENCE, PROJECT, PROVIDER_KEY, PUSH_TOKEN, engine,
};
use cloud_code_tests::model::{Action, Script, Step};
use libtest_mimic::Trial;
use orchestratord::sessions::socket_path;

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

/// Looks at all that an agent could reach, and commits what it found. Where to look stands in the
/// issue: addresses and ports where something of the host and a neighbour listen. The secrets are
/// searched for by patterns that do not find themselves. The engine's own mounts are left out.
const LOOK: &str = r#"targets=$(sed -n 's/.*Somebody listens at \([^;]*\);.*/\1/p' .cloud-code/tasking.yaml | head -n 1)
dial() { python3 - "$@" <<'EOF'
import socket, sys
for target in sys.argv[1:]:
    host, port = target.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 2).close()
        print(target, end=" ")
    except OSError:
        pass
EOF
}
ask() { python3 - <<'EOF'
import socket
question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x01\0\x01"
servers = ["127.0.0.11", "127.0.0.1", "127.0.0.53", "172.17.0.1", "8.8.8.8"]
servers += [line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver ")]
for server in servers:
    try:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.settimeout(1)
        udp.sendto(question, (server, 53))
        udp.recv(512)
        print(server, end=" ")
    except OSError:
        pass
EOF
}
{
echo "targets $(echo "$targets" | wc -w)"
echo "reached $(dial $targets)"
echo "resolvers $(ask)"
echo "named $(for n in example.org host.docker.internal gateway.docker.internal neighbour; do getent hosts $n; done | tr '\n' ' ')"
echo "other processes $(cat /proc/[0-9]*/comm | grep -c -e orchestratord -e dockerd -e containerd)"
echo "bound sockets $(awk 'NR > 1 && $8 != "" {print $8}' /proc/net/unix | sort -u | tr '\n' ' ')"
echo "block devices $(find /dev -type b 2>/dev/null | wc -l)"
echo "neighbours files $(find / -path /proc -prune -o -name neighbours-file -print 2>/dev/null | wc -l)"
echo "user $(id -u) $(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)"
echo "routes $(sed 1d /proc/net/route | wc -l)"
echo "addresses $(awk '/32 host LOCAL/ {print $2 last} {last=$2}' /proc/net/fib_trie | sed 's/^host//' | sort -u | tr '\n' ' ')"
echo "root $(touch /written 2>/dev/null && echo writable || echo read-only)"
echo "sockets $(find / -path /proc -prune -o -type s -print 2>/dev/null | tr '\n' ' ')"
echo "mounts $(awk '{print $5}' /proc/self/mountinfo | grep -v -e '^/proc' -e '^/sys' -e '^/dev' -e '^/etc/' -e '/docker-init$' | sort | tr '\n' ' ')"
echo "secrets $(grep -rlas -D skip -e 'sk-the-key-of-the-provide[r]' -e 'ghp_forgeforg[e]' /workspace /tools /cache /tmp /run /etc /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\n' ' ')"
} > found.txt"#;

const FOUND: [&str; 15] = [
    "targets TARGETS",
    "reached ",
    "resolvers ",
    "named ",
    "other processes 0",
    // The kernel names the other end of its own connection; at that path there is nothing in here.
    "bound sockets SOCKET ",
    "block devices 0",
    "neighbours files 0",
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
    let neighbour = Neighbour::start(cluster.image()).await?;
    let outcome = finds_nothing_beside(cluster, &neighbour).await;
    let ended = neighbour.end().await;
    outcome.and(ended)
}

/// A container that is no workstation, on the engine's usual network: it listens, names itself and
/// has a file in a volume.
struct Neighbour {
    name: String,
    address: String,
}

impl Neighbour {
    async fn start(image: &str) -> Result<Self> {
        let name = format!("neighbour-{}", std::process::id());
        let serve = "touch /data/neighbours-file; exec python3 -m http.server 8000";
        let volume = format!("{name}:/data");
        let arguments = [
            "run",
            "--detach",
            "--name",
            &name,
            "--hostname",
            "neighbour",
            "--volume",
            &volume,
            image,
            "/bin/sh",
            "-c",
            serve,
        ];
        engine(&arguments).await?;
        let format = "{{.NetworkSettings.IPAddress}}";
        let address = engine(&["inspect", "--format", format, &name]).await?;
        Ok(Self { name, address })
    }

    async fn end(self) -> Result<()> {
        engine(&["rm", "--force", &self.name]).await?;
        engine(&["volume", "rm", &self.name]).await?;
        Ok(())
    }
}

/// Where something of the host and of the neighbour listens, as seen from anywhere.
async fn targets(cluster: &DockerCluster, neighbour: &Neighbour, port: u16) -> Result<Vec<String>> {
    // The kernel's table: an address stands above the line that says that it is our own.
    let table = std::fs::read_to_string("/proc/net/fib_trie")?;
    let lines: Vec<&str> = table.lines().collect();
    let own = lines
        .windows(2)
        .filter(|pair| pair[1].contains("/32 host LOCAL"));
    let own = own.filter_map(|pair| pair[0].trim().strip_prefix("|-- "));
    let mut hosts: Vec<String> = own.map(str::to_owned).collect();
    hosts.extend(["172.17.0.1", "169.254.169.254", "0.0.0.0"].map(str::to_owned));
    hosts.sort();
    hosts.dedup();
    let services = [cluster.forge.api_url(), cluster.model.url().to_owned()];
    let ports = services
        .iter()
        .filter_map(|url| url.rsplit(':').next()?.split('/').next()?.parse().ok());
    let ports: Vec<u16> = ports.chain([port]).collect();
    ensure!(ports.len() == 3, "the services have no ports: {services:?}");
    let each = |host: &String| {
        ports
            .iter()
            .map(|port| format!("{host}:{port}"))
            .collect::<Vec<_>>()
    };
    let mut targets: Vec<String> = hosts.iter().flat_map(each).collect();
    targets.push(format!("{}:8000", neighbour.address));
    Ok(targets)
}

async fn finds_nothing_beside(cluster: &mut DockerCluster, neighbour: &Neighbour) -> Result<()> {
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await?;
    let targets = targets(cluster, neighbour, listener.local_addr()?.port()).await?;
    let there = asked_until("a neighbour that listens", async || {
        let dialled = tokio::net::TcpStream::connect(format!("{}:8000", neighbour.address)).await;
        Ok(dialled.ok())
    });
    there.await?;
    let text = format!("Somebody listens at {}; what is there?", targets.join(" "));
    let issue = cluster.file_issue("Look around", &text);
    cluster.reviewed(issue).await?;
    let reached = tokio::time::timeout(std::time::Duration::ZERO, listener.accept()).await;
    ensure!(reached.is_err(), "the host was reached: {reached:?}");
    let (pull, _) = cluster.one_of_each(issue)?;
    let found = cluster.forge.read_file(&pull.branch, "found.txt").await?;
    let agent = "acme-app.backend-1".parse()?;
    let socket = socket_path(&cluster.root().join("state"), &agent);
    let socket = socket.to_string_lossy();
    let expected = FOUND.map(|line| {
        let line = line.replace("TARGETS", &targets.len().to_string());
        line.replace("SOCKET", &socket)
    });
    let missing: Vec<&String> = expected
        .iter()
        .filter(|line| !found.lines().any(|seen| seen == line.as_str()))
        .collect();
    ensure!(missing.is_empty(), "expected {missing:#?} in\n{found}");

    let canary = Canary::of(&[PROVIDER_KEY, PUSH_TOKEN])?;
    nothing_shown(cluster, &canary).await?;
    ensure!(!canary.is_in(found.as_bytes()), "an agent found a secret");
    Ok(())
}

/// What the engine, its process table and the container itself show holds no secret.
async fn nothing_shown(cluster: &DockerCluster, canary: &Canary) -> Result<()> {
    let container = cluster.container()?;
    for arguments in [
        &["inspect", &container][..],
        &["top", &container, "-eo", "pid,args"],
        &["logs", &container],
        &[
            "exec",
            &container,
            "/bin/sh",
            "-c",
            "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'",
        ],
    ] {
        let shown = engine(arguments).await?;
        ensure!(
            !canary.is_in(shown.as_bytes()),
            "{arguments:?} shows a secret"
        );
    }
    let lines = processes_of(cluster.root());
    let told = lines.iter().find(|(_, line)| canary.is_in(line.as_bytes()));
    ensure!(told.is_none(), "in an argument: {told:?}");
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
