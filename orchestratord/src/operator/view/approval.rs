//! Credential requests as clients see them: who asks for what, what policy says, and what follows.

use cloud_code_domain::credential::{
    CredentialRequest, CredentialState, Decision, GrantedBy, decide,
};
use cloud_code_proto::v1;

use crate::engine::World;

/// A credential request.
#[must_use]
pub fn approval(world: &World, request: &CredentialRequest) -> v1::Approval {
    let known = world.secret_is_stored(request);
    let decision = decide(request.kind, &request.scope);
    let policy = match decision {
        Decision::Grant if known => "granted without a person".to_owned(),
        Decision::Grant => {
            "it would be granted without a person, but no secret is stored for it".to_owned()
        }
        Decision::Ask(why) | Decision::Refuse(why) => why.to_owned(),
    };
    let (answered_by, note) = answer(&request.state);
    v1::Approval {
        id: request.id.to_string(),
        version: request.version,
        task: request.id.task.to_string(),
        project: request.project.to_string(),
        agent: request.agent.to_string(),
        kind: request.kind.as_str().into(),
        scope: request.scope.clone(),
        reason: request.reason.clone(),
        label: request.label.clone(),
        state: request.state.as_str().into(),
        policy,
        secret_known: known,
        on_approve: format!(
            "the secret goes to {} as ${} until the task ends; the agent goes on",
            request.agent,
            request.kind.env_name(),
        ),
        on_deny: "the agent is told your note and goes on without it".into(),
        asked_at_ms: request.asked_at.0,
        answered_by,
        note,
        refused: matches!(decision, Decision::Refuse(_)),
    }
}

fn answer(state: &CredentialState) -> (String, String) {
    match state {
        CredentialState::Approved(by) | CredentialState::Injected(by) => match by {
            GrantedBy::Policy => ("policy".into(), String::new()),
            GrantedBy::Operator(name) | GrantedBy::OperatorForTask(name) => {
                (name.clone(), String::new())
            }
        },
        CredentialState::Denied { by, note } => (by.clone(), note.clone()),
        CredentialState::Pending | CredentialState::Revoked | CredentialState::Withdrawn => {
            (String::new(), String::new())
        }
    }
}
