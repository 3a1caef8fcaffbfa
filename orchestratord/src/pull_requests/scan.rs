//! The first look at a pack: every object's declared size, before git unpacks one of them.
//!
//! A pack of 2 MB can hold 2 GiB of zeros, and a delta of 30 bytes can ask for any size. Both are
//! declared in front of the data, so they are refused without being made. To find the next object
//! its data has to be inflated, bounded by what was declared. What is inflated anyway is looked at
//! once: a blob that is there whole goes to the [`Onlooker`], and is not read again.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};

use flate2::{Decompress, FlushDecompress, Status};

use crate::config::GateLimits;

use super::finding::{Finding, Rule};

/// Who follows a scan.
pub(crate) trait Onlooker {
    /// The blob whose entry begins at this offset.
    fn blob(&mut self, offset: u64, content: &[u8]);

    /// Everything before this offset may be unpacked; what lies beyond was not looked at.
    ///
    /// # Errors
    /// Those of passing it on, which end the scan.
    fn accepted(&mut self, end: u64) -> std::io::Result<()>;
}

/// Why a pack is not let in, or could not be read.
#[derive(Debug)]
pub(crate) enum ScanError {
    Finding(Finding),
    Io(std::io::Error),
}

impl From<std::io::Error> for ScanError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            malformed("it ends early")
        } else {
            Self::Io(error)
        }
    }
}

fn malformed(what: &str) -> ScanError {
    ScanError::Finding(Finding::whole(
        Rule::MalformedPack,
        format!("the pack is no pack: {what}"),
    ))
}

fn too_large(what: String) -> ScanError {
    ScanError::Finding(Finding::whole(Rule::TooLarge, what))
}

/// What a pack is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Made {
    /// Its objects.
    pub(crate) objects: u32,
    /// The longest chain of deltas; none where only git can say.
    pub(crate) deepest: Option<u32>,
}

/// Looks through a pack.
pub(crate) fn scan(
    pack: impl Read,
    limits: &GateLimits,
    onlooker: &mut impl Onlooker,
) -> Result<Made, ScanError> {
    let mut pack = Source {
        bytes: BufReader::with_capacity(64 << 10, pack),
        offset: 0,
    };
    let mut header = [0; 12];
    pack.read_exact(&mut header)?;
    let [p, a, c, k, v0, v1, v2, v3, n0, n1, n2, n3] = header;
    let version = u32::from_be_bytes([v0, v1, v2, v3]);
    if [p, a, c, k] != *b"PACK" || !matches!(version, 2 | 3) {
        return Err(malformed("its header is wrong"));
    }
    let count = u32::from_be_bytes([n0, n1, n2, n3]);
    if u64::from(count) > most_objects(limits) {
        return Err(too_large(format!(
            "the pack has {count} objects, at most {} are accepted",
            most_objects(limits)
        )));
    }
    let mut total = 0;
    let mut content = Vec::new();
    let mut depths = HashMap::new();
    let mut deepest = Some(0);
    for _ in 0..count {
        let offset = pack.offset;
        let depth = match entry(&mut pack, limits, &mut total, &mut content)? {
            Kind::Blob => {
                onlooker.blob(offset, &content);
                Some(0)
            }
            Kind::Whole => Some(0),
            Kind::DeltaOf(back) => offset
                .checked_sub(back)
                .and_then(|base| depths.get(&base))
                .map(|depth: &u32| depth.saturating_add(1)),
            Kind::Delta => None,
        };
        if let Some(depth) = depth {
            depths.insert(offset, depth);
        }
        deepest = deepest.zip(depth).map(|(one, other)| one.max(other));
        onlooker.accepted(pack.offset).map_err(ScanError::Io)?;
    }
    Ok(Made {
        objects: count,
        deepest,
    })
}

/// A pack, and how much of it was read.
struct Source<R> {
    bytes: BufReader<R>,
    offset: u64,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.bytes.read(into)?;
        self.offset += u64::try_from(count).unwrap_or(u64::MAX);
        Ok(count)
    }
}

impl<R: Read> BufRead for Source<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.bytes.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.bytes.consume(count);
        self.offset += u64::try_from(count).unwrap_or(u64::MAX);
    }
}

/// Each path is at most a blob and a tree of its own, and there are commits.
fn most_objects(limits: &GateLimits) -> u64 {
    limits.paths.saturating_mul(2).saturating_add(10_000)
}

/// What an entry of a pack is.
enum Kind {
    Blob,
    /// A commit, a tree, a tag.
    Whole,
    /// A delta of the entry so many bytes before it.
    DeltaOf(u64),
    /// A delta of what it names by its id.
    Delta,
}

/// Looks at one object; its kind. Of a blob that is there whole, the content.
fn entry(
    pack: &mut impl BufRead,
    limits: &GateLimits,
    total: &mut u64,
    content: &mut Vec<u8>,
) -> Result<Kind, ScanError> {
    let first = byte(pack)?;
    let kind = (first >> 4) & 7;
    let mut size = u64::from(first & 15);
    if first & 0x80 != 0 {
        let more = varint(pack)?;
        if more > u64::MAX >> 4 {
            return Err(malformed("a size does not fit"));
        }
        size |= more << 4;
    }
    declare(size, limits, total)?;
    content.clear();
    match kind {
        3 => {
            inflate(pack, size, |data| content.extend_from_slice(data))?;
            Ok(Kind::Blob)
        }
        1 | 2 | 4 => {
            inflate(pack, size, |_| ())?;
            Ok(Kind::Whole)
        }
        6 => {
            let back = distance(pack)?;
            delta(pack, size, limits, total, content)?;
            Ok(Kind::DeltaOf(back))
        }
        7 => {
            pack.read_exact(&mut [0; 20])?;
            delta(pack, size, limits, total, content)?;
            Ok(Kind::Delta)
        }
        _ => Err(malformed("an object is of no known kind")),
    }
}

/// A delta begins with the size of what it is taken from, and of what it makes.
fn delta(
    pack: &mut impl BufRead,
    size: u64,
    limits: &GateLimits,
    total: &mut u64,
    head: &mut Vec<u8>,
) -> Result<(), ScanError> {
    inflate(pack, size, |data| {
        let missing = 20_usize.saturating_sub(head.len());
        head.extend(data.iter().take(missing));
    })?;
    let mut rest = head.as_slice();
    varint(&mut rest)?;
    declare(varint(&mut rest)?, limits, total)
}

/// Counts what an object says that it will take.
fn declare(size: u64, limits: &GateLimits, total: &mut u64) -> Result<(), ScanError> {
    if size > limits.blob_bytes {
        let most = limits.blob_bytes;
        return Err(too_large(format!(
            "the pack holds an object of {size} bytes, at most {most} are accepted"
        )));
    }
    *total = total.saturating_add(size);
    if *total > limits.inflated_bytes {
        let most = limits.inflated_bytes;
        return Err(too_large(format!(
            "the pack unpacks to more than the {most} bytes that are accepted"
        )));
    }
    Ok(())
}

fn byte(source: &mut impl Read) -> Result<u8, ScanError> {
    let mut one = [0];
    source.read_exact(&mut one)?;
    Ok(one[0])
}

fn varint(source: &mut impl Read) -> Result<u64, ScanError> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let next = byte(source)?;
        value |= u64::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(malformed("a number does not fit"))
}

/// How far before a delta its base begins: the most significant part first, and no number has two forms.
fn distance(source: &mut impl Read) -> Result<u64, ScanError> {
    let mut next = byte(source)?;
    let mut value = u64::from(next & 0x7f);
    while next & 0x80 != 0 {
        if value >= u64::MAX >> 8 {
            return Err(malformed("a number does not fit"));
        }
        next = byte(source)?;
        value = ((value + 1) << 7) | u64::from(next & 0x7f);
    }
    Ok(value)
}

/// Inflates one object, exactly as long as it says it is.
fn inflate(
    pack: &mut impl BufRead,
    size: u64,
    mut each: impl FnMut(&[u8]),
) -> Result<(), ScanError> {
    let mut inflater = Decompress::new(true);
    let mut buffer = [0; 16 << 10];
    loop {
        let input = pack.fill_buf()?;
        let at_end = input.is_empty();
        let (taken_before, made_before) = (inflater.total_in(), inflater.total_out());
        let status = inflater
            .decompress(input, &mut buffer, FlushDecompress::None)
            .map_err(|_| malformed("an object's data is broken"))?;
        let taken = usize::try_from(inflater.total_in() - taken_before).unwrap_or(usize::MAX);
        let made = usize::try_from(inflater.total_out() - made_before).unwrap_or(usize::MAX);
        pack.consume(taken);
        if inflater.total_out() > size {
            return Err(malformed("an object is longer than it says"));
        }
        each(&buffer[..made]);
        if status == Status::StreamEnd {
            return if inflater.total_out() == size {
                Ok(())
            } else {
                Err(malformed("an object is shorter than it says"))
            };
        }
        if at_end && made == 0 {
            return Err(malformed("it ends early"));
        }
        if taken == 0 && made == 0 {
            return Err(malformed("an object's data does not end"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    fn deflated(data: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn header(kind: u8, mut size: u64) -> Vec<u8> {
        let mut bytes = vec![(kind << 4) | u8::try_from(size & 15).unwrap()];
        size >>= 4;
        while size > 0 {
            *bytes.last_mut().unwrap() |= 0x80;
            bytes.push(u8::try_from(size & 0x7f).unwrap());
            size >>= 7;
        }
        bytes
    }

    fn pack(objects: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = b"PACK\0\0\0\x02".to_vec();
        bytes.extend_from_slice(&u32::try_from(objects.len()).unwrap().to_be_bytes());
        bytes.extend(objects.concat());
        bytes
    }

    /// What was shown, and up to where it was accepted.
    #[derive(Debug, Default, PartialEq)]
    struct Seen {
        blobs: Vec<(u64, Vec<u8>)>,
        accepted: Vec<u64>,
    }

    impl Onlooker for Seen {
        fn blob(&mut self, offset: u64, content: &[u8]) {
            self.blobs.push((offset, content.to_vec()));
        }

        fn accepted(&mut self, end: u64) -> std::io::Result<()> {
            self.accepted.push(end);
            Ok(())
        }
    }

    fn scan_with(pack: &[u8], limits: &GateLimits) -> Result<u32, ScanError> {
        scan(pack, limits, &mut Seen::default()).map(|made| made.objects)
    }

    fn delta(base: &[u8]) -> Vec<u8> {
        let mut object = header(6, 4);
        object.extend(base);
        object.extend(deflated(&[5, 5, 0x90, 5]));
        object
    }

    fn rule(pack: &[u8]) -> Rule {
        match scan_with(pack, &GateLimits::default()) {
            Err(ScanError::Finding(finding)) => finding.rule,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_size_is_refused_where_it_is_declared_before_a_byte_is_inflated() {
        // The data behind the header is missing: had it been looked at, this would be malformed.
        assert_eq!(rule(&pack(&[header(3, 2 << 30)])), Rule::TooLarge);
    }

    #[test]
    fn a_delta_is_refused_for_what_it_would_make() {
        let mut delta = vec![1];
        delta.extend([0x80, 0x80, 0x80, 0x80, 0x08]); // 2 GiB
        delta.extend([0x01, b'x']);
        let mut object = header(6, u64::try_from(delta.len()).unwrap());
        object.push(1);
        object.extend(deflated(&delta));
        assert_eq!(rule(&pack(&[object])), Rule::TooLarge);
    }

    #[test]
    fn many_small_ones_are_one_large_one() {
        let mut object = header(3, 90_000);
        object.extend(deflated(&vec![0; 90_000]));
        let limits = GateLimits {
            inflated_bytes: 500_000,
            ..GateLimits::default()
        };
        let five = pack(&vec![object.clone(); 5]);
        assert_eq!(scan_with(&five, &limits).unwrap(), 5);
        let six = scan_with(&pack(&vec![object; 6]), &limits);
        assert!(matches!(six, Err(ScanError::Finding(f)) if f.rule == Rule::TooLarge));
        let mut header = pack(&[]);
        header[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(rule(&header), Rule::TooLarge);
    }

    #[test]
    fn an_object_is_as_long_as_it_says() {
        for said in [0, 4, 6, 1000] {
            let mut object = header(3, said);
            object.extend(deflated(b"hello"));
            assert_eq!(rule(&pack(&[object])), Rule::MalformedPack, "{said}");
        }
        let mut object = header(3, 5);
        object.extend(deflated(b"hello"));
        let two = pack(&[object.clone(), object]);
        assert_eq!(scan_with(&two, &GateLimits::default()).unwrap(), 2);
    }

    #[test]
    fn a_whole_blob_is_shown_where_it_begins_and_nothing_else_is() {
        let mut blob = header(3, 5);
        blob.extend(deflated(b"hello"));
        let mut tree = header(2, 5);
        tree.extend(deflated(b"a tree"[1..].as_ref()));
        let bytes = pack(&[tree.clone(), blob.clone(), blob.clone()]);
        let mut seen = Seen::default();
        scan(&*bytes, &GateLimits::default(), &mut seen).unwrap();
        let [first, second, end] = [12 + tree.len(), 12 + tree.len() + blob.len(), bytes.len()]
            .map(|offset| u64::try_from(offset).unwrap());
        let hello = b"hello".to_vec();
        assert_eq!(seen.blobs, [(first, hello.clone()), (second, hello)]);
        assert_eq!(seen.accepted, [first, second, end]);
    }

    #[test]
    fn a_chain_of_deltas_is_as_long_as_it_is() {
        let mut blob = header(3, 5);
        blob.extend(deflated(b"hello"));
        let made = |objects: &[Vec<u8>]| {
            scan(
                &*pack(objects),
                &GateLimits::default(),
                &mut Seen::default(),
            )
            .unwrap()
        };
        let back = |object: &[u8]| vec![u8::try_from(object.len()).unwrap()];
        let first = delta(&back(&blob));
        let second = delta(&back(&first));
        let chain = [blob.clone(), first.clone(), second, blob.clone()];
        assert_eq!(made(&chain).deepest, Some(2));
        assert_eq!(made(std::slice::from_ref(&blob)).deepest, Some(0));
        // Its base is nowhere: git says what is wrong with it.
        assert_eq!(made(&[blob.clone(), delta(&[1])]).deepest, None);
        let mut named = header(7, 4);
        named.extend([7; 20]);
        named.extend(deflated(&[5, 5, 0x90, 5]));
        assert_eq!(made(&[blob, named]).deepest, None);
    }

    #[test]
    fn the_distance_to_a_base_has_one_form_for_each_number() {
        for (bytes, number) in [
            (&[0x7f][..], 0x7f),
            (&[0x80, 0x00], 0x80),
            (&[0xff, 0x7f], 0x407f),
            (&[0x80, 0x80, 0x00], 0x4080),
        ] {
            assert_eq!(distance(&mut &*bytes).unwrap(), number, "{bytes:x?}");
        }
        assert!(distance(&mut &[0xff; 12][..]).is_err());
    }

    #[test]
    fn what_comes_after_a_refused_object_is_not_accepted() {
        let mut blob = header(3, 5);
        blob.extend(deflated(b"hello"));
        let bytes = pack(&[blob.clone(), header(3, 2 << 30), blob.clone()]);
        let mut seen = Seen::default();
        assert!(scan(&*bytes, &GateLimits::default(), &mut seen).is_err());
        assert_eq!(seen.accepted, [12 + u64::try_from(blob.len()).unwrap()]);
    }

    #[test]
    fn what_is_cut_off_or_of_no_kind_is_no_pack() {
        let mut object = header(3, 5);
        object.extend(deflated(b"hello"));
        let whole = pack(&[object]);
        for length in 0..whole.len() {
            assert_eq!(rule(&whole[..length]), Rule::MalformedPack, "{length}");
        }
        assert_eq!(rule(&pack(&[header(5, 1)])), Rule::MalformedPack);
        assert_eq!(rule(&pack(&[vec![0xff; 40]])), Rule::MalformedPack);
    }
}
