//! `[agents]` and `[routing]`: what workstations are, how many, and which work goes to which.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use cloud_code_domain::agent::AgentType;
use cloud_code_domain::id::CodingCliName;
use cloud_code_domain::routing::RoutingTable;

use super::super::files::FileKind;
use super::super::problem::{meant, quoted};
use super::super::read::{Field, Name, Section};
use super::super::{
    AdapterKind, AgentTypeConfig, AgentsConfig, CodingCliConfig, RuntimeKind, TurnLimits,
};
use super::Ground;
use super::accounts::Named;
use crate::fleet::elf;
use crate::gateway::{BadEgress, check_entry};

/// The fleet as read, and the types that are written in the file.
pub(super) struct Agents {
    pub(super) config: Option<AgentsConfig>,
    pub(super) types: Vec<AgentType>,
}

pub(super) fn agents(
    section: Section<'_, '_>,
    clis: &Named<CodingCliName, CodingCliConfig>,
    ground: Ground<'_>,
) -> Agents {
    const RUNTIMES: [(RuntimeKind, &str); 2] = [
        (RuntimeKind::Docker, "docker"),
        (RuntimeKind::Process, "process"),
    ];
    let runtime_field = section.optional("runtime");
    let runtime = match &runtime_field {
        Some(field) => field.choice(&RUNTIMES),
        None => Some(RuntimeKind::Docker),
    };
    let agentd = agentd(&section, runtime, ground);
    let egress = match section.optional("egress") {
        Some(field) => egress(&field),
        None => Some(Vec::new()),
    };
    let max_running = match section.optional("max_running") {
        Some(field) => field.count(1, 1_000),
        None => Some(8),
    };
    let retry = match section.optional("retry_seconds") {
        Some(field) => field.seconds(900),
        None => Some(Duration::from_secs(10)),
    };
    // agentd says something every 3 seconds: less would cut links that are well.
    let away = match section.optional("away_seconds") {
        Some(field) => field.number(5, 600).map(Duration::from_secs),
        None => Some(Duration::from_secs(15)),
    };
    let lost = match section.optional("lost_seconds") {
        Some(field) => field.seconds(86_400),
        None => Some(Duration::from_secs(600)),
    };
    let min_free_disk = match section.optional("min_free_disk") {
        Some(field) => field.size(0, 1 << 50),
        None => Some(5_000_000_000),
    };
    let allow_unconfined = match section.optional("allow_unconfined") {
        Some(field) => field.flag(),
        None => Some(false),
    };
    if runtime == Some(RuntimeKind::Process)
        && allow_unconfined == Some(false)
        && let Some(field) = &runtime_field
    {
        confine(field, clis);
    }
    let ca_bundle = match section.optional("ca_bundle") {
        Some(field) => ca_bundle(&field, ground).map(Some),
        None => Some(None),
    };
    let limits = limits(section.section("limits"));
    let (types, types_read) = types(&section, runtime);
    section.finish();
    let config = || {
        Some(AgentsConfig {
            runtime: runtime?,
            agentd: agentd?,
            egress: egress?,
            max_running: max_running?,
            retry: retry?,
            away: away?,
            lost: lost?,
            min_free_disk: min_free_disk?,
            allow_unconfined: allow_unconfined?,
            ca_bundle: ca_bundle?,
            limits: limits?,
            types: types_read?,
        })
    };
    Agents {
        config: config(),
        types,
    }
}

/// Under `process` an agent is a process of our own: only the scripted one may, unless the operator
/// says so.
fn confine(runtime: &Field<'_, '_>, clis: &Named<CodingCliName, CodingCliConfig>) {
    for (name, cli) in &clis.known {
        if let Some(cli) = cli
            && cli.adapter != AdapterKind::Scripted
        {
            runtime.note(
                format!(
                    "the process runtime isolates nothing: coding CLI {name} (adapter {}) could act as you",
                    cli.adapter.as_str()
                ),
                "write runtime = \"docker\", or allow_unconfined = true where agents may do all that you may",
            );
        }
    }
}

/// The agentd binary: there, and static where it has to run in any image.
fn agentd(
    section: &Section<'_, '_>,
    runtime: Option<RuntimeKind>,
    ground: Ground<'_>,
) -> Option<PathBuf> {
    let field = section.optional("agentd");
    let path = match &field {
        Some(field) => field.path(ground.base)?,
        None => ground.files.surroundings().program_dir.join("agentd"),
    };
    let note = |message: String, remedy: &str| match &field {
        Some(field) => field.note(message, remedy),
        None => section.note(message, remedy),
    };
    let facts = ground.files.facts(&path);
    if facts.is_none_or(|facts| facts.kind != FileKind::File || facts.mode & 0o111 == 0) {
        note(
            format!("there is no program agentd at {}", path.display()),
            "build it, and write agentd = \"/path/of/agentd\"",
        );
        return None;
    }
    if runtime == Some(RuntimeKind::Docker) {
        let head = ground.files.read(&path, elf::HEAD).unwrap_or_default();
        if let Err(error) = elf::check_static_head(&head) {
            note(
                format!("{} cannot run in every image: {error}", path.display()),
                "build agentd with -C target-feature=+crt-static (README, \"A real repository\") and name that file",
            );
            return None;
        }
    }
    Some(path)
}

fn egress(field: &Field<'_, '_>) -> Option<Vec<String>> {
    // Every item is looked at, also after a mistake.
    let items = field.texts()?;
    let hosts: Vec<_> = items.iter().map(|(_, item)| entry(item)).collect();
    hosts.into_iter().collect()
}

fn entry(item: &Field<'_, '_>) -> Option<String> {
    let text = item.text()?;
    let (message, remedy) = match check_entry(&text) {
        Ok(()) => return Some(text.to_ascii_lowercase()),
        Err(BadEgress::NotUnderstood(_)) => (
            "is no host:port",
            "write a name and a port, for example \"packages.example.org:443\"",
        ),
        Err(BadEgress::Inside(_)) => (
            "is an address of this machine or of a private network, which no agent reaches",
            "have what agents need in the image, or list a public name and its port",
        ),
    };
    item.note(format!("{} {message}", quoted(&text)), remedy);
    None
}

fn ca_bundle(field: &Field<'_, '_>, ground: Ground<'_>) -> Option<PathBuf> {
    let path = field.path(ground.base)?;
    let there = ground.files.facts(&path);
    if there.is_none_or(|facts| facts.kind != FileKind::File) {
        field.note(
            format!("there is no file {}", path.display()),
            "name a PEM bundle, for example /etc/ssl/certs/ca-certificates.crt",
        );
        return None;
    }
    Some(path)
}

fn limits(section: Section<'_, '_>) -> Option<TurnLimits> {
    const WEEK: u64 = 7 * 24 * 3_600;
    let seconds = |key, default| match section.optional(key) {
        Some(field) => field.seconds(WEEK),
        None => Some(Duration::from_secs(default)),
    };
    let wall_clock = seconds("wall_clock_seconds", 3_600);
    let silence = seconds("silence_seconds", 900);
    let retries = match section.optional("retries") {
        Some(field) => field.count(1, 1_000),
        None => Some(20),
    };
    section.finish();
    Some(TurnLimits {
        wall_clock: wall_clock?,
        silence: silence?,
        retries: retries?,
    })
}

type Types = (Vec<AgentType>, Option<BTreeMap<AgentType, AgentTypeConfig>>);

fn types(section: &Section<'_, '_>, runtime: Option<RuntimeKind>) -> Types {
    let mut written = Vec::new();
    let mut read = Some(BTreeMap::new());
    for (name, field) in section.entries("types") {
        let config = agent_type(field.section(), runtime);
        let kind = agent_type_name(&name, &field);
        written.extend(kind);
        match (kind, config) {
            (Some(kind), Some(config)) => {
                read = read.map(|mut read| {
                    read.insert(kind, config);
                    read
                });
            }
            (Some(_) | None, None) | (None, Some(_)) => read = None,
        }
    }
    (written, read)
}

fn agent_type_name(name: &Name<'_>, field: &Field<'_, '_>) -> Option<AgentType> {
    let kind = name.text.parse::<AgentType>();
    kind.map_err(|bad| {
        let words = AgentType::ALL.map(AgentType::as_str);
        let remedy = match meant(name.text, words) {
            Some(word) => format!("did you mean {word}?"),
            None => bad.rule.to_owned(),
        };
        let message = format!("{} is not an agent type", quoted(name.text));
        field.note_name(name, message, &remedy);
    })
    .ok()
}

fn agent_type(section: Section<'_, '_>, runtime: Option<RuntimeKind>) -> Option<AgentTypeConfig> {
    let field = match runtime {
        Some(RuntimeKind::Docker) => section.required(
            "image",
            "write image = \"cloud-code-TYPE:latest\"; dockerfiles/build.sh builds it",
        ),
        Some(RuntimeKind::Process) | None => section.optional("image"),
    };
    let image = match (&field, runtime) {
        (Some(field), _) => image(field),
        (None, Some(RuntimeKind::Docker)) => None,
        (None, Some(RuntimeKind::Process) | None) => Some(String::new()),
    };
    let count = match section.optional("count") {
        Some(field) => field.count(1, 100),
        None => Some(1),
    };
    let memory = match section.optional("memory") {
        Some(field) => field.size(64 << 20, 1 << 44),
        None => Some(2 << 30),
    };
    let cpu_millis = match section.optional("cpus") {
        Some(field) => cpus(&field),
        None => Some(2_000),
    };
    section.finish();
    Some(AgentTypeConfig {
        image: image?,
        count: count?,
        memory: memory?,
        cpu_millis: cpu_millis?,
    })
}

/// A reference to an image: what Docker would read as one, and nothing that it would read as an
/// option.
fn image(field: &Field<'_, '_>) -> Option<String> {
    let text = field.text()?;
    let good = (1..=255).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._/:@".contains(&b));
    if !good {
        field.note(
            format!("{} is no name of an image", quoted(&text)),
            "write name:tag or name@sha256:…",
        );
    }
    good.then_some(text)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked first"
)]
fn cpus(field: &Field<'_, '_>) -> Option<u32> {
    let cpus = field
        .decimal()
        .filter(|cpus| (0.1..=1_024.0).contains(cpus));
    if cpus.is_none() {
        field.wrong_type("a number of cores from 0.1 to 1024, for example 2 or 1.5");
    }
    Some((cpus? * 1_000.0).round() as u32)
}

/// The rows of the routing table in the order of the file; without the section, the shipped ones.
pub(super) fn routing(section: Section<'_, '_>) -> Option<RoutingTable> {
    // Asked in the order of the type; the order of the file is restored below.
    let keys = AgentType::ALL.map(|kind| (kind, kind.as_str()));
    let mut rows: Vec<(Field<'_, '_>, AgentType)> = keys
        .into_iter()
        .filter_map(|(kind, key)| Some((section.optional(key)?, kind)))
        .collect();
    rows.sort_by_key(|(field, _)| field.start());
    let there = section.is_there();
    section.finish();
    let rows: Vec<Option<(AgentType, Vec<String>)>> = rows
        .into_iter()
        .map(|(field, kind)| Some((kind, field.lines(50)?)))
        .collect();
    let rows: Option<Vec<_>> = rows.into_iter().collect();
    if there {
        rows.map(RoutingTable)
    } else {
        Some(RoutingTable::default())
    }
}
