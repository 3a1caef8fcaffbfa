//! The Debian package: built, looked at, installed into a root of the test's own, and removed.
//!
//! ```text
//!  our programs ─▶ packaging/build-deb.sh ─▶ .deb ─▶ dpkg --root ─▶ files, modes
//!                                                       └─▶ scripts ─▶ systemctl of the test's own
//! ```

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use tokio::process::Command;

use super::Need::{self, Tool};
use super::{OURS, ends_well, repository, said, with};

/// Writes down how it was called.
const SYSTEMCTL: &str = "#!/bin/sh\necho \"$*\" >>\"$DPKG_ROOT/systemctl\"\n";
const BUILDS: &[Need] = &[Tool("dpkg-deb"), Tool("dpkg"), Tool("md5sum")];
const INSTALLS: &[Need] = &[Tool("dpkg-deb"), Tool("dpkg"), Need::Root];

pub(super) fn trials() -> Vec<Trial> {
    vec![
        with(BUILDS, "the_package_holds_an_installation", contents),
        with(
            INSTALLS,
            "the_package_starts_only_what_is_configured_and_stops_no_agent",
            life,
        ),
        with(
            BUILDS,
            "an_agentd_that_is_not_static_makes_no_package",
            not_static,
        ),
    ]
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

/// The package, of our own programs; agentd is a stand-in that needs no C library either.
async fn package(place: &Path) -> Result<PathBuf> {
    let agentd = place.join("agentd");
    std::fs::write(&agentd, "#!/bin/sh\n")?;
    std::fs::set_permissions(&agentd, std::fs::Permissions::from_mode(0o755))?;
    let script = repository().join("packaging/build-deb.sh");
    let (programs, into) = (place.join("bin"), place.join("built"));
    let arguments = ["-Z", "none", text(&programs)?, text(&agentd)?, text(&into)?];
    said(script, &arguments).await?;
    let mut built = std::fs::read_dir(into)?;
    let package = built.next().context("no package")??.path();
    ensure!(built.next().is_none(), "more than a package");
    Ok(package)
}

async fn not_static(place: &Path) -> Result<()> {
    let script = repository().join("packaging/build-deb.sh");
    let (programs, into) = (place.join("bin"), place.join("built"));
    let agentd = programs.join("agentd");
    let arguments = [text(&programs)?, text(&agentd)?, text(&into)?];
    let refusal = said(script, &arguments).await.err();
    let refusal = refusal.context("it was packed")?.to_string();
    ensure!(refusal.contains("is not static"), "{refusal}");
    ensure!(!into.exists(), "something was made");
    Ok(())
}

/// Each path in it, with its mode and owner as tar lists them.
async fn listed(package: &Path) -> Result<BTreeMap<String, String>> {
    let (listing, _) = said("dpkg-deb", &["--contents", text(package)?]).await?;
    let entries = listing.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (mode, owner) = (words.next()?, words.next()?);
        let path = words.nth(3)?.strip_prefix('.')?;
        Some((path.to_owned(), format!("{mode} {owner}")))
    });
    Ok(entries.collect())
}

async fn contents(place: &Path) -> Result<()> {
    let package = package(place).await?;
    let listed = listed(&package).await?;
    for (path, mode) in &listed {
        let usual = ["drwxr-xr-x", "-rwxr-xr-x", "-rw-r--r--"];
        ensure!(
            usual
                .iter()
                .any(|usual| *mode == format!("{usual} root/root")),
            "{path}: {mode}"
        );
        let program = path.starts_with("/usr/bin/") || path == "/usr/lib/cloud-code/agentd";
        let runs = mode.starts_with("-rwx");
        ensure!(runs == (program && !path.ends_with('/')), "{path}: {mode}");
    }
    let mut wanted = vec![
        "/usr/lib/cloud-code/agentd".to_owned(),
        "/usr/lib/systemd/system/orchestratord.service".to_owned(),
        "/usr/share/doc/cloud-code/copyright".to_owned(),
        "/usr/share/doc/cloud-code/changelog.gz".to_owned(),
        "/usr/share/doc/cloud-code/examples/orchestratord.toml".to_owned(),
        "/usr/share/man/man1/cloud-code-task-steer.1.gz".to_owned(),
        "/etc/default/orchestratord".to_owned(),
    ];
    for program in OURS {
        wanted.push(format!("/usr/bin/{program}"));
        wanted.push(format!("/usr/share/man/man1/{program}.1.gz"));
        wanted.push(format!("/usr/share/bash-completion/completions/{program}"));
        wanted.push(format!("/usr/share/zsh/vendor-completions/_{program}"));
        wanted.push(format!(
            "/usr/share/fish/vendor_completions.d/{program}.fish"
        ));
    }
    for path in wanted {
        ensure!(
            listed.contains_key(&path),
            "there is no {path}: {listed:#?}"
        );
    }
    described(place, &package).await
}

/// What stands in its control files is so.
async fn described(place: &Path, package: &Path) -> Result<()> {
    let opened = place.join("opened");
    said("dpkg-deb", &["-R", text(package)?, text(&opened)?]).await?;
    let control = std::fs::read_to_string(opened.join("DEBIAN/control"))?;
    let version = format!("Version: {}", env!("CARGO_PKG_VERSION"));
    for field in [
        version.as_str(),
        "Depends: libc6 (>= 2.",
        "Installed-Size: ",
    ] {
        ensure!(control.contains(field), "no {field}: {control}");
    }
    ensure!(control.matches('@').count() == 1, "{control}");
    let conffiles = std::fs::read_to_string(opened.join("DEBIAN/conffiles"))?;
    for file in conffiles.lines() {
        ensure!(
            opened.join(file.trim_start_matches('/')).is_file(),
            "{file}"
        );
    }
    let mut sums = Command::new("md5sum");
    sums.args(["--check", "--strict", "--quiet", "DEBIAN/md5sums"])
        .current_dir(&opened);
    ends_well(sums).await?;
    for script in ["postinst", "prerm", "postrm"] {
        let script = opened.join("DEBIAN").join(script);
        said("sh", &["-n", text(&script)?]).await?;
    }
    // The example names the agentd of the package.
    let example = opened.join("usr/share/doc/cloud-code/examples/orchestratord.toml");
    let example = std::fs::read_to_string(example)?;
    ensure!(example.contains("agentd = \"/usr/lib/cloud-code/agentd\""));
    ensure!(!example.contains("/usr/local/lib"));
    Ok(())
}

/// A machine to install it on, as far as dpkg and the scripts look.
struct Machine {
    root: PathBuf,
    tools: PathBuf,
    package: PathBuf,
}

impl Machine {
    fn set(place: &Path, package: PathBuf) -> Result<Self> {
        let (root, tools) = (place.join("root"), place.join("tools"));
        for directory in ["info", "updates", "triggers"] {
            std::fs::create_dir_all(root.join("var/lib/dpkg").join(directory))?;
        }
        std::fs::write(root.join("var/lib/dpkg/status"), "")?;
        std::fs::create_dir_all(root.join("run/systemd/system"))?;
        std::fs::create_dir_all(&tools)?;
        std::fs::write(tools.join("systemctl"), SYSTEMCTL)?;
        let runs = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(tools.join("systemctl"), runs)?;
        let machine = Self {
            root,
            tools,
            package,
        };
        Ok(machine)
    }

    /// What dpkg says, and what systemctl was told meanwhile.
    async fn dpkg(&self, what: &[&str]) -> Result<(String, Vec<String>)> {
        let path = std::env::var("PATH")?;
        let told = self.root.join("systemctl");
        std::fs::write(&told, "")?;
        let mut dpkg = Command::new("dpkg");
        dpkg.arg(format!("--root={}", self.root.display()))
            .arg("--force-depends,script-chrootless,not-root,bad-path,unsafe-io")
            .args(what)
            .env("PATH", format!("{}:{path}", self.tools.display()));
        let (out, _) = ends_well(dpkg).await?;
        let told = std::fs::read_to_string(told)?;
        Ok((out, told.lines().map(ToOwned::to_owned).collect()))
    }

    async fn install(&self) -> Result<(String, Vec<String>)> {
        self.dpkg(&["-i", text(&self.package)?]).await
    }

    fn mode(&self, path: &str) -> Result<u32> {
        let metadata = std::fs::metadata(self.root.join(path)).context(path.to_owned())?;
        Ok(metadata.permissions().mode() & 0o7777)
    }
}

async fn life(place: &Path) -> Result<()> {
    let machine = Machine::set(place, package(place).await?)?;
    let (hint, told) = machine.install().await?;
    ensure!(
        hint.contains("write /etc/cloud-code/orchestratord.toml"),
        "{hint}"
    );
    let first = ["daemon-reload", "enable --quiet orchestratord.service"];
    ensure!(told == first, "nobody configured it: {told:?}");
    for directory in ["etc/cloud-code", "var/lib/cloud-code"] {
        ensure!(machine.mode(directory)? == 0o700, "{directory}");
    }

    // An upgrade has the new daemon take over; what was narrowed or changed by hand stays.
    let configuration = machine.root.join("etc/cloud-code/orchestratord.toml");
    std::fs::write(&configuration, "# mine\n")?;
    let environment = machine.root.join("etc/default/orchestratord");
    std::fs::write(&environment, "CLOUD_CODE_LOG=debug\n")?;
    let (_, told) = machine.install().await?;
    let again = ["daemon-reload", "try-restart orchestratord.service"];
    ensure!(told == again, "{told:?}");
    let kept = std::fs::read_to_string(&environment)?;
    ensure!(kept == "CLOUD_CODE_LOG=debug\n", "{kept}");

    // Gone: the daemon, and nothing else.
    let (_, told) = machine.dpkg(&["--remove", "cloud-code"]).await?;
    let gone = ["stop orchestratord.service", "daemon-reload"];
    ensure!(told == gone, "{told:?}");
    ensure!(!machine.root.join("usr/bin/orchestratord").exists());
    let (said, _) = machine.dpkg(&["--purge", "cloud-code"]).await?;
    ensure!(said.contains("/etc/cloud-code is left as it is"), "{said}");
    ensure!(std::fs::read_to_string(&configuration)? == "# mine\n");
    ensure!(!environment.exists(), "a conffile is the package's");

    // With a configuration it is started at once.
    let (_, told) = machine.install().await?;
    ensure!(
        told.last()
            .is_some_and(|last| last == "start orchestratord.service"),
        "{told:?}"
    );
    Ok(())
}
