//! What a task waits for, in words, and until when where that is known.

use cloud_code_domain::account::Parking;
use cloud_code_domain::dependencies::Verdict;
use cloud_code_domain::task::{Task, TaskState, waiting_sentence};

use crate::engine::{Wait, World};

/// Where no workstation of its kind stands, with why.
fn waits_for_agent(world: &World, task: &Task) -> String {
    let mut stuck = None;
    for agent in world
        .agents
        .values()
        .filter(|agent| agent.project == task.project && Some(agent.agent_type) == task.agent_type)
    {
        let live = world.live.get(&agent.id);
        match live.and_then(|live| live.stuck.as_ref()) {
            Some(why) => stuck = Some(why),
            None => return "waits for an agent".into(),
        }
    }
    stuck.map_or_else(
        || "waits for an agent".into(),
        |why| format!("waits for an agent, which cannot be started: {why}"),
    )
}

/// Why a task waits or what it does, and until when, where that is known.
pub(super) fn state_detail(world: &World, task: &Task) -> (String, Option<i64>) {
    if let TaskState::Publishing(_) = task.state
        && let Some((why, until)) = publishing_detail(world, task)
    {
        return (format!("{}: {why}", waiting_sentence(task)), until);
    }
    if task.state != TaskState::Pending {
        return (waiting_sentence(task), None);
    }
    let (detail, until) = pending_detail(world, task);
    (format!("{detail}{}", no_such_issues(world, task)), until)
}

/// What keeps a result from being checked, pushed and opened.
fn publishing_detail(world: &World, task: &Task) -> Option<(String, Option<i64>)> {
    let publish = world.effects.get(&format!("publish/{}", task.id));
    if let Some(agent) = publish.and_then(|record| world.awaited(&record.effect)) {
        return Some((format!("agent {agent} is not connected"), None));
    }
    let mut kinds = ["publish", "open"].iter();
    let (why, until) = kinds.find_map(|kind| world.held_up(kind, task))?;
    Some((why.to_owned(), Some(until.0)))
}

/// What a task names as its dependency and is no issue: it is not waited for.
fn no_such_issues(world: &World, task: &Task) -> String {
    let named = world.dependencies_of(task).into_iter();
    let missing = named.filter(|(_, verdict)| *verdict == Verdict::Missing);
    let missing: Vec<String> = missing.map(|(number, _)| format!("#{number}")).collect();
    match missing.as_slice() {
        [] => String::new(),
        [one] => format!("; there is no issue {one} to wait for"),
        more => format!("; there are no issues {} to wait for", more.join(", ")),
    }
}

fn pending_detail(world: &World, task: &Task) -> (String, Option<i64>) {
    match world.wait_of(task) {
        None | Some(Wait::Agent) => (waits_for_agent(world, task), None),
        Some(Wait::Halted) => ("halted by the operator".into(), None),
        Some(Wait::BackOff(until)) => ("tried again after a pause".into(), Some(until.0)),
        Some(Wait::Dependencies(open)) => {
            let open = open.iter().map(|(number, why)| match why {
                Verdict::Task => format!("#{number}"),
                Verdict::Open | Verdict::Unknown | Verdict::Done | Verdict::Missing => {
                    format!("#{number} ({why})")
                }
            });
            let open: Vec<String> = open.collect();
            (format!("waits for {}", open.join(", ")), None)
        }
        Some(Wait::Circle(numbers)) => {
            let numbers = numbers.iter().map(|number| format!("#{number}"));
            let numbers: Vec<String> = numbers.take(10).collect();
            (
                format!(
                    "{} wait for each other: take one dependency out",
                    numbers.join(", ")
                ),
                None,
            )
        }
        Some(Wait::Account(Parking::UsageLimit { until })) => {
            ("its account is parked: a usage limit".into(), Some(until.0))
        }
        Some(Wait::Account(Parking::NoAnswer { until })) => {
            let why = "its account's provider gives no answer; it is asked again then";
            (why.into(), Some(until.0))
        }
        Some(Wait::Account(Parking::LogInAgain)) => {
            let account = world.account_of_task(task);
            let account = account.map_or_else(|| "NAME".to_owned(), ToString::to_string);
            (
                format!(
                    "its account's secret was refused: put a new one into secret_file of \
                     accounts.{account}, then cloud-code resume account {account}"
                ),
                None,
            )
        }
        Some(Wait::DailyLimit(level)) => (
            format!("the project's daily limit is reached: {level}"),
            Some(world.now.next_day().0),
        ),
        Some(Wait::Disk) => ("the host is short of room".into(), None),
        Some(Wait::Handover(agent)) => {
            let held = world.held_up("bring", task);
            let why = held.map_or_else(String::new, |(why, _)| format!(": {why}"));
            (
                format!("what {agent} committed is being fetched{why}"),
                held.map(|(_, until)| until.0),
            )
        }
        Some(Wait::Base(why, until)) => (
            format!("the repository cannot be fetched: {why}"),
            Some(until.0),
        ),
    }
}
