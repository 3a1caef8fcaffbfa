//! What git does on the host, written down by git itself: a program in front of it on orchestratord's
//! search path switches its event log on, in which it names every program that it starts.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

/// See the module.
#[derive(Debug)]
pub struct GitRecord {
    file: PathBuf,
}

/// What git did.
#[derive(Debug, Default)]
pub struct Started {
    /// How often git itself was started.
    pub calls: usize,
    /// The programs that it started, or became.
    pub programs: BTreeSet<String>,
}

impl GitRecord {
    /// Puts the program in front of git into this directory.
    pub(super) fn begin(bin: &Path, file: PathBuf) -> Result<Self> {
        let search = std::env::var_os("PATH").context("no search path")?;
        let mut places = std::env::split_paths(&search).map(|folder| folder.join("git"));
        let git = places
            .find(|git| git.is_file())
            .context("there is no git")?;
        let wrapper = format!(
            "#!/bin/sh\nGIT_TRACE2_EVENT={} exec {} \"$@\"\n",
            file.display(),
            git.display()
        );
        // Renamed into place: git may be started at any moment.
        let (new, at) = (bin.join("git.new"), bin.join("git"));
        fs::write(&new, wrapper)?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
        fs::rename(new, at)?;
        Ok(Self { file })
    }

    /// What git did so far.
    ///
    /// # Errors
    /// Where nothing was written down, or not as git does.
    pub fn programs_started(&self) -> Result<Started> {
        let text = fs::read_to_string(&self.file).context("nothing was written down")?;
        let mut started = Started::default();
        for line in text.lines() {
            let event: Value = serde_json::from_str(line).context("no event of git's")?;
            match event["event"].as_str() {
                Some("start") => started.calls += 1,
                Some("child_start" | "exec") => {
                    let words = event["argv"].as_array();
                    let program = event["exe"].as_str().or_else(|| words?.first()?.as_str());
                    // What goes through a shell is one word with its arguments in it.
                    let program = program.and_then(|line| line.split_whitespace().next());
                    let hook = event["child_class"].as_str() == Some("hook");
                    let program = if hook {
                        event["hook_name"].as_str()
                    } else {
                        program
                    };
                    started
                        .programs
                        .insert(program.unwrap_or("nameless").to_owned());
                }
                _other => {}
            }
        }
        Ok(started)
    }
}
