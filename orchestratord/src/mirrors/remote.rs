//! The other end: which URLs git may talk to, and how branches come from there.

use std::collections::BTreeMap;
use std::fmt;

use cloud_code_domain::id::Oid;
use secrecy::SecretString;

use super::branch::BranchName;
use super::git::{Call, Output, pinned};
use super::shared::{Heads, Last};
use super::{LONG, Mirror, QUICK};
use crate::ports::{GitAccess, Trouble};

/// Why a URL is not one that git is let loose on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRemote {
    /// Only https, http on loopback, and absolute paths.
    #[error("the repository is reached over https or as an absolute path, not by this address")]
    Scheme,
    /// A URL is seen in process lists and logs.
    #[error("the repository's URL holds a user name or password; use a token file")]
    Credentials,
    /// Something git or a shell could take for something else.
    #[error("the repository's address holds a control character or begins with '-'")]
    Characters,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Https,
    LoopbackHttp,
    Path,
}

/// A checked remote repository.
#[derive(Clone)]
pub(crate) struct Remote {
    url: String,
    reach: Reach,
    authorization: Option<SecretString>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remote").field(&self.url).finish()
    }
}

impl Remote {
    /// Checks how a repository is reached.
    pub(crate) fn parse(access: &GitAccess) -> Result<Self, BadRemote> {
        let url = access.url.as_str();
        if url.starts_with('-') || url.chars().any(char::is_control) {
            return Err(BadRemote::Characters);
        }
        let (reach, authority) = if url.starts_with('/') {
            (Reach::Path, "")
        } else if let Some(rest) = url.strip_prefix("https://") {
            (Reach::Https, authority(rest))
        } else if let Some(rest) = url.strip_prefix("http://") {
            (Reach::LoopbackHttp, authority(rest))
        } else {
            return Err(BadRemote::Scheme);
        };
        if authority.contains('@') {
            return Err(BadRemote::Credentials);
        }
        if reach == Reach::LoopbackHttp && !is_loopback(authority) {
            return Err(BadRemote::Scheme);
        }
        let authorization = access.authorization.clone();
        Ok(Self {
            url: url.to_owned(),
            reach,
            authorization: authorization.filter(|_| reach != Reach::Path),
        })
    }

    /// The URL or path.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Whether the way leads over TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.reach == Reach::Https
    }

    /// The header's value.
    pub(crate) fn authorization(&self) -> Option<&SecretString> {
        self.authorization.as_ref()
    }

    /// The one protocol that git may use for it.
    pub(crate) fn protocol(&self) -> &'static str {
        match self.reach {
            Reach::Https => "https",
            Reach::LoopbackHttp => "http",
            Reach::Path => "file",
        }
    }

    fn served_by(&self) -> Option<String> {
        (self.reach == Reach::Path)
            .then(|| format!("--upload-pack={}", pinned::sending_side(&self.url)))
    }

    pub(super) fn received_by(&self) -> Option<String> {
        (self.reach == Reach::Path)
            .then(|| format!("--receive-pack={}", pinned::receiving_side(&self.url)))
    }
}

fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#', '\\']).next().unwrap_or_default()
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        Some(_) | None => authority,
    };
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

pub(super) fn refused(what: impl fmt::Display) -> Trouble {
    Trouble::Refused {
        what: what.to_string(),
    }
}

impl Mirror {
    /// Where a branch is at the remote, by asking it. None: there is no such branch.
    ///
    /// # Errors
    /// `Later` where it could not be asked, `Refused` where the remote is not one.
    pub async fn remote_head(
        &self,
        access: &GitAccess,
        branch: &BranchName,
    ) -> Result<Option<Oid>, Trouble> {
        let remote = Remote::parse(access).map_err(refused)?;
        let mut heads = self.list(&remote, &[branch]).await?;
        Ok(heads.remove(branch).flatten())
    }

    /// Whether the remote has no branch at all.
    ///
    /// # Errors
    /// As [`Mirror::remote_head`].
    pub async fn is_remote_empty(&self, access: &GitAccess) -> Result<bool, Trouble> {
        let remote = Remote::parse(access).map_err(refused)?;
        let mut args = ["ls-remote", "--quiet", "--heads"]
            .map(str::to_owned)
            .to_vec();
        args.extend(remote.served_by());
        args.extend(["--end-of-options".to_owned(), remote.url().to_owned()]);
        let call = Call::new(&self.path, &args).remote(&remote).deadline(QUICK);
        let output = self.git.run(call).await.map_err(later)?;
        if output.cut {
            return Ok(false);
        }
        if output.code != 0 {
            return Err(read_trouble(&output));
        }
        Ok(output.stdout.is_empty())
    }

    /// Brings branches of the remote here. The answer says where each of them is; one that the
    /// remote does not have is forgotten here too. Who waits for a fetch shares it with all others
    /// who do.
    ///
    /// # Errors
    /// As [`Mirror::remote_head`].
    pub async fn fetch(
        &self,
        access: &GitAccess,
        branches: &[&BranchName],
    ) -> Result<BTreeMap<BranchName, Option<Oid>>, Trouble> {
        let remote = Remote::parse(access).map_err(refused)?;
        let number = self.asked.one_more();
        let mut last = self.refs.lock().await;
        let shared = last.as_ref();
        if let Some(heads) = shared.and_then(|last| last.answers(number, remote.url(), branches)) {
            return heads;
        }
        let asked = self.asked.so_far();
        let heads = self.fetch_now(&remote, branches).await;
        *last = Some(Last {
            asked,
            url: remote.url().to_owned(),
            branches: branches.iter().map(|&branch| branch.clone()).collect(),
            heads: heads.clone(),
        });
        heads
    }

    async fn fetch_now(&self, remote: &Remote, branches: &[&BranchName]) -> Heads {
        let heads = self.list(remote, branches).await?;
        let mut args: Vec<String> = ["fetch", "--no-tags", "--no-write-fetch-head", "--quiet"]
            .map(str::to_owned)
            .to_vec();
        args.extend(["--no-auto-maintenance", "--no-recurse-submodules"].map(str::to_owned));
        args.extend(remote.served_by());
        args.extend(["--end-of-options".to_owned(), remote.url().to_owned()]);
        let mut wanted = false;
        for (branch, head) in &heads {
            match head {
                Some(head) if self.head_of(branch).await?.as_ref() == Some(head) => {}
                Some(_) => {
                    wanted = true;
                    let full = branch.full_ref();
                    args.push(format!("+{full}:{full}"));
                }
                None => self.forget(branch).await?,
            }
        }
        if !wanted {
            return Ok(heads);
        }
        let call = Call::new(&self.path, &args).remote(remote).deadline(LONG);
        let output = self.git.run(call).await.map_err(later)?;
        if output.code != 0 {
            return Err(read_trouble(&output));
        }
        // The remote may have moved in between: what is here is what counts.
        let mut found = BTreeMap::new();
        for branch in heads.into_keys() {
            let head = self.head_of(&branch).await?;
            found.insert(branch, head);
        }
        Ok(found)
    }

    async fn list(
        &self,
        remote: &Remote,
        branches: &[&BranchName],
    ) -> Result<BTreeMap<BranchName, Option<Oid>>, Trouble> {
        let mut args = vec!["ls-remote".to_owned(), "--quiet".to_owned()];
        args.extend(remote.served_by());
        args.extend(["--end-of-options".to_owned(), remote.url().to_owned()]);
        args.extend(branches.iter().map(|branch| branch.full_ref()));
        let call = Call::new(&self.path, &args).remote(remote).deadline(QUICK);
        let output = self.git.run(call).await.map_err(later)?;
        if output.code != 0 || output.cut {
            return Err(read_trouble(&output));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(branches
            .iter()
            .map(|branch| ((*branch).clone(), listed(&text, &branch.full_ref())))
            .collect())
    }
}

/// The object that a listing gives for exactly this ref.
fn listed(listing: &str, full_ref: &str) -> Option<Oid> {
    listing
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .find(|(_, name)| *name == full_ref)
        .and_then(|(oid, _)| oid.parse().ok())
}

pub(crate) fn later(what: impl fmt::Display) -> Trouble {
    Trouble::Later {
        what: what.to_string(),
        until: None,
    }
}

/// What a failed read means. A repository that is not there may be so for who is not let in, for as
/// long as that is so; a path of this machine is there or not.
fn read_trouble(output: &Output) -> Trouble {
    let said = &output.stderr;
    if said.contains("does not appear to be a git repository") {
        refused(format!("the repository is not there: {said}"))
    } else {
        later(format!("the repository cannot be read: {said}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Remote, BadRemote> {
        Remote::parse(&GitAccess {
            url: url.to_owned(),
            authorization: None,
        })
    }

    #[test]
    fn git_is_let_loose_on_https_loopback_and_absolute_paths_only() {
        for good in [
            "https://github.com/acme/app.git",
            "http://127.0.0.1:8080/x.git",
            "http://[::1]:9/x",
            "http://localhost/x",
            "/srv/app.git",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://169.254.169.254/x",
            "http://localhost.evil.example/x",
            "http://127.0.0.1@evil.example/x",
            "https://x-access-token:abc@github.com/acme/app.git",
            "ssh://github.com/acme/app.git",
            "git@github.com:acme/app.git",
            "ext::sh -c id",
            "file:///srv/app.git",
            "-u/x",
            "../app",
            "/srv/app\n.git",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_listing_is_read_for_exactly_one_ref() {
        let a = "a".repeat(40);
        let listing = format!("{a}\trefs/heads/x/refs/heads/main\n{a}\trefs/heads/other\n");
        assert_eq!(listed(&listing, "refs/heads/main"), None);
        assert!(listed(&listing, "refs/heads/other").is_some());
    }
}
