//! A coding CLI of which we know only that it speaks the Agent Client Protocol: a shell program.

use std::fs;

use anyhow::{Context, Result};
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::cluster::{PROVIDER_KEY, Setting, secret_file};

use super::{Scene, ends};

/// Answers what it is asked; `prompt ID` is a turn. Its first argument is a directory for its notes.
const PROGRAM: &str = r#"#!/usr/bin/env bash
set -eu
notes=$1
say() { printf '%s\n' "$1"; }
answer() { say "{\"jsonrpc\":\"2.0\",\"id\":$1,\"result\":$2}"; }
update() { say "{\"jsonrpc\":\"2.0\",\"method\":\"session/update\",\"params\":{\"sessionId\":\"s-1\",\"update\":$1}}"; }
message() { update "{\"sessionUpdate\":\"agent_message_chunk\",\"content\":{\"type\":\"text\",\"text\":\"$1\"}}"; }
think() {
  body='{"model":"scripted-model","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}'
  rest=${ANTHROPIC_BASE_URL#http://}
  host=${rest%%/*} path=/${rest#*/}
  exec 3<>"/dev/tcp/${host%:*}/${host#*:}"
  printf 'POST %s/v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: %s\r\nanthropic-version: 2023-06-01\r\ncontent-type: application/json\r\ncontent-length: %s\r\nconnection: close\r\n\r\n%s' \
    "$path" "$ANTHROPIC_API_KEY" "${#body}" "$body" >&3
  cat <&3 > /dev/null
}
TURN
while IFS= read -r line; do
  id=$(grep -o '"id":[0-9]*' <<< "$line" | head -n 1 | cut -d : -f 2) || true
  case $line in
    *'"method":"initialize"'*) answer "$id" '{"protocolVersion":1,"agentCapabilities":{"loadSession":true}}' ;;
    *'"method":"session/new"'*) echo new >> "$notes/sessions"; answer "$id" '{"sessionId":"s-1"}' ;;
    *'"method":"session/load"'*)
      grep -o '"sessionId":"[^"]*"' <<< "$line" >> "$notes/sessions"
      message 'What I said before.'
      answer "$id" null
      ;;
    *'"method":"session/prompt"'*) running=$id; prompt "$id" ;;
    *'"method":"session/cancel"'*) echo cancelled >> "$notes/sessions"; answer "$running" '{"stopReason":"cancelled"}' ;;
  esac
done
"#;

/// Asks before it writes, and does what it may.
const WORKS: &str = r#"prompt() {
  message 'I will '; message 'write it.'
  update '{"sessionUpdate":"plan","entries":[{"content":"Write it","priority":"high","status":"in_progress"}]}'
  tool='{"toolCallId":"t-1","title":"Write","kind":"edit","rawInput":{"path":"done.txt"}}'
  options='[{"optionId":"no","name":"No","kind":"reject_once"},{"optionId":"yes","name":"Yes","kind":"allow_once"}]'
  say "{\"jsonrpc\":\"2.0\",\"id\":\"p-1\",\"method\":\"session/request_permission\",\"params\":{\"sessionId\":\"s-1\",\"toolCall\":$tool,\"options\":$options}}"
  IFS= read -r allowed
  case $allowed in *'"optionId":"yes"'*) ;; *) exit 7 ;; esac
  think
  echo done > done.txt
  update '{"sessionUpdate":"tool_call_update","toolCallId":"t-1","status":"completed","content":[{"type":"diff","path":"done.txt","newText":"done"}]}'
  message 'It is written.'
  answer "$1" '{"stopReason":"end_turn"}'
}
"#;

/// Its first turn waits for ever; a later one works.
const WAITS_FIRST: &str = r#"prompt() {
  if [ -e "$notes/waited" ]; then
    echo done > done.txt
    answer "$1" '{"stopReason":"end_turn"}'
  else
    touch "$notes/waited"
  fi
}
"#;

/// Says whatever is wrong, never reads what it asked for, and goes.
const HOSTILE: &str = r#"prompt() {
  head -c 8000000 /dev/zero | tr '\0' x; echo
  say 'no JSON'; say '[]'; say '{"id":99,"result":{"stopReason":"end_turn"}}'; say '{"id":3,"method":7}'
  update '{"sessionUpdate":"tool_call"}'; update '"x"'
  say '{"jsonrpc":"2.0","id":1,"method":"fs/read_text_file","params":{"path":"/etc/passwd"}}'
  seq -f '{"jsonrpc":"2.0","id":%.0f,"method":"terminal/create","params":{"command":"id"}}' 1 20000
  seq -f '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s-1","update":{"sessionUpdate":"tool_call","toolCallId":"%.0f","title":"T","rawInput":{"command":"x"}}}}' 1 20000
  message 'These are my last words.'
  exit 0
}
"#;

impl Scene {
    /// With a project `foreign`, whose coding CLI takes this turn.
    async fn speaking(turn: &str) -> Result<Self> {
        let setting = Setting {
            agents: "allow_unconfined = true".into(),
            // Another workstation would know nothing of a session.
            seats: 1,
            rest: r#"
[coding_cli.foreign]
adapter = "acp"
account = "scripted"
model = "scripted-model"
command = ["bash", "{root}/foreign.sh", "{root}"]

[[projects]]
name = "foreign"
tracker = "local"
repository = "{root}/sample.git"
branch_prefix = "foreign/"
coding_cli = "foreign"
default_agent_type = "backend"
max_attempts = 2
"#
            .into(),
            ..Setting::default()
        };
        let program = PROGRAM.replace("TURN\n", turn);
        Self::with("", setting, |root| {
            secret_file(root, "foreign.sh", &program)
        })
        .await
    }

    async fn foreign(&self) -> Result<String> {
        let operator = self.0.operator()?;
        operator.new_task("foreign", "Do it", "Please.").await
    }

    /// What the program noted of its sessions.
    fn sessions(&self) -> Vec<String> {
        let notes = fs::read_to_string(self.0.root().join("sessions")).unwrap_or_default();
        notes.lines().map(str::to_owned).collect()
    }

    /// Waits until a turn of it has begun that does not end by itself.
    async fn waits(&self) -> Result<()> {
        let waited = self.0.root().join("waited");
        self.0
            .until("a turn", || waited.exists().then_some(()))
            .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_speaks_the_agent_client_protocol_is_a_coding_cli_by_configuration_alone() -> Result<()>
{
    let scene = Scene::speaking(WORKS).await?;
    let task = scene.foreign().await?;
    let detail = scene.reviewed(&task).await?;
    assert!(detail.diff.contains("+done"), "{}", detail.diff);
    let spent = detail.task.context("no task")?.cost_micro_usd;
    assert!(spent > 0, "its call was not counted");
    let calls = scene.0.model().calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].key(), PROVIDER_KEY, "the program never had it");
    let (lines, _) = scene.0.operator()?.log(&task).await?;
    for said in ["I will write it.", "Write {\"path\":\"done.txt\"}", "plan:"] {
        let is = |line: &String| line.contains(said);
        assert!(lines.iter().any(is), "{said}: {lines:#?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn its_session_goes_on_after_a_death_of_agentd_and_nothing_is_said_twice() -> Result<()> {
    let scene = Scene::speaking(WAITS_FIRST).await?;
    let task = scene.foreign().await?;
    scene.waits().await?;
    // Where it fails by itself, the next try begins anew by design.
    assert!(scene.0.kill_programs("bin/agentd") > 0);
    let detail = scene.reviewed(&task).await?;
    assert_eq!(ends(&detail).last(), Some(&"succeeded"));
    let attempts = detail.task.context("no task")?.attempts;
    assert_eq!(attempts, 1, "a death of agentd is no attempt of its");
    assert_eq!(scene.sessions(), ["new", "\"sessionId\":\"s-1\""]);
    let (lines, _) = scene.0.operator()?.log(&task).await?;
    let again = lines
        .iter()
        .any(|line| line.contains("What I said before."));
    assert!(!again, "the conversation that is told again is in the log");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn its_turn_is_cancelled_in_the_protocol() -> Result<()> {
    let scene = Scene::speaking(WAITS_FIRST).await?;
    let task = scene.foreign().await?;
    scene.waits().await?;
    scene.act(Action::Cancel(task.clone())).await?;
    scene.0.task_in(&task, "cancelled").await?;
    let cancelled = || (scene.sessions() == ["new", "cancelled"]).then_some(());
    scene.0.until("session/cancel", cancelled).await?;
    let gone = || {
        let processes = scene.0.processes();
        let left = processes
            .iter()
            .any(|(_, line)| line.contains("foreign.sh"));
        (!left).then_some(())
    };
    scene.0.until("its end", gone).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_one_ends_its_own_turn_and_nothing_else() -> Result<()> {
    let scene = Scene::speaking(HOSTILE).await?;
    let task = scene.foreign().await?;
    let failed = scene.0.task_in(&task, "failed").await?;
    assert!(failed.last_error.contains("last words"), "{failed:#?}");
    let detail = scene.0.operator()?.task(&task).await?;
    assert_eq!(
        ends(&detail),
        ["failed", "failed"],
        "status 0 is no success"
    );
    let (lines, _) = scene.0.operator()?.log(&task).await?;
    assert!(lines.iter().any(|line| line.contains("xxx [cut]")));
    assert!(lines.iter().all(|line| !line.contains("root:x:0")));
    // Nobody else is disturbed.
    let next = scene.task("write a.txt 1\ncommit A").await?;
    scene.reviewed(&next).await?;
    Ok(())
}
