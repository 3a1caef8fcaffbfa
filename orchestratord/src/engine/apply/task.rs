//! A task's life in the engine: made, entered into a state, retired from memory.

use std::collections::btree_map::Entry;
use std::time::Duration;

use cloud_code_domain::credential::CredentialEvent;
use cloud_code_domain::event::{EventActor, Subject};
use cloud_code_domain::execution::StopReason;
use cloud_code_domain::id::{ExecutionId, ProjectName, RequestId, TaskId};
use cloud_code_domain::issue::IssueRef;
use cloud_code_domain::passed::PassedChanges;
use cloud_code_domain::task::{
    BlockedReason, CancelledBy, Conversation, Message, Priority, Task, TaskState, TriageReason,
};
use cloud_code_domain::time::Timestamp;
use cloud_code_domain::{criteria, dependencies, priority, task_type, text, workspace};

use crate::config::{ProjectConfig, TrackerConfig};
use crate::engine::effect::Effect;
use crate::engine::world::World;

/// Characters of a title and of a description that are kept.
const MAX_TITLE: usize = 200;
pub(super) const MAX_DESCRIPTION: usize = 60_000;

/// Comments are brought up to date at most this often.
const COMMENT_PACE: Duration = Duration::from_secs(5);

/// What a task is made from.
pub(super) struct Seed {
    pub(super) issue: Option<IssueRef>,
    pub(super) title: String,
    pub(super) body: String,
    pub(super) labels: Vec<String>,
    pub(super) blocked_by: Vec<u64>,
    pub(super) priority: Option<Priority>,
    pub(super) triage: Option<TriageReason>,
    pub(super) triggered_at: Option<Timestamp>,
}

impl World {
    /// Makes a task; nothing where the project is not configured.
    pub(super) fn make_task(
        &mut self,
        project: &ProjectName,
        seed: Seed,
        actor: EventActor,
    ) -> Option<TaskId> {
        let id = self.fresh_task_id();
        let config = self.config.project(project)?;
        let task = self.new_task(config, id.clone(), seed);
        let detail = match &task.issue {
            Some(issue) => format!("from issue #{}", issue.number),
            None => "by the operator".to_owned(),
        };
        let state = task.state.name().as_str();
        if let Some(issue) = &task.issue {
            let key = (project.clone(), issue.number);
            self.by_issue.entry(key).or_default().insert(id.clone());
        }
        self.tasks.insert(id.clone(), task);
        self.changes.tasks.insert(id.clone());
        let subject = Subject::Task(id.to_string());
        self.record_move(actor, subject, "created", detail, state);
        self.entered(&id);
        Some(id)
    }

    fn fresh_task_id(&mut self) -> TaskId {
        loop {
            let id = TaskId::from_random(self.random.next());
            let finished: Option<Task> = self
                .store
                .get(crate::store::Table::Finished, id.as_str())
                .unwrap_or_default();
            if !self.tasks.contains_key(&id) && finished.is_none() {
                return id;
            }
        }
    }

    fn new_task(&self, config: &ProjectConfig, id: TaskId, seed: Seed) -> Task {
        let description = text::visible(&seed.body, MAX_DESCRIPTION);
        let kind = task_type::from_labels(&seed.labels);
        let agent_type = self.route(config, &seed.labels, kind);
        let mut depends_on = dependencies::from_body(&description);
        depends_on.extend(seed.blocked_by);
        depends_on.sort_unstable();
        depends_on.dedup();
        let triage = match (seed.triage, agent_type) {
            (None, None) => Some(TriageReason::NoRoute),
            (triage, _) => triage,
        };
        Task {
            version: 1,
            project: config.name.clone(),
            branch: workspace::branch_name(
                &config.branch_prefix,
                seed.issue.as_ref().map(|issue| issue.number),
                &id,
            ),
            title: text::one_line(&seed.title, MAX_TITLE),
            criteria: criteria::from_markdown(&description),
            description,
            priority: seed
                .priority
                .or_else(|| priority::from_labels(&seed.labels))
                .unwrap_or_default(),
            priority_pinned: seed.priority.is_some(),
            labels: seed.labels,
            task_type: kind,
            state: triage.map_or(TaskState::Pending, TaskState::Triage),
            agent_type,
            agent: None,
            coding_cli: config.coding_cli.clone(),
            depends_on,
            standings: Default::default(),
            base: None,
            cost_limit: config.task_limit.cost,
            token_limit: config.task_limit.tokens,
            cost: Default::default(),
            notional: Default::default(),
            tokens: Default::default(),
            past_daily_limit: None,
            usage: Default::default(),
            attempts: 0,
            max_attempts: config.max_attempts,
            tried: 0,
            interruptions: 0,
            overtaken: 0,
            not_before: None,
            executions: 0,
            conversation: Conversation::default(),
            report: Default::default(),
            pull_request: None,
            comment_id: None,
            last_error: None,
            triggered_at: seed.triggered_at,
            keep: false,
            prepared: 0,
            bringing: None,
            brought: None,
            passed: PassedChanges::default(),
            issue_gone: false,
            created_at: self.now,
            started_at: None,
            finished_at: None,
            updated_at: self.now,
            issue: seed.issue,
            id,
        }
    }

    pub(super) fn route(
        &self,
        config: &ProjectConfig,
        labels: &[String],
        kind: cloud_code_domain::task::TaskType,
    ) -> Option<cloud_code_domain::agent::AgentType> {
        let available: Vec<_> = self
            .config
            .agents
            .types
            .iter()
            .filter(|(_, config)| config.count > 0)
            .map(|(agent_type, _)| *agent_type)
            .collect();
        cloud_code_domain::routing::Routing {
            table: &self.config.routing,
            preferred: &config.preferred_agents,
            default: config.default_agent_type,
            available: &available,
        }
        .route(labels, kind)
    }

    /// What follows from a task being in the state that it is in now.
    pub(crate) fn entered(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        match &task.state {
            TaskState::Triage(_) | TaskState::Blocked(_) => self.waits_for_operator(id),
            TaskState::Failed(_) => {
                self.ended_now(id);
                self.waits_for_operator(id);
            }
            TaskState::Completed => self.finish(id, None),
            TaskState::Cancelled(by) => {
                let by = by.clone();
                self.finish(id, Some(&by));
            }
            TaskState::Pending
            | TaskState::Assigned(_)
            | TaskState::InProgress(_)
            | TaskState::Publishing(_)
            | TaskState::Review => {}
        }
        self.comment_soon(id);
    }

    fn waits_for_operator(&mut self, id: &TaskId) {
        let now = self.now;
        let credential = self.tasks.get(id).is_some_and(|task| {
            matches!(
                task.state,
                TaskState::Blocked(BlockedReason::NeedsCredential)
            )
        });
        let version = self.tasks.get(id).map_or(0, |task| task.version);
        // A credential request tells of itself.
        if !credential && !self.config.notify_command.is_empty() {
            self.want(
                Effect::NotifyTask {
                    task: id.clone(),
                    version,
                },
                now,
            );
        }
    }

    fn ended_now(&mut self, id: &TaskId) {
        let now = self.now;
        self.change_task(id, |task| task.finished_at = Some(now));
    }

    /// The task has ended: its execution is stopped, credentials go back, its workspace is cleaned.
    fn finish(&mut self, id: &TaskId, cancelled: Option<&CancelledBy>) {
        self.ended_now(id);
        self.issue_of_ended_task(id, cancelled.is_none());
        let running: Vec<ExecutionId> = self
            .executions
            .iter()
            .filter(|(execution, record)| execution.task == *id && !record.state.is_finished())
            .map(|(execution, _)| execution.clone())
            .collect();
        for execution in &running {
            self.stop(execution, StopReason::Cancelled);
        }
        let requests: Vec<RequestId> = self
            .requests
            .keys()
            .filter(|request| request.task == *id)
            .cloned()
            .collect();
        for request in &requests {
            // A request that is already answered for good stays as it is.
            let _withdrawn =
                self.move_request(request, &CredentialEvent::TaskEnded, EventActor::Engine);
        }
        for key in ["prepare", "bring", "publish", "open", "merge"] {
            self.unwant(&format!("{key}/{id}"));
        }
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        let open = task
            .pull_request
            .as_ref()
            .is_some_and(|pr| pr.number.is_some());
        let before = task
            .bringing
            .as_ref()
            .and_then(|execution| self.executions.get(execution));
        let before = before.map(|record| record.agent.clone());
        let agents: Vec<_> = task.agent.iter().cloned().chain(before).collect();
        if open && cancelled == Some(&CancelledBy::Operator) {
            let now = self.now;
            self.want(Effect::Close { task: id.clone() }, now);
        }
        for agent in agents {
            let id = id.clone();
            self.live_mut(&agent).cleaning.insert(id);
        }
    }

    /// Ends an execution: its agent is told until it says that it has ended.
    pub(super) fn stop(&mut self, execution: &ExecutionId, reason: StopReason) {
        self.change_execution(execution, |record| {
            record.stop.get_or_insert(reason);
        });
        if let Some(agent) = self
            .executions
            .get(execution)
            .map(|record| record.agent.clone())
        {
            self.live_mut(&agent);
        }
    }

    /// Brings the progress comment up to date, soon.
    pub(super) fn comment_soon(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        let remote = self
            .config
            .project(&task.project)
            .is_some_and(|project| matches!(project.tracker, TrackerConfig::Github(_)));
        let untouched = task.executions == 0 && task.state.is_finished();
        if !remote || task.issue.is_none() || untouched {
            return;
        }
        let at = if task.comment_id.is_some() && !task.state.is_finished() {
            self.now.after(COMMENT_PACE)
        } else {
            self.now
        };
        self.want(Effect::Comment { task: id.clone() }, at);
    }

    /// Adds what a person said, and starts the count of attempts anew. False where the same source
    /// was taken before.
    pub(super) fn hear(&mut self, id: &TaskId, message: Message) -> bool {
        let Some(task) = self.tasks.get(id) else {
            return false;
        };
        let known = message.source.is_some()
            && task
                .conversation
                .messages
                .iter()
                .any(|known| known.source == message.source);
        if known {
            return false;
        }
        self.change_task(id, |task| {
            task.conversation.push(message);
            task.count_anew();
        });
        if let Some(agent) = self.tasks.get(id).and_then(|task| task.agent.clone()) {
            self.live_mut(&agent);
        }
        true
    }

    /// Finished tasks leave memory when nothing of them is under way any more.
    pub(super) fn retire_finished(&mut self) {
        let busy: Vec<TaskId> = self.agents.values().filter_map(working_task).collect();
        let waiting: Vec<TaskId> = self
            .effects
            .values()
            .filter_map(|record| record.effect.task().cloned())
            .collect();
        let done: Vec<TaskId> = self
            .tasks
            .values()
            .filter(|task| task.state.is_finished())
            .map(|task| task.id.clone())
            .filter(|id| !busy.contains(id) && !waiting.contains(id))
            .collect();
        for id in done {
            self.retire(&id);
        }
    }

    fn retire(&mut self, id: &TaskId) {
        // Written with this commit while they are still in memory, then forgotten.
        let Some(task) = self.tasks.get(id).cloned() else {
            return;
        };
        self.finished = self.finished.saturating_add(1);
        self.changes.retired.push(task);
    }

    /// Forgets what was retired; called when it is durable.
    pub(crate) fn forget_retired(&mut self) {
        for task in std::mem::take(&mut self.changes.retired) {
            self.tasks.remove(&task.id);
            if let Some(issue) = &task.issue {
                let key = (task.project.clone(), issue.number);
                if let Entry::Occupied(mut tasks) = self.by_issue.entry(key) {
                    tasks.get_mut().remove(&task.id);
                    if tasks.get().is_empty() {
                        tasks.remove();
                    }
                }
            }
            self.executions
                .retain(|execution, _| execution.task != task.id);
            self.requests.retain(|request, _| request.task != task.id);
        }
    }
}

fn working_task(agent: &cloud_code_domain::agent::Agent) -> Option<TaskId> {
    use cloud_code_domain::agent::AgentState;
    match &agent.state {
        AgentState::Working(execution) => Some(execution.task.clone()),
        AgentState::Provisioning
        | AgentState::Idle
        | AgentState::Maintenance
        | AgentState::Recreating(_)
        | AgentState::Retired => None,
    }
}
