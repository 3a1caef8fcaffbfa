//! The fleet in figures. Labels are what is configured and the states of machines, so that there are
//! as many lines as the configuration is big, however many tasks there are.

use cloud_code_domain::account::Parking;
use cloud_code_domain::agent::AgentState;
use cloud_code_domain::credential::CredentialState;
use cloud_code_domain::limit::Measure;
use cloud_code_domain::metrics::{Family, MICRO, MILLI, exposition};
use cloud_code_domain::task::TaskStateName;

use crate::engine::{EffectState, World};

/// All of it, as OpenMetrics text.
pub(super) fn metrics(world: &World) -> String {
    let mut families = vec![
        Family::info("build", "The running program.")
            .point(&[("version", env!("CARGO_PKG_VERSION"))], 1),
        tasks(world),
        Family::gauge("tasks_finished", "Tasks that are completed or cancelled.")
            .point(&[], world.finished),
        agents(world),
        agents_connected(world),
        halted(world),
        approvals(world),
        accounts(world),
    ];
    families.extend(calls(world));
    families.extend(outbox(world));
    families.extend(engine(world));
    exposition(&families)
}

fn tasks(world: &World) -> Family {
    let mut family = Family::gauge("tasks", "Tasks that are not finished.");
    let unfinished = TaskStateName::ALL
        .into_iter()
        .filter(|name| !matches!(name, TaskStateName::Completed | TaskStateName::Cancelled));
    // A state that nothing is in is zero, and not a line that comes and goes.
    for state in unfinished {
        for project in &world.config.projects {
            let labels = [
                ("project", project.name.as_str()),
                ("state", state.as_str()),
            ];
            family.add(&labels, 0);
        }
    }
    for task in world
        .tasks
        .values()
        .filter(|task| !task.state.is_finished())
    {
        let state = task.state.name().as_str();
        family.add(&[("project", task.project.as_str()), ("state", state)], 1);
    }
    family
}

fn agents(world: &World) -> Family {
    let mut family = Family::gauge("agents", "Agents.");
    for agent in world.agents.values() {
        if agent.state != AgentState::Retired {
            let state = agent.state.as_str();
            family.add(&[("project", agent.project.as_str()), ("state", state)], 1);
        }
    }
    family
}

fn agents_connected(world: &World) -> Family {
    let mut family = Family::gauge("agents_connected", "Agents whose session stands.");
    for agent in world.agents.values() {
        if agent.state != AgentState::Retired {
            let live = world.live.get(&agent.id);
            let connected = live.is_some_and(|live| live.connected);
            family.add(&[("project", agent.project.as_str())], u64::from(connected));
        }
    }
    family
}

fn halted(world: &World) -> Family {
    let mut family = Family::gauge("halted", "1 where an operator gives out no work.");
    for project in &world.config.projects {
        let record = world.projects.get(&project.name);
        let halted = world.host.halted || record.is_some_and(|record| record.halted);
        family.add(&[("project", project.name.as_str())], u64::from(halted));
    }
    family
}

fn approvals(world: &World) -> Family {
    let requests = world.requests.values();
    let pending = requests.filter(|request| request.state == CredentialState::Pending);
    let pending = u64::try_from(pending.count()).unwrap_or(u64::MAX);
    Family::gauge("approvals_pending", "Credential requests that wait.").point(&[], pending)
}

fn accounts(world: &World) -> Family {
    let mut family = Family::gauge("account_parked", "1 where an account is not used, and why.");
    for account in world.config.accounts.keys() {
        let parking = world.parking(account);
        let limit = matches!(parking, Some(Parking::UsageLimit { .. }));
        let log_in = matches!(parking, Some(Parking::LogInAgain));
        let no_answer = matches!(parking, Some(Parking::NoAnswer { .. }));
        let reasons = [
            ("usage_limit", limit),
            ("log_in_again", log_in),
            ("no_answer", no_answer),
        ];
        for (reason, parked) in reasons {
            let labels = [("account", account.as_str()), ("reason", reason)];
            family.add(&labels, u64::from(parked));
        }
    }
    family
}

/// Model calls. Whether a price is paid or notional is the account's, and so one label more and no
/// line more.
fn calls(world: &World) -> [Family; 3] {
    let counter = |name, help| Family::counter(name, help).since(world.since);
    let mut calls = counter("model_calls", "Model calls that ended.");
    let mut tokens = counter(
        "model_tokens",
        "Tokens of model calls, by the provider's count.",
    );
    let mut cost =
        counter("model_cost", "What model calls came to, or would have.").in_unit("dollars", MICRO);
    for ((account, project), spent) in &world.meters.calls {
        let notional = match world.measure(account) {
            Measure::Tokens => "true",
            Measure::Dollars => "false",
        };
        let of = [("account", account.as_str()), ("project", project.as_str())];
        let with = |name, value| [of.as_slice(), &[(name, value)]].concat();
        calls.add(&of, spent.count);
        cost.add(&with("notional", notional), spent.cost.0);
        for (kind, count) in [
            ("input", spent.usage.input),
            ("output", spent.usage.output),
            ("cache_read", spent.usage.cache_read),
            ("cache_write", spent.usage.cache_write),
        ] {
            tokens.add(&with("kind", kind), count);
        }
    }
    [calls, tokens, cost]
}

fn outbox(world: &World) -> [Family; 2] {
    let mut effects = Family::gauge("outbox_effects", "Effects that are not done with.");
    for state in ["pending", "sending", "unknown"] {
        effects.add(&[("state", state)], 0);
    }
    for record in world.effects.values() {
        let state = match record.state {
            EffectState::Pending => "pending",
            EffectState::Sending => "sending",
            EffectState::Unknown => "unknown",
        };
        effects.add(&[("state", state)], 1);
    }
    let wanted = world.effects.values().filter_map(|record| record.wanted_at);
    let oldest = wanted.min().map(|at| world.now.since(at));
    let oldest = oldest.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    let age = Family::gauge(
        "outbox_oldest",
        "How long the oldest of them has been wanted.",
    )
    .in_unit("seconds", MILLI)
    .point(&[], oldest);
    [effects, age]
}

fn engine(world: &World) -> Vec<Family> {
    let meters = &world.meters;
    let mut families = vec![
        Family::counter("events", "Events that are recorded, from the first on.")
            .point(&[], world.last_event()),
        Family::histogram(
            "commit",
            "How long the commits of groups of inputs took.",
            meters.commits,
        )
        .since(world.since),
        Family::counter("webhook_deliveries", "Webhook deliveries that were taken.")
            .since(world.since)
            .point(&[], meters.deliveries),
        Family::counter("log_lines_lost", "Lines of logs that agents had to let go.")
            .since(world.since)
            .point(&[], meters.log_lines_lost),
    ];
    if let Some(free) = world.disk_free {
        let family = Family::gauge("disk_free", "Room for state on the host.");
        families.push(family.in_unit("bytes", 0).point(&[], free));
    }
    families
}
