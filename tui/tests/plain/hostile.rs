//! A daemon that is an enemy, under every subcommand: whatever it answers to whatever call, a terminal
//! is sent letters and line breaks.

use std::convert::Infallible;
use std::path::Path;
use std::task::{Context, Poll};

use cloud_code_proto::v1;
use prost_reflect::prost::Message;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;

use crate::host::{Said, run};
use crate::hostile::{self, Poison, Strict};
use crate::synthetic;

/// What is poisoned, and whether calls are refused, with a poisoned reason.
#[derive(Clone)]
struct Enemy {
    fields: Vec<String>,
    refuses: bool,
}

impl Enemy {
    /// The answer to a call, made from what an honest daemon says, or from nothing where this test
    /// knows of no honest answer: a call that is new is answered all the same.
    fn answer(&self, call: &str) -> Vec<u8> {
        let text = hostile::text();
        let which = |field: &str| self.fields.iter().any(|one| one == field);
        let poison = Poison {
            which: &which,
            text: &text,
        };
        let now = synthetic::NOW;
        let honest = synthetic::snapshot(now);
        match call {
            "Watch" => {
                let snapshot = v1::watch_response::Message::Snapshot(honest);
                let message = Some(snapshot);
                let watch = v1::WatchResponse { message };
                poison.message("WatchResponse", &watch).encode_to_vec()
            }
            "ListTasks" => {
                let (tasks, total) = (honest.tasks, 14);
                let list = v1::ListTasksResponse { tasks, total };
                poison.message("ListTasksResponse", &list).encode_to_vec()
            }
            "GetTask" => {
                let detail = synthetic::detail("s6y9v7mn", now).expect("known");
                poison.message("TaskDetail", &detail).encode_to_vec()
            }
            "Costs" => {
                let rows = synthetic::costs();
                let costs = v1::CostsResponse { rows };
                poison.message("CostsResponse", &costs).encode_to_vec()
            }
            call => {
                let name = "cloudcode.v1.Operator";
                let service = hostile::CONTRACT
                    .get_service_by_name(name)
                    .expect("the service");
                let method = service.methods().find(|method| method.name() == call);
                poison.of_nothing(method.expect("a call of the contract").output())
            }
        }
    }

    fn respond(&self, call: &str) -> http::Response<Body> {
        let response = http::Response::builder().header("content-type", "application/grpc");
        if self.refuses {
            let status = tonic::Status::failed_precondition(hostile::text());
            return status.into_http();
        }
        let answer = self.answer(call);
        let mut frame = vec![0];
        let length = u32::try_from(answer.len()).expect("small");
        frame.extend(length.to_be_bytes());
        frame.extend(answer);
        let trailers = http::HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            http::HeaderValue::from_static("0"),
        )]);
        let body = http_body_util::Full::new(tonic::codegen::Bytes::from(frame));
        let body = http_body_util::BodyExt::with_trailers(body, async { Some(Ok(trailers)) });
        response.body(Body::new(body)).expect("a response")
    }

    fn serve(self, path: &Path) -> JoinHandle<()> {
        let listener = UnixListener::bind(path).expect("a socket");
        tokio::spawn(async move {
            tonic::transport::Server::builder()
                .add_service(self)
                .serve_with_incoming(UnixListenerStream::new(listener))
                .await
                .expect("a server");
        })
    }
}

impl tonic::server::NamedService for Enemy {
    const NAME: &'static str = "cloudcode.v1.Operator";
}

impl tower::Service<http::Request<Body>> for Enemy {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let call = path.rsplit('/').next().unwrap_or_default();
        std::future::ready(Ok(self.respond(call)))
    }
}

/// Every subcommand that asks a daemon. `secret set` reads its value from standard input.
#[rustfmt::skip] // a table
const LINES: [&[&str]; 26] = [
    &["tasks"], &["task", "show", "s6y9v7mn"], &["task", "show", "s6y9v7mn", "--all-events"],
    &["task", "new", "A title"], &["task", "accept", "x"], &["task", "reject", "x"],
    &["task", "retry", "x"], &["task", "cancel", "x"], &["task", "reassign", "x"],
    &["task", "priority", "x", "1"], &["task", "steer", "x", "word"], &["task", "pass", "x"],
    &["agents"], &["accounts"], &["approvals"], &["approve", "x"], &["deny", "x"],
    &["grant", "x", "1"], &["halt"], &["resume"], &["logs", "x"], &["events"], &["costs"],
    &["costs", "--by", "model"], &["secret", "ls"], &["metrics"],
];

/// Those besides, which wait for an event, or are two things at once.
const MORE: [&[&str]; 3] = [
    &["doctor"],
    &["secret", "set", "npm_token", "read"],
    &["secret", "rm", "npm_token", "read"],
];

/// A terminal that takes everything would prove nothing.
#[test]
fn the_terminal_that_looks_takes_none_of_the_texts() {
    for family in hostile::FAMILIES {
        let mut terminal = Strict::lines();
        terminal.take(format!("a{family}b").as_bytes());
        let only_breaks =
            !family.contains(|c: char| c != '\n' && !c.is_ascii_lowercase() && c != ' ');
        assert_ne!(terminal.wrong().is_some(), only_breaks, "{family:?}");
    }
    for (attributes, taken) in [
        ("38;2;8;9;5", true),
        ("1;38;5;8", true),
        ("31;8", false),
        ("9", false),
    ] {
        let mut terminal = Strict::default();
        terminal.take(format!("\x1b[{attributes}m").as_bytes());
        assert_eq!(terminal.wrong().is_none(), taken, "{attributes}");
    }
}

async fn check(folder: &Path, line: &[&str], about: &str) -> Said {
    let socket = folder.join("o.sock");
    let mut all = vec!["--socket", socket.to_str().expect("a path")];
    all.extend(line);
    let said = run(&all, "value\n").await;
    for text in [&said.out, &said.err] {
        let mut terminal = Strict::lines();
        terminal.take(text.as_bytes());
        assert_eq!(terminal.wrong(), None, "{line:?}, {about}: {text:.400?}");
    }
    said
}

fn all_fields() -> Vec<String> {
    hostile::fields().into_iter().collect()
}

#[tokio::test]
async fn whatever_a_daemon_answers_a_subcommand_writes_only_letters_and_lines() {
    for refuses in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let enemy = Enemy {
            fields: all_fields(),
            refuses,
        };
        let server = enemy.serve(&folder.path().join("o.sock"));
        for line in LINES.iter().chain(&MORE) {
            let about = format!("refused: {refuses}");
            let said = check(folder.path(), line, &about).await;
            let nothing = said.out.is_empty() && said.err.is_empty();
            assert!(!nothing, "{line:?} says nothing");
            let json: Vec<&str> = line.iter().copied().chain(["--json"]).collect();
            check(folder.path(), &json, &about).await;
        }
        server.abort();
    }
}

/// With everything poisoned at once no state is a known one: here the rest is as it should be.
#[tokio::test]
async fn a_single_poisoned_message_is_harmless_too() {
    let mut messages: Vec<String> = all_fields();
    let message = |field: &String| {
        let parent = field.rsplit_once('.').map(|(message, _)| message);
        parent.unwrap_or_default().to_owned()
    };
    messages = messages.iter().map(message).collect();
    messages.dedup();
    for name in messages {
        let of = |field: &String| message(field) == name;
        let fields = all_fields().into_iter().filter(of).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let refuses = false;
        let server = Enemy { fields, refuses }.serve(&folder.path().join("o.sock"));
        for line in LINES.iter().filter(|line| is_a_look(line)) {
            check(folder.path(), line, &name).await;
        }
        server.abort();
    }
}

/// Subcommands that show something; what changes something answers in one sentence.
fn is_a_look(line: &[&str]) -> bool {
    let looks = [
        "tasks",
        "agents",
        "accounts",
        "approvals",
        "logs",
        "events",
        "costs",
    ];
    looks.contains(&line[0]) || line.contains(&"show")
}
