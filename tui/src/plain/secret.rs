//! `cloud-code secret`. A value comes from a prompt that shows nothing, or from standard input;
//! never from an argument, which every process of the machine could read.

use std::io::{self, IsTerminal, Read, Write};

use cloud_code_proto::v1;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::{Value, json};

use super::table::table;
use super::{About, Failure, Out, json as shapes, open};
use crate::args::Secret;
use crate::link::Connection;

/// Bytes of a secret at most.
const VALUE: u64 = 64 << 10;

/// Stores, lists or removes secrets.
pub(super) async fn run(secret: &Secret, connection: &Connection, out: Out) -> Result<(), Failure> {
    let mut client = open(connection).await?;
    let refused = |status: tonic::Status| Failure::status(&status, About::Fleet);
    match secret {
        Secret::Set {
            r#type,
            scope,
            project,
        } => {
            let value = read(&format!("{type} {scope}: "))?;
            let request = v1::SetSecretRequest {
                kind: r#type.clone(),
                scope: scope.clone(),
                project: project.clone(),
                value,
            };
            client.set_secret(request).await.map_err(refused)?;
            done(out, &json!({ "stored": true }), "stored")
        }
        Secret::Ls => {
            let answer = client.list_secrets(v1::ListSecretsRequest {}).await;
            list(&answer.map_err(refused)?.into_inner().secrets, out)
        }
        Secret::Rm {
            r#type,
            scope,
            project,
        } => {
            let request = v1::RemoveSecretRequest {
                kind: r#type.clone(),
                scope: scope.clone(),
                project: project.clone(),
            };
            let answer = client.remove_secret(request).await.map_err(refused)?;
            if !answer.into_inner().removed {
                let why = "none is stored for this type, scope and project";
                return Err(Failure::new(
                    "nothing was removed",
                    why,
                    "cloud-code secret ls",
                ));
            }
            done(out, &json!({ "removed": true }), "removed")
        }
    }
}

fn done(out: Out, value: &Value, word: &str) -> Result<(), Failure> {
    if out.json {
        out.value(value)
    } else {
        out.line(word)
    }
}

fn list(secrets: &[v1::Secret], out: Out) -> Result<(), Failure> {
    if out.json {
        return out.value(&Value::Array(secrets.iter().map(shapes::secret).collect()));
    }
    if secrets.is_empty() {
        return out.line("no secrets; store one: cloud-code secret set TYPE SCOPE");
    }
    let row = |secret: &v1::Secret| {
        let project = if secret.project.is_empty() {
            "(every project)"
        } else {
            &secret.project
        };
        let updated = shapes::time(secret.updated_at_ms);
        vec![
            secret.kind.clone(),
            secret.scope.clone(),
            project.to_owned(),
            updated.as_str().unwrap_or_default().to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = secrets.iter().map(row).collect();
    for line in table(&["TYPE", "SCOPE", "PROJECT", "SET"], &rows) {
        out.line(&line)?;
    }
    Ok(())
}

fn read(prompt: &str) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| {
        Failure::new(
            "the secret cannot be read",
            error.to_string(),
            "give it on standard input",
        )
    };
    let input = io::stdin();
    let mut value = Vec::new();
    if input.is_terminal() {
        let _silent = Silent::new().map_err(failed)?;
        let mut screen = io::stderr();
        screen
            .write_all(prompt.as_bytes())
            .and_then(|()| screen.flush())
            .map_err(failed)?;
        let mut line = String::new();
        input.read_line(&mut line).map_err(failed)?;
        screen.write_all(b"\n").map_err(failed)?;
        value.extend_from_slice(line.as_bytes());
    } else {
        input
            .lock()
            .take(VALUE)
            .read_to_end(&mut value)
            .map_err(failed)?;
    }
    while value.last().is_some_and(|byte| b"\r\n".contains(byte)) {
        value.pop();
    }
    if value.is_empty() {
        return Err(Failure::misuse(
            "the secret is empty",
            "nothing was stored",
            "cloud-code secret set TYPE SCOPE < FILE",
        ));
    }
    Ok(value)
}

/// The terminal shows nothing of what is typed until this is dropped.
struct Silent(rustix::termios::Termios);

impl Silent {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // There is nothing else to try.
        let _given_back = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
