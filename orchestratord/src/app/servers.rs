//! What listens, and what asks by itself: the operator's socket, the webhook port, the polls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cloud_code_domain::id::ProjectName;
use cloud_code_proto::{MAX_MESSAGE, v1};
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, TrackerConfig};
use crate::engine::{Engine, Input, Reply};
use crate::failpoint::failpoint;
use crate::issues::{About, Hint, Intake, Taken, Unavailable, poll, webhook};
use crate::operator::{Allowed, OperatorService, Parts, listen};
use crate::ports::{IssueTracker, Trouble};

use super::wiring::Wired;

/// Between two looks at the repository of a local project: people merge there without telling us.
const LOCAL_POLL: Duration = Duration::from_secs(5);

type Running = JoinSet<(&'static str, anyhow::Result<()>)>;

pub(super) async fn spawn(
    parts: &mut Running,
    config: &Arc<Config>,
    engine: &Engine,
    wired: &Wired,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let disk = super::watch_disk(engine.clone(), config.state_dir.clone(), stop.clone());
    parts.spawn(async move {
        disk.await;
        ("the disk's watch", Ok(()))
    });
    let mut secrets = Vec::new();
    let mut wakes = Wakes::new();
    for project in config.projects.iter().filter(|project| project.enabled) {
        let interval = match &project.tracker {
            TrackerConfig::Github(github) => github.poll,
            TrackerConfig::Local => LOCAL_POLL,
        };
        if let TrackerConfig::Github(github) = &project.tracker
            && let Some(secret) = &github.webhook_secret
        {
            secrets.push((project.name.clone(), secret.clone()));
        }
        if let Some(ports) = wired.hands.ports.get(&project.name) {
            let wake = Arc::new(Notify::new());
            wakes.insert(project.name.clone(), wake.clone());
            let polls = polls(
                engine.clone(),
                project.name.clone(),
                ports.tracker.clone(),
                Pace { interval, wake },
                stop.clone(),
            );
            parts.spawn(async move {
                polls.await;
                ("a poll", Ok(()))
            });
        }
    }
    if let Some(webhooks) = &config.webhooks {
        let secrets = webhook::Secrets::new(secrets)?;
        let intake = Arc::new(EngineIntake {
            engine: engine.clone(),
            wakes,
        });
        let router = webhook::router(secrets, intake, webhook::Limits::default());
        let listener = std::net::TcpListener::bind(webhooks.listen)
            .with_context(|| format!("cannot listen for webhooks on {}", webhooks.listen))?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let stop = stop.clone();
        parts.spawn(async move {
            webhook::serve(listener, router, stop).await;
            ("the webhook port", Ok(()))
        });
    }
    // Last: who is answered here finds everything else listening.
    operator(parts, config, engine, wired, stop).await
}

async fn operator(
    parts: &mut Running,
    config: &Arc<Config>,
    engine: &Engine,
    wired: &Wired,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let allowed = Allowed::of(&config.operator.users).map_err(|unknown| {
        anyhow::anyhow!(
            "[operator] users: this machine knows no {}",
            unknown.join(", ")
        )
    })?;
    let socket = &config.operator.socket;
    let incoming = listen(socket, allowed)
        .await
        .with_context(|| format!("cannot listen for operators on {}", socket.display()))?;
    let service = OperatorService(Parts {
        config: config.clone(),
        engine: engine.clone(),
        logs: wired.logs.clone(),
        mirrors: wired.mirrors.clone(),
        secrets: wired.secrets.clone(),
        docker: wired.docker.clone(),
        hands: wired.hands.clone(),
        host: host_name(),
    });
    let service = v1::operator_server::OperatorServer::new(service)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(usize::MAX);
    let closing = stop.clone();
    parts.spawn(async move {
        let serve = tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming);
        // Clients that watch hold their streams open for ever: they are not waited for.
        let served = closing.run_until_cancelled(serve).await.unwrap_or(Ok(()));
        ("the operator's socket", served.map_err(anyhow::Error::new))
    });
    Ok(())
}

fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// What wakes the poll of a project.
type Wakes = BTreeMap<ProjectName, Arc<Notify>>;

/// Hints become inputs; they are answered when they are durable.
#[derive(Debug)]
struct EngineIntake {
    engine: Engine,
    wakes: Wakes,
}

impl Intake for EngineIntake {
    fn hint(&self, hint: Hint) -> BoxFuture<'_, Result<Taken, Unavailable>> {
        Box::pin(async move {
            let number = match hint.about {
                About::Issue(number) | About::PullRequest(number) | About::Either(number) => number,
                About::Ping => return Ok(Taken::Accepted),
                About::Installation => {
                    // What the app may do now is found by asking, not by believing.
                    for wake in hint.projects.iter().filter_map(|name| self.wakes.get(name)) {
                        wake.notify_one();
                    }
                    return Ok(Taken::Accepted);
                }
                About::Recorded(event) => {
                    tracing::info!(event, "a delivery that changes nothing");
                    return Ok(Taken::Accepted);
                }
            };
            let projects = hint.projects.into_iter();
            let input = Input::Delivered {
                digest: hint.digest,
                about: projects.map(|project| (project, number)).collect(),
                remark: hint.remark,
            };
            match self.engine.send(input).await {
                Ok(Reply::Ok) => Ok(Taken::Accepted),
                Ok(Reply::Duplicate) => Ok(Taken::Duplicate),
                Ok(_) | Err(_) => Err(Unavailable),
            }
        })
    }
}

/// When a tracker is polled: regularly, and when something says that it answers otherwise now.
struct Pace {
    interval: Duration,
    wake: Arc<Notify>,
}

/// Polls a tracker: a lost webhook costs time, never work.
async fn polls(
    engine: Engine,
    project: ProjectName,
    tracker: Arc<dyn IssueTracker>,
    pace: Pace,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let name = project.clone();
        let cursor = engine
            .read(move |world| {
                world
                    .projects
                    .get(&name)
                    .map(|project| project.cursor.clone())
            })
            .await;
        let Ok(cursor) = cursor else { return };
        let cursor = cursor.unwrap_or_default();
        let outcome = poll::poll(&*tracker, &project, &cursor).await;
        let pause = poll::pause(&outcome, pace.interval, super::now());
        let taken = match outcome {
            // Nothing to remember.
            Ok(polled) if polled.hints.is_empty() && polled.cursor == cursor => {
                answered(&engine, &project).await
            }
            Ok(polled) => {
                failpoint!("poll::after_page");
                hinted(&engine, &project, polled).await
            }
            Err(trouble) => troubled(&engine, &project, &trouble).await,
        };
        if !taken {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = pace.wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// What keeps the tracker from answering is told; false where the engine has stopped.
async fn troubled(engine: &Engine, project: &ProjectName, trouble: &Trouble) -> bool {
    tracing::warn!(%project, %trouble, "a poll has to wait");
    let input = Input::TrackerAsked {
        project: project.clone(),
        trouble: Some(told(trouble)),
    };
    engine.send(input).await.is_ok()
}

/// The trouble, and until when it is waited for, where the tracker named a time.
fn told(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Later {
            what,
            until: Some(until),
        } => {
            let until = jiff::Timestamp::from_millisecond(until.0).unwrap_or_default();
            format!("{what}; asked again at {}", until.strftime("%F %T UTC"))
        }
        Trouble::Later { until: None, .. } | Trouble::Unknown { .. } | Trouble::Refused { .. } => {
            trouble.to_string()
        }
    }
}

/// The tracker answers; false where the engine has stopped.
async fn answered(engine: &Engine, project: &ProjectName) -> bool {
    let input = Input::TrackerAsked {
        project: project.clone(),
        trouble: None,
    };
    engine.send(input).await.is_ok()
}

/// The hints of a poll and its cursor are one input: the cursor never moves past what is not durable.
async fn hinted(engine: &Engine, project: &ProjectName, polled: poll::Polled) -> bool {
    let numbers = polled
        .hints
        .into_iter()
        .filter_map(|hint| match hint.about {
            About::Issue(number) | About::PullRequest(number) | About::Either(number) => {
                Some(number)
            }
            About::Ping | About::Installation | About::Recorded(_) => None,
        });
    let input = Input::Polled {
        project: project.clone(),
        numbers: numbers.collect(),
        cursor: polled.cursor,
    };
    engine.send(input).await.is_ok() && answered(engine, project).await
}
