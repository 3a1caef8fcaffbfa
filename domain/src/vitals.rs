//! What a workstation uses, and when that is news.
//!
//! Every agent says it with every heartbeat, a thousand of them hundreds of times a second. Who watches
//! is told of what can be seen on a screen, and from time to time of the rest.

use std::time::Duration;

/// What is told anew at the latest, changed or not: it says as well that the agent lives.
pub const TOLD_EVERY: Duration = Duration::from_secs(30);
/// What is told along with others, so that those who watch are woken once for many.
pub const TOLD_ALONG: Duration = Duration::from_secs(15);
/// Points of a core that can be seen.
const CPU: u32 = 5;

/// What a heartbeat says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vitals {
    /// Percent of one core.
    pub cpu_percent: u32,
    /// Bytes of memory.
    pub memory: u64,
    /// Free bytes of the workspace's file system.
    pub disk_free: u64,
}

impl Vitals {
    /// Whether they look different from those that were told: some points of a core, or a tenth of the
    /// bytes.
    #[must_use]
    pub fn differ_from(&self, told: &Self) -> bool {
        self.cpu_percent.abs_diff(told.cpu_percent) >= CPU
            || differ(self.memory, told.memory)
            || differ(self.disk_free, told.disk_free)
    }
}

fn differ(now: u64, told: u64) -> bool {
    now.abs_diff(told) > told / 10
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: Vitals = Vitals {
        cpu_percent: 40,
        memory: 10_000,
        disk_free: 1_000_000,
    };

    #[test]
    fn what_a_screen_would_show_alike_is_no_news() {
        let cases = [
            (TOLD, false),
            (
                Vitals {
                    cpu_percent: 44,
                    ..TOLD
                },
                false,
            ),
            (
                Vitals {
                    cpu_percent: 45,
                    ..TOLD
                },
                true,
            ),
            (
                Vitals {
                    cpu_percent: 35,
                    ..TOLD
                },
                true,
            ),
            (
                Vitals {
                    memory: 11_000,
                    ..TOLD
                },
                false,
            ),
            (
                Vitals {
                    memory: 11_001,
                    ..TOLD
                },
                true,
            ),
            (Vitals { memory: 0, ..TOLD }, true),
            (
                Vitals {
                    disk_free: 999_000,
                    ..TOLD
                },
                false,
            ),
            (
                Vitals {
                    disk_free: 0,
                    ..TOLD
                },
                true,
            ),
        ];
        for (now, news) in cases {
            assert_eq!(now.differ_from(&TOLD), news, "{now:?}");
        }
    }

    #[test]
    fn the_first_word_of_an_agent_is_news() {
        assert!(TOLD.differ_from(&Vitals::default()));
    }
}
