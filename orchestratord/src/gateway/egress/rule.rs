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
    /// A name, whose addresses may be private ones.
    Name { name: String, private: bool },
    /// An address.
    Address(IpAddr),
}

/// Why an entry cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "agents.egress entry {entry:?} is not understood: write \"host:port\", \"address:port\" or, for \
     a name with private addresses, \"host:port private\""
)]
pub struct BadEgress {
    /// What is configured.
    pub entry: String,
}

impl FromStr for Rule {
    type Err = BadEgress;
    fn from_str(entry: &str) -> Result<Self, BadEgress> {
        let bad = || BadEgress {
            entry: entry.chars().take(120).collect(),
        };
        let (target, private) = match entry.trim().strip_suffix(" private") {
            Some(target) => (target.trim_end(), true),
            None => (entry.trim(), false),
        };
        if let Ok(address) = target.parse::<SocketAddr>() {
            let host = Host::Address(address.ip());
            let port = address.port();
            return (port != 0 && !private)
                .then_some(Self { host, port })
                .ok_or_else(bad);
        }
        let (name, port) = target.split_once(':').ok_or_else(bad)?;
        let port = port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(bad)?;
        let name = name.to_ascii_lowercase();
        let host = Host::Name { name, private };
        Some(Self { host, port })
            .filter(Self::is_sound)
            .ok_or_else(bad)
    }
}

impl Rule {
    /// A name of at least two labels whose last one has a letter: what every resolver takes for a
    /// name and none for a number.
    fn is_sound(&self) -> bool {
        let Host::Name { name, .. } = &self.host else {
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
            Host::Name { name, .. } => Some(name),
        }
    }

    /// The port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Whether a connection to this address is what the operator meant.
    pub(super) fn may_reach(&self, address: IpAddr) -> bool {
        if address::is_never_reached(address) {
            return false;
        }
        match self.host {
            Host::Address(_) => true,
            Host::Name { private, .. } => {
                let loopback = address.to_canonical().is_loopback();
                (address::is_public(address) || (private && !loopback))
                    && !address::is_our_own(address)
            }
        }
    }
}

impl fmt::Display for Rule {
    /// As an authority, without the mark.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(address) => SocketAddr::new(*address, self.port).fmt(f),
            Host::Name { name, .. } => write!(f, "{name}:{}", self.port),
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
            "10.0.0.1:80 private",
            "a.b:443 public",
            "xn--.é:80",
        ] {
            assert!(bad.parse::<Rule>().is_err(), "{bad}");
        }
        assert_eq!(rule("[fd00::1]:443").to_string(), "[fd00::1]:443");
    }

    #[test]
    fn a_name_reaches_what_is_public_and_with_the_mark_what_is_private() {
        let at = |address: &str| address.parse::<IpAddr>().unwrap();
        let (plain, marked) = (rule("a.example:443"), rule("a.example:443 private"));
        assert!(plain.may_reach(at("1.1.1.1")) && marked.may_reach(at("1.1.1.1")));
        assert!(!plain.may_reach(at("10.255.255.254")) && marked.may_reach(at("10.255.255.254")));
        for never in [
            "127.0.0.1",
            "::1",
            "169.254.169.254",
            "::ffff:127.0.0.1",
            "0.0.0.0",
        ] {
            assert!(!plain.may_reach(at(never)), "{never}");
            assert!(!marked.may_reach(at(never)), "{never}");
        }
        assert!(rule("127.0.0.1:4873").may_reach(at("127.0.0.1")));
        assert!(!rule("169.254.169.254:80").may_reach(at("169.254.169.254")));
    }
}
