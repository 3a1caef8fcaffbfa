//! A server that is like GitHub in what matters, and unlike it wherever it can be: it knows no
//! GraphQL, no pages, no dependencies, leaves out what may be left out, and answers edits with nothing.

use anyhow::{Context, Result};
use cloud_code_domain::issue::{Permission, PullRequestState};
use orchestratord::config::GithubAuthorisation;
use orchestratord::connectors::github::{Github, MarkerKey};
use orchestratord::ports::{CodeHost, IssueTracker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::pulls::new_pull_request;
use super::{connect, is_later, trouble};

/// What is answered to a method and a path: a status with its headers, and a body.
type Answers = fn(&str, &str) -> (&'static str, String);

/// A server with these answers, and a project connected to it.
struct Unlike {
    github: Github,
    _running: JoinSet<()>,
}

impl Unlike {
    async fn answering(answers: Answers) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}/api", listener.local_addr()?);
        let mut running = JoinSet::new();
        running.spawn(async move {
            while let Ok((stream, _from)) = listener.accept().await {
                // A caller that goes away is no matter.
                let _served = answer(stream, answers).await;
            }
        });
        let key = std::sync::Arc::new(MarkerKey::new([7; 32]));
        let token = GithubAuthorisation::Token("x".into());
        Ok(Self {
            github: connect(&address, "/nowhere", token, &key)?,
            _running: running,
        })
    }
}

async fn answer(mut stream: TcpStream, answers: Answers) -> Result<()> {
    let mut read = Vec::new();
    while !is_whole(&read) {
        let mut part = [0; 4_096];
        let count = stream.read(&mut part).await?;
        anyhow::ensure!(count > 0, "cut off");
        read.extend_from_slice(&part[..count]);
    }
    let text = String::from_utf8_lossy(&read).into_owned();
    let mut words = text.split(' ');
    let (method, path) = (words.next().context("no method")?, words.next());
    let (head, body) = answers(method, path.context("no path")?);
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await?;
    Ok(stream.shutdown().await?)
}

/// Whether a request has come in with its body.
fn is_whole(read: &[u8]) -> bool {
    let text = String::from_utf8_lossy(read);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    body.len() >= length.unwrap_or(0)
}

fn below(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

const BARE_ISSUE: &str = r#"{"number":1,"title":"t","state":"open","labels":["cloud-code"],
    "created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:09Z"}"#;
const LABELLED: &str = r#"[{"event":"labeled","label":{"name":"cloud-code"},
    "actor":{"login":"ada","id":5},"created_at":"2026-01-01T00:00:09Z"},
    {"event":"committed"}]"#;

#[tokio::test]
async fn an_issue_is_read_without_whatever_may_be_missing() -> Result<()> {
    fn answers(_method: &str, path: &str) -> (&'static str, String) {
        match below(path) {
            "/api/repos/acme/app/issues/1" => ("200 OK", BARE_ISSUE.to_owned()),
            "/api/repos/acme/app/issues/1/timeline" => ("200 OK", LABELLED.to_owned()),
            "/api/repos/acme/app/collaborators/ada/permission" => {
                ("200 OK", r#"{"permission":"write"}"#.to_owned())
            }
            "/api/users/ada" => ("200 OK", r#"{"login":"ada","id":5}"#.to_owned()),
            _other => ("404 Not Found", "nothing here".to_owned()),
        }
    }
    let server = Unlike::answering(answers).await?;
    let issue = server.github.issue(1).await?.context("no issue")?;
    let trigger = issue.trigger.context("no trigger")?;
    let actor = trigger.actor.context("nobody")?;
    assert_eq!((actor.id, actor.permission), (5, Permission::Write));
    assert!(actor.may_instruct());
    // It did not change after the label was set, so nobody edited it since.
    assert_eq!((issue.edited_at, issue.blocked_by.len()), (None, 0));
    Ok(())
}

#[tokio::test]
async fn without_graphql_a_change_after_the_label_counts_as_an_edit() -> Result<()> {
    fn answers(_method: &str, path: &str) -> (&'static str, String) {
        match below(path) {
            "/api/repos/acme/app/issues/1" => {
                ("200 OK", BARE_ISSUE.replace("00:00:09", "00:01:00"))
            }
            "/api/repos/acme/app/issues/1/events" => ("200 OK", LABELLED.to_owned()),
            "/api/repos/acme/app/collaborators/ada/permission" => (
                "200 OK",
                r#"{"permission":"admin","user":{"login":"ada","id":5}}"#.to_owned(),
            ),
            _other => ("404 Not Found", String::new()),
        }
    }
    let server = Unlike::answering(answers).await?;
    let issue = server.github.issue(1).await?.context("no issue")?;
    let set = issue.trigger.context("no trigger")?.at;
    assert!(issue.edited_at.context("no edit")? > set);
    Ok(())
}

#[tokio::test]
async fn an_edit_is_done_whatever_its_answer_holds() -> Result<()> {
    for head in ["204 No Content", "200 OK"] {
        let answers: Answers = match head {
            "200 OK" => |_, _| ("200 OK", "{\"id\":".to_owned()),
            _none => |_, _| ("204 No Content", String::new()),
        };
        let server = Unlike::answering(answers).await?;
        server.github.edit_comment(1, "x").await?;
        let new = new_pull_request("cloud-code/1");
        server.github.edit_pull_request(1, &new).await?;
        server.github.close(1).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_moved_is_read_where_it_is_and_written_nowhere() -> Result<()> {
    fn answers(_method: &str, path: &str) -> (&'static str, String) {
        match below(path) {
            "/api/repositories/7/pulls/1" => (
                "200 OK",
                r#"{"number":1,"state":"open","head":{"ref":"cloud-code/1"}}"#.to_owned(),
            ),
            "/api/repos/acme/app/pulls/1" => (
                "301 Moved Permanently\r\nlocation: /api/repositories/7/pulls/1",
                r#"{"message":"Moved Permanently"}"#.to_owned(),
            ),
            _other => (
                "301 Moved Permanently\r\nlocation: /api/repositories/7/other",
                String::new(),
            ),
        }
    }
    let server = Unlike::answering(answers).await?;
    let pull = server.github.pull_request(1).await?.context("none")?;
    assert_eq!(pull.state, PullRequestState::Open);
    let waits = trouble(server.github.create_comment(1, "x").await)?;
    assert!(is_later(&waits), "{waits:?}");
    assert!(waits.to_string().contains("its new name"), "{waits}");
    Ok(())
}

#[tokio::test]
async fn a_list_without_pages_is_read_once_and_whole() -> Result<()> {
    fn answers(_method: &str, _path: &str) -> (&'static str, String) {
        let comment = |id: u64| format!(r#"{{"id":{id},"body":"<!-- mark -->\n{id}"}}"#);
        let all: Vec<String> = (10..160).map(comment).collect();
        ("200 OK", format!("[{}]", all.join(",")))
    }
    let server = Unlike::answering(answers).await?;
    let found = server.github.find_comment(1, "<!-- mark -->").await?;
    assert_eq!(found, Some(10));
    Ok(())
}

#[tokio::test]
async fn of_a_branchs_pull_requests_the_open_one_counts_and_none_of_a_deleted_fork() -> Result<()> {
    fn answers(_method: &str, _path: &str) -> (&'static str, String) {
        let pull = |number: u64, state: &str, owner: &str| {
            format!(
                r#"{{"number":{number},"state":"{state}","head":{{"ref":"cloud-code/1",
                "repo":null,"user":{{"login":"{owner}"}}}}}}"#
            )
        };
        let all = [
            pull(3, "open", "acme"),
            pull(4, "closed", "acme"),
            pull(5, "open", "mallory"),
        ];
        ("200 OK", format!("[{}]", all.join(",")))
    }
    let server = Unlike::answering(answers).await?;
    let found = server.github.find_pull_request("cloud-code/1").await?;
    assert_eq!(found.context("none")?.number, 3);
    Ok(())
}

#[tokio::test]
async fn a_limit_is_one_in_whatever_words_and_type_it_is_told() -> Result<()> {
    for words in [
        "API rate limit exceeded",
        "<html>You have exceeded a secondary rate limit</html>",
        r#"{"message":"You have triggered an abuse detection mechanism"#,
    ] {
        let answers: Answers = match words.as_bytes()[0] {
            b'A' => |_, _| ("403 Forbidden", "API rate limit exceeded".to_owned()),
            b'<' => |_, _| {
                let page = "<html>You have exceeded a secondary rate limit</html>";
                ("403 Forbidden", page.to_owned())
            },
            _cut => |_, _| {
                let cut = r#"{"message":"You have triggered an abuse detection mechanism"#;
                ("403 Forbidden", cut.to_owned())
            },
        };
        let server = Unlike::answering(answers).await?;
        let limited = trouble(server.github.create_comment(1, "x").await)?;
        assert!(is_later(&limited), "{words}: {limited:?}");
    }
    Ok(())
}
