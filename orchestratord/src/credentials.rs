//! Secrets that agents may ask for: kept encrypted, given out for a grant only.
//!
//! ```text
//!  cloud-code secret set ──▶ secrets_file ──(grant)──▶ delivery over the session ──▶ memory of agentd
//! ```

mod key;
mod secrets;
mod secrets_file;

pub use key::{BadKey, check_key, generate_key};
pub use secrets::Secrets;
pub use secrets_file::{SecretEntry, SecretIdentity, SecretsError, SecretsFile};
