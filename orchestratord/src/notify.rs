//! OUT: the operator's `notify_command`, run with a small JSON on standard input when something
//! starts to wait for a person.

use std::process::Stdio;
use std::time::Duration;

use cloud_code_domain::credential::CredentialRequest;
use cloud_code_domain::task::{Task, waiting_sentence};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::engine::{Done, Outcome};
use crate::ports::Trouble;

/// The command has this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is said of a task that waits.
#[must_use]
pub fn task_waits(task: &Task) -> serde_json::Value {
    json!({
        "kind": "task",
        "task": task.id.to_string(),
        "project": task.project.to_string(),
        "title": task.title,
        "state": task.state.name().as_str(),
        "why": waiting_sentence(task),
    })
}

/// What is said of a credential request that waits.
#[must_use]
pub fn request_waits(request: &CredentialRequest) -> serde_json::Value {
    json!({
        "kind": "credential",
        "request": request.id.to_string(),
        "task": request.id.task.to_string(),
        "project": request.project.to_string(),
        "type": request.kind.as_str(),
        "scope": request.scope,
    })
}

/// Runs the command.
///
/// # Errors
/// [`Trouble::Refused`] where it cannot be started, fails or takes too long: notifications are a
/// courtesy, and are not repeated until they succeed.
pub async fn run(command: &[String], note: serde_json::Value) -> Result<Outcome<Done>, Trouble> {
    let Some((program, arguments)) = command.split_first() else {
        return Ok(Outcome::Done(Done::Notified));
    };
    let failed = |what: String| Trouble::Refused {
        what: format!("notify_command: {what}"),
    };
    let spawned = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let mut child = spawned.map_err(|error| failed(error.to_string()))?;
    let work = async {
        if let Some(mut stdin) = child.stdin.take() {
            // A command that does not read its input is no failure.
            let _unread = stdin.write_all(note.to_string().as_bytes()).await;
        }
        child.wait().await
    };
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(status)) if status.success() => Ok(Outcome::Done(Done::Notified)),
        Ok(Ok(status)) => Err(failed(format!("it ended with {status}"))),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!(
            "it took longer than {} s",
            PATIENCE.as_secs()
        ))),
    }
}
