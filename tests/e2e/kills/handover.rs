//! orchestratord ends in order, and another one takes over: what works goes on working.

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Context, Result, ensure};
use cloud_code_proto::{PROTOCOL, v1};
use cloud_code_tests::cluster::{Cluster, github_project};
use cloud_code_tests::forge::{Fault, Forge};
use hyper_util::rt::TokioIo;
use nix::unistd::Pid;
use orchestratord::sessions::socket_path;
use tokio::net::UnixStream;
use tonic::transport::Endpoint;

use super::super::{PROGRAMS, projects, script};
use super::programs::{ends_well, in_the_middle, scripted};

fn agents(cluster: &Cluster) -> Vec<Pid> {
    let processes = cluster.processes().into_iter();
    let agents = processes.filter(|(_, line)| line.contains("bin/agentd"));
    agents.map(|(pid, _)| pid).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sigterm_ends_orchestratord_and_no_agent_and_the_next_start_goes_on() -> Result<()> {
    let (mut cluster, task) = in_the_middle().await?;
    let before = (agents(&cluster), scripted(&cluster));
    ensure!(cluster.terminate_orchestratord().await? == Some(0));
    ensure!((agents(&cluster), scripted(&cluster)) == before);
    cluster.restart().await?;
    ensure!((agents(&cluster), scripted(&cluster)) == before);
    let told = ends_well(&cluster, &task).await?;
    ensure!(told == ["Looking", "Waiting", "Writing"], "{told:?}");
    let executions = cluster.operator()?.task(&task).await?.executions;
    ensure!(executions.len() == 1, "{executions:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tracker_that_never_answers_holds_no_end_up() -> Result<()> {
    let forge = Forge::start("acme/app").await?;
    forge.person("ada", "write");
    let setting = projects(github_project(&forge, 1, ""));
    let mut cluster = Cluster::start(PROGRAMS, setting).await?;
    forge.out_of_order("/comments", Fault::Hang);
    let body = script("Please.", "write a.txt a\ncommit A");
    let issue = forge.create_issue_labelled("ada", "A", &body, &["cloud-code"]);
    let task = cluster.task_of(issue).await?;
    cluster
        .until("a comment on its way", || {
            let requests = forge.requests();
            let asked = |request: &String| request.ends_with("/comments");
            requests.iter().any(asked).then_some(())
        })
        .await?;
    ensure!(cluster.terminate_orchestratord().await? == Some(0));
    forge.mend();
    cluster.restart().await?;
    cluster.task_in(&task, "review").await?;
    cluster
        .until("one comment", || {
            (forge.comments(issue).len() == 1).then_some(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_orchestratord_takes_over_while_a_turn_goes_on() -> Result<()> {
    let (mut cluster, task) = in_the_middle().await?;
    let before = (agents(&cluster), scripted(&cluster));
    ensure!(cluster.terminate_orchestratord().await? == Some(0));
    // The programs of the next release stand under the same names.
    let bin = cluster.root().join("bin");
    let release = bin.join("release");
    fs::create_dir(&release)?;
    fs::copy(PROGRAMS, release.join("programs"))?;
    for name in ["orchestratord", "agentd"] {
        symlink(release.join("programs"), release.join(name))?;
        fs::rename(release.join(name), bin.join(name))?;
    }
    cluster.restart().await?;
    ensure!(
        (agents(&cluster), scripted(&cluster)) == before,
        "the turn ended"
    );
    let told = ends_well(&cluster, &task).await?;
    ensure!(told == ["Looking", "Waiting", "Writing"], "{told:?}");
    let executions = cluster.operator()?.task(&task).await?.executions;
    ensure!(executions.len() == 1, "{executions:#?}");
    Ok(())
}

/// What orchestratord says first to an agentd of this version and protocol.
async fn greeted(cluster: &Cluster, agent: &str, version: &str, protocol: u32) -> Result<Answer> {
    let path = socket_path(&cluster.state(), &agent.parse()?);
    let connector = tower::service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://orchestratord");
    let channel = endpoint.connect_with_connector(connector).await?;
    let mut session = v1::session_client::SessionClient::new(channel);
    let hello = v1::Hello {
        agentd_version: version.to_owned(),
        protocol,
        spool_id: "another".to_owned(),
        ..v1::Hello::default()
    };
    let first = v1::FromAgent {
        message: Some(v1::from_agent::Message::Hello(hello)),
    };
    let opened = session.open(tokio_stream::once(first)).await;
    let said = match opened {
        Ok(answers) => answers.into_inner().message().await,
        Err(status) => Err(status),
    };
    Ok(match said {
        Ok(first) => Answer::Welcome(Box::new(first.context("nothing")?)),
        Err(status) => Answer::Refused(status.message().to_owned()),
    })
}

enum Answer {
    Welcome(Box<v1::ToAgent>),
    Refused(String),
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agentd_of_another_version_works_or_is_told_what_to_do() -> Result<()> {
    let (cluster, _task) = in_the_middle().await?;
    let agent = "sample.backend-1";
    for protocol in [PROTOCOL - 1, PROTOCOL + 1] {
        let Answer::Refused(why) = greeted(&cluster, agent, "9.9.9", protocol).await? else {
            anyhow::bail!("protocol {protocol} is taken for {PROTOCOL}");
        };
        let said = format!("agentd 9.9.9 speaks protocol {protocol}");
        ensure!(why.contains(&said), "{why}");
        ensure!(
            why.contains("install the agentd of the same version"),
            "{why}"
        );
    }
    let Answer::Welcome(first) = greeted(&cluster, agent, "9.9.9", PROTOCOL).await? else {
        anyhow::bail!("an agentd of another version is not welcome");
    };
    let welcome = first.message.context("no message")?;
    ensure!(
        matches!(welcome, v1::to_agent::Message::Welcome(_)),
        "{welcome:?}"
    );
    Ok(())
}
