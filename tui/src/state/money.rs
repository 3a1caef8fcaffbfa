//! Numbers as people read them.

use cloud_code_domain::cost::MicroUsd;

/// `0.84`; what was spent is never shown as zero.
#[must_use]
pub(crate) fn amount(micro_usd: u64) -> String {
    MicroUsd(micro_usd).to_string()
}

/// `$0.84`.
#[must_use]
pub(crate) fn usd(micro_usd: u64) -> String {
    format!("${}", MicroUsd(micro_usd))
}

/// `1.9M`, `88k`, `312`.
#[must_use]
pub(crate) fn tokens(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..1_000_000 => format!("{}k", count / 1_000),
        _ => format!("{}.{}M", count / 1_000_000, count % 1_000_000 / 100_000),
    }
}

/// `1.6G`, `640M`, `12K`.
#[must_use]
pub(crate) fn bytes(count: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    match count {
        0..KIB => count.to_string(),
        KIB..MIB => format!("{}K", count / KIB),
        MIB..GIB => format!("{}M", count / MIB),
        _ => format!("{}.{}G", count / GIB, count % GIB * 10 / GIB),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_their_columns() {
        assert_eq!(
            [0, 999, 88_123, 1_949_000].map(tokens),
            ["0", "999", "88k", "1.9M"]
        );
        assert_eq!(
            [12, 671_088_640, 1_717_986_919].map(bytes),
            ["12", "640M", "1.6G"]
        );
        assert_eq!(usd(18_400_000), "$18.40");
    }
}
