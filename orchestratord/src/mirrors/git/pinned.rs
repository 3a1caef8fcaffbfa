//! What every git on the host runs with: an environment from nothing and a configuration that no
//! file can outrank.
//!
//! Settings are given as `GIT_CONFIG_KEY_n` / `GIT_CONFIG_VALUE_n`, which git reads after all files.
//! They are dropped by git itself where it starts the other side of a local push or fetch; that side
//! therefore gets its own set with `-c` ([`receiving_side`], [`sending_side`]).

use std::ffi::OsString;
use std::path::Path;

use secrecy::ExposeSecret;

use crate::mirrors::remote::Remote;

/// Settings for our own side.
const PINNED: &[(&str, &str)] = &[
    // Nothing that a repository names is run.
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.alternateRefsCommand", "true"),
    ("core.attributesFile", "/dev/null"),
    ("core.excludesFile", "/dev/null"),
    ("core.pager", "cat"),
    ("core.askPass", "false"),
    ("core.sshCommand", "false"),
    ("credential.helper", ""),
    ("commit.gpgSign", "false"),
    ("push.gpgSign", "false"),
    ("core.symlinks", "false"),
    // Nothing runs by itself.
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("gc.autoDetach", "false"),
    // One remote, reached directly.
    ("protocol.allow", "never"),
    ("http.followRedirects", "false"),
    ("http.lowSpeedLimit", "500"),
    ("http.lowSpeedTime", "30"),
    ("transfer.bundleURI", "false"),
    ("transfer.credentialsInUrl", "die"),
    ("submodule.recurse", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("push.recurseSubmodules", "no"),
    ("push.followTags", "false"),
    ("push.negotiate", "false"),
    // What comes in is checked. These faults are in the history of well-known repositories, and
    // harmless where nothing is ever checked out.
    ("fetch.fsckObjects", "true"),
    ("fetch.fsck.zeroPaddedFilemode", "ignore"),
    ("fetch.fsck.missingSpaceBeforeDate", "ignore"),
    ("fetch.fsck.missingSpaceBeforeEmail", "ignore"),
    ("fetch.fsck.missingNameBeforeEmail", "ignore"),
    ("fetch.fsck.missingEmail", "ignore"),
    ("fetch.fsck.badEmail", "ignore"),
    ("fetch.fsck.badName", "ignore"),
    ("fetch.fsck.badDate", "ignore"),
    ("fetch.fsck.badTimezone", "ignore"),
    ("fetch.fsck.multipleAuthors", "ignore"),
    ("fetch.unpackLimit", "1"),
    ("advice.pushUpdateRejected", "false"),
];

/// Settings for the side of a local repository that git starts for us. That repository's own
/// configuration is read there, so everything in it that could start a program or move a work tree
/// is overridden: `updateInstead` would check files out, with the filters that the repository names.
const OTHER_SIDE: &[(&str, &str)] = &[
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.alternateRefsCommand", "true"),
    ("core.sshCommand", "false"),
    ("credential.helper", ""),
    ("protocol.allow", "never"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("receive.autogc", "false"),
    ("receive.denyCurrentBranch", "refuse"),
    ("receive.denyDeleteCurrent", "refuse"),
    ("receive.updateServerInfo", "false"),
    ("receive.fsckObjects", "false"),
];

/// The environment without settings.
pub(crate) fn environment(git_dir: &Path, path: &OsString) -> Vec<(&'static str, OsString)> {
    vec![
        ("PATH", path.clone()),
        ("HOME", "/nonexistent".into()),
        ("LC_ALL", "C".into()),
        ("GIT_DIR", git_dir.as_os_str().to_owned()),
        ("GIT_CONFIG_NOSYSTEM", "1".into()),
        ("GIT_CONFIG_SYSTEM", "/dev/null".into()),
        ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
        ("GIT_ATTR_NOSYSTEM", "1".into()),
        // A planted refs/replace would show one file and push another.
        ("GIT_NO_REPLACE_OBJECTS", "1".into()),
        ("GIT_NO_LAZY_FETCH", "1".into()),
        ("GIT_TERMINAL_PROMPT", "0".into()),
        ("GIT_OPTIONAL_LOCKS", "0".into()),
        ("GIT_PAGER", "cat".into()),
        ("GIT_EDITOR", "false".into()),
        // The most that git takes at once for one object.
        ("GIT_ALLOC_LIMIT", "1g".into()),
    ]
}

/// The settings as environment, with what this remote and this call need.
pub(crate) fn configuration(
    remote: Option<&Remote>,
    extra: &[(String, String)],
) -> Vec<(String, OsString)> {
    let mut settings: Vec<(String, String)> = PINNED
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    settings.extend(extra.iter().cloned());
    let mut allowed = "none";
    if let Some(remote) = remote {
        allowed = remote.protocol();
        settings.push((format!("protocol.{allowed}.allow"), "always".to_owned()));
        if let Some(header) = remote.authorization() {
            settings.push((
                format!("http.{}.extraHeader", remote.url()),
                format!("Authorization: {}", header.expose_secret()),
            ));
        }
    }
    let mut environment = vec![
        ("GIT_ALLOW_PROTOCOL".to_owned(), allowed.into()),
        (
            "GIT_CONFIG_COUNT".to_owned(),
            settings.len().to_string().into(),
        ),
    ];
    for (index, (key, value)) in settings.into_iter().enumerate() {
        environment.push((format!("GIT_CONFIG_KEY_{index}"), key.into()));
        environment.push((format!("GIT_CONFIG_VALUE_{index}"), value.into()));
    }
    environment
}

/// The command that receives a push in a local repository.
pub(crate) fn receiving_side(repository: &str) -> String {
    other_side("receive-pack", repository)
}

/// The command that serves a fetch from a local repository.
pub(crate) fn sending_side(repository: &str) -> String {
    other_side("upload-pack", repository)
}

/// Git hands this to a shell and appends the quoted path.
fn other_side(program: &str, repository: &str) -> String {
    let mut command = String::from("GIT_ALLOW_PROTOCOL=none GIT_NO_LAZY_FETCH=1 git");
    for (key, value) in OTHER_SIDE {
        command.push_str(" -c ");
        command.push_str(&quoted(&format!("{key}={value}")));
    }
    // The operator named this path; that it belongs to another uid does not make it another one.
    let trimmed = repository.trim_end_matches('/');
    for directory in [trimmed.to_owned(), format!("{trimmed}/.git")] {
        command.push_str(" -c ");
        command.push_str(&quoted(&format!("safe.directory={directory}")));
    }
    command.push(' ');
    command.push_str(program);
    command
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The absolute entries of our search path: a relative one would mean the git directory.
pub(crate) fn search_path(ours: Option<OsString>) -> OsString {
    let ours = ours.unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let entries: Vec<_> = std::env::split_paths(&ours)
        .filter(|entry| entry.is_absolute())
        .collect();
    std::env::join_paths(entries).unwrap_or_else(|_| "/usr/bin:/bin".into())
}

/// What the operator's environment says about the way out to https remotes.
pub(crate) fn network_settings(
    variable: impl Fn(&str) -> Option<OsString>,
) -> Vec<(OsString, OsString)> {
    [
        "https_proxy",
        "HTTPS_PROXY",
        "no_proxy",
        "NO_PROXY",
        "GIT_SSL_CAINFO",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ]
    .into_iter()
    .filter_map(|name| variable(name).map(|value| (name.into(), value)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::GitAccess;

    #[test]
    fn a_header_is_in_the_environment_and_only_for_its_remote() {
        let remote = Remote::parse(&GitAccess {
            url: "https://example.org/a/b.git".into(),
            authorization: Some("Basic c2VjcmV0".into()),
        })
        .unwrap();
        let environment = configuration(Some(&remote), &[]);
        let keys: Vec<_> = environment
            .iter()
            .filter(|(name, _)| name.starts_with("GIT_CONFIG_KEY_"))
            .map(|(_, value)| value.to_string_lossy().into_owned())
            .collect();
        assert!(keys.contains(&"http.https://example.org/a/b.git.extraHeader".to_owned()));
        assert!(keys.contains(&"protocol.https.allow".to_owned()));
        assert!(!keys.contains(&"protocol.file.allow".to_owned()));
        assert!(!format!("{remote:?}").contains("c2VjcmV0"));
    }

    #[test]
    fn without_a_remote_no_protocol_is_allowed() {
        let environment = configuration(None, &[]);
        assert!(environment.contains(&("GIT_ALLOW_PROTOCOL".to_owned(), "none".into())));
    }

    #[test]
    fn a_path_cannot_break_out_of_the_other_sides_command() {
        let command = receiving_side("/a'; touch /b; '");
        assert!(command.contains("'safe.directory=/a'\\''; touch /b; '\\'''"));
    }

    #[test]
    fn relative_entries_leave_the_search_path() {
        assert_eq!(
            search_path(Some("/a:.:b:/c".into())),
            OsString::from("/a:/c")
        );
    }
}
