//! A workstation as Docker is told to make it: one pure function, and everything that hardens it in
//! one place.
//!
//! | what | how |
//! | --- | --- |
//! | network | none at all; the one way out is the socket in `/cc` |
//! | root file system | read-only; `/tmp` and `/run` are memory |
//! | user | 10001:10001, no capabilities, no new privileges |
//! | system calls | a list of allowed ones (`dockerfiles/seccomp.json`) |
//! | memory, CPU, processes, files | limited; no swap |
//! | from the host | the socket's directory, the agentd binary, a CA bundle: all read-only |
//! | what stays | three volumes of the agent's own: `/workspace`, `/tools`, `/cache` |
//! | what stays of an isolated one | `/workspace`, until its task needs it no more |
//! | restart | never by the engine: the reconciler decides |
//!
//! No secret is in it: what `docker inspect` shows is this.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount,
    MountBindOptions, MountBindOptionsPropagationEnum, MountType, MountVolumeOptions,
    ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use cloud_code_domain::id::AgentId;
use sha2::{Digest, Sha256};

use crate::ports::WorkstationSpec;

/// Whose a container or volume is: the cluster's id.
pub const LABEL_MANAGED: &str = "cc.managed";
/// The agent that it belongs to.
pub const LABEL_AGENT: &str = "cc.agent";
/// A digest of the specification that it was made from.
pub const LABEL_SPEC: &str = "cc.spec";

/// The user that everything runs as.
pub const USER: &str = "10001:10001";
/// Where the agent's socket is.
pub const SOCKET_DIR: &str = "/cc";
/// Where agentd is.
pub const AGENTD: &str = "/usr/local/lib/cloud-code/agentd";
/// Memory for credentials.
pub const CREDENTIALS_DIR: &str = "/run/cloud-code";
/// Where a bundle of certificate authorities is.
pub const CA_BUNDLE: &str = "/usr/local/lib/cloud-code/ca-bundle.crt";

/// The allowed system calls, as the engine wants them: JSON text.
pub const SECCOMP: &str = include_str!("../../../dockerfiles/seccomp.json");

/// The three volumes of an agent: their ending, and where they are mounted.
pub const VOLUMES: [(&str, &str); 3] = [
    ("workspace", "/workspace"),
    ("tools", "/tools"),
    ("cache", "/cache"),
];

/// The variables by which programs find a bundle of certificate authorities.
const CA_VARIABLES: [&str; 6] = [
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
];

/// The container's name, by which it is found again.
#[must_use]
pub fn container_name(cluster: &str, agent: &AgentId) -> String {
    format!("cc-{cluster}-{agent}")
}

/// The name of a volume.
#[must_use]
pub fn volume_name(cluster: &str, agent: &AgentId, ending: &str) -> String {
    format!("cc-{cluster}-{agent}-{ending}")
}

/// The labels that make a container or volume ours.
#[must_use]
pub fn labels(cluster: &str, agent: &AgentId) -> HashMap<String, String> {
    HashMap::from([
        (LABEL_MANAGED.to_owned(), cluster.to_owned()),
        (LABEL_AGENT.to_owned(), agent.to_string()),
    ])
}

/// What the engine is asked to make. `agentd_stamp` changes with the agentd binary, so that an
/// upgrade makes containers outdated.
#[must_use]
pub fn container(cluster: &str, spec: &WorkstationSpec, agentd_stamp: &str) -> ContainerCreateBody {
    let strings = |words: &[&str]| Some(words.iter().map(|&word| word.to_owned()).collect());
    let mut body = ContainerCreateBody {
        image: Some(spec.image.clone()),
        user: Some(USER.to_owned()),
        hostname: Some("workstation".to_owned()),
        working_dir: Some("/workspace".to_owned()),
        entrypoint: strings(&[AGENTD]),
        cmd: Some(arguments(spec)),
        env: Some(environment(spec)),
        stop_timeout: Some(20),
        network_disabled: Some(true),
        host_config: Some(host_config(cluster, spec)),
        ..ContainerCreateBody::default()
    };
    let mut labels = labels(cluster, &spec.agent);
    labels.insert(LABEL_SPEC.to_owned(), digest(&body, agentd_stamp));
    body.labels = Some(labels);
    body
}

fn arguments(spec: &WorkstationSpec) -> Vec<String> {
    let mut arguments = vec![
        "--socket",
        "/cc/agentd.sock",
        "--workspace",
        "/workspace",
        "--credentials",
        CREDENTIALS_DIR,
    ];
    if !spec.isolated {
        arguments.extend(["--tools", "/tools", "--cache", "/cache"]);
    }
    arguments.into_iter().map(str::to_owned).collect()
}

/// The volumes that a workstation gets, as [`VOLUMES`] has them: an isolated one no tools and no cache.
pub(super) fn volumes(
    spec: &WorkstationSpec,
) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
    let gets = |(ending, _): &(&str, &str)| !spec.isolated || *ending == "workspace";
    VOLUMES.into_iter().filter(gets)
}

fn environment(spec: &WorkstationSpec) -> Vec<String> {
    let mut variables = vec!["HOME=/workspace".to_owned(), "LANG=C.UTF-8".to_owned()];
    if spec.ca_bundle.is_some() {
        variables.extend(CA_VARIABLES.map(|name| format!("{name}={CA_BUNDLE}")));
    }
    variables
}

fn host_config(cluster: &str, spec: &WorkstationSpec) -> HostConfig {
    let memory = i64::try_from(spec.memory).unwrap_or(i64::MAX);
    HostConfig {
        network_mode: Some("none".to_owned()),
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".to_owned()]),
        privileged: Some(false),
        security_opt: Some(vec![
            "no-new-privileges:true".to_owned(),
            format!("seccomp={SECCOMP}"),
        ]),
        // Counts threads, and Node, a JVM or a browser has many.
        pids_limit: Some(512),
        memory: Some(memory),
        // As much with swap as without: no swap.
        memory_swap: Some(memory),
        nano_cpus: Some(i64::from(spec.cpu_millis) * 1_000_000),
        oom_score_adj: Some(500),
        oom_kill_disable: Some(false),
        ulimits: Some(vec![
            ulimit("core", 0),
            ulimit("nofile", 8_192),
            ulimit("memlock", 64 << 10),
        ]),
        tmpfs: Some(tmpfs()),
        mounts: Some(mounts(cluster, spec)),
        ipc_mode: Some("private".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        shm_size: Some(64 << 20),
        publish_all_ports: Some(false),
        // Reaps what agentd's descendants leave behind.
        init: Some(true),
        // We want to read how it ended.
        auto_remove: Some(false),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        log_config: Some(log_config()),
        ..HostConfig::default()
    }
}

fn ulimit(name: &str, most: i64) -> ResourcesUlimits {
    ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(most),
        hard: Some(most),
    }
}

/// Memory: uid and gid are named because an image may already have the directory.
fn tmpfs() -> HashMap<String, String> {
    let ours = "uid=10001,gid=10001,mode=0700";
    HashMap::from([
        (
            "/tmp".to_owned(),
            format!("rw,nosuid,nodev,exec,size=512m,{ours}"),
        ),
        (
            "/run".to_owned(),
            "rw,nosuid,nodev,noexec,size=16m,uid=10001,gid=10001,mode=0755".to_owned(),
        ),
        (
            CREDENTIALS_DIR.to_owned(),
            format!("rw,nosuid,nodev,noexec,size=1m,{ours}"),
        ),
    ])
}

fn mounts(cluster: &str, spec: &WorkstationSpec) -> Vec<Mount> {
    let mut mounts = vec![
        // The directory, not the socket: a restarted orchestratord makes a new socket in it.
        bind(&spec.socket_dir.to_string_lossy(), SOCKET_DIR),
        bind(&spec.agentd.to_string_lossy(), AGENTD),
    ];
    if let Some(bundle) = &spec.ca_bundle {
        mounts.push(bind(&bundle.to_string_lossy(), CA_BUNDLE));
    }
    mounts.extend(volumes(spec).map(|(ending, target)| Mount {
        target: Some(target.to_owned()),
        source: Some(volume_name(cluster, &spec.agent, ending)),
        typ: Some(MountType::VOLUME),
        read_only: Some(false),
        volume_options: Some(MountVolumeOptions {
            labels: Some(labels(cluster, &spec.agent)),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    }));
    mounts
}

fn bind(source: &str, target: &str) -> Mount {
    Mount {
        target: Some(target.to_owned()),
        source: Some(source.to_owned()),
        typ: Some(MountType::BIND),
        read_only: Some(true),
        bind_options: Some(MountBindOptions {
            propagation: Some(MountBindOptionsPropagationEnum::RPRIVATE),
            non_recursive: Some(true),
            ..MountBindOptions::default()
        }),
        ..Mount::default()
    }
}

/// agentd's own words, bounded. What matters goes over the session, never through here.
fn log_config() -> HostConfigLogConfig {
    let options = [
        ("max-size", "10m"),
        ("max-file", "3"),
        ("mode", "non-blocking"),
        ("max-buffer-size", "4m"),
    ];
    HostConfigLogConfig {
        typ: Some("local".to_owned()),
        config: Some(
            options
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        ),
    }
}

/// A digest that is the same for the same body, in whatever order its maps are.
fn digest(body: &ContainerCreateBody, agentd_stamp: &str) -> String {
    let mut text = String::new();
    write_sorted(&serde_json::to_value(body).unwrap_or_default(), &mut text);
    let mut hash = Sha256::new();
    hash.update(text.as_bytes());
    hash.update(b"\nagentd ");
    hash.update(agentd_stamp.as_bytes());
    hex::encode(&hash.finalize()[..16])
}

fn write_sorted(value: &serde_json::Value, into: &mut String) {
    match value {
        serde_json::Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            for (key, value) in entries {
                into.push_str(key);
                into.push('=');
                write_sorted(value, into);
                into.push(';');
            }
        }
        serde_json::Value::Array(items) => {
            for item in items {
                write_sorted(item, into);
                into.push(',');
            }
        }
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => into.push_str(&value.to_string()),
    }
}

#[cfg(test)]
mod tests;
