//! Credential requests: asked by agents, answered by policy or an operator.

use std::collections::BTreeSet;

use cloud_code_domain::credential::{
    CredentialEvent, CredentialRequest, CredentialState, CredentialType, Decision, GrantedBy,
    decide,
};
use cloud_code_domain::event::{EventActor, Subject};
use cloud_code_domain::id::{AgentId, ProjectName, RequestId, TaskId};
use cloud_code_domain::report::{CredentialAsk, bounds};
use cloud_code_domain::task::{BlockedReason, Message, MessageKind, TaskEvent, TaskState};
use cloud_code_domain::text;

use crate::engine::effect::Effect;
use crate::engine::input::{Reply, SecretId};
use crate::engine::world::World;

impl World {
    /// Takes new requests out of a report. What is asked for again, by kind and scope, is the same.
    pub(super) fn asked(&mut self, agent: &AgentId, task: &TaskId, asks: &[CredentialAsk]) {
        for ask in asks {
            let scope = text::one_line(&ask.scope, 200);
            let Ok(kind) = ask.kind.parse::<CredentialType>() else {
                self.record(
                    EventActor::Agent(agent.to_string()),
                    Subject::Task(task.to_string()),
                    "credential_unknown",
                    text::one_line(&ask.kind, 80),
                );
                continue;
            };
            let of_task = self
                .requests
                .values()
                .filter(|request| request.id.task == *task);
            let (mut known, mut last) = (false, 0);
            for request in of_task {
                known |= request.kind == kind && request.scope == scope;
                last = last.max(request.id.number);
            }
            if !known && usize::try_from(last).is_ok_and(|last| last < bounds::REQUESTS) {
                let id = RequestId {
                    task: task.clone(),
                    number: last.saturating_add(1),
                };
                self.new_request(agent, id, kind, scope, ask);
            }
        }
    }

    fn new_request(
        &mut self,
        agent: &AgentId,
        id: RequestId,
        kind: CredentialType,
        scope: String,
        ask: &CredentialAsk,
    ) {
        let now = self.now;
        let Some(task) = self.tasks.get(&id.task) else {
            return;
        };
        let detail = format!("{} {scope}", kind.as_str());
        let request = CredentialRequest {
            version: 1,
            label: text::one_line(&ask.label, 80),
            project: task.project.clone(),
            agent: agent.clone(),
            kind,
            scope,
            reason: text::visible(&ask.reason, 400),
            state: CredentialState::Pending,
            asked_at: now,
            updated_at: now,
            id: id.clone(),
        };
        self.requests.insert(id.clone(), request);
        self.changes.requests.insert(id.clone());
        self.changes.tasks.insert(id.task.clone());
        let actor = EventActor::Agent(agent.to_string());
        let subject = Subject::Credential(id.to_string());
        let pending = CredentialState::Pending.as_str();
        self.record_move(actor, subject, "requested", detail, pending);
        self.by_policy(&id);
        let waits = self
            .requests
            .get(&id)
            .is_some_and(|r| r.state == CredentialState::Pending);
        if waits && !self.config.notify_command.is_empty() {
            self.want(Effect::NotifyRequest { request: id }, now);
        }
    }

    /// Answers a request without a person, where policy or an earlier answer for the task says so.
    fn by_policy(&mut self, id: &RequestId) {
        let Some(request) = self.requests.get(id) else {
            return;
        };
        let event = match decide(request.kind, &request.scope) {
            Decision::Grant if self.secret_is_stored(request) => {
                CredentialEvent::Approved(GrantedBy::Policy)
            }
            Decision::Refuse(note) => CredentialEvent::Denied {
                by: "policy".into(),
                note: note.into(),
            },
            Decision::Grant | Decision::Ask(_) => return,
        };
        if self.move_request(id, &event, EventActor::Engine) == Ok(true) {
            self.told(id, EventActor::Engine);
        }
    }

    /// Whether the secrets file holds what a request asks for.
    #[must_use]
    pub fn secret_is_stored(&self, request: &CredentialRequest) -> bool {
        let stored = |project: Option<ProjectName>| {
            self.secrets
                .contains(&(request.kind, request.scope.clone(), project))
        };
        stored(Some(request.project.clone())) || stored(None)
    }

    pub(super) fn secrets_known(
        &mut self,
        secrets: BTreeSet<SecretId>,
        version: u64,
        change: Option<(String, String)>,
    ) -> Reply {
        self.secrets = secrets;
        if let Some((operator, what)) = change {
            let actor = EventActor::Operator(operator);
            self.record(actor, Subject::Fleet, "secret", what);
        }
        if self.host.secrets_version < version {
            self.host.secrets_version = version;
            self.changes.host = true;
        }
        let pending: Vec<RequestId> = self
            .requests
            .values()
            .filter(|request| request.state == CredentialState::Pending)
            .map(|request| request.id.clone())
            .collect();
        for id in &pending {
            self.changes.requests.insert(id.clone());
            self.by_policy(id);
        }
        Reply::Ok
    }

    /// The agent is told of an answer, and its task goes on when none is open any more.
    pub(super) fn told(&mut self, id: &RequestId, actor: EventActor) {
        let Some(request) = self.requests.get(id) else {
            return;
        };
        let what = format!("{} ({})", request.kind.as_str(), request.scope);
        let said = match &request.state {
            CredentialState::Approved(_) => format!(
                "The credential {what} is granted. It is in the environment variable {} and below \
                 .cloud-code/credentials/. Do not print it, and do not write it into any file.",
                request.kind.env_name()
            ),
            CredentialState::Denied { note, .. } => {
                format!("The credential {what} is denied: {note}. Go on without it.")
            }
            CredentialState::Pending
            | CredentialState::Injected(_)
            | CredentialState::Revoked
            | CredentialState::Withdrawn => return,
        };
        let message = Message {
            kind: MessageKind::Answer,
            author: "operator".into(),
            text: said,
            source: Some(format!("credential/{id}")),
            at: self.now,
        };
        let task = id.task.clone();
        self.hear(&task, message);
        self.answered_if_nothing_is_open(&task, actor);
    }

    pub(super) fn answered_if_nothing_is_open(&mut self, task: &TaskId, actor: EventActor) {
        let open = self
            .requests
            .values()
            .any(|request| request.id.task == *task && request.state == CredentialState::Pending);
        let waits = self
            .tasks
            .get(task)
            .is_some_and(|task| task.state == TaskState::Blocked(BlockedReason::NeedsCredential));
        if waits && !open {
            // It is possible in this state.
            let _moved = self.move_task(task, &TaskEvent::Answered, actor, "");
        }
    }

    pub(super) fn credential_held(&mut self, agent: &AgentId, id: &RequestId) -> Reply {
        let owner = self.requests.get(id).map(|request| &request.agent);
        if owner == Some(agent) {
            // Held twice is held once; held after a withdrawal is withdrawn again by the orders.
            let _moved = self.move_request(id, &CredentialEvent::Delivered, EventActor::Engine);
        }
        Reply::Ok
    }
}
