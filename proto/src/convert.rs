//! Conversions between the wire and the domain.

mod event;
mod log;
mod operator;
mod report;
mod session;

/// A message that does not mean anything: which field, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the field {field} is malformed: {why}")]
pub struct Malformed {
    /// The field, as the `.proto` file names it.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "takes an error as `map_err` hands it over"
)]
pub(crate) fn malformed(field: &'static str, why: impl ToString) -> Malformed {
    Malformed {
        field,
        why: why.to_string(),
    }
}
