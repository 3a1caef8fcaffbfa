//! What there is of what we need, each with what to do about it. Looks, changes nothing.
//!
//! ```text
//!  this machine      git, state_dir, disk, keys, agentd, isolation      here
//!  its engine        engine, what keeps agents in, images               engine
//!  each project      tracker and clock, push, what agents lack          projects
//! ```

mod engine;
mod projects;

use std::collections::HashMap;
use std::path::PathBuf;

use cloud_code_domain::account::Authorisation;
use cloud_code_domain::id::ProjectName;

use super::docker::DockerRuntime;
use super::{disk, elf};
use crate::config::{Config, RuntimeKind};
use crate::credentials::check_key;
use crate::mirrors::Mirrors;
use crate::outside::Ports;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What, for example `image cloud-code-backend:latest`.
    pub name: String,
    /// Whether it is as it has to be.
    pub ok: bool,
    /// What is there.
    pub found: String,
    /// What to do; empty where nothing is. With `ok`: what would be better.
    pub remedy: String,
}

impl Check {
    fn good(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ok: true,
            found: found.into(),
            remedy: String::new(),
        }
    }

    fn warning(
        name: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            remedy: remedy.into(),
            ..Self::good(name, found)
        }
    }

    fn bad(name: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ok: false,
            found: found.into(),
            remedy: remedy.into(),
        }
    }
}

/// What is looked at.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The containers' runtime, where there is one.
    pub docker: Option<&'a DockerRuntime>,
    /// The repositories as they were fetched last.
    pub mirrors: &'a Mirrors,
    /// Each project's tracker and code host.
    pub ports: &'a HashMap<ProjectName, Ports>,
}

/// All checks, in the order in which the parts are used.
pub async fn doctor(subject: Subject<'_>) -> Vec<Check> {
    let config = subject.config;
    let git = subject.mirrors.git_version().await;
    let mut checks = vec![git_version(&git), state_dir(config), free_space(config)];
    checks.push(secrets(config));
    checks.extend(accounts(config));
    checks.push(agentd(config));
    checks.push(isolation(config));
    if let Some(docker) = subject.docker {
        checks.extend(engine::checks(config, docker).await);
    }
    for project in config.projects.iter().filter(|project| project.enabled) {
        checks.extend(projects::checks(project, subject.mirrors, subject.ports).await);
    }
    checks
}

/// The oldest git that has every option we use.
const GIT_LEAST: (u32, u32) = (2, 34);

fn git_version(git: &Result<String, String>) -> Check {
    let remedy = format!("install git {}.{} or newer", GIT_LEAST.0, GIT_LEAST.1);
    let text = match git {
        Ok(text) => text.trim(),
        Err(why) => return Check::bad("git", why.clone(), remedy),
    };
    let version = text.strip_prefix("git version ").unwrap_or(text);
    let mut numbers = version.split('.').map(|word| word.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) >= GIT_LEAST => Check::good("git", version),
        (Some(_) | None, Some(_) | None) => Check::bad("git", version, remedy),
    }
}

fn state_dir(config: &Config) -> Check {
    use std::os::unix::fs::MetadataExt;
    let path = &config.state_dir;
    let shown = path.display().to_string();
    if let Ok(Some(why)) = disk::unfit(path) {
        let remedy = "set state_dir to a folder on a local disk";
        return Check::bad("state_dir", format!("{shown} lies on {why}"), remedy);
    }
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.mode() & 0o077 != 0 => {
            let found = format!("{shown} has mode {:04o}", metadata.mode() & 0o7777);
            Check::bad("state_dir", found, format!("chmod 700 {shown}"))
        }
        Ok(_) => Check::good("state_dir", shown),
        Err(_) => Check::good("state_dir", format!("{shown} will be made")),
    }
}

fn free_space(config: &Config) -> Check {
    let gigabytes =
        |bytes: u64| format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10);
    match disk::free_bytes(&config.state_dir) {
        Ok(free) if free >= config.agents.min_free_disk => {
            Check::good("free space", gigabytes(free))
        }
        Ok(free) => {
            let least = gigabytes(config.agents.min_free_disk);
            let found = format!(
                "{}, less than the {least} below which no work is taken",
                gigabytes(free)
            );
            Check::bad(
                "free space",
                found,
                "make room, or lower agents.min_free_disk",
            )
        }
        Err(error) => Check::bad("free space", error.to_string(), "check state_dir"),
    }
}

fn secrets(config: &Config) -> Check {
    let Some(secrets) = &config.secrets else {
        return Check::good(
            "secrets",
            "no [secrets]: what agents ask for can only be denied",
        );
    };
    match check_key(&secrets.key_file) {
        Ok(()) => Check::good("secrets", format!("key {}", secrets.key_file.display())),
        Err(error) => Check::bad("secrets", error.to_string(), "see the message"),
    }
}

/// That their secrets could be read is known: else there would be no configuration.
fn accounts(config: &Config) -> Vec<Check> {
    let account = |(name, account): (_, &crate::config::AccountConfig)| {
        let kind = account.kind.as_str();
        let auth = match account.auth {
            Authorisation::ApiKey => "API key",
            Authorisation::ClaudeToken => "token of a subscription",
        };
        let found = format!("{kind}, {auth}, {}", account.base_url);
        Check::good(format!("account {name}"), found)
    };
    config.accounts.iter().map(account).collect()
}

fn agentd(config: &Config) -> Check {
    let path = &config.agents.agentd;
    let shown = path.display().to_string();
    if !path.is_file() {
        let remedy = "build agentd and set agents.agentd";
        return Check::bad("agentd", format!("there is no file {shown}"), remedy);
    }
    match (config.agents.runtime, elf::check_static(path)) {
        (RuntimeKind::Docker, Err(error)) => Check::bad(
            "agentd",
            format!("{shown}: {error}"),
            "build it with -C target-feature=+crt-static, so that it runs in every image",
        ),
        (RuntimeKind::Docker, Ok(())) => Check::good("agentd", format!("{shown}, static")),
        (RuntimeKind::Process, Ok(()) | Err(_)) => Check::good("agentd", shown),
    }
}

fn isolation(config: &Config) -> Check {
    match (config.agents.runtime, config.agents.allow_unconfined) {
        (RuntimeKind::Docker, _) => Check::good("isolation", "docker: containers without network"),
        (RuntimeKind::Process, _) if !has_program("setsid") => Check::bad(
            "isolation",
            "the process runtime needs the program setsid",
            "install util-linux",
        ),
        (RuntimeKind::Process, false) => Check::good(
            "isolation",
            "process: isolates nothing; only scripted coding CLIs run",
        ),
        (RuntimeKind::Process, true) => Check::warning(
            "isolation",
            "process with allow_unconfined: agents can do whatever this user can",
            "use the docker runtime wherever agents may not do all that you may",
        ),
    }
}

fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path);
    folders.any(|folder: PathBuf| folder.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_git_is_told_with_the_one_that_is_needed() {
        assert!(git_version(&Ok("git version 2.47.3\n".to_owned())).ok);
        assert!(git_version(&Ok("git version 3.0.0-rc1".to_owned())).ok);
        for bad in [
            Ok("git version 2.30.2".to_owned()),
            Ok("x".to_owned()),
            Err("no git".to_owned()),
        ] {
            let check = git_version(&bad);
            assert!(!check.ok && check.remedy.contains("2.34"), "{check:?}");
        }
    }
}
