//! Agents as clients see them.

use cloud_code_domain::agent::{Agent, AgentState};
use cloud_code_domain::tenancy::Tenancy;
use cloud_code_proto::v1;

use super::spent;
use crate::config::RuntimeKind;
use crate::engine::World;

/// An agent in a list.
#[must_use]
pub fn agent(world: &World, agent: &Agent) -> v1::Agent {
    let live = world.live.get(&agent.id).cloned().unwrap_or_default();
    let stuck = live.stuck.clone().unwrap_or_default();
    let (execution, detail) = match &agent.state {
        AgentState::Working(execution) => (Some(execution), stuck),
        AgentState::Recreating(why) if stuck.is_empty() => (None, why.clone()),
        AgentState::Recreating(_) => (None, stuck),
        AgentState::Idle => match &agent.tenancy {
            // It has nothing to do, and others wait all the same.
            Tenancy::Of(task) if stuck.is_empty() => (None, format!("kept for task {task}")),
            Tenancy::Of(_) | Tenancy::Open | Tenancy::Fresh | Tenancy::Over => (None, stuck),
        },
        AgentState::Provisioning | AgentState::Maintenance | AgentState::Retired => (None, stuck),
    };
    let docker = world.config.agents.runtime == RuntimeKind::Docker;
    let image = world
        .config
        .agents
        .types
        .get(&agent.agent_type)
        .map(|kind| kind.image.clone());
    v1::Agent {
        id: agent.id.to_string(),
        name: agent.short_name(),
        project: agent.project.to_string(),
        agent_type: agent.agent_type.to_string(),
        state: agent.state.as_str().into(),
        state_detail: detail,
        task: execution
            .map(|execution| execution.task.to_string())
            .unwrap_or_default(),
        execution: execution.map(ToString::to_string).unwrap_or_default(),
        connected: live.connected,
        last_heard_ms: live.last_heard.map(|at| at.0),
        cpu_percent: live.vitals.cpu_percent,
        memory_bytes: live.vitals.memory,
        disk_free_bytes: live.vitals.disk_free,
        cost_today_micro_usd: spent(world, |row| row.agent == agent.id).0,
        succeeded: agent.succeeded,
        failed: agent.failed,
        runtime: if docker { "docker" } else { "process" }.into(),
        image: image.filter(|_| docker).unwrap_or_default(),
        confined: docker,
        agentd_version: live.version,
        created_at_ms: agent.created_at.0,
        workspace_mode: world
            .project_config(&agent.project)
            .map(|project| project.workspace_mode.as_str().into())
            .unwrap_or_default(),
    }
}
