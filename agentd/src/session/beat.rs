//! The one clock that wakes an idle agentd, once for each heartbeat.
//!
//! The runtime's own timers wait in steps of milliseconds, then of seconds: a timer of three seconds wakes
//! its thread three times. The kernel's wakes it once.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timer::Expiration;
use nix::sys::timerfd::{ClockId, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::read;
use tokio::io::unix::AsyncFd;

/// Ticks, the first one at once.
#[derive(Debug)]
pub(super) struct Beat {
    timer: AsyncFd<OwnedFd>,
    first: bool,
}

impl Beat {
    /// # Errors
    /// Where the system has no timer left.
    pub(super) fn every(interval: Duration) -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let interval = Expiration::Interval(TimeSpec::from_duration(interval));
        timer.set(interval, TimerSetTimeFlags::empty())?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for descriptors that somebody may replace; this one is owned"
        )]
        let timer = AsyncFd::new(OwnedFd::from(timer))?;
        Ok(Self { timer, first: true })
    }

    /// Waits for the next tick; of several that were missed one is left.
    ///
    /// # Errors
    /// Where the timer cannot be read.
    pub(super) async fn tick(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.first) {
            return Ok(());
        }
        loop {
            let mut ready = self.timer.readable().await?;
            // It does not block: what has not expired says so.
            let expired = ready.try_io(|timer| Ok(read(timer.get_ref(), &mut [0; 8])?));
            if let Ok(expired) = expired {
                return expired.map(drop);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use futures_util::FutureExt;

    #[tokio::test]
    async fn the_first_tick_comes_at_once_and_the_second_does_not() {
        let mut beat = Beat::every(Duration::from_secs(3_600)).unwrap();
        assert!(matches!(beat.tick().now_or_never(), Some(Ok(()))));
        assert!(beat.tick().now_or_never().is_none());
    }

    #[tokio::test]
    async fn every_tick_is_followed_by_another_also_where_some_were_missed() {
        let mut beat = Beat::every(Duration::from_millis(1)).unwrap();
        for _ in 0..4 {
            // Waiting is given up and taken up again, as beside other branches.
            while beat.tick().now_or_never().is_none() {
                tokio::task::yield_now().await;
            }
        }
    }
}
