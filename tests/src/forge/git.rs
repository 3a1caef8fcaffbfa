//! Real repositories behind smart HTTP: `git http-backend` as a CGI program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use anyhow::{Context, Result, bail};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// A bare repository.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    /// The folder that holds `owner/repository.git`.
    root: PathBuf,
    path: PathBuf,
}

/// A request as the CGI program wants it.
#[derive(Debug)]
pub(super) struct Cgi<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) user: &'a str,
}

impl Repository {
    /// Makes it, with one commit on `main`.
    pub(super) async fn create(root: &Path, full_name: &str) -> Result<Self> {
        let path = root.join(format!("{full_name}.git"));
        std::fs::create_dir_all(&path).context("the repository's folder")?;
        let repository = Self {
            root: root.to_owned(),
            path,
        };
        repository.git(&["init", "--bare", "-b", "main"]).await?;
        repository
            .git(&["config", "http.receivepack", "true"])
            .await?;
        repository
            .commit("main", "README.md", "# A repository\n", "Begin")
            .await?;
        Ok(repository)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.path)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.root)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("LC_ALL", "C")
            .kill_on_drop(true);
        for (role, name) in [("AUTHOR", "Ada"), ("COMMITTER", "Ada")] {
            command.env(format!("GIT_{role}_NAME"), name);
            command.env(format!("GIT_{role}_EMAIL"), "ada@example.com");
        }
        command
    }

    async fn run(&self, args: &[&str], input: &str, index: Option<&Path>) -> Result<Output> {
        let mut command = self.command("git");
        command.arg("--git-dir").arg(&self.path).args(args);
        if let Some(index) = index {
            command.env("GIT_INDEX_FILE", index);
        }
        feed(command, input.as_bytes()).await
    }

    /// Runs git; its output without the last line's end.
    pub(super) async fn git(&self, args: &[&str]) -> Result<String> {
        said(args, self.run(args, "", None).await?)
    }

    /// Commits one file onto a branch, which begins at `main` where it is new; the commit.
    pub(super) async fn commit(
        &self,
        branch: &str,
        path: &str,
        contents: &str,
        message: &str,
    ) -> Result<String> {
        let reference = format!("refs/heads/{branch}");
        let mut parent = self.resolve(&reference).await;
        if parent.is_none() {
            parent = self.resolve("refs/heads/main").await;
        }
        let folder = tempfile::tempdir_in(&self.root).context("a folder for an index")?;
        let index = folder.path().join("index");
        let with_index = |args: Vec<String>| {
            let index = index.clone();
            async move {
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                said(&args, self.run(&args, "", Some(&index)).await?)
            }
        };
        if let Some(parent) = &parent {
            with_index(vec!["read-tree".into(), parent.clone()]).await?;
        }
        let hash = ["hash-object", "-w", "--stdin"];
        let blob = said(&hash, self.run(&hash, contents, None).await?)?;
        let entry = format!("100644,{blob},{path}");
        with_index(vec![
            "update-index".into(),
            "--add".into(),
            "--cacheinfo".into(),
            entry,
        ])
        .await?;
        let tree = with_index(vec!["write-tree".into()]).await?;
        let parents: Vec<String> = parent.into_iter().collect();
        let commit = self.commit_tree(&tree, &parents, message).await?;
        self.git(&["update-ref", &reference, &commit]).await?;
        Ok(commit)
    }

    async fn commit_tree(&self, tree: &str, parents: &[String], message: &str) -> Result<String> {
        let mut args = vec!["commit-tree", tree, "-m", message];
        for parent in parents {
            args.extend(["-p", parent]);
        }
        self.git(&args).await
    }

    async fn resolve(&self, name: &str) -> Option<String> {
        self.git(&["rev-parse", "--verify", "--quiet", name])
            .await
            .ok()
    }

    /// Merges `head` into the branch `base`; the merge commit, or none where they conflict.
    pub(super) async fn merge(
        &self,
        base: &str,
        head: &str,
        message: &str,
    ) -> Result<Option<String>> {
        let reference = format!("refs/heads/{base}");
        let Some(onto) = self.resolve(&reference).await else {
            bail!("there is no branch {base}");
        };
        let merged = self
            .run(&["merge-tree", "--write-tree", &onto, head], "", None)
            .await?;
        if !merged.status.success() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&merged.stdout).into_owned();
        let tree = text.lines().next().unwrap_or_default();
        let parents = [onto, head.to_owned()];
        let commit = self.commit_tree(tree, &parents, message).await?;
        self.git(&["update-ref", &reference, &commit]).await?;
        Ok(Some(commit))
    }

    /// All branches with their commits.
    pub(super) async fn branches(&self) -> Result<BTreeMap<String, String>> {
        let format = "--format=%(refname:lstrip=2) %(objectname)";
        let lines = self.git(&["for-each-ref", format, "refs/heads/"]).await?;
        let pairs = lines.lines().filter_map(|line| line.rsplit_once(' '));
        Ok(pairs
            .map(|(name, sha)| (name.to_owned(), sha.to_owned()))
            .collect())
    }

    /// Answers a request of git's own protocol.
    pub(super) async fn serve(&self, request: &Cgi<'_>, body: &[u8]) -> Result<Response<Body>> {
        let header = |name: &str| {
            let value = request
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let mut command = self.command("git");
        command
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("REQUEST_METHOD", request.method)
            .env("PATH_INFO", request.path)
            .env("QUERY_STRING", request.query)
            .env("CONTENT_TYPE", header("content-type"))
            .env("CONTENT_LENGTH", body.len().to_string())
            .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
            .env("GIT_PROTOCOL", header("git-protocol"))
            .env("REMOTE_USER", request.user)
            .env("REMOTE_ADDR", "127.0.0.1");
        let output = feed(command, body).await?;
        parse_cgi(&output.stdout)
    }
}

/// Runs a program, feeding its input while reading its output.
async fn feed(mut command: Command, input: &[u8]) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start git")?;
    let stdin = child.stdin.take();
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program may end without reading all of it.
            let _ended = stdin.write_all(input).await;
        }
    };
    let ((), output) = tokio::join!(write, child.wait_with_output());
    output.context("wait for git")
}

fn said(args: &[&str], output: Output) -> Result<String> {
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("git {args:?}: {error}");
    }
    let text = String::from_utf8(output.stdout).context("git's output")?;
    Ok(text.trim_end_matches('\n').to_owned())
}

fn parse_cgi(output: &[u8]) -> Result<Response<Body>> {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.context("http-backend gave no headers")?;
    let head = std::str::from_utf8(&output[..end]).context("http-backend's headers")?;
    let mut response = Response::new(Body::from(output[end + 4..].to_vec()));
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(": ").context("a header line")?;
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().unwrap_or_default();
            *response.status_mut() = code.parse::<u16>()?.try_into()?;
        } else {
            let name: HeaderName = name.parse()?;
            response
                .headers_mut()
                .insert(name, HeaderValue::from_str(value)?);
        }
    }
    Ok(response)
}
