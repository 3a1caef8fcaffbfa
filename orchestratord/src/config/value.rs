//! Values with a meaning: numbers in a range, sizes, money, addresses, files.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cloud_code_domain::cost::MicroUsd;
use toml::de::DeValue;

use super::problem::{meant, quoted};
use super::read::Field;

impl Field<'_, '_> {
    /// A whole number in a range.
    pub(super) fn number(&self, least: u64, most: u64) -> Option<u64> {
        let DeValue::Integer(integer) = self.raw() else {
            self.wrong_type(&format!("a whole number from {least} to {most}"));
            return None;
        };
        let value = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let value = value.filter(|value| (least..=most).contains(value));
        if value.is_none() {
            self.wrong_type(&format!("a whole number from {least} to {most}"));
        }
        value
    }

    /// A whole number in a range that fits 32 bits.
    pub(super) fn count(&self, least: u32, most: u32) -> Option<u32> {
        u32::try_from(self.number(least.into(), most.into())?).ok()
    }

    /// Seconds, at least one.
    pub(super) fn seconds(&self, most: u64) -> Option<Duration> {
        self.number(1, most).map(Duration::from_secs)
    }

    /// A number with decimals.
    pub(super) fn decimal(&self) -> Option<f64> {
        match self.raw() {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
            DeValue::Integer(_)
            | DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => None,
        }
    }

    /// Dollars; `free`: zero is one of them.
    pub(super) fn dollars(&self, free: bool) -> Option<MicroUsd> {
        let amount = self
            .decimal()
            .and_then(MicroUsd::from_dollars)
            .filter(|amount| free || amount.0 > 0);
        if amount.is_none() {
            let least = if free { "from 0" } else { "above 0" };
            self.wrong_type(&format!(
                "an amount of dollars {least}, at most a billion, for example 2.00"
            ));
        }
        amount
    }

    /// A size: `"5GB"`, `"512MiB"`, or a number of bytes.
    pub(super) fn size(&self, least: u64, most: u64) -> Option<u64> {
        let bytes = match self.raw() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            DeValue::String(text) => parse_size(text),
            DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => None,
        };
        let bytes = bytes.filter(|bytes| (least..=most).contains(bytes));
        if bytes.is_none() {
            self.wrong_type(&format!(
                "a size from {} to {}, for example \"5GB\" or \"512MiB\"",
                shown_size(least),
                shown_size(most),
            ));
        }
        bytes
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(&self, words: &[(T, &str)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(_, word)| *word == text);
        if found.is_none() {
            let all: Vec<&str> = words.iter().map(|(_, word)| *word).collect();
            let remedy = match meant(&text, all.iter().copied()) {
                Some(word) => format!("did you mean \"{word}\"?"),
                None if all.len() == 1 => format!("write \"{}\"", all.concat()),
                None => format!("write one of \"{}\"", all.join("\", \"")),
            };
            self.note(format!("{} is not possible here", quoted(&text)), remedy);
        }
        found.map(|(value, _)| *value)
    }

    /// A name that one of our types checks.
    pub(super) fn name<T>(&self) -> Option<T>
    where
        T: std::str::FromStr<Err = cloud_code_domain::id::BadName>,
    {
        let text = self.text()?;
        text.parse::<T>()
            .map_err(|bad| self.note(format!("{} is not valid", quoted(&text)), bad.rule))
            .ok()
    }

    /// One line of text, not empty.
    pub(super) fn line(&self, most: usize) -> Option<String> {
        let text = self.text()?;
        let good = !text.trim().is_empty()
            && text.chars().count() <= most
            && !text.contains(char::is_control);
        if !good {
            self.note(
                format!("{} is not possible here", quoted(&text)),
                format!("write one line of 1 to {most} characters"),
            );
        }
        good.then_some(text)
    }

    /// Lines, none of them empty and none twice.
    pub(super) fn lines(&self, most: usize) -> Option<Vec<String>> {
        let mut lines: Vec<Option<String>> = Vec::new();
        for (_, field) in self.texts()? {
            let line = field.line(most);
            if let Some(line) = line.as_ref().filter(|_| lines.contains(&line)) {
                field.note(format!("{} is there twice", quoted(line)), "remove one");
            }
            lines.push(line);
        }
        lines.into_iter().collect()
    }

    /// A path; a relative one counts from the folder of the configuration file.
    pub(super) fn path(&self, base: &Path) -> Option<PathBuf> {
        let text = self.text()?;
        if text.is_empty() || text.contains('\0') {
            self.note(format!("{} is no path", quoted(&text)), "write a path");
            return None;
        }
        Some(base.join(text))
    }

    /// An address to listen on.
    pub(super) fn listen(&self) -> Option<SocketAddr> {
        let text = self.text()?;
        let address = text.parse().ok();
        if address.is_none() {
            self.note(
                format!("{} is no address to listen on", quoted(&text)),
                "write address:port with a port from 0 to 65535, for example \"127.0.0.1:8480\"",
            );
        }
        address
    }

    /// The base of an API: https, or http where it stays on this machine or its private network. No
    /// name and password in it, no query; without a slash at the end.
    pub(super) fn api_url(&self) -> Option<String> {
        let text = self.text()?;
        match check_url(&text) {
            Ok(()) => Some(text.trim_end_matches('/').to_owned()),
            Err((message, remedy)) => {
                self.note(format!("{} {message}", quoted(&text)), remedy);
                None
            }
        }
    }
}

fn parse_size(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 9] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("B", 1),
    ];
    let (number, unit) = UNITS
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))?;
    let number = number.trim_end();
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    digits
        .then(|| number.parse::<u64>().ok()?.checked_mul(unit))
        .flatten()
}

/// A size as a person writes it; only of the units that our bounds are in.
fn shown_size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [
        ("TiB", 1 << 40),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
    ];
    let fits = |(_, unit): &&(&str, u64)| bytes >= *unit && bytes.is_multiple_of(*unit);
    match UNITS.iter().find(fits) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

/// Whether a URL is a base of an API.
pub(super) fn check_url(text: &str) -> Result<(), (&'static str, &'static str)> {
    const WANTED: &str = "write https://host/path";
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
        return Err(("is no URL", WANTED));
    }
    let (scheme, rest) = text.split_once("://").ok_or(("is no URL", WANTED))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err((
            "has a name or a password in it",
            "leave them out of the URL; secrets belong into files",
        ));
    }
    if rest.contains(['?', '#']) || authority.is_empty() {
        return Err(("is no base of an API", WANTED));
    }
    match scheme {
        "https" => Ok(()),
        "http" if is_near(authority) => Ok(()),
        "http" => Err(("would send secrets in clear over the network", WANTED)),
        _ => Err(("has another scheme than https", WANTED)),
    }
}

/// Whether an authority is this machine or its private network.
fn is_near(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_what_they_say() {
        assert_eq!(parse_size("5GB"), Some(5_000_000_000));
        assert_eq!(parse_size("512 MiB"), Some(512 << 20));
        assert_eq!(parse_size("0B"), Some(0));
        for bad in [
            "",
            "GB",
            "-1GB",
            "1e9B",
            "5 gb",
            "5",
            "\u{202e}5GB",
            "99999999999TB",
            "1.5GB",
        ] {
            assert_eq!(parse_size(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_bound_is_shown_as_it_would_be_written() {
        for (bytes, shown) in [(0, "0B"), (64 << 20, "64MiB"), (1 << 50, "1024TiB")] {
            assert_eq!(shown_size(bytes), shown);
            assert_eq!(parse_size(shown), Some(bytes));
        }
    }

    #[test]
    fn a_secret_is_never_sent_in_clear_over_a_network() {
        for good in [
            "https://api.github.com",
            "http://127.0.0.1:9/x",
            "http://[::1]:9",
            "http://localhost:1",
            "http://192.168.1.4",
        ] {
            assert_eq!(check_url(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "api.github.com",
            "http://api.github.com",
            "ftp://x",
            "https://",
            "https://user:pw@host",
            "https://host?x=1",
            "https://ho st",
            "http://127.0.0.1.evil.example",
        ] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }
}
