//! Places, by name, where a test can have the program killed, `FAILPOINTS="outbox::after_done=return"` in
//! its environment, or stand still for so many milliseconds: `core::before_commit=sleep(6000)`. They are compiled in with the feature `failpoints` only, which nothing but the
//! tests of this workspace switches on.
//!
//! ```text
//!  failpoint!("core::before_commit")   ─▶  kill -9 of this process, the n-th time it is reached
//! ```

/// As `kill -9` does it: nothing is written, closed or said any more.
#[cfg(feature = "failpoints")]
pub(crate) fn die<T>() -> T {
    use rustix::process::{Signal, getpid, kill_process};
    loop {
        // Nothing stops a process from killing itself; until it is dead, it does nothing else.
        let _dying = kill_process(getpid(), Signal::KILL);
    }
}

/// Switches on what the environment names, as long as the result lives.
#[cfg(feature = "failpoints")]
pub(crate) fn from_environment() -> impl Drop {
    struct Scenario(Option<fail::FailScenario<'static>>);
    impl Drop for Scenario {
        fn drop(&mut self) {
            if let Some(scenario) = self.0.take() {
                scenario.teardown();
            }
        }
    }
    Scenario(Some(fail::FailScenario::setup()))
}

/// See the module.
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        fail::fail_point!($name, |_| crate::failpoint::die());
    };
}

pub(crate) use failpoint;
