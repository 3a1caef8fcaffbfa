//! What changed since the last poll.
//!
//! ```text
//!           settled, not told again          from here on everything is told
//!  ─────────────┬─────────────────────────────┬──────────────────────▶ updated_at
//!             since = newest − OVERLAP      newest seen
//! ```
//!
//! Lists lag behind: an issue can appear with a time that lies before what was already seen. So each
//! poll looks back a little, and the cursor holds what was told of that stretch. Where nothing changed
//! the question is the same as before, and its tag answers it for free.
//!
//! Where more changed than a list has pages (after a long pause, say), a poll takes the oldest changes,
//! as many as it may, and the next one goes on from there.

use jiff::Timestamp as Time;
use serde::{Deserialize, Serialize};

use super::client::{Client, Listed, MOST_PAGES};
use super::wire::Issue;
use crate::ports::{Changed, Trouble};

/// Seconds that a poll looks back.
const OVERLAP: i64 = 120;
/// An issue can change twice within the second that its time shows, and what changed about it can show
/// up later in its own lists (events, comments, reviews) than in this one. Only when GitHub's clock has
/// moved on by this many seconds is a time told for good.
const SETTLED: i64 = 15;

/// Where to go on from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    /// Seconds since 1970; none: never polled.
    since: Option<i64>,
    /// The tag of that question.
    etag: Option<String>,
    /// What was told of the time since `since`: number and second of the change.
    told: Vec<(u64, i64)>,
}

/// A cursor that we cannot read is one that we do not have: everything is looked at again.
fn parse(cursor: &str) -> Cursor {
    serde_json::from_str(cursor).unwrap_or_default()
}

pub(super) async fn changed(
    client: &Client,
    trigger_labels: &[String],
    cursor: &str,
) -> Result<Changed, Trouble> {
    let cursor = parse(cursor);
    let Some(since) = cursor.since else {
        return from_the_start(client, trigger_labels).await;
    };
    let from = Time::from_second(since)
        .unwrap_or(Time::UNIX_EPOCH)
        .to_string();
    let query = [
        ("state", "all"),
        ("sort", "updated"),
        // What changes while we read moves to the front: it pushes the rest onto the next page, where
        // some of it is seen twice. The other way round it would pull some of it out of sight.
        ("direction", "desc"),
        ("since", from.as_str()),
    ];
    let listed = client
        .list_short::<Issue>("issues", &query, cursor.etag.as_deref())
        .await?;
    match listed {
        None => oldest_first(client, &cursor, since).await,
        Some(Listed::Same) => Ok(answer(Vec::new(), &cursor)),
        Some(Listed::Items { items, etag, date }) => {
            let items: Vec<_> = items.iter().map(change).collect();
            let (numbers, next) = advance(&cursor, &items, etag, date);
            Ok(answer(numbers, &next))
        }
    }
}

/// The number and the second of a change.
fn change(issue: &Issue) -> (u64, i64) {
    (issue.number, issue.updated_at.as_second())
}

/// The oldest changes, of as many pages as one list may have. Each page is asked for by the time that
/// the one before ended with: what changes while we read leaves for the end, and were pages counted,
/// it would pull what follows it onto one that we have read.
async fn oldest_first(client: &Client, cursor: &Cursor, since: i64) -> Result<Changed, Trouble> {
    let mut items = Vec::new();
    let (mut from, mut page, mut clock) = (since, 1, i64::MAX);
    for _ in 0..MOST_PAGES {
        let time = Time::from_second(from)
            .unwrap_or(Time::UNIX_EPOCH)
            .to_string();
        let query = [
            ("state", "all"),
            ("sort", "updated"),
            ("direction", "asc"),
            ("since", time.as_str()),
        ];
        let (of_page, more, date) = client.page::<Issue>("issues", &query, page).await?;
        clock = clock.min(date);
        items.extend(of_page.iter().map(change));
        let last = items.last().map_or(from, |(_, second)| *second);
        // A page within one second is followed by the next one of the same question.
        (from, page) = if last > from {
            (last, 1)
        } else {
            (from, page + 1)
        };
        if !more {
            break;
        }
    }
    let (numbers, next) = catch_up(cursor, &items, clock);
    Ok(answer(numbers, &next))
}

/// All open issues with a trigger label. The first look decides from when on changes are followed.
async fn from_the_start(client: &Client, trigger_labels: &[String]) -> Result<Changed, Trouble> {
    let mut numbers = Vec::new();
    let mut since = None;
    for label in trigger_labels {
        let query = [("state", "open"), ("labels", label.as_str())];
        match client.list_short::<Issue>("issues", &query, None).await? {
            // Too many to be looked at at once: all issues are followed from the oldest on.
            None => since = Some(0),
            Some(Listed::Same) => {}
            Some(Listed::Items { items, date, .. }) => {
                since.get_or_insert(date.saturating_sub(OVERLAP));
                numbers.extend(items.iter().map(|issue| issue.number));
            }
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    let cursor = Cursor {
        since,
        ..Cursor::default()
    };
    Ok(answer(numbers, &cursor))
}

fn answer(numbers: Vec<u64>, cursor: &Cursor) -> Changed {
    Changed {
        numbers,
        // A cursor holds nothing that cannot be written; without one the next poll starts anew.
        cursor: serde_json::to_string(cursor).unwrap_or_default(),
    }
}

/// The same for `items` that are not all there is: the next poll goes on where they end, since what
/// comes late comes near to the clock.
fn catch_up(cursor: &Cursor, items: &[(u64, i64)], date: i64) -> (Vec<u64>, Cursor) {
    let (numbers, mut next) = advance(cursor, items, None, date);
    let newest = items.iter().map(|(_, second)| *second).max();
    let reached = newest.map(|newest| newest.min(date.saturating_sub(OVERLAP)));
    next.since = next.since.max(reached);
    let since = next.since.unwrap_or(i64::MIN);
    next.told.retain(|(_, second)| *second >= since);
    (numbers, next)
}

/// What to tell of `items` (number, second of the change), and the next cursor. `date`: GitHub's clock.
fn advance(
    cursor: &Cursor,
    items: &[(u64, i64)],
    etag: Option<String>,
    date: i64,
) -> (Vec<u64>, Cursor) {
    let mut numbers: Vec<u64> = items
        .iter()
        .filter(|item| !cursor.told.contains(item))
        .map(|(number, _)| *number)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    let old = cursor.since.unwrap_or(i64::MIN);
    let newest = items.iter().map(|(_, second)| *second).max();
    let since = newest.map_or(old, |newest| newest.saturating_sub(OVERLAP).max(old));
    let settled = |second: i64| second >= since && date.saturating_sub(second) >= SETTLED;
    let told: Vec<_> = items
        .iter()
        .copied()
        .filter(|(_, second)| settled(*second))
        .collect();
    // The tag stands for "as it is now". While something may still change within its second, or with
    // another question, it must not be used.
    let all_settled = told.len() == items.iter().filter(|(_, second)| *second >= since).count();
    let etag = etag.filter(|_| since == old && all_settled);
    let next = Cursor {
        since: Some(since),
        etag,
        told,
    };
    (numbers, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(since: i64) -> Cursor {
        Cursor {
            since: Some(since),
            ..Cursor::default()
        }
    }

    #[test]
    fn what_was_told_and_has_settled_is_not_told_again() {
        let (first, cursor) = advance(&start(0), &[(1, 10), (2, 20)], None, 40);
        assert_eq!(first, [1, 2]);
        let (second, _) = advance(&cursor, &[(1, 10), (2, 20)], None, 90);
        assert!(second.is_empty());
    }

    #[test]
    fn a_second_change_within_the_same_second_is_told() {
        let (_, cursor) = advance(&start(0), &[(1, 10)], Some("tag".into()), 10);
        assert_eq!(
            cursor.etag, None,
            "the list may still change under the same times"
        );
        let (again, _) = advance(&cursor, &[(1, 10)], None, 70);
        assert_eq!(again, [1]);
    }

    #[test]
    fn a_change_whose_lists_may_lag_behind_is_told_once_more() {
        let (_, cursor) = advance(&start(0), &[(1, 100)], Some("tag".into()), 105);
        assert_eq!(cursor.etag, None);
        let (again, cursor) = advance(&cursor, &[(1, 100)], None, 165);
        assert_eq!(again, [1]);
        let (no_more, _) = advance(&cursor, &[(1, 100)], None, 225);
        assert!(no_more.is_empty());
    }

    #[test]
    fn an_issue_that_appears_late_is_told() {
        let (_, cursor) = advance(&start(0), &[(2, 1_000)], None, 1_020);
        assert_eq!(cursor.since, Some(880));
        let (late, _) = advance(&cursor, &[(1, 950), (2, 1_000)], None, 1_070);
        assert_eq!(late, [1]);
    }

    #[test]
    fn the_tag_is_kept_while_the_question_stays_the_same() {
        let (_, moved) = advance(&start(0), &[(1, 500)], Some("a".into()), 520);
        assert_eq!((moved.since, moved.etag.as_deref()), (Some(380), None));
        let (_, stays) = advance(&moved, &[(1, 500)], Some("b".into()), 570);
        assert_eq!((stays.since, stays.etag.as_deref()), (Some(380), Some("b")));
    }

    #[test]
    fn the_stretch_never_moves_back_and_an_empty_list_moves_nothing() {
        let (_, cursor) = advance(&start(1_000), &[(1, 1_001)], None, 2_000);
        assert_eq!(cursor.since, Some(1_000));
        let (numbers, same) = advance(&cursor, &[], Some("e".into()), 3_000);
        assert!(numbers.is_empty());
        assert_eq!((same.since, same.told.len()), (Some(1_000), 0));
    }

    #[test]
    fn a_poll_that_is_not_through_goes_on_where_it_got_to() {
        let (first, cursor) = catch_up(&start(0), &[(1, 10), (2, 90), (3, 90)], 5_000);
        assert_eq!(first, [1, 2, 3]);
        assert_eq!((cursor.since, cursor.etag.as_deref()), (Some(90), None));
        let (rest, cursor) = advance(&cursor, &[(2, 90), (3, 90), (4, 90), (5, 99)], None, 5_000);
        assert_eq!(rest, [4, 5]);
        assert_eq!(cursor.since, Some(90));
        // Near to the clock it looks back as ever.
        let (_, near) = catch_up(&start(0), &[(1, 4_990)], 5_000);
        assert_eq!(near.since, Some(4_880));
    }

    #[test]
    fn a_cursor_that_is_no_cursor_starts_anew() {
        assert_eq!(parse(""), Cursor::default());
        assert_eq!(parse("{\"since\":\"x\"}"), Cursor::default());
        let cursor = start(7);
        assert_eq!(parse(&serde_json::to_string(&cursor).unwrap()), cursor);
    }
}
