//! The configuration file, on a machine that has no file that it names.

#![no_main]

use std::io;
use std::path::{Path, PathBuf};

use orchestratord::config::{self, FileFacts, Files, Surroundings};

struct Bare;

impl Files for Bare {
    fn facts(&self, _path: &Path) -> Option<FileFacts> {
        None
    }
    fn read(&self, _path: &Path, _limit: usize) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn resolve(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }
    fn surroundings(&self) -> Surroundings {
        Surroundings {
            uid: 0,
            home: None,
            xdg_state_home: None,
            xdg_runtime_dir: None,
            program_dir: "/usr/bin".into(),
        }
    }
    fn knows_user(&self, _name: &str) -> bool {
        false
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = cloud_code_fuzz::text(data);
    if let Err(problems) = config::parse(Path::new("/etc/c.toml"), &text, &Bare) {
        let shown = problems.to_string();
        assert!(!shown.trim().is_empty(), "a refusal says why");
        let obeyed = |c: char| c != '\n' && cloud_code_fuzz::is_obeyed(c);
        assert!(!shown.contains(obeyed), "{shown:?}");
    }
});
