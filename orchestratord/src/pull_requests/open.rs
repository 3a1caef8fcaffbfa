//! Opens the pull request of a task, or brings the open one up to date. The branch is the key: there
//! is one pull request for it.

use cloud_code_domain::issue::PullRequestState;
use cloud_code_domain::pull_request;
use cloud_code_domain::task::Task;

use crate::config::{ProjectConfig, TrackerConfig};
use crate::engine::{Done, Outcome};
use crate::ports::{CodeHost, NewPullRequest, Trouble};

/// Opens or updates. After an unknown outcome it is only looked for.
///
/// # Errors
/// As the code host.
pub async fn open(
    task: &Task,
    project: &ProjectConfig,
    host: &dyn CodeHost,
    marker: &str,
    unknown: bool,
) -> Result<Outcome<Done>, Trouble> {
    let closes = match project.tracker {
        TrackerConfig::Github(_) if !task.issue_gone => {
            task.issue.as_ref().map(|issue| issue.number)
        }
        TrackerConfig::Github(_) | TrackerConfig::Local => None,
    };
    let new = NewPullRequest {
        branch: task.branch.clone(),
        into: project.default_branch.clone(),
        title: pull_request::title(task),
        body: pull_request::body(task, closes, marker),
    };
    if let Some(found) = host.find_pull_request(&task.branch).await? {
        if found.state == PullRequestState::Open {
            host.edit_pull_request(found.number, &new).await?;
        }
        return Ok(Outcome::Done(Done::PullRequestOpened(found)));
    }
    if unknown {
        return Ok(Outcome::Absent);
    }
    let opened = host.open_pull_request(&new).await?;
    Ok(Outcome::Done(Done::PullRequestOpened(opened)))
}
