//! Text → [`Config`], or every mistake at once.
//!
//! Nothing is opened, made or changed. Sections are read in the order of the struct; what concerns
//! two of them (an account that a coding CLI names) is checked where the name is written, because
//! that is the line to correct.

mod accounts;
mod agents;
mod projects;

use std::path::{Path, PathBuf};
use std::time::Duration;

use cloud_code_domain::log::retention::Keep;
use secrecy::ExposeSecret;
use toml::de::DeTable;

use super::files::{FileKind, Files};
use super::problem::{Problems, quoted};
use super::read::{Field, Reader, Section};
use super::{
    Config, GitConfig, OperatorConfig, SecretsConfig, SettleConfig, TrackerConfig, WebhooksConfig,
};

/// The longest path of a Unix socket, without the final zero.
const SOCKET_PATH_MOST: usize = 107;

/// What every section needs to know besides its own table.
#[derive(Clone, Copy)]
struct Ground<'a> {
    /// Relative paths count from here.
    base: &'a Path,
    /// None where `state_dir` is itself a mistake.
    state_dir: Option<&'a Path>,
    files: &'a dyn Files,
}

/// Reads a configuration.
///
/// # Errors
/// Every mistake, in the order of the file.
pub fn parse(path: &Path, text: &str, files: &dyn Files) -> Result<Config, Problems> {
    let mut reader = Reader::new(path, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    reader.note_syntax(&errors);
    let base = path.parent().unwrap_or(Path::new(""));
    let config = read(reader.root(&document), base, files);
    let problems = reader.into_problems();
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        Some(_) | None => Err(Problems(problems)),
    }
}

pub(super) fn read(root: Section<'_, '_>, base: &Path, files: &dyn Files) -> Option<Config> {
    let state_dir = state_dir(&root, base, files);
    let ground = Ground {
        base,
        state_dir: state_dir.as_deref(),
        files,
    };
    let notify_command = command(root.optional("notify_command").as_ref());
    let operator = operator(root.section("operator"), ground);
    let listen = webhooks(root.section("webhooks"));
    let secrets = secrets(root.section("secrets"), ground);
    let git = git(root.section("git"));
    let settle = settle(root.section("settle"));
    let logs = logs(root.section("logs"));
    let accounts = accounts::accounts(&root, ground);
    let coding_clis = accounts::coding_clis(&root, &accounts.known);
    let agents = agents::agents(root.section("agents"), &coding_clis, ground);
    let prices = accounts::prices(&root);
    let routing = agents::routing(root.section("routing"));
    let known = projects::Known {
        coding_clis: &coding_clis.known,
        agent_types: &agents.types,
    };
    let projects = projects::projects(&root, known, ground);
    root.finish();

    let hooked = |tracker: &TrackerConfig| match tracker {
        TrackerConfig::Github(github) => github.webhook_secret.is_some(),
        TrackerConfig::Local => false,
    };
    let projects = projects?;
    let any_hook = projects.iter().any(|project| hooked(&project.tracker));
    Some(Config {
        state_dir: state_dir?,
        notify_command: notify_command?,
        operator: operator?,
        webhooks: any_hook.then_some(WebhooksConfig { listen: listen? }),
        secrets: secrets?,
        git: git?,
        settle: settle?,
        logs: logs?,
        agents: agents.config?,
        accounts: accounts.read?,
        coding_clis: coding_clis.read?,
        prices: prices?,
        routing: routing?,
        projects,
    })
}

fn state_dir(root: &Section<'_, '_>, base: &Path, files: &dyn Files) -> Option<PathBuf> {
    if let Some(field) = root.optional("state_dir") {
        let path = field.path(base)?;
        if path.is_relative() {
            field.note(
                "is a relative path",
                "write an absolute path, or name the configuration file by one",
            );
            return None;
        }
        return is_place_of_state(&field, &path, files).then_some(path);
    }
    let surroundings = files.surroundings();
    if surroundings.uid == 0 {
        return Some(PathBuf::from("/var/lib/cloud-code"));
    }
    let state = surroundings
        .xdg_state_home
        .or_else(|| Some(surroundings.home?.join(".local/state")));
    if state.is_none() {
        root.required("state_dir", "write state_dir = \"/absolute/path\": neither $XDG_STATE_HOME nor $HOME says where state belongs");
    }
    Some(state?.join("cloud-code"))
}

/// Whether the state can be there: nothing is yet, or a directory of ours. Whoever else owns it could
/// change what we believe.
fn is_place_of_state(field: &Field<'_, '_>, path: &Path, files: &dyn Files) -> bool {
    let Some(facts) = files.facts(path) else {
        return true;
    };
    let (shown, us) = (path.display(), files.surroundings().uid);
    let wrong = if facts.kind != FileKind::Directory {
        Some((
            format!("{shown} is no directory"),
            "name a directory, or one that can be made".to_owned(),
        ))
    } else if facts.uid != us {
        Some((
            format!(
                "{shown} belongs to user {}, the daemon is user {us}",
                facts.uid
            ),
            format!("name another directory, or: chown -R {us} {shown}"),
        ))
    } else {
        None
    };
    if let Some((message, remedy)) = &wrong {
        field.note(message.clone(), remedy.clone());
    }
    wrong.is_none()
}

/// A program with its arguments; an empty list where there is none.
fn command(field: Option<&Field<'_, '_>>) -> Option<Vec<String>> {
    let Some(field) = field else {
        return Some(Vec::new());
    };
    let words: Vec<String> = field.texts()?.into_iter().map(|(text, _)| text).collect();
    let bad = words.iter().any(|word| word.contains('\0'))
        || words.first().is_some_and(|program| program.is_empty());
    if bad {
        field.note(
            "is no command",
            "write the program and its arguments, each as one text",
        );
        return None;
    }
    Some(words)
}

fn operator(section: Section<'_, '_>, ground: Ground<'_>) -> Option<OperatorConfig> {
    let given = section.optional("socket");
    let socket = match &given {
        Some(field) => field.path(ground.base),
        None => default_socket(ground),
    };
    if let (Some(path), Some(field)) = (&socket, &given)
        && path.as_os_str().len() > SOCKET_PATH_MOST
    {
        field.note(
            format!("is longer than {SOCKET_PATH_MOST} bytes, the most that Unix sockets have"),
            "choose a shorter path",
        );
    }
    let users = match section.optional("users") {
        Some(field) => users(&field, ground.files),
        None => Some(Vec::new()),
    };
    section.finish();
    Some(OperatorConfig {
        socket: socket?,
        users: users?,
    })
}

/// Login names, all of them known to this machine.
fn users(field: &Field<'_, '_>, files: &dyn Files) -> Option<Vec<String>> {
    let users = field.lines(64)?;
    for (name, item) in field.texts()? {
        if !files.knows_user(&name) {
            item.note(
                format!("this machine knows no user {}", quoted(&name)),
                "write a login name, as `id -un` prints it",
            );
        }
    }
    Some(users)
}

/// Where `cloud-code` looks without being told.
fn default_socket(ground: Ground<'_>) -> Option<PathBuf> {
    let surroundings = ground.files.surroundings();
    let folder = if surroundings.uid == 0 {
        Some(PathBuf::from("/run/cloud-code"))
    } else {
        surroundings
            .xdg_runtime_dir
            .map(|folder| folder.join("cloud-code"))
    };
    folder
        .or_else(|| ground.state_dir.map(Path::to_owned))
        .map(|folder| folder.join("operator.sock"))
}

fn webhooks(section: Section<'_, '_>) -> Option<std::net::SocketAddr> {
    let listen = match section.optional("listen") {
        Some(field) => field.listen(),
        None => Some(([127, 0, 0, 1], 8480).into()),
    };
    section.finish();
    listen
}

#[expect(
    clippy::option_option,
    reason = "none: a mistake; none inside: not configured"
)]
fn secrets(section: Section<'_, '_>, ground: Ground<'_>) -> Option<Option<SecretsConfig>> {
    if !section.is_there() {
        section.optional("key_file");
        section.finish();
        return Some(None);
    }
    let field = section.required(
        "key_file",
        "make one with `orchestratord secrets-key FILE` and write key_file = \"FILE\"",
    );
    section.finish();
    let field = field?;
    let path = field.path(ground.base)?;
    if ground.files.facts(&path).is_none() {
        let shown = path.display();
        field.note(
            format!("there is no file {shown}"),
            format!("make it: orchestratord secrets-key {shown}"),
        );
        return None;
    }
    let secret = field.secret(ground.base, ground.state_dir, ground.files)?;
    let key = secret.expose_secret();
    if key.len() != 64 || !key.bytes().all(|b| b.is_ascii_hexdigit()) {
        field.note(
            "its file holds no key",
            "a key is 64 hexadecimal digits: make one with `orchestratord secrets-key FILE`",
        );
        return None;
    }
    Some(Some(SecretsConfig { key_file: path }))
}

fn git(section: Section<'_, '_>) -> Option<GitConfig> {
    let line = |key, default: &str| match section.optional(key) {
        Some(field) => {
            let line = field.line(200)?;
            let good = !line.contains(['<', '>']);
            if !good {
                field.note(
                    "has < or > in it, which a commit cannot hold",
                    "leave them out",
                );
            }
            good.then_some(line)
        }
        None => Some(default.to_owned()),
    };
    let name = line("name", "Cloud Code");
    let email = line("email", "cloud-code@localhost");
    section.finish();
    Some(GitConfig {
        name: name?,
        email: email?,
    })
}

fn settle(section: Section<'_, '_>) -> Option<SettleConfig> {
    let github = match section.optional("github_seconds") {
        Some(field) => field.seconds(3_600),
        None => Some(Duration::from_secs(90)),
    };
    section.finish();
    Some(SettleConfig { github: github? })
}

fn logs(section: Section<'_, '_>) -> Option<Keep> {
    let days = match section.optional("keep_days") {
        Some(field) => field.count(1, 36_500),
        None => Some(90),
    };
    let bytes = match section.optional("keep_size") {
        Some(field) => field.size(1_000_000, 1 << 50),
        None => Some(10_000_000_000),
    };
    section.finish();
    Some(Keep {
        age: Duration::from_hours(24 * u64::from(days?)),
        bytes: bytes?,
    })
}

#[cfg(test)]
pub(super) mod tests;
