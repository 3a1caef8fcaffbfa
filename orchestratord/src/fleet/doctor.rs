//! What this machine has of what we need, each with what to do about it. Looks, changes nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cloud_code_domain::account::{Authorisation, Provider};
use cloud_code_domain::id::ProjectName;

use super::docker::DockerRuntime;
use super::{disk, elf};
use crate::config::{Config, RuntimeKind};
use crate::credentials::check_key;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What, for example `image cloud-code-backend:latest`.
    pub name: String,
    /// Whether it is as it has to be.
    pub ok: bool,
    /// What is there.
    pub found: String,
    /// What to do; empty where nothing is.
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

    fn bad(name: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ok: false,
            found: found.into(),
            remedy: remedy.into(),
        }
    }
}

/// All checks, in the order in which the parts are used. `git` is what `git --version` says, or why
/// it says nothing; `docker` is there under the docker runtime.
pub async fn doctor(
    config: &Config,
    git: &Result<String, String>,
    docker: Option<&DockerRuntime>,
) -> Vec<Check> {
    let mut checks = vec![git_version(git), state_dir(config), free_space(config)];
    checks.push(secrets(config));
    checks.extend(accounts(config));
    checks.push(agentd(config));
    checks.push(isolation(config));
    if let Some(docker) = docker {
        checks.extend(engine(config, docker).await);
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
        let kind = match account.kind {
            Provider::Anthropic => "anthropic",
            Provider::Openai => "openai",
        };
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
        (RuntimeKind::Process, true) => Check {
            remedy: "use the docker runtime wherever agents may not do all that you may".to_owned(),
            ..Check::good(
                "isolation",
                "process with allow_unconfined: agents can do whatever this user can",
            )
        },
    }
}

fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path);
    folders.any(|folder: PathBuf| folder.join(name).is_file())
}

async fn engine(config: &Config, docker: &DockerRuntime) -> Vec<Check> {
    let (version, api) = match docker.engine().version().await {
        Ok(found) => found,
        Err(trouble) => {
            let remedy = "start the Docker engine, and let this user reach its socket";
            return vec![Check::bad("docker", trouble.to_string(), remedy)];
        }
    };
    let found = format!("engine {version}, API {api}");
    let mut checks = vec![if is_new_enough(&api) {
        Check::good("docker", found)
    } else {
        Check::bad(
            "docker",
            found,
            "install an engine with API 1.41 (20.10) or newer",
        )
    }];
    let types = config.agents.types.values();
    let images: BTreeSet<&str> = types.map(|config| config.image.as_str()).collect();
    for image in images {
        checks.push(check_image(docker, image).await);
    }
    checks
}

fn is_new_enough(api: &str) -> bool {
    let number = |word: Option<&str>| word.and_then(|word| word.parse::<u32>().ok());
    let mut words = api.split('.');
    number(words.next()).zip(number(words.next())) >= Some((1, 41))
}

async fn check_image(docker: &DockerRuntime, image: &str) -> Check {
    let name = format!("image {image}");
    let facts = match docker.image_facts(image).await {
        Ok(facts) => facts,
        Err(trouble) => {
            let remedy = "build it: dockerfiles/build.sh";
            return Check::bad(name, trouble.to_string(), remedy);
        }
    };
    let missing = facts.missing();
    if missing.is_empty() {
        let git = facts.git.unwrap_or_default();
        return Check::good(
            name,
            format!("git {git}, user 10001, /workspace, /tools, /cache"),
        );
    }
    let found = format!("is missing: {}", missing.join(", "));
    Check::bad(
        name,
        found,
        "add it to the image; dockerfiles/Dockerfile shows how",
    )
}

/// What of a repository its agents will not have. `paths` are those of its default branch,
/// `attributes` the text of its `.gitattributes`.
#[must_use]
pub fn repository<'a>(
    project: &ProjectName,
    paths: impl IntoIterator<Item = &'a str>,
    attributes: &str,
) -> Check {
    let name = format!("repository of {project}");
    let submodules = paths
        .into_iter()
        .any(|path| Path::new(path) == Path::new(".gitmodules"));
    let lfs = attributes.lines().any(|line| line.contains("filter=lfs"));
    let found = match (submodules, lfs) {
        (false, false) => return Check::good(name, "no submodules, no LFS"),
        (true, false) => "has submodules: agents find their folders empty",
        (false, true) => "has files in LFS: agents find pointers in their place",
        (true, true) => "has submodules and files in LFS: agents find neither",
    };
    let remedy = "let the project's setup command bring what agents need, through agents.egress";
    Check {
        remedy: remedy.to_owned(),
        ..Check::good(name, found)
    }
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

    #[test]
    fn an_engine_is_compared_by_number_and_not_by_text() {
        assert!(is_new_enough("1.41") && is_new_enough("1.100") && is_new_enough("2.0"));
        assert!(!is_new_enough("1.40") && !is_new_enough("1.9") && !is_new_enough("unknown"));
    }

    #[test]
    fn what_agents_will_not_have_of_a_repository_is_said() {
        let project = "acme/app".parse().unwrap();
        let plain = repository(&project, ["src/main.rs"], "*.rs text\n");
        assert!(plain.remedy.is_empty());
        let both = repository(&project, [".gitmodules"], "*.png filter=lfs diff=lfs\n");
        assert!(both.found.contains("submodules and files in LFS"));
    }
}
