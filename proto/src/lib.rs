//! WIRE: what goes between the programs of Cloud Code, and its conversions to the domain.
//!
//! The `.proto` files are the contract; their comments say what a message means. What comes from
//! outside is checked in the conversions (`TryFrom`), never defaulted.

/// Generated from `proto/cloudcode/v1/*.proto`.
#[allow(
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    clippy::cognitive_complexity,
    clippy::large_futures,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("cloudcode.v1");
}

mod convert;

pub use convert::Malformed;

/// The contract as data, an encoded `FileDescriptorSet`: for whoever has to reach every field of
/// every message, those to come included.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The version of both protocols. A peer with another one is told what to do.
pub const PROTOCOL: u32 = 3;

/// Bytes of a session or operator message that are accepted at most.
pub const MAX_MESSAGE: usize = 4 << 20;

/// Bytes of a pack in one chunk at most.
pub const PACK_CHUNK: usize = 256 << 10;
