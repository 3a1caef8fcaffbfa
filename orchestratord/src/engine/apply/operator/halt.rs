//! Halting and going on: of the fleet, of a project, of an account.

use cloud_code_domain::event::{EventActor, Subject};
use cloud_code_domain::execution::StopReason;
use cloud_code_domain::id::{AccountName, ExecutionId, ProjectName};

use crate::engine::input::ActRefusal;
use crate::engine::world::World;

use super::Acted;

impl World {
    pub(super) fn halt(&mut self, actor: &EventActor, project: Option<&ProjectName>) -> Acted {
        self.set_halted(actor, project, true)?;
        let running: Vec<ExecutionId> = self
            .executions
            .values()
            .filter(|execution| !execution.state.is_finished())
            .map(|execution| execution.id.clone())
            .filter(|id| {
                let of = self.tasks.get(&id.task).map(|task| &task.project);
                project.is_none() || of == project
            })
            .collect();
        for execution in &running {
            self.stop(execution, StopReason::Halted);
        }
        let what = project.map_or_else(|| "the fleet".to_owned(), ToString::to_string);
        Ok((
            format!(
                "{what} is halted; {} running turns are ended",
                running.len()
            ),
            None,
        ))
    }

    pub(super) fn resume(&mut self, actor: &EventActor, project: Option<&ProjectName>) -> Acted {
        self.set_halted(actor, project, false)?;
        let what = project.map_or_else(|| "the fleet".to_owned(), ToString::to_string);
        Ok((format!("{what} goes on"), None))
    }

    fn set_halted(
        &mut self,
        actor: &EventActor,
        project: Option<&ProjectName>,
        halted: bool,
    ) -> Result<(), ActRefusal> {
        let kind = if halted { "halted" } else { "resumed" };
        match project {
            None => {
                self.host.halted = halted;
                self.changes.host = true;
                self.record(actor.clone(), Subject::Fleet, kind, "");
            }
            Some(name) => {
                let record = self
                    .projects
                    .get_mut(name)
                    .ok_or_else(|| ActRefusal::NotFound(format!("there is no project {name}")))?;
                record.halted = halted;
                self.changes.projects.insert(name.clone());
                self.record(actor.clone(), Subject::Project(name.to_string()), kind, "");
            }
        }
        Ok(())
    }

    pub(super) fn resume_account(&mut self, actor: &EventActor, account: &AccountName) -> Acted {
        if !self.config.accounts.contains_key(account) {
            return Err(ActRefusal::NotFound(format!("account {account}")));
        }
        self.unpark(account, actor.clone());
        let said =
            format!("account {account} is used again, with the secret that is in its file now");
        Ok((said, None))
    }
}
