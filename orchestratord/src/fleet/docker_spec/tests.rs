use std::collections::BTreeSet;

use cloud_code_domain::agent::AgentType;
use serde_json::Value;

use super::*;

fn spec() -> WorkstationSpec {
    WorkstationSpec {
        agent: "acme-app.backend-1".parse().unwrap(),
        project: "acme/app".parse().unwrap(),
        agent_type: AgentType::Backend,
        image: "cloud-code-backend:latest".to_owned(),
        memory: 2 << 30,
        cpu_millis: 1_500,
        agentd: "/usr/lib/cloud-code/agentd".into(),
        socket_dir: "/var/lib/cloud-code/sockets/acme-app.backend-1".into(),
        ca_bundle: None,
        isolated: false,
    }
}

/// The body as sorted JSON, the seccomp profile and the digest cut.
fn golden(spec: &WorkstationSpec) -> Value {
    let mut json = serde_json::to_value(container("c1", spec, "stamp")).unwrap();
    json["HostConfig"]["SecurityOpt"][1] = "seccomp={…}".into();
    json["Labels"][LABEL_SPEC] = "…".into();
    fn sorted(value: Value) -> Value {
        match value {
            Value::Object(map) => {
                let mut entries: Vec<_> = map.into_iter().collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                let entries = entries.into_iter().filter(|(_, v)| !v.is_null());
                Value::Object(entries.map(|(k, v)| (k, sorted(v))).collect())
            }
            Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
        }
    }
    sorted(json)
}

#[test]
fn a_container_is_made_exactly_so() {
    let shown = serde_json::to_string_pretty(&golden(&spec())).unwrap();
    insta::assert_snapshot!(shown);
}

#[test]
fn an_isolated_container_has_a_workspace_and_neither_tools_nor_cache() {
    let mut isolated = spec();
    isolated.isolated = true;
    let (made, shared) = (golden(&isolated), golden(&spec()));
    let text = made.to_string();
    assert!(!text.contains("tools") && !text.contains("cache"), "{text}");
    let volumes = made["HostConfig"]["Mounts"].as_array().unwrap().iter();
    let volumes: Vec<_> = volumes.filter(|mount| mount["Type"] == "volume").collect();
    assert_eq!(volumes.len(), 1);
    assert_eq!(volumes[0]["Target"], "/workspace");
    let mut hosts = (made["HostConfig"].clone(), shared["HostConfig"].clone());
    hosts.0["Mounts"] = Value::Null;
    hosts.1["Mounts"] = Value::Null;
    assert_eq!(hosts.0, hosts.1, "and is confined as any other");
}

#[test]
fn nothing_of_a_specification_loosens_the_container() {
    let mut other = spec();
    other.agent = "evil.devops-9".parse().unwrap();
    other.image = "privileged".to_owned();
    other.memory = u64::MAX;
    other.cpu_millis = u32::MAX;
    other.ca_bundle = Some("/etc/ca.crt".into());
    let (one, other) = (golden(&spec()), golden(&other));
    let mut host = (one["HostConfig"].clone(), other["HostConfig"].clone());
    for key in ["Mounts", "Memory", "MemorySwap", "NanoCpus"] {
        host.0[key] = Value::Null;
        host.1[key] = Value::Null;
    }
    assert_eq!(host.0, host.1);
    for mount in other["HostConfig"]["Mounts"].as_array().unwrap() {
        assert!(
            mount["Type"] == "volume" || mount["ReadOnly"] == true,
            "{mount}"
        );
    }
}

#[test]
fn a_change_of_the_specification_or_of_agentd_changes_the_digest() {
    let digest = |spec: &WorkstationSpec, stamp: &str| {
        container("c1", spec, stamp).labels.unwrap()[LABEL_SPEC].clone()
    };
    let one = digest(&spec(), "1");
    for _ in 0..8 {
        assert_eq!(one, digest(&spec(), "1"), "maps have no order");
    }
    let mut other = spec();
    other.memory += 1;
    assert_ne!(one, digest(&other, "1"));
    assert_ne!(one, digest(&spec(), "2"));
}

#[test]
fn certificate_authorities_are_mounted_and_named_where_they_are_given() {
    let mut spec = spec();
    spec.ca_bundle = Some("/etc/ssl/certs/ca-certificates.crt".into());
    let body = container("c1", &spec, "1");
    let env = body.env.unwrap();
    assert!(env.contains(&format!("NODE_EXTRA_CA_CERTS={CA_BUNDLE}")));
    let mounts = body.host_config.unwrap().mounts.unwrap();
    let mount = mounts
        .iter()
        .find(|m| m.target.as_deref() == Some(CA_BUNDLE));
    assert_eq!(mount.unwrap().read_only, Some(true));
}

#[test]
fn the_system_calls_that_reach_for_the_host_are_not_allowed() {
    let profile: Value = serde_json::from_str(SECCOMP).unwrap();
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    let rules = profile["syscalls"].as_array().unwrap();
    let names = |rule: &Value| -> Vec<String> {
        let names = rule["names"].as_array().unwrap().iter();
        names
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    };
    let allowed: BTreeSet<String> = rules
        .iter()
        .filter(|rule| rule["action"] == "SCMP_ACT_ALLOW" && rule["args"] == Value::Array(vec![]))
        .flat_map(names)
        .collect();
    for denied in [
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "keyctl",
        "add_key",
        "request_key",
        "userfaultfd",
        "bpf",
        "perf_event_open",
        "name_to_handle_at",
        "open_by_handle_at",
        "fanotify_init",
        "mount",
        "umount2",
        "pivot_root",
        "move_mount",
        "fsopen",
        "unshare",
        "setns",
        "kexec_load",
        "init_module",
        "finit_module",
        "reboot",
        "swapon",
        "iopl",
        "ioperm",
        "socket",
        "clone",
        "clone3",
        "personality",
        "syslog",
        "settimeofday",
        "chroot",
        "socketcall",
    ] {
        assert!(!allowed.contains(denied), "{denied}");
    }
    for needed in [
        "read",
        "execve",
        "futex",
        "epoll_wait",
        "socketpair",
        "wait4",
        "rseq",
    ] {
        assert!(allowed.contains(needed), "{needed}");
    }
    let families: Vec<i64> = rules
        .iter()
        .filter(|rule| names(rule) == ["socket"])
        .map(|rule| rule["args"][0]["value"].as_i64().unwrap())
        .collect();
    // AF_UNIX, AF_INET, AF_INET6, AF_NETLINK.
    assert_eq!(families, [1, 2, 10, 16]);
}
