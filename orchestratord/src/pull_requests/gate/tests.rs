//! The gate against real git: honest results, and everything that is known to be tried.

mod bombs;
mod honest;
mod large;
mod objects;

use std::io::Write as _;

use cloud_code_domain::id::{Oid, TaskId};
use cloud_code_domain::passed::PassedChanges;
use cloud_code_domain::time::Timestamp;
use secrecy::SecretString;

use super::{Accepted, Gate, GateError, GateInput};
use crate::config::{GateLimits, GitConfig};
use crate::mirrors::testing::{Sandbox, Work, git};
use crate::pull_requests::finding::{Finding, Rule};

/// A project with a result to check, and what the check is told.
struct Case {
    sandbox: Sandbox,
    gate: Gate,
    agent: Work,
    base: Oid,
    published: Option<Oid>,
    limits: GateLimits,
    protected_paths: Vec<String>,
    secrets: Vec<SecretString>,
    passed: bool,
    passed_before: PassedChanges,
}

impl Case {
    async fn new() -> Self {
        let sandbox = Sandbox::new().await;
        let agent = sandbox.agent("agent", &sandbox.base).await;
        Self {
            gate: Gate::new(&sandbox.root.path().join("state")),
            agent,
            base: sandbox.base.clone(),
            sandbox,
            published: None,
            limits: GateLimits::default(),
            protected_paths: Vec::new(),
            secrets: Vec::new(),
            passed: false,
            passed_before: PassedChanges::default(),
        }
    }

    async fn check(&self, head: &Oid, pack: &[u8]) -> Result<Accepted, GateError> {
        let identity = GitConfig {
            name: "Cloud Code".into(),
            email: "bot@example.org".into(),
        };
        let task: TaskId = "k3f9x2ab".parse().unwrap();
        let input = GateInput {
            mirror: &self.sandbox.mirror,
            limits: &self.limits,
            protected_paths: &self.protected_paths,
            known_secrets: &self.secrets,
            base: &self.base,
            published: self.published.as_ref(),
            default_branch: &self.sandbox.main,
            head,
            passed: self.passed,
            passed_before: &self.passed_before,
            identity: &identity,
            task: &task,
            title: "The task",
            ended_at: Timestamp(1_800_000_000_000),
        };
        let known = self.sandbox.mirror.contains(head).await.unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(pack).unwrap();
        let result = self.gate.check(&input, file).await;
        let left = std::fs::read_dir(self.sandbox.root.path().join("state/quarantine"));
        assert_eq!(left.unwrap().count(), 0, "a quarantine was left behind");
        if matches!(result, Err(GateError::Rejected { .. })) {
            let kept = self.sandbox.mirror.contains(head).await.unwrap();
            assert_eq!(kept, known, "a refused result is in the mirror");
        }
        result
    }

    /// Checks what the agent has on its branch, sent as an honest agent sends it.
    async fn check_head(&self) -> Result<Accepted, GateError> {
        let head = self.agent.head().await;
        let pack = self.agent.pack(&head, &self.base).await;
        self.check(&head, &pack).await
    }

    /// Checks one more entry in the root of the base's tree.
    async fn check_entry(&self, mode: &str, name: &[u8], content: &[u8]) -> Vec<Rule> {
        let blob = self.agent.object("blob", content).await;
        self.check_tree(&[(mode, name, &blob)], &[&blob]).await
    }

    /// Checks a commit of a tree with just these entries, sent with these objects.
    async fn check_tree(&self, entries: &[(&str, &[u8], &Oid)], sent: &[&Oid]) -> Vec<Rule> {
        let tree = self.agent.tree(entries).await;
        let head = self.agent.commit_tree(&tree, &self.base).await;
        let mut objects = vec![&tree, &head];
        objects.extend(sent);
        let pack = self.agent.pack_of(&objects).await;
        rules(self.check(&head, &pack).await)
    }

    /// What the mirror says of an object.
    async fn mirror(&self, args: &[&str]) -> String {
        git(self.sandbox.mirror.path(), args).await
    }
}

fn findings(result: Result<Accepted, GateError>) -> (Vec<Finding>, bool) {
    match result {
        Err(GateError::Rejected { findings, passable }) => (findings, passable),
        other => panic!("it was not rejected: {other:?}"),
    }
}

fn rules(result: Result<Accepted, GateError>) -> Vec<Rule> {
    findings(result)
        .0
        .iter()
        .map(|finding| finding.rule)
        .collect()
}
