//! What people say on an issue or a pull request, as far as it can be an instruction.
//!
//! No input are: our own comments, bots, whatever was edited after it was made (an edit can be
//! somebody else's), pending and dismissed reviews, an approval without remarks.

use std::collections::BTreeMap;
use std::fmt::Write;

use cloud_code_domain::id::ProjectName;
use cloud_code_domain::issue::{Remark, RemarkKind};
use cloud_code_domain::time::Timestamp;

use super::client::Client;
use super::comments::OwnComments;
use super::issue::timestamp;
use super::people::{People, is_bot};
use super::wire::{Comment, Review, ReviewComment, User};
use crate::ports::Trouble;

/// Characters of a remark that are kept: as many as GitHub lets one comment have.
const LONGEST: usize = 65_536;
/// Submitting a review touches its pending line comments, a moment after the review's own time.
const SUBMITTING_MILLIS: i64 = 5_000;

/// A remark whose author has not been looked up yet.
#[derive(Debug)]
struct Found {
    source: String,
    author: User,
    text: String,
    at: Timestamp,
    kind: RemarkKind,
}

pub(super) async fn read(
    client: &Client,
    project: &ProjectName,
    own: &OwnComments,
    number: u64,
    since: Timestamp,
) -> Result<Vec<Remark>, Trouble> {
    let mut found = on_the_conversation(client, project, own, number, since).await?;
    found.extend(reviews(client, number, since).await?);
    found.sort_by_key(|remark| remark.at);
    let mut people = People::new(client);
    let mut remarks = Vec::with_capacity(found.len());
    for remark in found {
        remarks.push(Remark {
            source: remark.source,
            author: people.actor(&remark.author, false).await?,
            text: remark.text,
            at: remark.at,
            kind: remark.kind,
        });
    }
    Ok(remarks)
}

async fn on_the_conversation(
    client: &Client,
    project: &ProjectName,
    own: &OwnComments,
    number: u64,
    since: Timestamp,
) -> Result<Vec<Found>, Trouble> {
    let from = jiff::Timestamp::from_millisecond(since.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let from = from.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let path = format!("issues/{number}/comments");
    let comments: Vec<Comment> = match client.list(&path, &[("since", &from)]).await {
        Ok(comments) => comments,
        // It was deleted, or is elsewhere by now: nothing is said here any more.
        Err(failure) if failure.is_absent() => return Ok(Vec::new()),
        Err(failure) => return Err(failure.into()),
    };
    Ok(comments
        .into_iter()
        .filter(|comment| comment.updated_at.is_none_or(|at| at == comment.created_at))
        .filter(|comment| timestamp(comment.created_at) >= since)
        .filter(|comment| {
            !own.has(
                project,
                comment.id,
                comment.body.as_deref().unwrap_or_default(),
            )
        })
        .filter_map(from_comment)
        .collect())
}

fn from_comment(comment: Comment) -> Option<Found> {
    let author = comment.user.filter(|user| !is_bot(user))?;
    let by_app = comment.performed_via_github_app.is_some();
    (!by_app).then(|| Found {
        source: format!("comment/{}", comment.id),
        author,
        text: cut(comment.body.unwrap_or_default()),
        at: timestamp(comment.created_at),
        kind: RemarkKind::Comment,
    })
}

async fn reviews(client: &Client, number: u64, since: Timestamp) -> Result<Vec<Found>, Trouble> {
    let reviews: Vec<Review> = match client.list(&format!("pulls/{number}/reviews"), &[]).await {
        Ok(reviews) => reviews,
        // An issue has no reviews.
        Err(failure) if failure.is_absent() => return Ok(Vec::new()),
        Err(failure) => return Err(failure.into()),
    };
    let fresh = |review: &Review| review.submitted_at.is_some_and(|at| timestamp(at) >= since);
    if !reviews.iter().any(fresh) {
        return Ok(Vec::new());
    }
    let on_lines: Vec<ReviewComment> = client
        .list(&format!("pulls/{number}/comments"), &[])
        .await?;
    let mut by_review: BTreeMap<u64, Vec<ReviewComment>> = BTreeMap::new();
    for comment in on_lines {
        if let Some(review) = comment.pull_request_review_id {
            by_review.entry(review).or_default().push(comment);
        }
    }
    Ok(reviews
        .into_iter()
        .filter(fresh)
        .filter_map(|review| {
            let on_lines = by_review.remove(&review.id).unwrap_or_default();
            from_review(review, on_lines)
        })
        .collect())
}

fn from_review(review: Review, mut on_lines: Vec<ReviewComment>) -> Option<Found> {
    let at = timestamp(review.submitted_at?);
    let author = review.user.filter(|user| !is_bot(user))?;
    on_lines.retain(|comment| {
        let changed = comment.updated_at.map_or(at, timestamp);
        changed.0 <= at.0 + SUBMITTING_MILLIS
    });
    on_lines.sort_by_key(|comment| comment.id);
    let body = review.body.unwrap_or_default();
    let kind = match review.state.to_ascii_uppercase().as_str() {
        "CHANGES_REQUESTED" => RemarkKind::Review,
        "COMMENTED" | "APPROVED" if !on_lines.is_empty() => RemarkKind::Review,
        "COMMENTED" if !body.trim().is_empty() => RemarkKind::Comment,
        _no_input => return None,
    };
    Some(Found {
        source: format!("review/{}", review.id),
        author,
        text: cut(text(&body, &on_lines)),
        at,
        kind,
    })
}

/// The review's text, then each line comment below `path:line`.
fn text(body: &str, on_lines: &[ReviewComment]) -> String {
    let mut text = body.trim().to_owned();
    for comment in on_lines {
        let said = comment.body.as_deref().unwrap_or_default().trim();
        let gap = if text.is_empty() { "" } else { "\n\n" };
        // Writing to a string does not fail.
        let _written = match comment.line.or(comment.original_line) {
            Some(line) => write!(text, "{gap}{}:{line}\n{said}", comment.path),
            None => write!(text, "{gap}{}\n{said}", comment.path),
        };
    }
    text
}

fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn review(state: &str, body: &str) -> Review {
        serde_json::from_value(json!({
            "id": 12,
            "user": { "login": "ada", "id": 1, "type": "User" },
            "body": body,
            "state": state,
            "submitted_at": "2026-01-01T00:00:10Z",
        }))
        .unwrap()
    }

    fn on_line(id: u64, line: Option<u64>, updated: &str) -> ReviewComment {
        serde_json::from_value(json!({
            "id": id,
            "pull_request_review_id": 12,
            "body": "no",
            "path": "src/a.rs",
            "line": line,
            "updated_at": updated,
        }))
        .unwrap()
    }

    #[test]
    fn a_review_is_input_where_it_asks_for_changes_or_comments_on_lines() {
        let line = || vec![on_line(1, Some(7), "2026-01-01T00:00:03Z")];
        let kind = |state, body, lines| from_review(review(state, body), lines).map(|f| f.kind);
        assert_eq!(
            kind("CHANGES_REQUESTED", "", vec![]),
            Some(RemarkKind::Review)
        );
        assert_eq!(kind("COMMENTED", "", line()), Some(RemarkKind::Review));
        assert_eq!(kind("APPROVED", "", line()), Some(RemarkKind::Review));
        assert_eq!(
            kind("COMMENTED", "think again", vec![]),
            Some(RemarkKind::Comment)
        );
        assert_eq!(kind("COMMENTED", " ", vec![]), None);
        assert_eq!(kind("APPROVED", "good", vec![]), None);
        assert_eq!(kind("DISMISSED", "no", line()), None);
        assert_eq!(kind("PENDING", "no", line()), None);
    }

    #[test]
    fn line_comments_are_told_with_file_and_line() {
        let lines = [
            on_line(1, Some(7), "2026-01-01T00:00:03Z"),
            on_line(2, None, "2026-01-01T00:00:03Z"),
        ];
        assert_eq!(
            text("Please:", &lines),
            "Please:\n\nsrc/a.rs:7\nno\n\nsrc/a.rs\nno"
        );
    }

    #[test]
    fn a_line_comment_edited_after_the_review_is_left_out() {
        let lines = vec![on_line(1, Some(7), "2026-01-01T01:00:00Z")];
        assert!(from_review(review("COMMENTED", ""), lines).is_none());
    }

    #[test]
    fn a_remark_is_cut_between_characters() {
        assert_eq!(cut("é".repeat(70_000)).chars().count(), LONGEST);
        assert_eq!(cut("é".to_owned()), "é");
    }
}
