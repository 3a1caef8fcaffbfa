//! One queue per account.
//!
//! Reads and writes wait in lines of their own, so neither can starve the other. Writes go one at a
//! time, apart from each other, as GitHub asks of programs that make content. Where GitHub said that
//! an account must pause, calls are answered at once with the time from which on it makes sense to
//! come again: nothing sleeps for an hour inside a call.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cloud_code_domain::time::Timestamp;
use http::{HeaderMap, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// How fast an account may be used.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between the end of a write and the start of the next.
    pub between_writes: Duration,
    /// Reads at the same time.
    pub reads_at_once: usize,
    /// Whoever has no answer for so long waits on without its place.
    pub place_held: Duration,
}

impl Default for Pace {
    /// What GitHub asks for.
    fn default() -> Self {
        Self {
            between_writes: Duration::from_secs(1),
            reads_at_once: 8,
            place_held: Duration::from_secs(5),
        }
    }
}

/// A pause is never believed to be longer than this: a primary limit ends within the hour.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_900);
/// The pause where GitHub refuses without saying for how long.
const UNNAMED_PAUSE: Duration = Duration::from_secs(60);

/// What GitHub counts apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resource {
    /// REST.
    Core,
    /// GraphQL.
    Graphql,
}

/// A pause that an answer asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pause {
    /// What it holds for; none: everything.
    pub(super) resource: Option<Resource>,
    /// How long.
    pub(super) wait: Duration,
    /// Whether the answer itself was a refusal because of the limit.
    pub(super) refused: bool,
}

impl Pause {
    /// Reads the pause from an answer to a call of `resource`. `date` is the time on GitHub's clock
    /// in seconds: resets are told on that clock, and ours may differ.
    pub(super) fn from_answer(
        resource: Resource,
        status: StatusCode,
        headers: &HeaderMap,
        message: &str,
        date: i64,
    ) -> Option<Self> {
        let refusal = matches!(
            status,
            StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
        );
        let pause = |resource, seconds: i64, refused| Self {
            resource,
            wait: Duration::from_secs(seconds.max(1).unsigned_abs()).min(LONGEST_PAUSE),
            refused,
        };
        // A server that fails may name a time as well: what became of the call is still not known.
        if (refusal || status.is_server_error())
            && let Some(seconds) = retry_after(headers, date)
        {
            return Some(pause(None, seconds, refusal));
        }
        if number(headers, "x-ratelimit-remaining") == Some(0) {
            let reset = number(headers, "x-ratelimit-reset");
            let wait = reset.map_or(60, |reset| reset.saturating_sub(date).saturating_add(1));
            return Some(pause(Some(resource), wait, refusal));
        }
        let said = message.to_ascii_lowercase();
        let limit = status == StatusCode::TOO_MANY_REQUESTS
            || (refusal && (said.contains("rate limit") || said.contains("abuse detection")));
        limit.then_some(Self {
            resource: None,
            wait: UNNAMED_PAUSE,
            refused: true,
        })
    }
}

/// Seconds, or a time on the other side's clock.
fn retry_after(headers: &HeaderMap, date: i64) -> Option<i64> {
    number(headers, "retry-after").or_else(|| {
        let text = headers.get("retry-after")?.to_str().ok()?;
        let at = jiff::fmt::rfc2822::parse(text).ok()?;
        Some(at.timestamp().as_second().saturating_sub(date))
    })
}

fn number(headers: &HeaderMap, name: &str) -> Option<i64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// An account that must pause, until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed {
    until: Instant,
    /// The same time on the wall.
    pub(super) wall: Timestamp,
}

/// The deciding part: told the time, never asking for it.
#[derive(Debug, Default)]
struct Gauge {
    core: Option<Closed>,
    graphql: Option<Closed>,
    last_write: Option<Instant>,
}

impl Gauge {
    fn closed(&self, resource: Resource, now: Instant) -> Option<Closed> {
        let closed = match resource {
            Resource::Core => self.core,
            Resource::Graphql => self.graphql,
        };
        closed.filter(|closed| closed.until > now)
    }

    fn pause(&mut self, pause: Pause, now: Instant, wall: Timestamp) {
        let closed = Closed {
            until: now + pause.wait,
            wall: wall.after(pause.wait),
        };
        let later = |old: Option<Closed>| match old {
            Some(old) if old.until > closed.until => Some(old),
            Some(_) | None => Some(closed),
        };
        if pause.resource != Some(Resource::Graphql) {
            self.core = later(self.core);
        }
        if pause.resource != Some(Resource::Core) {
            self.graphql = later(self.graphql);
        }
    }

    fn next_write(&self, between: Duration, now: Instant) -> Instant {
        self.last_write.map_or(now, |last| now.max(last + between))
    }
}

/// The queue of an account.
#[derive(Debug)]
pub(super) struct Limiter {
    pace: Pace,
    reads: Semaphore,
    writes: Semaphore,
    gauge: Mutex<Gauge>,
}

/// A place in the queue; the next one moves up when it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    limiter: &'a Limiter,
    write: bool,
    _permit: Option<SemaphorePermit<'a>>,
}

impl Limiter {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            reads: Semaphore::new(pace.reads_at_once.max(1)),
            writes: Semaphore::new(1),
            gauge: Mutex::default(),
        }
    }

    /// Waits for a place among the reads, or says until when the account pauses.
    pub(super) async fn read(&self, resource: Resource) -> Result<Place<'_>, Closed> {
        self.open(resource)?;
        let permit = self.reads.acquire().await.ok();
        self.open(resource)?;
        Ok(Place {
            limiter: self,
            write: false,
            _permit: permit,
        })
    }

    /// Waits until it is this write's turn, or says until when the account pauses.
    pub(super) async fn write(&self, resource: Resource) -> Result<Place<'_>, Closed> {
        self.open(resource)?;
        let permit = self.writes.acquire().await.ok();
        let at = self
            .gauge()
            .next_write(self.pace.between_writes, Instant::now());
        tokio::time::sleep_until(at).await;
        self.open(resource)?;
        Ok(Place {
            limiter: self,
            write: true,
            _permit: permit,
        })
    }

    /// Learns from an answer.
    pub(super) fn pause(&self, pause: Pause, wall: Timestamp) {
        self.gauge().pause(pause, Instant::now(), wall);
    }

    fn open(&self, resource: Resource) -> Result<(), Closed> {
        let closed = self.gauge().closed(resource, Instant::now());
        closed.map_or(Ok(()), Err)
    }

    fn gauge(&self) -> std::sync::MutexGuard<'_, Gauge> {
        self.gauge.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Makes the call that the place is for, to its end. The place is left when it ends, or before.
    pub(super) async fn call<T>(self, work: impl Future<Output = T>) -> T {
        let held = self.limiter.pace.place_held;
        tokio::pin!(work);
        match tokio::time::timeout(held, &mut work).await {
            Ok(done) => done,
            Err(_elapsed) => {
                drop(self);
                work.await
            }
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.write {
            self.limiter.gauge().last_write = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let value = http::HeaderValue::from_static(value);
            (http::HeaderName::from_static(name), value)
        });
        pairs.collect()
    }

    fn read(status: u16, pairs: &[(&'static str, &'static str)], message: &str) -> Option<Pause> {
        let status = StatusCode::from_u16(status).unwrap();
        Pause::from_answer(Resource::Core, status, &headers(pairs), message, 1_000)
    }

    #[test]
    fn an_answer_without_a_limit_asks_for_no_pause() {
        assert_eq!(read(200, &[("x-ratelimit-remaining", "12")], ""), None);
        assert_eq!(
            read(403, &[], "Resource not accessible by integration"),
            None
        );
        assert_eq!(read(200, &[("retry-after", "9")], ""), None);
    }

    #[test]
    fn retry_after_pauses_everything() {
        let pause = read(429, &[("retry-after", "17")], "").unwrap();
        assert_eq!(
            (pause.resource, pause.wait, pause.refused),
            (None, 17 * SECOND, true)
        );
    }

    #[test]
    fn a_pause_may_be_named_by_its_end() {
        let end = [("retry-after", "Thu, 01 Jan 1970 00:17:10 GMT")];
        assert_eq!(read(429, &end, "").unwrap().wait, 30 * SECOND);
        let unreadable = read(429, &[("retry-after", "soon")], "").unwrap();
        assert_eq!((unreadable.wait, unreadable.refused), (60 * SECOND, true));
    }

    #[test]
    fn a_failing_server_that_names_a_time_is_left_alone_and_refused_nothing() {
        let pause = read(503, &[("retry-after", "3")], "").unwrap();
        assert_eq!((pause.wait, pause.refused), (3 * SECOND, false));
        assert_eq!(read(503, &[], ""), None);
    }

    #[test]
    fn a_spent_primary_limit_pauses_its_resource_until_the_reset_on_githubs_clock() {
        let spent = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1090"),
        ];
        let pause = read(200, &spent, "").unwrap();
        assert_eq!(pause.resource, Some(Resource::Core));
        assert_eq!((pause.wait, pause.refused), (91 * SECOND, false));
        assert!(read(403, &spent, "").unwrap().refused);
    }

    #[test]
    fn a_secondary_limit_without_a_time_pauses_a_minute() {
        let said = "You have exceeded a secondary rate limit.";
        assert_eq!(read(403, &[], said).unwrap().wait, 60 * SECOND);
        assert_eq!(read(429, &[], "").unwrap().wait, 60 * SECOND);
    }

    #[test]
    fn an_absurd_reset_is_not_believed() {
        let spent = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "99999999999"),
        ];
        assert_eq!(read(403, &spent, "").unwrap().wait, LONGEST_PAUSE);
        let past = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")];
        assert_eq!(read(403, &past, "").unwrap().wait, SECOND);
    }

    #[test]
    fn a_pause_ends_and_a_shorter_one_never_shortens_it() {
        let (mut gauge, now) = (Gauge::default(), Instant::now());
        let pause = |seconds| Pause {
            resource: None,
            wait: seconds * SECOND,
            refused: true,
        };
        gauge.pause(pause(10), now, Timestamp(0));
        gauge.pause(pause(5), now, Timestamp(0));
        let closed = gauge.closed(Resource::Core, now + 9 * SECOND).unwrap();
        assert_eq!(closed.wall, Timestamp(10_000));
        assert!(gauge.closed(Resource::Graphql, now + 9 * SECOND).is_some());
        assert_eq!(gauge.closed(Resource::Core, now + 10 * SECOND), None);
    }

    #[test]
    fn a_pause_of_graphql_leaves_rest_open() {
        let (mut gauge, now) = (Gauge::default(), Instant::now());
        let pause = Pause {
            resource: Some(Resource::Graphql),
            wait: SECOND,
            refused: false,
        };
        gauge.pause(pause, now, Timestamp(0));
        assert_eq!(gauge.closed(Resource::Core, now), None);
        assert!(gauge.closed(Resource::Graphql, now).is_some());
    }

    #[test]
    fn writes_stay_apart_and_the_first_waits_for_nothing() {
        let (mut gauge, now) = (Gauge::default(), Instant::now());
        assert_eq!(gauge.next_write(SECOND, now), now);
        gauge.last_write = Some(now);
        assert_eq!(gauge.next_write(SECOND, now), now + SECOND);
        assert_eq!(gauge.next_write(SECOND, now + 3 * SECOND), now + 3 * SECOND);
    }

    #[tokio::test]
    async fn a_write_under_way_holds_no_read_back_and_full_reads_no_write() {
        let limiter = Limiter::new(Pace {
            between_writes: Duration::ZERO,
            reads_at_once: 1,
            ..Pace::default()
        });
        let write = limiter.write(Resource::Core).await.unwrap();
        let read = limiter.read(Resource::Core).await.unwrap();
        drop(write);
        let again = limiter.write(Resource::Core).await.unwrap();
        drop((read, again));
    }
    #[tokio::test]
    async fn calls_that_are_never_answered_hold_no_other_up() {
        let limiter = Limiter::new(Pace {
            between_writes: Duration::ZERO,
            reads_at_once: 1,
            place_held: Duration::ZERO,
        });
        let hangs = async |read: bool| {
            let place = if read {
                limiter.read(Resource::Core).await
            } else {
                limiter.write(Resource::Core).await
            };
            place.unwrap().call(std::future::pending::<()>()).await;
        };
        let others = async {
            let read = limiter
                .read(Resource::Core)
                .await
                .unwrap()
                .call(async { 1 });
            let write = limiter
                .write(Resource::Core)
                .await
                .unwrap()
                .call(async { 2 });
            (read.await, write.await)
        };
        let answered = tokio::select! {
            biased;
            () = hangs(true) => None,
            () = hangs(false) => None,
            answered = others => Some(answered),
        };
        assert_eq!(answered, Some((1, 2)));
    }
}
