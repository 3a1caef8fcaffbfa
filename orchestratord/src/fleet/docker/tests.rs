use cloud_code_domain::agent::AgentType;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::*;

const VERSION: &str = r#"{"Version":"20.10.24","ApiVersion":"1.41"}"#;

/// An engine that answers what it is asked by the beginning of the path, and hangs at everything
/// else.
struct Engines {
    dir: tempfile::TempDir,
    tasks: tokio::task::JoinSet<()>,
}

impl Engines {
    fn new(answers: &'static [(&'static str, u16, &'static str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("docker.sock")).unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 64 << 10];
                let length = stream.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let hit = answers.iter().find(|(part, _, _)| path.contains(part));
                if let Some((_, status, body)) = hit {
                    let length = body.len();
                    let text = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
                    let _written = stream.write_all(text.as_bytes()).await;
                } else {
                    open.push(stream);
                }
            }
        });
        Self { dir, tasks }
    }

    fn runtime(&self) -> DockerRuntime {
        assert!(!self.tasks.is_empty());
        let host = format!("unix://{}/docker.sock", self.dir.path().display());
        let short = Duration::from_millis(200);
        DockerRuntime::new(Engine::at(Some(host)).with_deadlines(short, short), "c1")
    }
}

fn spec() -> WorkstationSpec {
    WorkstationSpec {
        agent: "app.backend-1".parse().unwrap(),
        project: "app".parse().unwrap(),
        agent_type: AgentType::Backend,
        image: "image".to_owned(),
        memory: 1,
        cpu_millis: 1,
        agentd: "/nowhere".into(),
        socket_dir: "/nowhere".into(),
        ca_bundle: None,
        isolated: false,
    }
}

#[tokio::test]
async fn a_hung_engine_is_told_as_one_and_not_waited_for() {
    let engines = Engines::new(&[]);
    let runtime = engines.runtime();
    let answer = runtime.observe(&[]).await;
    assert!(matches!(&answer, Err(Trouble::Later { what, .. }) if what.contains("said nothing")));
}

#[tokio::test]
async fn an_engine_that_hangs_in_a_change_leaves_its_outcome_unknown() {
    let engines = Engines::new(&[
        ("/version", 200, VERSION),
        ("/json", 404, r#"{"message":"No such container"}"#),
        ("/volumes/cc", 404, r#"{"message":"no such volume"}"#),
    ]);
    let answer = engines.runtime().start(&spec()).await;
    assert!(
        matches!(&answer, Err(Trouble::Unknown { what }) if what.contains("create a volume")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_missing_image_is_refused_with_the_way_to_build_it() {
    let engines = Engines::new(&[
        ("/version", 200, VERSION),
        ("/json", 404, r#"{"message":"No such container"}"#),
        (
            "/volumes/create",
            201,
            r#"{"Name":"v","Driver":"local","Mountpoint":"/v","Labels":{},"Scope":"local","Options":{}}"#,
        ),
        ("/volumes/cc", 404, r#"{"message":"no such volume"}"#),
        (
            "/containers/create",
            404,
            r#"{"message":"No such image: image"}"#,
        ),
    ]);
    let answer = engines.runtime().start(&spec()).await;
    assert!(
        matches!(&answer, Err(Trouble::Refused { what }) if what.contains("dockerfiles/build.sh")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_foreign_container_of_our_name_is_refused_and_not_touched() {
    // Anything but looking at it would hang, and be told as unknown.
    let engines = Engines::new(&[
        ("/version", 200, VERSION),
        (
            "/containers/cc-c1-app.backend-1/json",
            200,
            r#"{"Id":"f","Config":{"Labels":{"cc.managed":"c2","cc.agent":"app.backend-1"}},"State":{"Running":true}}"#,
        ),
    ]);
    let runtime = engines.runtime();
    let spec = spec();
    for answer in [
        runtime.start(&spec).await,
        runtime.remove(&spec.agent).await,
        runtime.purge(&spec.agent).await,
    ] {
        assert!(
            matches!(&answer, Err(Trouble::Refused { what }) if what.contains("cc-c1-app.backend-1")),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn an_engine_that_is_down_may_be_up_later() {
    let dir = tempfile::tempdir().unwrap();
    let host = format!("unix://{}/none.sock", dir.path().display());
    let runtime = DockerRuntime::new(Engine::at(Some(host)), "c1");
    let answer = runtime.observe(&[]).await;
    assert!(matches!(answer, Err(Trouble::Later { .. })), "{answer:?}");
    // And the same object finds it when it is.
    let listener = UnixListener::bind(dir.path().join("none.sock")).unwrap();
    let serve = async {
        for body in [VERSION, "[]"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4_096];
            let read = stream.read(&mut request).await.unwrap();
            assert!(read > 0);
            let text = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    };
    let (answer, ()) = tokio::join!(runtime.observe(&[]), serve);
    assert_eq!(answer, Ok(Vec::new()));
}
