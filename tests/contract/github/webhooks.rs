//! Deliveries over a real connection, and polling for those that got lost.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::BoxFuture;
use orchestratord::issues::poll::poll;
use orchestratord::issues::webhook::{Limits, Secrets, router, serve};
use orchestratord::issues::{About, Hint, Intake, Taken, Unavailable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{LABEL, Scene};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<Hint>>);

impl Recorder {
    fn about(&self) -> Vec<About> {
        let hints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hints.iter().map(|hint| hint.about.clone()).collect()
    }
}

impl Intake for Recorder {
    fn hint(&self, hint: Hint) -> BoxFuture<'_, Result<Taken, Unavailable>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(hint);
        Box::pin(async { Ok(Taken::Accepted) })
    }
}

struct Edge {
    address: std::net::SocketAddr,
    recorder: Arc<Recorder>,
    stop: CancellationToken,
    running: JoinSet<()>,
}

impl Edge {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let recorder = Arc::new(Recorder::default());
        let secrets = Secrets::new([("acme/app".parse()?, SECRET.into())])?;
        let router = router(secrets, recorder.clone(), Limits::default());
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(serve(listener, router, stop.clone()));
        Ok(Self {
            address,
            recorder,
            stop,
            running,
        })
    }

    fn url(&self) -> String {
        format!("http://{}/webhooks/github", self.address)
    }

    async fn end(mut self) -> Result<()> {
        self.stop.cancel();
        let ended = tokio::time::timeout(DEADLINE, self.running.join_next()).await;
        ended
            .context("the listener does not end")?
            .context("it did not run")??;
        Ok(())
    }
}

/// Waits until the forge has sent or lost this many deliveries.
async fn delivered(scene: &Scene, count: usize) -> Result<Vec<Option<u16>>> {
    let waited = tokio::time::timeout(DEADLINE, async {
        while scene.forge.deliveries().len() < count {
            tokio::task::yield_now().await;
        }
    });
    waited.await.context("the deliveries are not sent")?;
    let deliveries = scene.forge.deliveries();
    Ok(deliveries
        .into_iter()
        .map(|delivery| delivery.status)
        .collect())
}

#[tokio::test]
async fn what_happens_at_the_forge_arrives_as_hints() -> Result<()> {
    let (scene, edge) = (Scene::set().await?, Edge::start().await?);
    scene.forge.send_webhooks(Some((&edge.url(), SECRET)));
    let issue = scene.forge.create_issue_labelled("ada", "t", "b", &[LABEL]);
    scene.forge.comment("ada", issue, "hello");
    let statuses = delivered(&scene, 3).await?;
    assert_eq!(statuses, [Some(202); 3]);
    assert_eq!(edge.recorder.about(), vec![About::Issue(issue); 3]);
    edge.end().await
}

#[tokio::test]
async fn a_forger_is_turned_away_over_the_wire() -> Result<()> {
    let (scene, edge) = (Scene::set().await?, Edge::start().await?);
    scene
        .forge
        .send_webhooks(Some((&edge.url(), "a secret of somebody else's")));
    scene.forge.create_issue("eve", "t", "b");
    assert_eq!(delivered(&scene, 1).await?, [Some(401)]);
    assert!(edge.recorder.about().is_empty());
    edge.end().await
}

#[tokio::test]
async fn what_was_lost_on_the_way_is_found_by_polling() -> Result<()> {
    let scene = Scene::set().await?;
    let project = "acme/app".parse()?;
    let start = poll(&scene.github, &project, "").await?;
    let issue = scene.forge.create_issue_labelled("ada", "t", "b", &[LABEL]);
    assert_eq!(delivered(&scene, 2).await?, [None, None]);
    let found = poll(&scene.github, &project, &start.cursor).await?;
    let about: Vec<About> = found.hints.into_iter().map(|hint| hint.about).collect();
    assert_eq!(about, [About::Either(issue)]);
    Ok(())
}

#[tokio::test]
async fn a_body_announced_too_large_is_refused_and_the_connection_closed() -> Result<()> {
    let edge = Edge::start().await?;
    let mut stream = TcpStream::connect(edge.address).await?;
    let head = format!(
        "POST /webhooks/github HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         x-github-event: issues\r\nx-hub-signature-256: sha256={}\r\n\
         content-length: 27262976\r\n\r\n",
        "0".repeat(64)
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    read.context("the connection stays open")??;
    ensure!(answer.starts_with(b"HTTP/1.1 413 "));
    edge.end().await
}
