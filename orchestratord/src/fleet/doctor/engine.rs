//! The container engine: whether it answers, what keeps agents in, and the images.

use std::collections::BTreeSet;

use super::Check;
use crate::config::Config;
use crate::fleet::docker::{DockerRuntime, Versions};

pub(super) async fn checks(config: &Config, docker: &DockerRuntime) -> Vec<Check> {
    let versions = match docker.engine().versions().await {
        Ok(found) => found,
        Err(trouble) => {
            let remedy = "start the Docker engine, and let this user reach its socket";
            return vec![Check::bad("docker", trouble.to_string(), remedy)];
        }
    };
    let found = format!("engine {}, API {}", versions.engine, versions.api);
    let mut checks = vec![if is_new_enough(&versions.api) {
        Check::good("docker", found)
    } else {
        Check::bad(
            "docker",
            found,
            "install an engine with API 1.41 (20.10) or newer",
        )
    }];
    checks.push(walls(&versions));
    let types = config.agents.types.values();
    let images: BTreeSet<&str> = types.map(|config| config.image.as_str()).collect();
    for image in images {
        checks.push(check_image(docker, image).await);
    }
    checks
}

/// The first releases in which every way out of a container that is known to us is closed.
const MENDED: [(&str, [u32; 3]); 3] = [
    ("engine", [29, 5, 1]),
    ("containerd", [2, 2, 5]),
    ("runc", [1, 3, 6]),
];

/// What keeps an agent in its container. Older ones are no reason to refuse: a distribution mends
/// them under their old numbers, and what is let in at all is the operator's choice.
fn walls(versions: &Versions) -> Check {
    let found = [&versions.engine, &versions.containerd, &versions.runc];
    let parts = MENDED.into_iter().zip(found);
    let (mut all, mut old) = (Vec::new(), Vec::new());
    for ((name, mended), version) in parts {
        all.push(format!("{name} {version}"));
        if numbers(version).is_some_and(|version| version < mended) {
            let [major, minor, patch] = mended;
            old.push(format!("{name} {major}.{minor}.{patch}"));
        }
    }
    let all = all.join(", ");
    if old.is_empty() {
        return Check::good("container walls", all);
    }
    Check::warning(
        "container walls",
        format!(
            "{all}: known ways out of a container are closed since {}",
            old.join(", ")
        ),
        "upgrade, unless your distribution has mended them under these numbers; until then let \
         agents work for people you trust only",
    )
}

/// The first three numbers of a version: `1.1.5+ds1`, `v2.2.5`, `29.5.1-rc.1`.
fn numbers(version: &str) -> Option<[u32; 3]> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.');
    let version = end.map_or(version, |end| &version[..end]);
    let mut words = version.split('.').map(|word| word.parse().ok());
    let mut next = || words.next().unwrap_or(Some(0));
    Some([next()?, next()?, next()?])
}

fn is_new_enough(api: &str) -> bool {
    let number = |word: Option<&str>| word.and_then(|word| word.parse::<u32>().ok());
    let mut words = api.split('.');
    number(words.next()).zip(number(words.next())) >= Some((1, 41))
}

async fn check_image(docker: &DockerRuntime, image: &str) -> Check {
    let name = format!("image {image}");
    let facts = match docker.image_facts(image).await {
        Ok(facts) => facts,
        Err(trouble) => {
            let remedy = "build it: dockerfiles/build.sh";
            return Check::bad(name, trouble.to_string(), remedy);
        }
    };
    let missing = facts.missing();
    if missing.is_empty() {
        let git = facts.git.unwrap_or_default();
        return Check::good(
            name,
            format!("git {git}, user 10001, /workspace, /tools, /cache"),
        );
    }
    let found = format!("is missing: {}", missing.join(", "));
    Check::bad(
        name,
        found,
        "add it to the image; dockerfiles/Dockerfile shows how",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_compared_by_number_and_not_by_text() {
        assert!(is_new_enough("1.41") && is_new_enough("1.100") && is_new_enough("2.0"));
        assert!(!is_new_enough("1.40") && !is_new_enough("1.9") && !is_new_enough("unknown"));
    }

    fn versions(engine: &str, containerd: &str, runc: &str) -> Versions {
        Versions {
            engine: engine.into(),
            api: "1.41".into(),
            containerd: containerd.into(),
            runc: runc.into(),
        }
    }

    #[test]
    fn walls_with_known_holes_are_a_warning_that_names_what_closes_them() {
        let old = walls(&versions("20.10.24+dfsg1", "1.6.20~ds1", "1.1.5+ds1"));
        assert!(old.ok && !old.remedy.is_empty(), "{old:?}");
        for mended in ["engine 29.5.1", "containerd 2.2.5", "runc 1.3.6"] {
            assert!(old.found.contains(mended), "{old:?}");
        }
        let one = walls(&versions("29.10.0", "v2.2.5", "1.3.5"));
        assert!(one.found.ends_with("closed since runc 1.3.6"), "{one:?}");
        let new = walls(&versions("29.5.1", "2.3.0-rc.1", "1.4.0"));
        assert!(new.ok && new.remedy.is_empty(), "{new:?}");
    }

    #[test]
    fn a_version_that_cannot_be_read_is_shown_and_not_judged() {
        let unknown = walls(&versions("29.5.1", "unknown", "a1b2c3"));
        assert!(unknown.remedy.is_empty() && unknown.found.contains("runc a1b2c3"));
    }
}
