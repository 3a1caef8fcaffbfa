//! Conversions of `operator.proto`.
