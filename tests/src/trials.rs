//! Tests that need what a machine may not have: an engine, an image, a program.
//!
//! Where it is missing, a test is reported as ignored, with the reason. Where a variable says that it
//! has to be there, the test fails instead, so that a suite cannot go quiet on the machine that is
//! meant to run it.

use std::fmt::Display;

use libtest_mimic::{Completion, Failed, Trial};

/// Whether what a set of tests needs has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Without it tests are ignored.
    Optional,
    /// Without it tests fail.
    Required,
}

impl Demand {
    /// What the variable says: `1` demands it.
    #[must_use]
    pub fn of_variable(name: &str) -> Self {
        if std::env::var_os(name).is_some_and(|value| value == "1") {
            Self::Required
        } else {
            Self::Optional
        }
    }
}

/// What became of looking for what a test needs.
#[derive(Debug)]
pub enum Found<T> {
    /// It is there.
    There(T),
    /// It is not, and why.
    Missing(String),
}

/// A test that first looks for what it needs, on a runtime of its own.
pub fn trial<T, E: Display>(
    name: impl Into<String>,
    demand: Demand,
    look: impl AsyncFnOnce() -> Found<T> + Send + 'static,
    test: impl AsyncFnOnce(T) -> Result<(), E> + Send + 'static,
) -> Trial {
    Trial::ignorable_test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime.block_on(async move {
            match (look().await, demand) {
                (Found::There(found), Demand::Optional | Demand::Required) => {
                    match test(found).await {
                        Ok(()) => Ok(Completion::Completed),
                        // With its causes, each once, where the error has some.
                        Err(error) => Err(Failed::from(format!("{error:#}"))),
                    }
                }
                (Found::Missing(why), Demand::Optional) => Ok(Completion::ignored_with(why)),
                (Found::Missing(why), Demand::Required) => Err(why.into()),
            }
        })
    })
}
