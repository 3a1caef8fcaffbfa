//! Isolated workspaces: whose they are, and when they are thrown away.

use std::collections::{BTreeMap, BTreeSet};

use cloud_code_domain::agent::{Agent, AgentEvent, AgentState};
use cloud_code_domain::id::{AgentId, ProjectName, TaskId};
use cloud_code_domain::task::TaskState;
use cloud_code_domain::tenancy::{Tenancy, needs};
use cloud_code_domain::workspace::WorkspaceMode;

use crate::engine::input::Reply;
use crate::engine::world::World;

/// Which tasks need the workspace of which agent.
pub(crate) type Needed = BTreeMap<AgentId, BTreeSet<TaskId>>;

impl World {
    /// Whether every task of the project gets a workstation of its own.
    pub(crate) fn is_isolated(&self, project: &ProjectName) -> bool {
        let config = self.project_config(project);
        config.is_some_and(|config| config.workspace_mode == WorkspaceMode::Isolated)
    }

    /// See [`Needed`]; empty where nothing is isolated, so that nobody asks.
    pub(crate) fn needed(&self) -> Needed {
        let mut needed = Needed::new();
        let projects: Vec<&ProjectName> = self.config.projects.iter().map(|p| &p.name).collect();
        if !projects
            .into_iter()
            .any(|project| self.is_isolated(project))
        {
            return needed;
        }
        for task in self.tasks.values() {
            let brings = task.bringing.as_ref();
            let brings = brings.and_then(|id| Some(&self.executions.get(id)?.agent));
            for agent in task.agent.iter().chain(brings) {
                if needs(task, agent, brings) {
                    let tasks = needed.entry(agent.clone()).or_default();
                    tasks.insert(task.id.clone());
                }
            }
        }
        needed
    }

    /// After every group of inputs: what nothing is needed of any more is thrown away, with the same
    /// commit that says why.
    pub(in crate::engine) fn settle_tenancies(&mut self) {
        let (needed, none) = (self.needed(), BTreeSet::new());
        let settled = |agent: &Agent| {
            let working = matches!(agent.state, AgentState::Working(_));
            let needed = needed.get(&agent.id).unwrap_or(&none);
            let isolated = self.is_isolated(&agent.project);
            let settled = agent.tenancy.settled(isolated, needed);
            (!working && settled != agent.tenancy).then(|| (agent.id.clone(), settled))
        };
        let settled: Vec<(AgentId, Tenancy)> = self.agents.values().filter_map(settled).collect();
        for (agent, tenancy) in settled {
            if tenancy == Tenancy::Over {
                self.throw_away(&agent);
            } else {
                self.set_tenancy(&agent, tenancy);
            }
        }
    }

    pub(in crate::engine) fn set_tenancy(&mut self, agent: &AgentId, tenancy: Tenancy) {
        if let Some(record) = self.agents.get_mut(agent) {
            record.tenancy = tenancy;
            self.changes.agents.insert(agent.clone());
        }
    }

    /// The workspace of an agent is to be removed. Its tasks begin anew, wherever there is room.
    fn throw_away(&mut self, agent: &AgentId) {
        let Some(record) = self.agents.get(agent) else {
            return;
        };
        let why = match &record.tenancy {
            Tenancy::Of(task) => format!("the workspace of task {task} is thrown away"),
            Tenancy::Open | Tenancy::Fresh | Tenancy::Over => {
                "what is in its workspace is thrown away".to_owned()
            }
        };
        let retired = record.state == AgentState::Retired;
        self.set_tenancy(agent, Tenancy::Over);
        // A pending one may have been given to this agent by an operator: it waits for it.
        let left = self.tasks.values().filter(|task| {
            task.agent.as_ref() == Some(agent)
                && task.state != TaskState::Pending
                && !task.state.is_finished()
        });
        let left: Vec<TaskId> = left.map(|task| task.id.clone()).collect();
        for task in left {
            self.change_task(&task, |task| {
                task.agent = None;
                task.keep = false;
            });
        }
        let live = self.live_mut(agent);
        live.cleaning.clear();
        live.published.clear();
        live.busy = None;
        if !retired {
            self.move_agent(agent, &AgentEvent::Broke(why));
        }
    }

    /// Whether an agent that says hello is to be turned away: its workspace is over, or is said to be
    /// fresh and is not, whatever put something there.
    pub(super) fn is_over(&mut self, agent: &AgentId, worktrees: &[TaskId]) -> bool {
        let tenancy = self.agents.get(agent).map(|agent| &agent.tenancy);
        if tenancy == Some(&Tenancy::Fresh) && !worktrees.is_empty() {
            self.throw_away(agent);
            return true;
        }
        tenancy == Some(&Tenancy::Over)
    }

    /// The runtime has removed the workspace, and nothing runs there: a new one is made.
    pub(super) fn workspace_removed(&mut self, agent: &AgentId) -> Reply {
        let over = |agent: &&mut Agent| agent.tenancy == Tenancy::Over;
        let isolated = self
            .agents
            .get(agent)
            .is_some_and(|agent| self.is_isolated(&agent.project));
        let Some(record) = self.agents.get_mut(agent).filter(over) else {
            return Reply::NotWanted;
        };
        record.spool = None;
        record.tenancy = if isolated {
            Tenancy::Fresh
        } else {
            Tenancy::Open
        };
        let recreating = matches!(record.state, AgentState::Recreating(_));
        self.changes.agents.insert(agent.clone());
        if recreating {
            self.move_agent(agent, &AgentEvent::Recreated);
        }
        Reply::Ok
    }
}
