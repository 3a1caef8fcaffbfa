//! The command line of agentd.

use std::path::PathBuf;

use clap::Parser;

/// The box daemon of Cloud Code: runs a coding CLI inside a workstation.
#[derive(Debug, Clone, Parser)]
#[command(name = "agentd", version)]
pub struct Config {
    /// The Unix socket of orchestratord; it may appear later
    #[arg(long, value_name = "PATH")]
    pub socket: PathBuf,
    /// The agent's own volume
    #[arg(long, value_name = "DIR")]
    pub workspace: PathBuf,
    /// Programs that come first in PATH: DIR/bin and DIR
    #[arg(long, value_name = "DIR")]
    pub tools: Option<PathBuf>,
    /// Caches of package managers
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Memory-backed storage for granted secrets [default: below /run, $XDG_RUNTIME_DIR or /dev/shm]
    #[arg(long, value_name = "DIR")]
    pub credentials: Option<PathBuf>,
}
