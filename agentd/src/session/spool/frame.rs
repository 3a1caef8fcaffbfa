//! A record on disk: length, CRC-32, protobuf.

use cloud_code_proto::MAX_MESSAGE;
use cloud_code_proto::v1;
use cloud_code_proto::v1::record::Body;

use super::SpoolError;

/// Bytes before the protobuf.
pub(super) const HEAD: usize = 8;

/// The record as it is written.
pub(super) fn encode(record: &v1::Record) -> Result<Vec<u8>, SpoolError> {
    let payload = prost::Message::encode_to_vec(record);
    // The envelope of the session needs a few bytes more.
    if payload.len() + 64 > MAX_MESSAGE {
        return Err(SpoolError::TooLarge(payload.len()));
    }
    let length = u32::try_from(payload.len()).map_err(|_| SpoolError::TooLarge(payload.len()))?;
    let mut bytes = Vec::with_capacity(HEAD + payload.len());
    bytes.extend(length.to_le_bytes());
    bytes.extend(crc32(&payload).to_le_bytes());
    bytes.extend(payload);
    Ok(bytes)
}

/// The record at the beginning of `bytes` and its whole length; none where it is torn or damaged.
pub(super) fn decode(bytes: &[u8]) -> Option<(v1::Record, usize)> {
    let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    let crc = u32::from_le_bytes(bytes.get(4..HEAD)?.try_into().ok()?);
    let length = usize::try_from(length).ok()?;
    let payload = bytes.get(HEAD..HEAD.checked_add(length)?)?;
    if crc32(payload) != crc {
        return None;
    }
    let record = <v1::Record as prost::Message>::decode(payload).ok()?;
    Some((record, HEAD + length))
}

/// The same record with its logs replaced by their count; none where it holds no logs.
pub(super) fn without_logs(record: &v1::Record) -> Option<v1::Record> {
    let Some(Body::Logs(logs)) = &record.body else {
        return None;
    };
    Some(v1::Record {
        seq: record.seq,
        execution: record.execution.clone(),
        body: Some(Body::LogsDropped(v1::LogsDropped {
            lines: logs.lines.len() as u64,
        })),
    })
}

const CRC_TABLE: [u32; 256] = crc_table();

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            let carry = value & 1;
            value >>= 1;
            if carry == 1 {
                value ^= 0xedb8_8320;
            }
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

/// CRC-32 (IEEE 802.3).
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        let index = (crc ^ u32::from(*byte)) & 0xff;
        crc = (crc >> 8) ^ CRC_TABLE[index as usize];
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_well_known_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_frame_comes_back_whole_or_not_at_all() {
        let record = v1::Record {
            seq: 7,
            execution: "k3f9x2ab.1".into(),
            body: Some(Body::Started(v1::Started::default())),
        };
        let bytes = encode(&record).unwrap();
        assert_eq!(decode(&bytes), Some((record, bytes.len())));
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), None, "cut at {cut}");
        }
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x40;
            assert_eq!(decode(&damaged), None, "damaged at {position}");
        }
    }
}
