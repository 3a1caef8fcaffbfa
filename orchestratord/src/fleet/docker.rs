//! The Docker runtime. Every call is idempotent and has a deadline of its own; what is not ours is
//! never touched.
//!
//! ```text
//!  start ─▶ inspect by name ─┬─ nothing ──▶ volumes, create, start
//!                            ├─ ours ─────▶ runs: adopted · stopped: started, or made anew
//!                            └─ foreign ──▶ refused
//! ```
//!
//! A container of the same name that appears between two steps answers 409: the way begins again,
//! and ends with its adoption.

mod engine;
mod probe;

pub use engine::{Engine, Versions};
pub use probe::ImageFacts;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use bollard::models::{
    ContainerInspectResponse, ContainerSummary, ContainerSummaryStateEnum, VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions, StopContainerOptionsBuilder,
};
use cloud_code_domain::id::AgentId;

use super::docker_spec::{self, LABEL_AGENT, LABEL_MANAGED, LABEL_SPEC, VOLUMES};
use crate::failpoint::failpoint;
use crate::ports::{Answer, Observed, ObservedState, Runtime, Trouble, WorkstationSpec};

/// Seconds that agentd has to end its coding CLI before it is killed.
const STOP_SECONDS: i32 = 20;

const NO_OPTIONS: Option<RemoveVolumeOptions> = None;

/// Workstations as containers of the local engine.
#[derive(Debug)]
pub struct DockerRuntime {
    engine: Engine,
    cluster: String,
}

/// What there is under a name that we want.
enum Found {
    Nothing,
    Ours(Box<ContainerInspectResponse>),
    Foreign(String),
}

impl DockerRuntime {
    /// A runtime of this cluster: a short word that is in the names of its containers and volumes.
    /// Nothing is connected yet; an engine that is down now may be up later.
    #[must_use]
    pub fn new(engine: Engine, cluster: &str) -> Self {
        Self {
            engine,
            cluster: cluster.to_owned(),
        }
    }

    /// The engine, for checks.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What an image has of the image contract, found out in a container without anything.
    ///
    /// # Errors
    /// [`Trouble`]
    pub async fn image_facts(&self, image: &str) -> Result<ImageFacts, Trouble> {
        probe::image_facts(&self.engine, &self.cluster, image).await
    }

    async fn list(&self) -> Result<Vec<ContainerSummary>, Trouble> {
        let label = format!("{LABEL_MANAGED}={}", self.cluster);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&HashMap::from([("label", vec![label.as_str()])]))
            .build();
        let docker = self.engine.docker().await?;
        let call = docker.list_containers(Some(options));
        self.engine.read("list containers", call).await
    }

    async fn find(&self, agent: &AgentId) -> Result<Found, Trouble> {
        let name = docker_spec::container_name(&self.cluster, agent);
        let docker = self.engine.docker().await?;
        let call = docker.inspect_container(&name, None);
        let Some(found) = self.engine.look("inspect a container", call).await? else {
            return Ok(Found::Nothing);
        };
        let labels = found.config.as_ref().and_then(|c| c.labels.as_ref());
        if self.is_ours(labels, agent) {
            Ok(Found::Ours(Box::new(found)))
        } else {
            Ok(Found::Foreign(name))
        }
    }

    fn is_ours(&self, labels: Option<&HashMap<String, String>>, agent: &AgentId) -> bool {
        let is = |key, value: &str| {
            labels
                .and_then(|labels| labels.get(key))
                .map(String::as_str)
                == Some(value)
        };
        is(LABEL_MANAGED, &self.cluster) && is(LABEL_AGENT, agent.as_str())
    }

    /// Makes its volumes. One of the same name that is not ours would be given to an agent.
    async fn make_volumes(&self, spec: &WorkstationSpec) -> Result<(), Trouble> {
        let agent = &spec.agent;
        let docker = self.engine.docker().await?;
        for (ending, _) in docker_spec::volumes(spec) {
            let name = docker_spec::volume_name(&self.cluster, agent, ending);
            let call = docker.inspect_volume(&name);
            match self.engine.look("inspect a volume", call).await? {
                Some(volume) if self.is_ours(Some(&volume.labels), agent) => {}
                Some(_) => return Err(foreign("volume", &name)),
                None => {
                    let call = docker.create_volume(VolumeCreateRequest {
                        name: Some(name.clone()),
                        labels: Some(docker_spec::labels(&self.cluster, agent)),
                        ..VolumeCreateRequest::default()
                    });
                    self.engine.write("create a volume", call).await?;
                }
            }
        }
        Ok(())
    }

    /// Creates and starts; false where the name was taken meanwhile.
    async fn make(&self, spec: &WorkstationSpec) -> Result<bool, Trouble> {
        self.make_volumes(spec).await?;
        let name = docker_spec::container_name(&self.cluster, &spec.agent);
        let body = docker_spec::container(&self.cluster, spec, &stamp(&spec.agentd));
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let docker = self.engine.docker().await?;
        let call = docker.create_container(Some(options), body);
        let call = Box::pin(call); // holds the whole body
        let created = self.engine.write_unless(409, "create a container", call);
        failpoint!("docker::create_before");
        let created = created.await;
        failpoint!("docker::create_after");
        if created
            .map_err(|trouble| about_image(trouble, &spec.image))?
            .is_none()
        {
            return Ok(false);
        }
        let call = docker.start_container(&name, None);
        failpoint!("docker::start_before");
        self.engine.write("start a container", call).await?;
        failpoint!("docker::start_after");
        Ok(true)
    }

    async fn start_workstation(&self, spec: &WorkstationSpec) -> Result<(), Trouble> {
        // Twice: what takes our name between two steps is looked at in the second round.
        for _ in 0..2 {
            match self.find(&spec.agent).await? {
                Found::Foreign(name) => return Err(foreign("container", &name)),
                Found::Ours(found) if is_running(&found) => return Ok(()),
                Found::Ours(found) => {
                    if self.is_current(&found, spec).await? && self.start_again(&spec.agent).await?
                    {
                        return Ok(());
                    }
                    self.delete(&spec.agent).await?;
                }
                Found::Nothing => {}
            }
            if Box::pin(self.make(spec)).await? {
                return Ok(());
            }
        }
        Err(Trouble::Later {
            what: format!(
                "somebody else makes and removes the container of {}",
                spec.agent
            ),
            until: None,
        })
    }

    async fn is_current(
        &self,
        found: &ContainerInspectResponse,
        spec: &WorkstationSpec,
    ) -> Result<bool, Trouble> {
        let labels = found.config.as_ref().and_then(|c| c.labels.as_ref());
        let made_from = labels.and_then(|labels| labels.get(LABEL_SPEC));
        let image = self.engine.image_id(&spec.image).await?;
        Ok(made_from == Some(&self.digest(spec)) && (image.is_none() || found.image == image))
    }

    fn digest(&self, spec: &WorkstationSpec) -> String {
        let body = docker_spec::container(&self.cluster, spec, &stamp(&spec.agentd));
        let labels = body.labels.unwrap_or_default();
        labels.get(LABEL_SPEC).cloned().unwrap_or_default()
    }

    /// Starts a stopped container of ours; false where it cannot be started again as it is, for
    /// example because a directory that it mounts is gone.
    async fn start_again(&self, agent: &AgentId) -> Result<bool, Trouble> {
        let name = docker_spec::container_name(&self.cluster, agent);
        let docker = self.engine.docker().await?;
        let call = docker.start_container(&name, None);
        match self.engine.write("start a container", call).await {
            Ok(()) => Ok(true),
            Err(Trouble::Refused { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Removes a container of ours, whatever state it is in. Volumes stay.
    async fn delete(&self, agent: &AgentId) -> Result<(), Trouble> {
        let name = docker_spec::container_name(&self.cluster, agent);
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(false)
            .build();
        let docker = self.engine.docker().await?;
        let call = docker.remove_container(&name, Some(options));
        failpoint!("docker::rm_before");
        self.engine
            .write_unless(404, "remove a container", call)
            .await?;
        failpoint!("docker::rm_after");
        Ok(())
    }

    async fn remove_workstation(&self, agent: &AgentId) -> Result<(), Trouble> {
        match self.find(agent).await? {
            Found::Nothing => return Ok(()),
            Found::Foreign(name) => return Err(foreign("container", &name)),
            Found::Ours(found) if is_running(&found) => {
                let name = docker_spec::container_name(&self.cluster, agent);
                let options = StopContainerOptionsBuilder::new().t(STOP_SECONDS).build();
                let docker = self.engine.docker().await?;
                let call = docker.stop_container(&name, Some(options));
                failpoint!("docker::stop_before");
                self.engine
                    .write_unless(404, "stop a container", call)
                    .await?;
                failpoint!("docker::stop_after");
            }
            Found::Ours(_) => {}
        }
        self.delete(agent).await
    }

    async fn purge_workstation(&self, agent: &AgentId) -> Result<(), Trouble> {
        self.remove_workstation(agent).await?;
        let docker = self.engine.docker().await?;
        for (ending, _) in VOLUMES {
            let name = docker_spec::volume_name(&self.cluster, agent, ending);
            let call = docker.inspect_volume(&name);
            match self.engine.look("inspect a volume", call).await? {
                None => {}
                Some(volume) if self.is_ours(Some(&volume.labels), agent) => {
                    let call = docker.remove_volume(&name, NO_OPTIONS);
                    self.engine
                        .write_unless(404, "remove a volume", call)
                        .await?;
                }
                Some(_) => return Err(foreign("volume", &name)),
            }
        }
        Ok(())
    }

    async fn observe_all(&self, wanted: &[WorkstationSpec]) -> Result<Vec<Observed>, Trouble> {
        let containers = self.list().await?;
        let mut image_ids: HashMap<&str, Option<String>> = HashMap::new();
        let images: HashSet<&str> = wanted.iter().map(|spec| spec.image.as_str()).collect();
        for image in images {
            image_ids.insert(image, self.engine.image_id(image).await?);
        }
        let observed = containers.iter().filter_map(|container| {
            let labels = container.labels.as_ref()?;
            let agent: AgentId = labels.get(LABEL_AGENT)?.parse().ok()?;
            let outdated = wanted
                .iter()
                .find(|spec| spec.agent == agent)
                .is_some_and(|spec| {
                    let image = image_ids.get(spec.image.as_str()).and_then(Option::as_ref);
                    labels.get(LABEL_SPEC) != Some(&self.digest(spec))
                        || image.is_some_and(|image| container.image_id.as_ref() != Some(image))
                });
            Some(Observed {
                agent,
                state: state(container),
                outdated,
            })
        });
        Ok(observed.collect())
    }
}

impl Runtime for DockerRuntime {
    fn observe<'a>(&'a self, wanted: &'a [WorkstationSpec]) -> Answer<'a, Vec<Observed>> {
        Box::pin(self.observe_all(wanted))
    }

    fn start<'a>(&'a self, spec: &'a WorkstationSpec) -> Answer<'a, ()> {
        Box::pin(self.start_workstation(spec))
    }

    fn remove<'a>(&'a self, agent: &'a AgentId) -> Answer<'a, ()> {
        Box::pin(self.remove_workstation(agent))
    }

    fn purge<'a>(&'a self, agent: &'a AgentId) -> Answer<'a, ()> {
        Box::pin(self.purge_workstation(agent))
    }
}

fn foreign(kind: &str, name: &str) -> Trouble {
    Trouble::Refused {
        what: format!(
            "there is a {kind} {name} that is not ours; rename it or remove it (docker {kind} rm {name})"
        ),
    }
}

/// The engine's answer to an image that is not there says nothing about how to get it.
fn about_image(trouble: Trouble, image: &str) -> Trouble {
    match trouble {
        Trouble::Refused { what } if what.contains("No such image") => Trouble::Refused {
            what: format!("there is no image {image} here; build it with dockerfiles/build.sh"),
        },
        Trouble::Refused { .. } | Trouble::Later { .. } | Trouble::Unknown { .. } => trouble,
    }
}

fn is_running(found: &ContainerInspectResponse) -> bool {
    let state = found.state.as_ref();
    state.is_some_and(|s| s.running == Some(true) && s.paused != Some(true))
}

fn state(container: &ContainerSummary) -> ObservedState {
    match container.state {
        Some(ContainerSummaryStateEnum::RUNNING) => ObservedState::Running,
        Some(state) => {
            let status = container.status.as_deref().unwrap_or_default();
            ObservedState::Stopped(if status.is_empty() {
                state.to_string()
            } else {
                status.to_ascii_lowercase()
            })
        }
        None => ObservedState::Stopped("in a state that the engine does not tell".to_owned()),
    }
}

/// Changes when the file does. A bind mount keeps showing the old file after an upgrade.
fn stamp(path: &Path) -> String {
    let Ok(metadata) = std::fs::metadata(path) else {
        return "missing".to_owned();
    };
    let modified = metadata.modified().ok();
    let since = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    format!(
        "{}.{}",
        metadata.len(),
        since.unwrap_or(Duration::ZERO).as_nanos()
    )
}

#[cfg(test)]
mod tests;
