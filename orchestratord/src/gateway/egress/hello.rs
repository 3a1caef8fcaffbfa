//! The first message of TLS, read only for the name that it asks for.
//!
//! An allowed host often shares its address with thousands of others, and the name in the first
//! message chooses among them. So that name has to be the allowed one.

/// Bytes of a first message.
const MAX: usize = 16 << 10;

/// What the first bytes of a connection say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hello<'a> {
    /// Too few bytes to tell.
    Incomplete,
    /// It is not TLS.
    Plain,
    /// It asks for this name.
    Name(&'a [u8]),
    /// It is TLS that asks for no name, or that is not understood.
    Nameless,
}

/// Collects first messages that come in several records.
#[derive(Debug, Default)]
pub(super) struct Hellos {
    message: Vec<u8>,
}

impl Hellos {
    /// Reads the first bytes of a connection, all that have come so far.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Hello<'_> {
        if bytes.first().is_some_and(|kind| *kind != 22) {
            return Hello::Plain;
        }
        self.message.clear();
        let mut rest = bytes;
        while let Some((record, after)) = record(rest) {
            self.message.extend_from_slice(record);
            rest = after;
            if self.is_whole() {
                return name(&self.message).map_or(Hello::Nameless, Hello::Name);
            }
        }
        if bytes.len() > MAX || rest.first().is_some_and(|kind| *kind != 22) {
            Hello::Nameless
        } else {
            Hello::Incomplete
        }
    }

    fn is_whole(&self) -> bool {
        let mut message = self.message.as_slice();
        let head = take::<4>(&mut message);
        head.is_some_and(|[_, a, b, c]| message.len() >= length(&[a, b, c]))
    }
}

/// The content of a handshake record, and what follows it.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = bytes;
    let [kind, _, _, a, b] = take(&mut rest)?;
    (kind == 22).then_some(())?;
    rest.split_at_checked(length(&[a, b]))
}

/// The host name of a client hello.
fn name(message: &[u8]) -> Option<&[u8]> {
    let mut rest = message;
    let [kind, ..] = take::<4>(&mut rest)?;
    (kind == 1).then_some(())?;
    take::<34>(&mut rest)?; // version, random
    vector::<1>(&mut rest)?; // session
    vector::<2>(&mut rest)?; // cipher suites
    vector::<1>(&mut rest)?; // compression
    let mut extensions = vector::<2>(&mut rest)?;
    while let Some(kind) = take::<2>(&mut extensions) {
        let mut content = vector::<2>(&mut extensions)?;
        if kind == [0, 0] {
            let mut names = vector::<2>(&mut content)?;
            let [kind] = take(&mut names)?;
            (kind == 0).then_some(())?;
            return vector::<2>(&mut names);
        }
    }
    None
}

/// The next bytes.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}

/// The next bytes whose length stands before them in `N` bytes.
fn vector<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (head, after) = rest.split_first_chunk::<N>()?;
    let (content, after) = after.split_at_checked(length(head))?;
    *rest = after;
    Some(content)
}

fn length(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |length, byte| (length << 8) | usize::from(*byte))
}

/// A first message that asks for a name, for tests.
#[cfg(test)]
pub(super) fn hello(name: Option<&str>) -> Vec<u8> {
    fn prefixed(bytes: usize, content: &[u8]) -> Vec<u8> {
        let length = content.len().to_be_bytes();
        [&length[length.len() - bytes..], content].concat()
    }
    let mut extensions = [&[0, 43][..], &prefixed(2, &[2, 3, 4])].concat();
    if let Some(name) = name {
        let entry = [&[0][..], &prefixed(2, name.as_bytes())].concat();
        let names = prefixed(2, &entry);
        extensions.extend([&[0, 0][..], &prefixed(2, &names)].concat());
    }
    let parts = [
        &[3, 3][..],
        &[7; 32],
        &prefixed(1, &[1; 32]),
        &prefixed(2, &[0x13, 1]),
        &prefixed(1, &[0]),
        &prefixed(2, &extensions),
    ];
    let message = [&[1][..], &prefixed(3, &parts.concat())].concat();
    [&[22, 3, 1][..], &prefixed(2, &message)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_found_once_all_of_it_is_there() {
        let hello = hello(Some("registry.example"));
        for end in 0..hello.len() {
            assert_eq!(Hellos::default().read(&hello[..end]), Hello::Incomplete);
        }
        let mut hellos = Hellos::default();
        assert_eq!(hellos.read(&hello), Hello::Name(b"registry.example"));
    }

    #[test]
    fn a_message_in_several_records_is_put_together() {
        let whole = hello(Some("registry.example"));
        let message = &whole[5..];
        let records: Vec<u8> = message
            .chunks(9)
            .flat_map(|part| [&[22, 3, 1, 0, u8::try_from(part.len()).unwrap()][..], part].concat())
            .collect();
        let mut hellos = Hellos::default();
        assert_eq!(hellos.read(&records), Hello::Name(b"registry.example"));
    }

    #[test]
    fn what_is_no_hello_with_a_name_is_told_apart() {
        let mut hellos = Hellos::default();
        assert_eq!(hellos.read(b"GET / HTTP/1.1"), Hello::Plain);
        assert_eq!(hellos.read(&hello(None)), Hello::Nameless);
        let mut cut = hello(Some("registry.example"));
        let broken = cut.len() - 3;
        cut[broken - 20] = 0xff;
        assert_ne!(hellos.read(&cut), Hello::Name(b"registry.example"));
        // Empty records without end.
        let endless = [22, 3, 1, 0, 0].repeat(4_000);
        assert_eq!(hellos.read(&endless), Hello::Nameless);
        let alert = [22, 3, 1, 0, 0, 21, 3, 1, 0, 0];
        assert_eq!(hellos.read(&alert), Hello::Nameless);
    }
}
