mod mistakes;

use std::collections::BTreeMap;
use std::io;

use super::super::files::{FileFacts, Surroundings};
use super::super::{GithubAuthorisation, Problem, RuntimeKind};
use super::*;
use mistakes::MISTAKES;

/// A machine made of a list of files.
pub(crate) struct Machine {
    files: BTreeMap<PathBuf, (FileFacts, Vec<u8>)>,
    uid: u32,
}

const FILE: &str = "/etc/cloud-code/orchestratord.toml";

impl Machine {
    pub(crate) fn new() -> Self {
        let mut machine = Self {
            files: BTreeMap::new(),
            uid: 0,
        };
        let key = "0123456789abcdef".repeat(4);
        for (path, mode, content) in [
            ("/etc/cloud-code/secrets.key", 0o600, key.as_str()),
            ("/etc/cloud-code/anthropic.key", 0o600, "the-real-key\n"),
            ("/etc/cloud-code/github.token", 0o600, "token"),
            ("/etc/cloud-code/webhook.secret", 0o600, key.as_str()),
            (
                "/etc/cloud-code/app.pem",
                0o600,
                "-----BEGIN RSA PRIVATE KEY-----\nx\n",
            ),
            ("/etc/cloud-code/two.words", 0o600, "two words"),
            ("/etc/cloud-code/open.key", 0o644, "the-real-key"),
            ("/etc/cloud-code/empty.key", 0o600, "\n"),
            ("/etc/cloud-code/short.secret", 0o600, "0123456789"),
            ("/var/lib/cloud-code/inside.key", 0o600, "the-real-key"),
            ("/etc/ssl/certs/ca-certificates.crt", 0o644, "PEM"),
        ] {
            machine.add(path, FileKind::File, mode, content.as_bytes());
        }
        for agentd in ["/usr/local/lib/cloud-code/agentd", "/opt/bin/agentd"] {
            machine.add(
                agentd,
                FileKind::File,
                0o755,
                &crate::fleet::elf::example(1),
            );
        }
        machine.add("/opt/bin/script", FileKind::File, 0o755, b"#!/bin/sh\n");
        machine.add("/srv/app", FileKind::Directory, 0o755, b"");
        machine.add("/srv/theirs", FileKind::Directory, 0o755, b"");
        if let Some((facts, _)) = machine.files.get_mut(Path::new("/srv/theirs")) {
            facts.uid = 1_234;
        }
        machine
    }

    fn add(&mut self, path: &str, kind: FileKind, mode: u32, content: &[u8]) {
        let facts = FileFacts { kind, mode, uid: 0 };
        self.files
            .insert(PathBuf::from(path), (facts, content.to_vec()));
    }
}

impl Files for Machine {
    fn facts(&self, path: &Path) -> Option<FileFacts> {
        self.files.get(path).map(|(facts, _)| *facts)
    }

    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let found = self.files.get(path);
        let (_, content) = found.ok_or(io::Error::from(io::ErrorKind::NotFound))?;
        Ok(content.iter().copied().take(limit).collect())
    }

    fn resolve(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }

    fn knows_user(&self, name: &str) -> bool {
        ["alice", "root"].contains(&name)
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings {
            uid: self.uid,
            home: Some("/home/op".into()),
            xdg_state_home: None,
            xdg_runtime_dir: Some("/run/user/1000".into()),
            program_dir: "/opt/bin".into(),
        }
    }
}

const GOOD: &str = r#"
state_dir = "/var/lib/cloud-code"
[agents.types.backend]
image = "cloud-code-backend:latest"
[accounts.main]
kind = "anthropic"
secret_file = "anthropic.key"
[coding_cli.claude]
adapter = "claude-code"
account = "main"
[[projects]]
name = "acme/app"
tracker = "github"
repository = "https://github.com/acme/app.git"
[projects.github]
token_file = "github.token"
"#;

fn read_text(text: &str) -> Result<Config, Problems> {
    parse(Path::new(FILE), text, &Machine::new())
}

fn problems(text: &str) -> Vec<Problem> {
    read_text(text).map_or_else(|problems| problems.0, |_| Vec::new())
}

/// The good configuration with a line replaced by another.
fn with(line: &str, other: &str) -> String {
    assert!(GOOD.contains(line), "{line}");
    GOOD.replacen(line, other, 1)
}

#[test]
fn a_small_configuration_has_all_its_defaults() {
    let config = read_text(GOOD).unwrap();
    let project = &config.projects[0];
    assert_eq!(config.agents.runtime, RuntimeKind::Docker);
    assert_eq!(config.agents.agentd, Path::new("/opt/bin/agentd"));
    assert_eq!(
        config.operator.socket,
        Path::new("/run/cloud-code/operator.sock")
    );
    assert_eq!(config.settle.github, Duration::from_secs(90));
    assert_eq!(config.agents.min_free_disk, 5_000_000_000);
    assert_eq!(project.branch_prefix, "cloud-code/");
    assert_eq!(project.ignore_labels, ["wontfix", "human-only"]);
    assert_eq!(project.task_limit.cost.0, 2_000_000);
    assert_eq!(project.task_limit.tokens.0, 1_000_000);
    assert_eq!(project.coding_cli.as_str(), "claude");
    assert_eq!(config.coding_clis[&project.coding_cli].command, ["claude"]);
    assert!(config.webhooks.is_none() && config.secrets.is_none());
    assert!(!config.routing.0.is_empty());
}

#[test]
fn secrets_are_read_and_never_shown() {
    let config = read_text(GOOD).unwrap();
    let (_, account) = config.accounts.first_key_value().unwrap();
    assert_eq!(account.secret.get().expose_secret(), "the-real-key");
    let TrackerConfig::Github(github) = &config.projects[0].tracker else {
        panic!("{:?}", config.projects[0].tracker)
    };
    assert!(matches!(
        &github.authorisation,
        GithubAuthorisation::Token(token) if token.expose_secret() == "token"
    ));
    assert!(!format!("{config:?}").contains("the-real-key"));
}

#[test]
fn without_root_state_lies_where_the_user_keeps_it() {
    let mut machine = Machine::new();
    machine.uid = 1000;
    for (facts, _) in machine.files.values_mut() {
        facts.uid = 1000;
    }
    let text = with("state_dir = \"/var/lib/cloud-code\"", "");
    let config = parse(Path::new(FILE), &text, &machine).unwrap();
    assert_eq!(
        config.state_dir,
        Path::new("/home/op/.local/state/cloud-code")
    );
    let socket = Path::new("/run/user/1000/cloud-code/operator.sock");
    assert_eq!(config.operator.socket, socket);
}

#[test]
fn every_mistake_is_told_with_its_place_its_key_and_its_remedy() {
    for (line, other, key, word) in MISTAKES {
        let text = with(line, other);
        let found = problems(&text);
        let hit = found.iter().find(|problem| {
            problem.key.starts_with(key)
                && (problem.message.contains(word) || problem.remedy.contains(word))
        });
        let Some(hit) = hit else {
            panic!("{other}: wanted {key} … {word}, found {found:#?}")
        };
        assert!(!hit.remedy.is_empty() && hit.line > 0 && hit.line <= text.lines().count());
        assert!(!format!("{found:?}").contains("the-real-key"));
    }
}

#[test]
fn one_mistake_is_one_message() {
    // What refers to a thing with a mistake in it is not a second mistake.
    for (line, other, expected) in [
        ("kind = \"anthropic\"", "kind = \"antropic\"", 1),
        ("\"anthropic.key\"", "\"missing.key\"", 1),
        ("image = \"cloud-code-backend:latest\"", "", 1),
        ("tracker = \"github\"", "tracker = \"githbu\"", 1),
    ] {
        let found = problems(&with(line, other));
        assert_eq!(found.len(), expected, "{other}: {found:#?}");
    }
}

#[test]
fn a_place_is_the_line_and_column_of_the_value() {
    let found = problems(&with("kind = \"anthropic\"", "  kind = \"antropic\""));
    let shown = found[0].to_string();
    assert!(
        shown.starts_with(
            "/etc/cloud-code/orchestratord.toml:6:10: accounts.main.kind: \"antropic\""
        ),
        "{shown}"
    );
    assert!(
        shown.contains("\n  fix: did you mean \"anthropic\"?"),
        "{shown}"
    );
}

#[test]
fn a_document_with_five_kinds_of_mistake_is_told_all_five() {
    // A table twice, a misspelt key, a mount of the host, an override in a size, a negative number.
    let text = GOOD.replace(
        "[agents.types.backend]\nimage = \"cloud-code-backend:latest\"",
        "[agents]\nmin_free_disk = \"5\u{202e}GB\"\nprivilegd = true\n[agents.types.backend]\nimage = \"x\"\nbinds = [\"/:/host\"]\ncount = -1\n[accounts.main]\nkind = \"openai\"",
    );
    let found = problems(&text);
    for (key, word) in [
        ("", "duplicate"),
        ("agents.privilegd", "not a key"),
        ("agents.types.backend.binds", "not a key"),
        ("agents.min_free_disk", "\\u{202e}"),
        ("agents.types.backend.count", "-1"),
    ] {
        let hit = found
            .iter()
            .find(|problem| problem.key == key && problem.message.contains(word));
        assert!(hit.is_some(), "{key} {word}: {found:#?}");
    }
    let lines: Vec<usize> = found.iter().map(|problem| problem.line).collect();
    assert!(lines.is_sorted(), "{lines:?}");
    assert!(!found.iter().any(|p| p.to_string().contains('\u{202e}')));
}

#[test]
fn numbers_that_cannot_be_are_told_all_at_once() {
    let text = GOOD
        .replace("tracker = \"github\"", "tracker = \"github\"\nmax_attempts = 0\ncost_limit_usd = nan\ndaily_limit_usd = 1e400")
        .replace("token_file = \"github.token\"", "token_file = \"github.token\"\nwebhook_secret_file = \"empty.key\"\npoll_seconds = -5")
        .replace("[accounts.main]", "[webhooks]\nlisten = \"127.0.0.1:99999\"\n[agents.limits]\nretries = 99999999999999999999\n[accounts.main]");
    let keys: Vec<String> = problems(&text).into_iter().map(|p| p.key).collect();
    for key in [
        "webhooks.listen",
        "agents.limits.retries",
        "projects[0].max_attempts",
        "projects[0].cost_limit_usd",
        "projects[0].daily_limit_usd",
        "projects[0].github.webhook_secret_file",
        "projects[0].github.poll_seconds",
    ] {
        assert!(keys.iter().any(|found| found == key), "{key}: {keys:?}");
    }
}

#[test]
fn two_projects_never_share_workstations() {
    let second =
        "[[projects]]\nname = \"acme-app\"\ntracker = \"local\"\nrepository = \"/srv/app\"\n";
    let found = problems(&format!("{GOOD}{second}"));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].message.contains("acme-app and acme/app"));
    let twice = second.replace("acme-app", "acme/app");
    assert!(
        problems(&format!("{GOOD}{twice}"))[0]
            .message
            .contains("two projects")
    );
}

#[test]
fn a_local_project_needs_no_account_anywhere() {
    let text = r#"
        [agents]
        runtime = "process"
        [agents.types.backend]
        [coding_cli.demo]
        adapter = "scripted"
        command = ["/opt/bin/script"]
        [[projects]]
        name = "sample"
        tracker = "local"
        repository = "/srv/app"
    "#;
    let config = read_text(text).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(matches!(config.projects[0].tracker, TrackerConfig::Local));
    assert_eq!(config.projects[0].repository, "/srv/app");
}

#[test]
fn a_webhook_secret_opens_the_listener() {
    let text = with(
        "token_file = \"github.token\"",
        "token_file = \"github.token\"\nwebhook_secret_file = \"webhook.secret\"",
    );
    let config = read_text(&text).unwrap();
    assert_eq!(config.webhooks.unwrap().listen.port(), 8480);
}

#[test]
fn what_is_no_toml_is_a_message_and_never_a_panic() {
    for text in [
        "=",
        "[",
        "a = \"",
        "[[projects]",
        "\u{0}",
        "a.b = 1\na = 2",
        "[projects]\nname = 1",
    ] {
        let found = problems(text);
        assert!(!found.is_empty(), "{text:?}");
    }
    // What follows such a place may have lost its section: it is no second mistake.
    assert_eq!(problems(&format!("{GOOD}[[projects]\nname = 1\n")).len(), 1);
    // Cut anywhere, and with any byte changed.
    for end in (0..GOOD.len()).filter(|end| GOOD.is_char_boundary(*end)) {
        let _problems = problems(&GOOD[..end]);
    }
}
