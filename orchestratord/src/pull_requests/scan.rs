//! The first look at a pack: every object's declared size, before git unpacks one of them.
//!
//! A pack of 2 MB can hold 2 GiB of zeros, and a delta of 30 bytes can ask for any size. Both are
//! declared in front of the data, so they are refused without being made. To find the next object
//! its data is inflated into a small buffer and dropped; it is bounded by what was declared.

use std::io::{BufRead, BufReader, Read};

use flate2::{Decompress, FlushDecompress, Status};

use crate::config::GateLimits;

use super::finding::{Finding, Rule};

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

/// Looks through a pack; the number of its objects.
pub(crate) fn scan(pack: impl Read, limits: &GateLimits) -> Result<u32, ScanError> {
    let mut pack = BufReader::with_capacity(64 << 10, pack);
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
    for _ in 0..count {
        entry(&mut pack, limits, &mut total)?;
    }
    Ok(count)
}

/// Each path is at most a blob and a tree of its own, and there are commits.
fn most_objects(limits: &GateLimits) -> u64 {
    limits.paths.saturating_mul(2).saturating_add(10_000)
}

fn entry(pack: &mut impl BufRead, limits: &GateLimits, total: &mut u64) -> Result<(), ScanError> {
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
    match kind {
        1..=4 => inflate(pack, size, |_| Ok(())),
        6 | 7 => {
            if kind == 6 {
                varint(pack)?;
            } else {
                pack.read_exact(&mut [0; 20])?;
            }
            let mut head = Vec::with_capacity(20);
            inflate(pack, size, |data| {
                head.extend_from_slice(&data[..data.len().min(20 - head.len().min(20))]);
                Ok(())
            })?;
            let mut rest = head.as_slice();
            varint(&mut rest)?;
            declare(varint(&mut rest)?, limits, total)
        }
        _ => Err(malformed("an object is of no known kind")),
    }
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

/// Inflates one object, exactly as long as it says it is.
fn inflate(
    pack: &mut impl BufRead,
    size: u64,
    mut each: impl FnMut(&[u8]) -> Result<(), ScanError>,
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
        each(&buffer[..made])?;
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

    fn rule(pack: &[u8]) -> Rule {
        match scan(pack, &GateLimits::default()) {
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
        assert_eq!(scan(&*five, &limits).unwrap(), 5);
        let six = scan(&*pack(&vec![object; 6]), &limits);
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
        assert_eq!(
            scan(&*pack(&[object.clone(), object]), &GateLimits::default()).unwrap(),
            2
        );
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
