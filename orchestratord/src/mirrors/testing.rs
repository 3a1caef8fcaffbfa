//! Real repositories in a temporary directory: a source, our mirror of it, and an agent's clone.

pub(crate) mod http;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use cloud_code_domain::id::Oid;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::branch::BranchName;
use super::{Mirror, Mirrors};
use crate::ports::GitAccess;

/// Runs plain git, as a person or an agent would, in a directory.
pub(crate) async fn git_with(directory: &Path, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("git")
        .args(args)
        .current_dir(directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "Somebody")))
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "some@body")))
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_DATE"), "1700000000 +0100")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feed = async {
        // A command that does not read its input closes it.
        stdin.write_all(input).await.ok();
        drop(stdin);
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    let output = output.unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?}: {stderr}");
    output.stdout
}

/// Runs plain git; its answer without the newline.
pub(crate) async fn git(directory: &Path, args: &[&str]) -> String {
    let answer = git_with(directory, args, b"").await;
    String::from_utf8_lossy(&answer).trim_end().to_owned()
}

pub(crate) fn oid(text: &str) -> Oid {
    text.parse().unwrap()
}

pub(crate) fn branch(name: &str) -> BranchName {
    name.parse().unwrap()
}

/// A repository with a work tree, whoever's it is.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) path: PathBuf,
}

impl Work {
    pub(crate) async fn init(path: PathBuf) -> Self {
        std::fs::create_dir_all(&path).unwrap();
        git(&path, &["init", "--quiet", "--initial-branch=main"]).await;
        Self { path }
    }

    pub(crate) async fn git(&self, args: &[&str]) -> String {
        git(&self.path, args).await
    }

    /// Writes files, removes those without text, and commits everything.
    pub(crate) async fn commit(&self, files: &[(&str, Option<&str>)], message: &str) -> Oid {
        for (name, text) in files {
            let path = self.path.join(name);
            match text {
                Some(text) => {
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, text).unwrap();
                }
                None => std::fs::remove_file(path).unwrap(),
            }
        }
        self.git(&["add", "--all", "--force", "."]).await;
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message])
            .await;
        self.head().await
    }

    pub(crate) async fn head(&self) -> Oid {
        oid(&self.git(&["rev-parse", "HEAD"]).await)
    }

    /// Writes an object as it is, however wrong.
    pub(crate) async fn object(&self, kind: &str, data: &[u8]) -> Oid {
        let args = ["hash-object", "-t", kind, "--literally", "-w", "--stdin"];
        let answer = git_with(&self.path, &args, data).await;
        oid(String::from_utf8_lossy(&answer).trim())
    }

    /// Writes a tree with these entries, in this order.
    pub(crate) async fn tree(&self, entries: &[(&str, &[u8], &Oid)]) -> Oid {
        let mut data = Vec::new();
        for (mode, name, oid) in entries {
            data.extend_from_slice(mode.as_bytes());
            data.push(b' ');
            data.extend_from_slice(name);
            data.push(0);
            data.extend(hex::decode(oid.as_str()).unwrap());
        }
        self.object("tree", &data).await
    }

    /// Writes a commit of this tree on this parent.
    pub(crate) async fn commit_tree(&self, tree: &Oid, parent: &Oid) -> Oid {
        let who = "Somebody <some@body> 1700000100 +0000";
        let text =
            format!("tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nChange\n");
        self.object("commit", text.as_bytes()).await
    }

    /// The pack that an honest agent sends.
    pub(crate) async fn pack(&self, head: &Oid, base: &Oid) -> Vec<u8> {
        let revisions = format!("{head}\n^{base}\n");
        let args = ["pack-objects", "--revs", "--stdout", "--quiet"];
        git_with(&self.path, &args, revisions.as_bytes()).await
    }

    /// A pack of exactly these objects.
    pub(crate) async fn pack_of(&self, objects: &[&Oid]) -> Vec<u8> {
        let list: String = objects.iter().map(|oid| format!("{oid}\n")).collect();
        let args = ["pack-objects", "--stdout", "--quiet"];
        git_with(&self.path, &args, list.as_bytes()).await
    }
}

/// A source repository that people push to, and our mirror of it.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) root: tempfile::TempDir,
    /// Bare.
    pub(crate) source: PathBuf,
    /// A person's clone of it.
    pub(crate) person: Work,
    pub(crate) mirror: Arc<Mirror>,
    pub(crate) main: BranchName,
    pub(crate) base: Oid,
}

impl Sandbox {
    pub(crate) async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let source = root.path().join("source.git");
        std::fs::create_dir(&source).unwrap();
        git(
            &source,
            &["init", "--quiet", "--bare", "--initial-branch=main"],
        )
        .await;
        let person = Work::init(root.path().join("person")).await;
        person
            .git(&["remote", "add", "origin", source.to_str().unwrap()])
            .await;
        let files = [
            ("README.md", Some("old\n")),
            ("src/lib.rs", Some("fn a() {}\n")),
        ];
        person.commit(&files, "First").await;
        let more = [("README.md", Some("hello\n"))];
        let base = person.commit(&more, "Second").await;
        person.git(&["push", "--quiet", "origin", "main"]).await;
        let mirrors = Mirrors::new(&root.path().join("state"));
        let mirror = mirrors.of(&"acme/app".parse().unwrap()).await.unwrap();
        let sandbox = Self {
            root,
            source,
            person,
            mirror,
            main: branch("main"),
            base,
        };
        sandbox.fetch(&["main"]).await;
        sandbox
    }

    pub(crate) fn access(&self) -> GitAccess {
        GitAccess {
            url: self.source.to_str().unwrap().to_owned(),
            authorization: None,
        }
    }

    pub(crate) async fn fetch(&self, names: &[&str]) {
        let branches: Vec<BranchName> = names.iter().map(|name| branch(name)).collect();
        let branches: Vec<&BranchName> = branches.iter().collect();
        self.mirror.fetch(&self.access(), &branches).await.unwrap();
    }

    /// A clone as an agent has it: from a pack of the base, with no remote.
    pub(crate) async fn agent(&self, name: &str, base: &Oid) -> Work {
        let agent = Work::init(self.root.path().join(name)).await;
        let mut pack = self.mirror.pack_for(base, &[]).await.unwrap();
        let mut bytes = Vec::new();
        while let Some(chunk) = pack.next().await.unwrap() {
            bytes.extend_from_slice(&chunk);
        }
        git_with(&agent.path, &["index-pack", "--stdin", "--strict"], &bytes).await;
        agent
            .git(&["reset", "--quiet", "--hard", base.as_str()])
            .await;
        agent
    }
}
