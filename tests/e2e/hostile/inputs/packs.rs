//! Packs that no git would make: H25 and H27, from a stand-in for agentd at an agent's own socket.
//!
//! ```text
//!  Hello ─▶ Assign ─▶ Started, Ended{head} ─▶ RequestResult ─▶ (orchestratord is killed, Hello) ─▶ the pack
//! ```

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use cloud_code_domain::id::AgentId;
use cloud_code_proto::v1::from_agent::Message as Up;
use cloud_code_proto::v1::record::Body;
use cloud_code_proto::v1::to_agent::Message as Down;
use cloud_code_proto::{PROTOCOL, v1};
use cloud_code_tests::cluster::{Cluster, PATIENCE, asked_until, github_project};
use cloud_code_tests::forge::Forge;
use cloud_code_tests::sample;
use hyper_util::rt::TokioIo;
use orchestratord::sessions::socket_path;
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Endpoint;

use super::super::super::{PROGRAMS, projects};
use super::{Scene, outlives_kills};

/// Whose agentd is ours.
const AGENT: &str = "acme-app.backend-2";
/// Bytes of a piece of a pack.
const PIECE: usize = 64 << 10;
/// What another task's branch has, and the hostile agent was never given.
const PRIVATE: &str = "the private plan";

/// In place of one agent's agentd there is a program that does nothing.
fn stand_aside(root: &Path) -> Result<()> {
    let (bin, agent) = (root.join("bin"), AGENT.parse::<AgentId>()?);
    let real = bin.join("agentd.real");
    fs::create_dir(&real)?;
    fs::rename(bin.join("agentd"), real.join("agentd"))?;
    let socket = socket_path(&root.join("state"), &agent);
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *{}*) exec sleep 1000000 ;; esac\nexec {}/agentd \"$@\"\n",
        socket.display(),
        real.display(),
    );
    fs::write(bin.join("agentd"), script)?;
    fs::set_permissions(bin.join("agentd"), fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// A link of the agent.
struct Hostile {
    outbound: mpsc::Sender<v1::FromAgent>,
    inbound: Streaming<v1::ToAgent>,
    /// Records that are committed.
    seq: u64,
}

impl Hostile {
    /// `holds`: the task that it has a worktree of.
    async fn connect(cluster: &Cluster, holds: Option<&str>) -> Result<Self> {
        asked_until("the agent's socket answers", async || {
            Ok(Self::open(cluster, holds).await.ok())
        })
        .await
    }

    async fn open(cluster: &Cluster, holds: Option<&str>) -> Result<Self> {
        let socket = socket_path(&cluster.state(), &AGENT.parse()?);
        let channel = Endpoint::from_static("http://local")
            .connect_with_connector(tower::service_fn(move |_| {
                let socket = socket.clone();
                async move { UnixStream::connect(socket).await.map(TokioIo::new) }
            }))
            .await?;
        let (outbound, messages) = mpsc::channel(16);
        let mut client = v1::session_client::SessionClient::new(channel);
        let hello = v1::Hello {
            agentd_version: env!("CARGO_PKG_VERSION").into(),
            protocol: PROTOCOL,
            spool_id: "hostile".into(),
            worktrees: holds.map(str::to_owned).into_iter().collect(),
            ..v1::Hello::default()
        };
        say(&outbound, Up::Hello(hello)).await?;
        let answer = client.open(ReceiverStream::new(messages)).await?;
        let mut inbound = answer.into_inner();
        let first = inbound.message().await?.and_then(|first| first.message);
        let Some(Down::Welcome(welcome)) = first else {
            bail!("no welcome came");
        };
        Ok(Self {
            outbound,
            inbound,
            seq: welcome.resume_after,
        })
    }

    /// The next order that this understands.
    async fn ordered<T>(&mut self, what: &str, wanted: impl Fn(Down) -> Option<T>) -> Result<T> {
        let next = async {
            loop {
                let message = self.inbound.message().await?.context("the link ended")?;
                if let Some(found) = message.message.and_then(&wanted) {
                    return anyhow::Ok(found);
                }
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, next).await;
        in_time.with_context(|| format!("no {what} came"))?
    }

    async fn assigned(&mut self) -> Result<v1::Assign> {
        self.ordered("assignment", |order| {
            let Down::Assign(assign) = order else {
                return None;
            };
            Some(assign)
        })
        .await
    }

    async fn asked_for_its_result(&mut self) -> Result<v1::RequestResult> {
        self.ordered("request for a result", |order| {
            let Down::RequestResult(request) = order else {
                return None;
            };
            Some(request)
        })
        .await
    }

    /// Claims that it worked, and that this is what came of it.
    async fn succeeds(&mut self, execution: &str, head: &str) -> Result<()> {
        let ended = v1::Ended {
            kind: v1::EndKind::Succeeded.into(),
            head: head.to_owned(),
            last_words: "Done.".into(),
            ..v1::Ended::default()
        };
        for body in [Body::Started(v1::Started::default()), Body::Ended(ended)] {
            self.seq += 1;
            let record = v1::Record {
                seq: self.seq,
                execution: execution.to_owned(),
                body: Some(body),
            };
            say(&self.outbound, Up::Record(record)).await?;
        }
        Ok(())
    }

    async fn sends(&self, request: &v1::RequestResult, pack: &[u8]) -> Result<()> {
        let pieces = pack.chunks(PIECE).count();
        for (number, piece) in pack.chunks(PIECE).enumerate() {
            let chunk = v1::PackChunk {
                execution: request.execution.clone(),
                data: piece.to_vec(),
                last: number + 1 == pieces,
                ask: request.ask,
            };
            say(&self.outbound, Up::Result(chunk)).await?;
        }
        Ok(())
    }
}

async fn say(outbound: &mpsc::Sender<v1::FromAgent>, message: Up) -> Result<()> {
    let message = v1::FromAgent {
        message: Some(message),
    };
    outbound.send(message).await.context("the link ended")
}

/// Objects as they are, however wrong.
struct Forger {
    folder: PathBuf,
    objects: Vec<String>,
}

impl Forger {
    fn begin(folder: PathBuf) -> Result<Self> {
        fs::create_dir(&folder)?;
        sample::git(&folder, &["init", "--quiet"])?;
        Ok(Self {
            folder,
            objects: Vec::new(),
        })
    }

    /// An object of the pack.
    fn object(&mut self, kind: &str, data: &[u8]) -> Result<String> {
        fs::write(self.folder.join("object"), data)?;
        let make = ["hash-object", "-t", kind, "--literally", "-w", "object"];
        let id = sample::git(&self.folder, &make)?;
        self.objects.push(id.clone());
        Ok(id)
    }

    fn tree(&mut self, entries: &[(&str, String, &str)]) -> Result<String> {
        let mut data = Vec::new();
        for (mode, name, id) in entries {
            data.extend(format!("{mode} {name}\0").into_bytes());
            data.extend(hex::decode(id)?);
        }
        self.object("tree", &data)
    }

    fn commit(&mut self, tree: &str, parent: &str) -> Result<String> {
        let who = "Somebody <some@body> 1700000100 +0000";
        let text = format!("tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nWork\n");
        self.object("commit", text.as_bytes())
    }

    async fn pack(&self) -> Result<Vec<u8>> {
        let list = self.folder.join("objects");
        fs::write(&list, self.objects.join("\n") + "\n")?;
        let packed = Command::new("git")
            .args(["pack-objects", "--stdout", "--quiet"])
            .current_dir(&self.folder)
            .stdin(Stdio::from(fs::File::open(list)?))
            .output()
            .await?;
        ensure!(packed.status.success(), "git pack-objects failed");
        Ok(packed.stdout)
    }

    /// H25: ten trees of ten entries each, one in the other.
    fn bomb(&mut self, base: &str) -> Result<String> {
        let mut inner = self.object("blob", b"x")?;
        for level in 0..10 {
            let mode = if level == 0 { "100644" } else { "40000" };
            let entries: Vec<(&str, String, &str)> = (0..10)
                .map(|name| (mode, name.to_string(), inner.as_str()))
                .collect();
            inner = self.tree(&entries)?;
        }
        self.commit(&inner, base)
    }

    /// H27: a tree that names what somebody else's branch has.
    fn theft(&mut self, base: &str, stolen: &str) -> Result<String> {
        let tree = self.tree(&[("100644", "stolen".to_owned(), stolen)])?;
        self.commit(&tree, base)
    }
}

impl Scene {
    /// One agent is honest, the other one is [`Hostile`].
    async fn with_a_stand_in() -> Result<Self> {
        let forge = Forge::start("acme/app").await?;
        forge.person("ada", "write");
        let setting = projects(github_project(&forge, 3_600, ""));
        let cluster = Cluster::prepared(PROGRAMS, setting, stand_aside).await?;
        Self::of(forge, cluster)
    }

    /// A file of a branch that another task has published.
    async fn private_file(&self) -> Result<String> {
        let steps = format!("write private.txt {PRIVATE}\ncommit A plan");
        let (_, task) = self.task("The plan", "Please.", &steps).await?;
        self.cluster.task_in(&task, "review").await?;
        let pulls = self.forge.pull_requests();
        let branch = &pulls.first().context("no pull request")?.branch;
        let file = format!("{branch}:private.txt");
        let blob = self.forge.git(&["rev-parse", &file]).await?;
        Ok(blob.trim().to_owned())
    }

    /// Plays one input: orchestratord is killed when it has asked for the pack, and asks again.
    async fn plays(
        &mut self,
        name: &str,
        forge: impl FnOnce(&mut Forger, &str) -> Result<String>,
    ) -> Result<String> {
        let mut hostile = Hostile::connect(&self.cluster, None).await?;
        let (_, task) = self.task(name, "Please.", "say nothing").await?;
        let assigned = hostile.assigned().await?;
        ensure!(assigned.task == task, "another task came");
        let mut forger = Forger::begin(self.folder.join(name))?;
        let head = forge(&mut forger, &assigned.base)?;
        hostile.succeeds(&assigned.execution, &head).await?;
        hostile.asked_for_its_result().await?;
        self.cluster.restart().await?;
        let mut hostile = Hostile::connect(&self.cluster, Some(&task)).await?;
        let request = hostile.asked_for_its_result().await?;
        hostile.sends(&request, &forger.pack().await?).await?;
        self.cluster.task_blocked(&task, "publish_rejected").await?;
        self.is_nowhere(&head)?;
        Ok(task)
    }

    /// Neither in the mirror nor in what came from agents.
    fn is_nowhere(&self, head: &str) -> Result<()> {
        let state = self.cluster.state();
        let mirrors = fs::read_dir(state.join("mirrors"))?;
        for mirror in mirrors.flatten() {
            let kept = sample::git(&mirror.path(), &["cat-file", "-e", head]);
            ensure!(kept.is_err(), "{} has it", mirror.path().display());
        }
        let left = fs::read_dir(state.join("quarantine"))?.count();
        ensure!(left == 0, "{left} quarantines were left behind");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_that_no_git_would_make_stop_nothing_live_or_after_a_kill() -> Result<()> {
    let mut scene = Scene::with_a_stand_in().await?;
    let blob = scene.private_file().await?;
    let neighbour = scene.neighbour().await?;

    let bomb = scene.plays("H25", Forger::bomb).await?;
    let theft = scene
        .plays("H27", |forger, base| forger.theft(base, &blob))
        .await?;
    for (task, word) in [(&bomb, "too_many_paths"), (&theft, "closure_violation")] {
        let findings = scene.cluster.operator()?.task(task).await?.findings;
        ensure!(findings.join("\n").contains(word), "{findings:?}");
    }

    outlives_kills(&mut scene.cluster, &scene.folder, 4, &neighbour).await?;
    let pulls = scene.forge.pull_requests();
    ensure!(pulls.len() == 2, "of the honest tasks alone: {pulls:?}");
    Ok(())
}
