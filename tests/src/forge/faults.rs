//! What can go wrong between a caller and GitHub, to be switched on by tests.

use std::time::Duration;

/// A fault of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request takes effect; the connection ends without an answer.
    LoseAnswer,
    /// This status, and no effect.
    FailBefore(u16),
    /// The request takes effect, and the answer is this status.
    FailAfter(u16),
    /// 429 with `Retry-After` in seconds, and no effect.
    Limited(u64),
    /// 403 with a spent primary limit that is reset after so many seconds, and no effect.
    Spent(u64),
    /// The connection ends before the request has an effect.
    Reset,
    /// The request takes effect; nothing is ever said of it.
    Hang,
    /// The request takes effect; half of the answer arrives, as if it were all.
    HalfAnswer,
    /// The request takes effect; the answer is a page for people, with a good status.
    Page,
    /// The answer has none of the headers that a caller may do without.
    Bare,
    /// The answer comes late.
    Slow(Duration),
    /// A list lacks its newest item.
    StaleList,
}

/// Where and how often a fault happens.
#[derive(Debug, Clone)]
struct Planned {
    method: String,
    part: String,
    fault: Fault,
    times: u32,
}

/// Whether a path has this in it, or ends so where there is a `$` behind it.
fn is_in(part: &str, path: &str) -> bool {
    match part.strip_suffix('$') {
        Some(end) => path.ends_with(end),
        None => path.contains(part),
    }
}

/// The faults that are still to come.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Planned>);

impl Faults {
    pub(super) fn plan(&mut self, method: &str, part: &str, fault: Fault, times: u32) {
        self.0.push(Planned {
            method: method.to_owned(),
            part: part.to_owned(),
            fault,
            times,
        });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault of this request, used up by it. The method `*` is any.
    pub(super) fn take(&mut self, method: &str, path: &str) -> Option<Fault> {
        let planned = self.0.iter_mut().find(|planned| {
            let meant = planned.method == "*" || planned.method == method;
            planned.times > 0 && meant && is_in(&planned.part, path)
        })?;
        planned.times -= 1;
        Some(planned.fault)
    }
}
