//! What an agent has to be told, derived from the world. Nothing here is remembered: a link that was
//! broken is told again what still holds, and every order means the same twice.

use cloud_code_domain::agent::AgentState;
use cloud_code_domain::credential::{CredentialState, CredentialType};
use cloud_code_domain::execution::{Execution, StopReason};
use cloud_code_domain::id::{AgentId, ExecutionId, Oid, ProjectName, RequestId, TaskId};
use cloud_code_domain::task::{Message, Task};

use super::world::World;

/// Everything that an agent has to know now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Orders {
    /// The execution to carry out, with its task.
    pub assign: Option<Box<(Execution, Task)>>,
    /// The execution to end.
    pub cancel: Option<(ExecutionId, StopReason)>,
    /// Messages for the running turn that its first prompt does not hold.
    pub steer: Vec<(u64, Message)>,
    /// Pushed heads that branches move to.
    pub published: Vec<(TaskId, Oid)>,
    /// Tasks to remove.
    pub clean: Vec<TaskId>,
    /// Secrets to hold.
    pub credentials: Vec<CredentialOrder>,
    /// Secrets to give back.
    pub withdraw: Vec<RequestId>,
}

/// A secret that an agent has to hold. Its value is fetched when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialOrder {
    /// The request that was granted.
    pub request: RequestId,
    /// What the agent calls it.
    pub label: String,
    /// The kind.
    pub kind: CredentialType,
    /// The scope.
    pub scope: String,
    /// The project.
    pub project: ProjectName,
}

impl World {
    /// What an agent has to be told now.
    #[must_use]
    pub fn orders(&self, agent: &AgentId) -> Orders {
        let mut orders = Orders::default();
        if let Some(live) = self.live.get(agent) {
            orders.clean = live.cleaning.iter().cloned().collect();
            orders.published = live
                .published
                .iter()
                .filter(|(task, _)| self.holds(agent, task))
                .map(|(task, head)| (task.clone(), head.clone()))
                .collect();
            orders.cancel = live
                .busy
                .clone()
                .filter(|busy| !self.works_on(agent, busy))
                .map(|busy| (busy, StopReason::Cancelled));
        }
        if let Some(execution) = self.working_on(agent) {
            self.execution_orders(execution, &mut orders);
        }
        self.credential_orders(agent, &mut orders);
        orders
    }

    /// The project of a commit that an agent may be sent: the base of the execution that it works
    /// on, or the pushed head of a task that it holds. Nothing else of a repository leaves the host.
    #[must_use]
    pub fn may_have(
        &self,
        agent: &AgentId,
        execution: &ExecutionId,
        commit: &Oid,
    ) -> Option<ProjectName> {
        let task = self.tasks.get(&execution.task)?;
        let base = self
            .executions
            .get(execution)
            .is_some_and(|record| record.agent == *agent && record.base == *commit);
        let pushed = self.holds(agent, &task.id)
            && task
                .pull_request
                .as_ref()
                .is_some_and(|record| record.head == *commit);
        (base || pushed).then(|| task.project.clone())
    }

    fn works_on(&self, agent: &AgentId, execution: &ExecutionId) -> bool {
        self.agents
            .get(agent)
            .is_some_and(|agent| agent.state == AgentState::Working(execution.clone()))
    }

    fn execution_orders(&self, execution: &Execution, orders: &mut Orders) {
        if let Some(stop) = execution.stop {
            orders.cancel = Some((execution.id.clone(), stop));
            return;
        }
        let Some(task) = self.tasks.get(&execution.id.task) else {
            return;
        };
        orders.steer = task
            .conversation
            .waiting()
            .filter(|(number, _)| *number >= execution.conversation_to)
            .map(|(number, message)| (number, message.clone()))
            .collect();
        orders.assign = Some(Box::new((execution.clone(), task.clone())));
    }

    fn credential_orders(&self, agent: &AgentId, orders: &mut Orders) {
        for request in self.requests.values() {
            let here = self
                .tasks
                .get(&request.id.task)
                .and_then(|task| task.agent.as_ref());
            if here != Some(agent) {
                continue;
            }
            match request.state {
                CredentialState::Approved(_) | CredentialState::Injected(_) => {
                    orders.credentials.push(CredentialOrder {
                        request: request.id.clone(),
                        label: request.label.clone(),
                        kind: request.kind,
                        scope: request.scope.clone(),
                        project: request.project.clone(),
                    });
                }
                CredentialState::Revoked => orders.withdraw.push(request.id.clone()),
                CredentialState::Pending
                | CredentialState::Denied { .. }
                | CredentialState::Withdrawn => {}
            }
        }
    }
}
