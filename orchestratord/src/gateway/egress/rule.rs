//! One entry of `agents.egress`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::address;

/// An entry that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    host: Host,
    port: u16,
}

/// What an entry names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// A name.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// Why an entry is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEgress {
    /// It has not the form of one.
    #[error("agents.egress entry {0:?} is not understood: write \"host:port\" or \"address:port\"")]
    NotUnderstood(String),
    /// It names an address that agents are never connected to.
    #[error(
        "agents.egress entry {0:?} is an address of this machine or of a private network, which no \
         agent reaches: have what agents need in the image, or reach it by a public name"
    )]
    Inside(String),
}

impl FromStr for Rule {
    type Err = BadEgress;
    fn from_str(entry: &str) -> Result<Self, BadEgress> {
        let shown = || entry.chars().take(120).collect();
        let bad = || BadEgress::NotUnderstood(shown());
        let target = entry.trim();
        if let Ok(address) = target.parse::<SocketAddr>() {
            let (host, port) = (Host::Address(address.ip()), address.port());
            if !address::is_public(address.ip()) {
                return Err(BadEgress::Inside(shown()));
            }
            return (port != 0).then_some(Self { host, port }).ok_or_else(bad);
        }
        let (name, port) = target.split_once(':').ok_or_else(bad)?;
        let port = port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(bad)?;
        let name = name.to_ascii_lowercase();
        let host = Host::Name(name);
        Some(Self { host, port })
            .filter(Self::is_sound)
            .ok_or_else(bad)
    }
}

impl Rule {
    /// A name of at least two labels whose last one has a letter: what every resolver takes for a
    /// name and none for a number.
    fn is_sound(&self) -> bool {
        let Host::Name(name) = &self.host else {
            return true;
        };
        let labels: Vec<&str> = name.split('.').collect();
        let sound = |label: &&str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        let last = labels.last().copied().unwrap_or_default();
        name.len() <= 253
            && labels.len() >= 2
            && labels.iter().all(sound)
            && last.starts_with(|c: char| c.is_ascii_alphabetic())
    }

    /// Whether an authority names exactly this entry. Nothing is normalised but the case: what is
    /// spelled otherwise is another host.
    pub(super) fn allows(&self, authority: &str) -> bool {
        authority.eq_ignore_ascii_case(&self.to_string())
    }

    /// What it names.
    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    /// The name, where it is one.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Address(_) => None,
            Host::Name(name) => Some(name),
        }
    }

    /// The port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Rule {
    /// As an authority, without the mark.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(address) => SocketAddr::new(*address, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(entry: &str) -> Rule {
        entry.parse().unwrap()
    }

    #[test]
    fn an_entry_allows_its_own_spelling_and_no_other() {
        let packages = rule("packages.example.org:443");
        assert!(packages.allows("packages.example.org:443"));
        assert!(packages.allows("Packages.EXAMPLE.org:443"));
        for other in [
            "packages.example.org",
            "packages.example.org:80",
            "packages.example.org.:443",
            "packages.example.org:0443",
            "x@packages.example.org:443",
            "packages.example.org:443@evil.example:443",
            "evil.packages.example.org:443",
            "packages.example.org.evil.example:443",
            "packages%2eexample.org:443",
            "104.16.0.1:443",
            "",
        ] {
            assert!(!packages.allows(other), "{other}");
        }
    }

    #[test]
    fn an_entry_that_a_resolver_could_take_for_a_number_is_refused() {
        for bad in [
            "",
            ":443",
            "host",
            "a.b",
            "a.b:",
            "a.b:0",
            "a.b:65536",
            "a.b:443:1",
            "localhost:80",
            "2130706433:80",
            "0x7f.1:80",
            "127.1:80",
            "0177.0.0.1:80",
            "1.2.3.4.:80",
            "a..b:80",
            "-a.b:80",
            "*.example.com:443",
            "https://a.b:443",
            "a.b/c:443",
            "a b.c:443",
            "1.1.1.1:0",
            "a.b:443 private",
            "xn--.é:80",
        ] {
            assert!(bad.parse::<Rule>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_listed_only_if_it_is_a_public_one() {
        for inside in [
            "127.0.0.1:4873",
            "10.0.0.5:443",
            "172.16.0.1:443",
            "192.168.1.1:443",
            "100.64.0.1:443",
            "169.254.169.254:80",
            "224.0.0.1:443",
            "0.0.0.0:443",
            "[::1]:443",
            "[::ffff:127.0.0.1]:443",
            "[fd00::1]:443",
            "[fe80::1]:443",
        ] {
            let refused = inside.parse::<Rule>();
            assert_eq!(refused, Err(BadEgress::Inside(inside.into())));
        }
        assert_eq!(rule("1.1.1.1:443").to_string(), "1.1.1.1:443");
        assert_eq!(rule("[2606:4700::1111]:443").port(), 443);
    }
}
