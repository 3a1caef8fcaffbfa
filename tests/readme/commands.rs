//! Every command in the README is run here, is understood by the program that it names, or is run by
//! something else that is named.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use cloud_code_tests::cluster::processes_of;
use cloud_code_tests::programs;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use cloud_code_tests::readme as page;

/// All our programs in one.
const PROGRAMS: &str = env!("CARGO_BIN_EXE_demo");

/// What shows that a command works.
enum Proof {
    /// It is run by a test below.
    Here,
    /// The program reads it, and shows the help of what it names instead of doing it.
    Understood,
    /// It is typed as it stands by `tests/readme_steps/`, which follows the steps.
    Followed,
    /// This file of the repository runs it, or what it comes to.
    By(&'static str, &'static str),
    /// It is typed like one of the steps that is followed.
    Like(&'static str),
}

/// Every line of every `sh` fence, without `sudo`.
const COMMANDS: &[(&str, Proof)] = &[
    (
        "cargo demo",
        Proof::By(".cargo/config.toml", "--bin demo\""),
    ),
    (
        "cargo test --workspace",
        Proof::By(".ci/run", "cargo test --workspace"),
    ),
    ("cargo demo -- --plain", Proof::Here),
    (
        "cargo build --release -p orchestratord -p cloud-code",
        Proof::Followed,
    ),
    (
        "RUSTFLAGS=\"-C target-feature=+crt-static\" cargo build --release -p agentd --target x86_64-unknown-linux-gnu",
        Proof::Followed,
    ),
    (
        "install -m 0755 target/release/orchestratord target/release/cloud-code /usr/local/bin/",
        Proof::Followed,
    ),
    (
        "install -D -m 0755 target/x86_64-unknown-linux-gnu/release/agentd /usr/local/lib/cloud-code/agentd",
        Proof::Followed,
    ),
    ("install -d -m 0700 /etc/cloud-code", Proof::Followed),
    (
        "dockerfiles/build.sh --base debian:bookworm-slim backend",
        Proof::Followed,
    ),
    (
        "sh -c 'umask 077; cat > /etc/cloud-code/github.token'",
        Proof::Followed,
    ),
    (
        "sh -c 'umask 077; cat > /etc/cloud-code/anthropic.key'",
        Proof::Followed,
    ),
    (
        "sh -c 'umask 077; openssl rand -hex 32 > /etc/cloud-code/webhook.secret'",
        Proof::Like("sh -c 'umask 077; "),
    ),
    (
        "orchestratord secrets-key /etc/cloud-code/secrets.key",
        Proof::Followed,
    ),
    (
        "orchestratord check --config /etc/cloud-code/orchestratord.toml",
        Proof::Followed,
    ),
    (
        "orchestratord --config /etc/cloud-code/orchestratord.toml",
        Proof::Followed,
    ),
    (
        "orchestratord backup /var/backups/cloud-code",
        Proof::By("tests/e2e/kills/backup.rs", "\"backup\""),
    ),
    (
        "orchestratord restore /var/backups/cloud-code",
        Proof::By("tests/e2e/kills/backup.rs", "\"restore\""),
    ),
    (
        "packaging/build-deb.sh target/release target/x86_64-unknown-linux-gnu/release/agentd target",
        Proof::By("tests/packaging/package.rs", "packaging/build-deb.sh"),
    ),
    (
        "dpkg -i target/cloud-code_0.1.0_amd64.deb",
        Proof::By("tests/packaging/package.rs", "\"-i\""),
    ),
    (
        "cloud-code completions bash > cloud-code.bash",
        Proof::By("tests/packaging/completions.rs", "\"completions\""),
    ),
    (
        "cloud-code man man1",
        Proof::By("tests/packaging/manual.rs", "\"man\""),
    ),
    ("cloud-code metrics", Proof::Understood),
    ("cloud-code doctor", Proof::Followed),
    ("cloud-code", Proof::Understood),
    ("cloud-code --host alice@server", Proof::Understood),
    (
        "cloud-code secret set npm_token read --project acme/app",
        Proof::Understood,
    ),
    ("cloud-code approvals", Proof::Understood),
    ("cloud-code approve REQUEST", Proof::Understood),
    (
        "cloud-code deny REQUEST --note \"use the public mirror\"",
        Proof::Understood,
    ),
];

fn lines() -> Vec<String> {
    let fences = page::fences("sh");
    let lines = fences.iter().flat_map(|fence| fence.lines());
    lines
        .map(|line| line.trim_start_matches("sudo ").to_owned())
        .collect()
}

/// A command in a directory, under `PATH` with our own programs in front.
#[expect(
    clippy::disallowed_methods,
    reason = "what the README says is started as it says"
)]
fn run(dir: &Path, words: &[&str]) -> Output {
    Command::new(dir.join("bin").join(words[0]))
        .args(&words[1..])
        .current_dir(dir)
        .output()
        .unwrap()
}

fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    programs::install(Path::new(PROGRAMS), &place.path().join("bin")).unwrap();
    place
}

fn said(output: &Output) -> String {
    let parts = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    parts.concat()
}

#[test]
fn every_command_in_the_readme_has_its_proof() {
    let (lines, steps) = (lines(), page::steps());
    assert!(!lines.is_empty() && !steps.is_empty());
    for line in &lines {
        let known = COMMANDS.iter().any(|(command, _)| command == line);
        assert!(known, "nothing shows that this works: {line}");
    }
    for (command, proof) in COMMANDS {
        assert!(
            lines.iter().any(|line| line == command),
            "the README has no {command}"
        );
        let followed = |part: &str| steps.iter().any(|step| step.command.contains(part));
        match proof {
            Proof::Here | Proof::Understood => {}
            Proof::Followed => assert!(followed(command), "no step: {command}"),
            Proof::Like(part) => assert!(command.starts_with(part) && followed(part), "{command}"),
            Proof::By(file, text) => {
                let by = std::fs::read_to_string(page::root().join(file));
                let by = by.unwrap_or_else(|error| panic!("{file}: {error}"));
                assert!(by.contains(text), "{file} does not run {text}");
            }
        }
    }
}

#[test]
fn the_commands_of_the_client_are_understood() {
    let place = place();
    for (command, proof) in COMMANDS {
        if !matches!(proof, Proof::Understood) {
            continue;
        }
        let plain = command.replace("\"use the public mirror\"", "note");
        let mut words: Vec<&str> = plain.split(' ').collect();
        words.push("--help");
        let output = run(place.path(), &words);
        assert!(output.status.success(), "{command}: {}", said(&output));
    }
}

/// The steps from the key to the check, in a directory of the test's own.
#[test]
fn the_configuration_is_checked_as_the_readme_says() {
    use std::os::unix::fs::PermissionsExt;
    let place = place();
    let dir = place.path();
    let made = run(dir, &["orchestratord", "secrets-key", "secrets.key"]);
    assert!(made.status.success(), "{}", said(&made));
    for secret in ["github.token", "anthropic.key"] {
        std::fs::write(dir.join(secret), "as-it-was-pasted\n").unwrap();
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(dir.join(secret), mode).unwrap();
    }
    // Under `process` agentd need not be static; who may connect has to be known here.
    let example = page::fences("toml").concat();
    let text = example
        .replace("users = [\"alice\"]", "users = [\"root\"]")
        .replace(
            "agentd = \"/usr/local/lib/cloud-code/agentd\"",
            "agentd = \"bin/agentd\"\nruntime = \"process\"\nallow_unconfined = true",
        );
    let state = dir.join("state");
    let socket = dir.join("operator.sock");
    let text = format!("state_dir = \"{}\"\n{text}", state.display()).replace(
        "[operator]",
        &format!("[operator]\nsocket = \"{}\"", socket.display()),
    );
    std::fs::write(dir.join("orchestratord.toml"), &text).unwrap();
    let check = ["orchestratord", "check", "--config", "orchestratord.toml"];
    let good = run(dir, &check);
    assert!(good.status.success(), "{}", said(&good));

    // A mistake has its line and ends with 64.
    let wrong = text.replace("tracker = \"github\"", "tracker = \"gitlab\"");
    std::fs::write(dir.join("orchestratord.toml"), wrong).unwrap();
    let bad = run(dir, &check);
    assert_eq!(bad.status.code(), Some(64), "{}", said(&bad));
    assert!(said(&bad).contains("tracker"), "{}", said(&bad));
    assert!(!state.exists(), "a check makes nothing");
}

#[test]
fn print_config_prints_more_than_the_readme_shows() {
    let place = place();
    let printed = run(place.path(), &["orchestratord", "print-config"]);
    assert!(printed.status.success());
    for line in page::fences("toml").concat().lines() {
        let Some((key, _)) = line.split_once(" = ") else {
            continue;
        };
        assert!(said(&printed).contains(key), "{key}");
    }
}

#[test]
fn the_demo_without_a_terminal_ends_well() {
    let place = place();
    let temporary = place.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let output = plain_demo(&temporary).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("everything happened"),
        "{}",
        said(&output)
    );
}

/// What `cargo demo -- --plain` starts.
#[expect(
    clippy::disallowed_methods,
    reason = "what the README says is started as it says"
)]
fn plain_demo(temporary: &Path) -> Command {
    let mut demo = Command::new(PROGRAMS);
    demo.arg("--plain").env("TMPDIR", temporary);
    demo
}

#[test]
fn a_demo_that_is_ended_early_leaves_nothing_running() {
    let place = place();
    let mut demo = plain_demo(place.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever read along has gone, as `head` does: that is no reason to leave things running.
    let mut line = String::new();
    let mut said = BufReader::new(demo.stdout.take().unwrap());
    said.read_line(&mut line).unwrap();
    drop(said);
    assert!(line.contains("filed"), "{line}");
    let pid = Pid::from_raw(demo.id().try_into().unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(1));
    let left = processes_of(place.path());
    assert!(left.is_empty(), "{left:?}");
}
