//! Serves a fleet that does not exist, to look at the control room with:
//! `cargo run -p cloud-code --example synthetic_fleet -- SOCKET`, then `cloud-code --socket SOCKET`.

#![expect(
    clippy::expect_used,
    reason = "a tool for developers that cannot go on ends"
)]

#[path = "../tests/support/fake_operator.rs"]
mod fake_operator;
#[path = "../tests/support/synthetic.rs"]
mod synthetic;

use std::path::PathBuf;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let path = PathBuf::from(std::env::args_os().nth(1).expect("the path of a socket"));
    let now = jiff::Timestamp::now().as_millisecond();
    let server = fake_operator::Daemon::new(now).serve(&path);
    tokio::select! {
        ended = server => ended.expect("the server runs"),
        stopped = tokio::signal::ctrl_c() => stopped.expect("a signal"),
    }
    std::fs::remove_file(&path).expect("the socket is ours");
}
