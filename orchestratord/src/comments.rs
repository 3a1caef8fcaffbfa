//! OUT: one progress comment per task, edited in place, found by a marker that an agent cannot
//! forge.
//!
//! One that was there and is not found any more was deleted, or is not shown just now: it becomes an
//! unknown outcome, and is written anew only when it stays away.

use cloud_code_domain::comment;
use cloud_code_domain::task::Task;

use crate::engine::{Done, Outcome};
use crate::ports::{IssueTracker, Trouble};

/// Writes or edits the comment. After an unknown outcome it is only looked for.
///
/// # Errors
/// As the tracker.
pub async fn progress(
    task: &Task,
    tracker: &dyn IssueTracker,
    marker: &str,
    unknown: bool,
) -> Result<Outcome<Done>, Trouble> {
    let Some(issue) = task.issue.as_ref().map(|issue| issue.number) else {
        return Err(Trouble::Refused {
            what: "the task has no issue".into(),
        });
    };
    let text = comment::progress(task, marker, crate::app::now());
    if let Some(id) = task.comment_id {
        match tracker.edit_comment(id, &text).await {
            Ok(()) => return Ok(Outcome::Done(Done::Commented { id })),
            // Somebody deleted it, perhaps: below it is looked for.
            Err(Trouble::Refused { .. }) => {}
            Err(trouble) => return Err(trouble),
        }
    }
    if let Some(id) = tracker.find_comment(issue, marker).await? {
        tracker.edit_comment(id, &text).await?;
        return Ok(Outcome::Done(Done::Commented { id }));
    }
    if unknown {
        return Ok(Outcome::Absent);
    }
    if let Some(id) = task.comment_id {
        return Err(Trouble::Unknown {
            what: format!("comment {id} of issue {issue}, which is ours, is not found"),
        });
    }
    let id = tracker.create_comment(issue, &text).await?;
    Ok(Outcome::Done(Done::Commented { id }))
}
