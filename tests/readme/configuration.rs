//! The configuration in the README is read by the program's own parser, on a machine as the steps
//! before it leave it.

use std::io;
use std::path::{Path, PathBuf};

use orchestratord::config::{self, Config, FileFacts, FileKind, Files, RuntimeKind, Surroundings};

use cloud_code_tests::readme as page;

/// The machine after the steps of the README.
struct Machine;

const FOLDER: &str = "/etc/cloud-code";
const AGENTD: &str = "/usr/local/lib/cloud-code/agentd";

fn content(path: &Path) -> Option<Vec<u8>> {
    if path == Path::new(AGENTD) {
        // The head of a static program: one segment, which names no dynamic linker.
        let mut head = vec![0; 64 + 56];
        head[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (head[32], head[54], head[56], head[64]) = (64, 56, 1, 1);
        return Some(head);
    }
    match path.strip_prefix(FOLDER).ok()?.to_str()? {
        "secrets.key" | "webhook.secret" => Some("0123456789abcdef".repeat(4).into_bytes()),
        "github.token" | "anthropic.key" => Some(b"as-it-was-pasted\n".to_vec()),
        _ => None,
    }
}

impl Files for Machine {
    fn facts(&self, path: &Path) -> Option<FileFacts> {
        content(path)?;
        let mode = if path == Path::new(AGENTD) {
            0o755
        } else {
            0o600
        };
        Some(FileFacts {
            kind: FileKind::File,
            mode,
            uid: 0,
        })
    }

    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let content = content(path).ok_or(io::Error::from(io::ErrorKind::NotFound))?;
        Ok(content.into_iter().take(limit).collect())
    }

    fn resolve(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }

    fn knows_user(&self, _name: &str) -> bool {
        true
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings {
            uid: 0,
            home: Some("/root".into()),
            xdg_state_home: None,
            xdg_runtime_dir: None,
            program_dir: "/usr/local/bin".into(),
        }
    }
}

fn read(text: &str) -> Config {
    let path = Path::new(FOLDER).join("orchestratord.toml");
    config::parse(&path, text, &Machine).unwrap_or_else(|problems| panic!("{problems}"))
}

fn example() -> String {
    let fences = page::fences("toml");
    let [example] = fences.as_slice() else {
        panic!("the README has one configuration");
    };
    example.clone()
}

#[test]
fn the_configuration_in_the_readme_is_all_that_is_needed() {
    let config = read(&example());
    assert_eq!(config.agents.runtime, RuntimeKind::Docker);
    assert_eq!(config.state_dir, Path::new("/var/lib/cloud-code"));
    assert!(config.secrets.is_some());
    assert!(config.webhooks.is_none(), "it is polled");
    let [project] = config.projects.as_slice() else {
        panic!("one project");
    };
    assert_eq!(project.trigger_labels, ["cloud-code"]);
    assert!(config.agents.egress.is_empty());
}

#[test]
fn the_line_for_a_webhook_switches_it_on() {
    let line = "webhook_secret_file = \"webhook.secret\"";
    assert!(page::text().contains(line));
    let config = read(&format!("{}{line}\n", example()));
    let listen = config.webhooks.unwrap().listen.to_string();
    assert!(page::text().contains(&listen), "{listen}");
}

#[test]
fn the_line_for_a_subscription_is_understood() {
    let text = example();
    assert!(page::text().contains("`auth = \"claude_token\"`"));
    let kind = "kind = \"anthropic\"\n";
    assert!(text.contains(kind));
    read(&text.replace(kind, &format!("{kind}auth = \"claude_token\"\n")));
}
