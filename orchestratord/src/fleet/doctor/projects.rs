//! A project: whether its tracker answers and by which clock, whether we may push, and what of its
//! repository agents will not have.

use std::collections::HashMap;
use std::time::Duration;

use cloud_code_domain::id::ProjectName;
use cloud_code_domain::time::Timestamp;

use super::Check;
use crate::config::ProjectConfig;
use crate::mirrors::{Mirrors, NotFetched};
use crate::outside::Ports;
use crate::ports::Trouble;

/// GitHub refuses an app whose clock is a minute ahead.
const SKEW: Duration = Duration::from_secs(30);
/// A check waits no longer for the outside.
const PATIENCE: Duration = Duration::from_secs(20);
/// Folders and patterns that are named.
const NAMED: usize = 3;

pub(super) async fn checks(
    project: &ProjectConfig,
    mirrors: &Mirrors,
    ports: &HashMap<ProjectName, Ports>,
) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(ports) = ports.get(&project.name) {
        let name = format!("tracker of {}", project.name);
        let asked = in_time(ports.tracker.clock()).await;
        checks.push(tracker(name, asked, crate::app::now()));
        let name = format!("push to {}", project.name);
        let asked = in_time(may_push(project, mirrors, ports)).await;
        checks.push(push(name, asked));
        let name = format!("default branch of {}", project.name);
        let asked = in_time(branch_there(project, mirrors, ports)).await;
        checks.push(default_branch(name, project, asked));
    }
    checks.push(repository(project, mirrors).await);
    checks
}

async fn in_time<T>(asked: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    answer.unwrap_or_else(|_| {
        Err(Trouble::Later {
            what: format!("no answer within {} s", PATIENCE.as_secs()),
            until: None,
        })
    })
}

fn tracker(name: String, asked: Result<Option<Timestamp>, Trouble>, now: Timestamp) -> Check {
    let theirs = match asked {
        Ok(Some(theirs)) => theirs,
        Ok(None) => return Check::good(name, "kept here"),
        Err(trouble) => {
            let remedy = "check api_url, the way there, and that the token may read issues";
            return Check::bad(name, trouble.to_string(), remedy);
        }
    };
    let (ahead, behind) = (now.since(theirs), theirs.since(now));
    let skew = ahead.max(behind);
    if skew < SKEW {
        return Check::good(name, "answers, and its clock is ours");
    }
    let side = if ahead > behind { "ahead" } else { "behind" };
    Check::warning(
        name,
        format!("answers; our clock is {} s {side}", skew.as_secs()),
        "set the clock (timedatectl set-ntp true): an app's signature is refused by a wrong one",
    )
}

async fn may_push(
    project: &ProjectConfig,
    mirrors: &Mirrors,
    ports: &Ports,
) -> Result<(), Trouble> {
    let access = ports.host.git_access().await?;
    let branch = format!("{}doctor", project.branch_prefix);
    let branch = branch.parse().map_err(|bad| Trouble::Refused {
        what: format!("branch_prefix: {bad}"),
    })?;
    mirrors
        .of(&project.name)
        .await?
        .may_push(&access, &branch)
        .await
}

fn push(name: String, asked: Result<(), Trouble>) -> Check {
    match asked {
        Ok(()) => Check::good(name, "allowed"),
        Err(trouble) => Check::bad(
            name,
            trouble.to_string(),
            "check `repository`, and that the token may write contents",
        ),
    }
}

/// Whether there is what tasks start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    There,
    OthersOnly,
    Empty,
}

async fn branch_there(
    project: &ProjectConfig,
    mirrors: &Mirrors,
    ports: &Ports,
) -> Result<Start, Trouble> {
    let branch = project
        .default_branch
        .parse()
        .map_err(|bad| Trouble::Refused {
            what: format!("default_branch: {bad}"),
        })?;
    let access = ports.host.git_access().await?;
    let mirror = mirrors.of(&project.name).await?;
    if mirror.remote_head(&access, &branch).await?.is_some() {
        return Ok(Start::There);
    }
    Ok(if mirror.is_remote_empty(&access).await? {
        Start::Empty
    } else {
        Start::OthersOnly
    })
}

fn default_branch(name: String, project: &ProjectConfig, asked: Result<Start, Trouble>) -> Check {
    let branch = &project.default_branch;
    match asked {
        Ok(Start::There) => Check::good(name, format!("{branch} is there")),
        Ok(Start::OthersOnly) => Check::bad(
            name,
            format!("the repository has no branch {branch}: no task can start"),
            format!("set default_branch of project {}, or push it", project.name),
        ),
        Ok(Start::Empty) => Check::bad(
            name,
            "the repository is empty: no task can start",
            format!("push a first commit to {branch}"),
        ),
        Err(trouble) => Check::bad(
            name,
            trouble.to_string(),
            "check `repository`, and that the token may read contents",
        ),
    }
}

async fn repository(project: &ProjectConfig, mirrors: &Mirrors) -> Check {
    let name = format!("repository of {}", project.name);
    let looked = async {
        let branch = project
            .default_branch
            .parse()
            .map_err(|bad| Trouble::Refused {
                what: format!("default_branch: {bad}"),
            })?;
        let mirror = mirrors.of(&project.name).await?;
        Ok::<_, Trouble>(mirror.not_fetched(&branch).await?)
    };
    match looked.await {
        Ok(Some(missing)) => lacks(name, &missing),
        Ok(None) => Check::good(
            name,
            "not fetched yet: that is done for its first task; submodules and LFS are seen then",
        ),
        Err(trouble) => Check::bad(name, trouble.to_string(), "look at the daemon's log"),
    }
}

/// What of a repository its agents will not have. A clone brings neither submodules nor what LFS
/// keeps elsewhere, and a container reaches neither by itself.
fn lacks(name: String, missing: &NotFetched) -> Check {
    let NotFetched {
        submodules,
        unnamed,
        lfs,
    } = missing;
    let mut found = Vec::new();
    if !submodules.is_empty() {
        found.push(format!(
            "has submodules ({}): agents find their folders empty",
            some(submodules)
        ));
    }
    if !lfs.is_empty() {
        found.push(format!(
            "has files in LFS ({}): agents find pointers in their place",
            some(lfs)
        ));
    }
    if !unnamed.is_empty() {
        found.push(format!(
            "has submodules that .gitmodules does not name ({}): nobody can fetch them",
            some(unnamed)
        ));
    }
    if found.is_empty() {
        return Check::good(name, "no submodules, no LFS");
    }
    Check::warning(
        name,
        found.join("; "),
        "if tasks need them: let `setup` of the project fetch them from a host in agents.egress, or \
         have them in the image",
    )
}

/// The first ones, and how many more there are. They come from the repository: bounded.
fn some(names: &[String]) -> String {
    let short = |name: &String| name.chars().take(60).collect::<String>();
    let mut text = names
        .iter()
        .take(NAMED)
        .map(short)
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > NAMED {
        text.push_str(&format!(", and {} more", names.len() - NAMED));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn what_agents_will_not_have_of_a_repository_is_a_warning_with_a_way_out() {
        let plain = lacks("r".into(), &NotFetched::default());
        assert!(plain.ok && plain.remedy.is_empty());
        let missing = NotFetched {
            submodules: named(&["a", "b", "c", "d", "e"]),
            unnamed: named(&["lost"]),
            lfs: named(&["*.png"]),
        };
        let all = lacks("r".into(), &missing);
        assert!(all.ok && all.remedy.contains("setup"), "{all:?}");
        for words in ["(a, b, c, and 2 more)", "LFS (*.png)", "(lost)"] {
            assert!(all.found.contains(words), "{all:?}");
        }
    }

    #[test]
    fn a_clock_that_is_off_is_told_with_its_side() {
        let now = Timestamp(1_000_000_000);
        let at = |seconds: i64| Ok(Some(Timestamp(now.0 + seconds * 1_000)));
        assert!(tracker("t".into(), at(29), now).remedy.is_empty());
        assert!(tracker("t".into(), at(-29), now).remedy.is_empty());
        let ahead = tracker("t".into(), at(-90), now);
        assert!(ahead.ok && ahead.found.contains("90 s ahead"), "{ahead:?}");
        let behind = tracker("t".into(), at(31), now);
        assert!(behind.found.contains("31 s behind"), "{behind:?}");
    }

    #[test]
    fn a_tracker_that_refuses_is_a_failure_with_what_it_said() {
        let refused = Trouble::Refused {
            what: "401 Bad credentials".into(),
        };
        let check = tracker("t".into(), Err(refused), Timestamp(0));
        assert!(!check.ok && check.found.contains("401"), "{check:?}");
    }
}
