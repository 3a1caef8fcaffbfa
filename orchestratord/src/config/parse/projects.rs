//! `[[projects]]`: the repositories we watch, with their rules.

mod bounds;
mod github;
mod work;

use std::path::PathBuf;

use cloud_code_domain::agent::AgentType;
use cloud_code_domain::id::{AgentId, CodingCliName, ProjectName};
use cloud_code_domain::workspace::{WorkspaceMode, is_branch_name};

use super::super::files::FileKind;
use super::super::problem::quoted;
use super::super::read::{Field, Section};
use super::super::value::check_url;
use super::super::{CodingCliConfig, ProjectConfig, TrackerConfig};
use super::Ground;

/// What the projects refer to.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) coding_clis: &'a [(CodingCliName, Option<CodingCliConfig>)],
    pub(super) agent_types: &'a [AgentType],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TrackerKind {
    Local,
    Github,
}

pub(super) fn projects(
    root: &Section<'_, '_>,
    known: Known<'_>,
    ground: Ground<'_>,
) -> Option<Vec<ProjectConfig>> {
    let mut taken: Vec<ProjectName> = Vec::new();
    let mut all = Vec::new();
    for section in root.sections("projects") {
        all.push(project(section, known, ground, &mut taken));
    }
    all.into_iter().collect()
}

/// The rules about labels.
struct Labels {
    trigger: Vec<String>,
    ignore: Vec<String>,
}

/// The branches.
struct Branches {
    default: String,
    prefix: String,
}

/// How workspaces are made and judged.
struct Place {
    workspace_mode: WorkspaceMode,
    setup: String,
    check: String,
    check_returns: u32,
    commit_leftovers: bool,
    home_seed: Option<PathBuf>,
}

fn project(
    section: Section<'_, '_>,
    known: Known<'_>,
    ground: Ground<'_>,
    taken: &mut Vec<ProjectName>,
) -> Option<ProjectConfig> {
    const TRACKERS: [(TrackerKind, &str); 2] = [
        (TrackerKind::Local, "local"),
        (TrackerKind::Github, "github"),
    ];
    let kind = section
        .required("tracker", "write tracker = \"github\" or \"local\"")
        .and_then(|field| field.choice(&TRACKERS));
    let name = name(&section, kind, taken);
    let enabled = flag(&section, "enabled", true);
    let repository = repository(&section, kind, ground);
    let tracker = tracker(&section, kind, ground);
    let auto_assign = flag(&section, "auto_assign", true);
    let branches = branches(&section);
    let labels = labels(&section);
    let work = work::work(&section, known);
    let place = place(&section, ground);
    let bounds = bounds::bounds(&section);
    section.finish();

    let (branches, labels, work, place, bounds) = (branches?, labels?, work?, place?, bounds?);
    Some(ProjectConfig {
        name: name?,
        enabled: enabled?,
        tracker: tracker?,
        repository: repository?,
        default_branch: branches.default,
        branch_prefix: branches.prefix,
        trigger_labels: labels.trigger,
        ignore_labels: labels.ignore,
        auto_assign: auto_assign?,
        default_agent_type: work.default_agent_type,
        preferred_agents: work.preferred_agents,
        coding_cli: work.coding_cli,
        workspace_mode: place.workspace_mode,
        setup: place.setup,
        check: place.check,
        check_returns: place.check_returns,
        commit_leftovers: place.commit_leftovers,
        home_seed: place.home_seed,
        max_attempts: bounds.max_attempts,
        task_limit: bounds.task_limit,
        daily_limit: bounds.daily_limit,
        protected_paths: bounds.protected_paths,
        gate: bounds.gate,
    })
}

fn flag(section: &Section<'_, '_>, key: &'static str, default: bool) -> Option<bool> {
    match section.optional(key) {
        Some(field) => field.flag(),
        None => Some(default),
    }
}

/// A project's name: unique, also in the form that file and container names have.
fn name(
    section: &Section<'_, '_>,
    kind: Option<TrackerKind>,
    taken: &mut Vec<ProjectName>,
) -> Option<ProjectName> {
    let field = section.required(
        "name",
        "write name = \"owner/repository\", or any name for a local project",
    )?;
    let name: ProjectName = field.name()?;
    if kind == Some(TrackerKind::Github) && !name.as_str().contains('/') {
        field.note(
            format!("{} is no repository at GitHub", quoted(name.as_str())),
            "write owner/repository",
        );
    }
    if format!("{}.frontend-100", name.slug())
        .parse::<AgentId>()
        .is_err()
    {
        field.note(
            format!(
                "no workstation can be named after {}",
                quoted(name.as_str())
            ),
            "begin the name with a letter or a digit",
        );
        return None;
    }
    if let Some(other) = taken.iter().find(|other| other.slug() == name.slug()) {
        let message = if *other == name {
            format!("there are two projects {name}")
        } else {
            format!(
                "{name} and {other} would share workstations: both become {}",
                name.slug()
            )
        };
        field.note(message, "rename one of them");
        return None;
    }
    taken.push(name.clone());
    Some(name)
}

fn repository(
    section: &Section<'_, '_>,
    kind: Option<TrackerKind>,
    ground: Ground<'_>,
) -> Option<String> {
    let field = section.required("repository", "write the clone URL, or a path")?;
    let text = field.text()?;
    if text.contains("://") {
        if kind == Some(TrackerKind::Local) {
            field.note(
                "a local project's repository is a path",
                "write the path of a repository on this machine, or tracker = \"github\"",
            );
            return None;
        }
        return match check_url(&text) {
            Ok(()) => Some(text),
            Err((message, remedy)) => {
                field.note(format!("{} {message}", quoted(&text)), remedy);
                None
            }
        };
    }
    if text.contains("::") || text.contains('@') || text.starts_with('-') {
        field.note(
            format!("{} is no repository that we reach", quoted(&text)),
            "write an https URL or a path; the token or app of [projects.github] opens it",
        );
        return None;
    }
    let path = field.path(ground.base)?;
    let there = ground.files.facts(&path);
    if there.is_none_or(|facts| facts.kind != FileKind::Directory) {
        field.note(
            format!("there is no directory {}", path.display()),
            "write the path of a git repository on this machine",
        );
        return None;
    }
    let path = path.into_os_string().into_string();
    path.map_err(|_| field.note("is not UTF-8", "choose another path"))
        .ok()
}

fn tracker(
    section: &Section<'_, '_>,
    kind: Option<TrackerKind>,
    ground: Ground<'_>,
) -> Option<TrackerConfig> {
    let below = section.section("github");
    let Some(kind) = kind else {
        // Whatever the tracker is to be: what is written about GitHub has its own mistakes.
        return below
            .is_there()
            .then(|| github::github(below, ground))
            .and(None);
    };
    match kind {
        TrackerKind::Github if below.is_there() => {
            github::github(below, ground).map(TrackerConfig::Github)
        }
        TrackerKind::Github => {
            section.required("github", "add [projects.github] with token_file or app");
            None
        }
        TrackerKind::Local => {
            if below.is_there() {
                below.note(
                    "belongs to a project with tracker = \"github\"",
                    "remove it, or change the tracker",
                );
            }
            Some(TrackerConfig::Local)
        }
    }
}

fn branches(section: &Section<'_, '_>) -> Option<Branches> {
    let default = match section.optional("default_branch") {
        Some(field) => branch(&field, ""),
        None => Some("main".to_owned()),
    };
    let prefix_field = section.optional("branch_prefix");
    let prefix = match &prefix_field {
        // What it is the beginning of has to be a branch name too.
        Some(field) => branch(field, "18446744073709551615-k3f9x2ab"),
        None => Some("cloud-code/".to_owned()),
    };
    let (default, prefix) = (default?, prefix?);
    if let Some(field) = prefix_field
        && prefix.starts_with(&format!("{default}/"))
    {
        field.note(
            format!("git cannot have branches below {default}, which is one itself"),
            "choose another prefix, for example \"cloud-code/\"",
        );
    }
    Some(Branches { default, prefix })
}

fn branch(field: &Field<'_, '_>, rest: &str) -> Option<String> {
    let text = field.text()?;
    let good = !text.is_empty() && is_branch_name(&format!("{text}{rest}"));
    if !good {
        field.note(
            format!("{} is no branch name to git", quoted(&text)),
            "write letters, digits, '-', '_', '.', '/': for example \"main\" or \"cloud-code/\"",
        );
    }
    good.then_some(text)
}

fn labels(section: &Section<'_, '_>) -> Option<Labels> {
    let of = |key, default: &[&str]| match section.optional(key) {
        Some(field) => field.lines(50),
        None => Some(default.iter().map(|&label| label.to_owned()).collect()),
    };
    let trigger = of("trigger_labels", &["cloud-code"]);
    let ignore = of("ignore_labels", &["wontfix", "human-only"]);
    if trigger.as_ref().is_some_and(Vec::is_empty) {
        section.note(
            "trigger_labels is empty: no issue would ever become a task",
            "write trigger_labels = [\"cloud-code\"]",
        );
    }
    let (trigger, ignore) = (trigger?, ignore?);
    for label in &trigger {
        if ignore
            .iter()
            .any(|other| other.to_lowercase() == label.to_lowercase())
        {
            section.note(
                format!(
                    "label {} is both in trigger_labels and in ignore_labels",
                    quoted(label)
                ),
                "remove it from one of them",
            );
        }
    }
    Some(Labels { trigger, ignore })
}

fn place(section: &Section<'_, '_>, ground: Ground<'_>) -> Option<Place> {
    let workspace_mode = match section.optional("workspace_mode") {
        Some(field) => field.choice(&WorkspaceMode::ALL.map(|mode| (mode, mode.as_str()))),
        None => Some(WorkspaceMode::Shared),
    };
    let shell = |key| match section.optional(key) {
        Some(field) => {
            let text = field.text()?;
            let wrong = if text.contains('\0') {
                Some(("has a NUL in it", "remove it"))
            } else if text.len() > 10_000 {
                let remedy = "put it into a script of the repository";
                Some(("is too long for a command", remedy))
            } else {
                None
            };
            if let Some((message, remedy)) = wrong {
                field.note(message, remedy);
            }
            wrong.is_none().then_some(text)
        }
        None => Some(String::new()),
    };
    let setup = shell("setup");
    let check = shell("check");
    let check_returns = match section.optional("check_returns") {
        Some(field) => field.count(0, 10),
        None => Some(1),
    };
    let commit_leftovers = flag(section, "commit_leftovers", true);
    let home_seed = match section.optional("home_seed") {
        Some(field) => home_seed(&field, ground),
        None => Some(None),
    };
    Some(Place {
        workspace_mode: workspace_mode?,
        setup: setup?,
        check: check?,
        check_returns: check_returns?,
        commit_leftovers: commit_leftovers?,
        home_seed: home_seed?,
    })
}

#[expect(
    clippy::option_option,
    reason = "none: a mistake; none inside: no seed"
)]
fn home_seed(field: &Field<'_, '_>, ground: Ground<'_>) -> Option<Option<PathBuf>> {
    if field.text()?.is_empty() {
        return Some(None);
    }
    let path = field.path(ground.base)?;
    let there = ground.files.facts(&path);
    if there.is_none_or(|facts| facts.kind != FileKind::Directory) {
        field.note(
            format!("there is no folder {}", path.display()),
            "name a folder with files for HOME (CLAUDE.md, skills, settings), never secrets",
        );
        return None;
    }
    Some(Some(path))
}
