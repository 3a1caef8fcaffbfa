//! The answers to credential requests.

use cloud_code_domain::credential::{
    CredentialEvent, CredentialRequest, Decision, GrantedBy, decide,
};
use cloud_code_domain::event::EventActor;
use cloud_code_domain::id::RequestId;
use cloud_code_domain::text;

use crate::engine::input::ActRefusal;
use crate::engine::world::World;

use super::Acted;

impl World {
    fn request_of(&self, id: &RequestId) -> Result<&CredentialRequest, ActRefusal> {
        self.requests
            .get(id)
            .ok_or_else(|| ActRefusal::NotFound(format!("there is no open request {id}")))
    }

    pub(super) fn approve(
        &mut self,
        actor: &EventActor,
        operator: &str,
        id: &RequestId,
        for_task: bool,
    ) -> Acted {
        let request = self.request_of(id)?;
        if let Decision::Refuse(why) = decide(request.kind, &request.scope) {
            return Err(ActRefusal::NotPossible(format!(
                "{why}; deny it with a note"
            )));
        }
        if !self.secret_is_stored(request) {
            return Err(ActRefusal::NotPossible(format!(
                "no secret is stored for it; store one: cloud-code secret set {} '{}' --project {}",
                request.kind.as_str(),
                request.scope,
                request.project
            )));
        }
        let by = if for_task {
            GrantedBy::OperatorForTask(operator.to_owned())
        } else {
            GrantedBy::Operator(operator.to_owned())
        };
        self.answer(actor, id, &CredentialEvent::Approved(by))?;
        Ok((
            "granted; the agent has it in its next turn".into(),
            Some(id.task.clone()),
        ))
    }

    pub(super) fn deny(
        &mut self,
        actor: &EventActor,
        operator: &str,
        id: &RequestId,
        note: &str,
    ) -> Acted {
        self.request_of(id)?;
        let note = text::one_line(note, 500);
        let event = CredentialEvent::Denied {
            by: operator.to_owned(),
            note,
        };
        self.answer(actor, id, &event)?;
        Ok(("denied; the agent is told".into(), Some(id.task.clone())))
    }

    fn answer(
        &mut self,
        actor: &EventActor,
        id: &RequestId,
        event: &CredentialEvent,
    ) -> Result<(), ActRefusal> {
        match self.move_request(id, event, actor.clone()) {
            Ok(moved) => {
                if moved {
                    self.told(id, actor.clone());
                }
                Ok(())
            }
            Err(_) => {
                let state = self
                    .requests
                    .get(id)
                    .map_or("gone", |request| request.state.as_str());
                Err(ActRefusal::NotPossible(format!(
                    "request {id} is {state} already"
                )))
            }
        }
    }
}
