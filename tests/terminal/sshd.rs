//! A real sshd for one test: as the user who runs it, on a loopback address of its own, with keys
//! that live as long as the test.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result, ensure};
use cloud_code_tests::cluster::until;

/// What the name of the host is in the user's own ssh configuration.
pub(crate) const ALIAS: &str = "desk";

/// What these tests need from the machine.
#[derive(Debug)]
pub(crate) struct Programs {
    sshd: PathBuf,
    ssh: PathBuf,
    keygen: PathBuf,
}

impl Programs {
    /// Looks for them.
    ///
    /// # Errors
    /// Which one is missing, and the package that it is in.
    pub(crate) fn find() -> Result<Self, String> {
        let find = |name: &str, package: &str| {
            let path = std::env::var("PATH").unwrap_or_default();
            let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
            places.push("/usr/sbin".into());
            let mut files = places.into_iter().map(|place| place.join(name));
            files
                .find(|file| file.is_file())
                .ok_or_else(|| format!("{name} is not installed (package {package})"))
        };
        find("tmux", "tmux")?;
        Ok(Self {
            sshd: find("sshd", "openssh-server")?,
            ssh: find("ssh", "openssh-client")?,
            keygen: find("ssh-keygen", "openssh-client")?,
        })
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Sshd(Child);

impl Sshd {
    /// Starts it, and puts an `ssh` that reads the test's own configuration into `<root>/path`.
    pub(crate) async fn start(programs: &Programs, root: &Path) -> Result<Self> {
        let dir = root.join("ssh");
        fs::create_dir_all(&dir)?;
        for name in ["host", "user"] {
            key(&programs.keygen, &dir.join(name))?;
        }
        fs::copy(dir.join("user.pub"), dir.join("authorized_keys"))?;
        let (address, port) = own_address();
        fs::write(dir.join("sshd_config"), server(root, &address, port))?;
        fs::write(dir.join("config"), client(&dir, &address, port)?)?;
        let host = fs::read_to_string(dir.join("host.pub"))?;
        fs::write(
            dir.join("known_hosts"),
            format!("[{address}]:{port} {host}"),
        )?;
        let wrapper = root.join("path/ssh");
        let config = dir.join("config");
        let (ssh, config) = (programs.ssh.display(), config.display());
        fs::create_dir_all(root.join("path"))?;
        fs::write(
            &wrapper,
            format!("#!/bin/sh\nexec {ssh} -F {config} \"$@\"\n"),
        )?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
        if nix::unistd::geteuid().is_root() {
            // Where sshd shuts its unprivileged part in; a package's service makes it otherwise.
            fs::create_dir_all("/run/sshd")?;
        }
        let sshd = Self(serve(&programs.sshd, &dir)?);
        let up = || TcpStream::connect((address.as_str(), port)).ok();
        let listening = until("sshd listens", up).await;
        let said = || fs::read_to_string(dir.join("log")).unwrap_or_default();
        listening.with_context(said)?;
        Ok(sshd)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed, and need not be.
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[expect(clippy::disallowed_methods, reason = "a real sshd is the point")]
fn serve(sshd: &Path, dir: &Path) -> Result<Child> {
    let log = fs::File::create(dir.join("log"))?;
    Command::new(sshd)
        .args(["-D", "-e", "-f"])
        .arg(dir.join("sshd_config"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("sshd cannot be started")
}

#[expect(
    clippy::disallowed_methods,
    reason = "keys are made by the real program"
)]
fn key(keygen: &Path, at: &Path) -> Result<()> {
    let made = Command::new(keygen)
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(at)
        .output()?;
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    ensure!(made.status.success(), "ssh-keygen: {said}");
    Ok(())
}

fn server(root: &Path, address: &str, port: u16) -> String {
    let root = root.display();
    format!(
        "ListenAddress {address}:{port}
HostKey {root}/ssh/host
PidFile none
AuthorizedKeysFile {root}/ssh/authorized_keys
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
PrintLastLog no
AcceptEnv TERM LANG
SetEnv PATH={root}/bin:/usr/local/bin:/usr/bin:/bin CLOUD_CODE_SOCKET={root}/operator.sock HOME={root}/home LANG=C.UTF-8
"
    )
}

fn client(dir: &Path, address: &str, port: u16) -> Result<String> {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid())?.context("no user of our id")?;
    let (dir, user) = (dir.display(), user.name);
    Ok(format!(
        "Host {ALIAS}
  HostName {address}
  Port {port}
  User {user}
  IdentityFile {dir}/user
  IdentitiesOnly yes
  UserKnownHostsFile {dir}/known_hosts
  StrictHostKeyChecking yes
  BatchMode yes
"
    ))
}

/// A loopback address and port that no other test uses.
fn own_address() -> (String, u16) {
    static NEXT: AtomicU16 = AtomicU16::new(30_000);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let address = format!("127.{}.{middle}.{low}", high | 0x80);
    (address, NEXT.fetch_add(1, Ordering::Relaxed))
}
