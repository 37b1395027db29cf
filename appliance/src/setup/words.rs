//! A certificate's fingerprint as four Chinese words, for a label on the box and for the check page: what people
//! can compare by eye.

use sync_core::blobs::blob_id;

/// First signs: qualities.
const FIRST: [&str; 16] = [
    "红", "黄", "蓝", "白", "黑", "金", "银", "大", "小", "高", "长", "新", "老", "春", "秋", "南",
];
/// Second signs: things.
const SECOND: [&str; 16] = [
    "山", "水", "田", "树", "花", "鸟", "马", "牛", "鱼", "门", "桥", "车", "船", "石", "云", "星",
];

/// Four words of two signs each for this certificate (DER): 32 bits of its BLAKE3 hash. Enough for a person who
/// compares a box with its label; the certificate itself is what software compares.
pub fn of_certificate(der: &[u8]) -> [String; 4] {
    let hash = blob_id(der);
    let [a, b, c, d, ..] = *hash.as_bytes();
    [a, b, c, d].map(|byte| {
        let [first, second] = [usize::from(byte >> 4), usize::from(byte & 15)];
        format!("{}{}", FIRST[first], SECOND[second])
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn words_are_stable_and_tell_certificates_apart() {
        assert_eq!(of_certificate(b"a"), of_certificate(b"a"));
        let all: BTreeSet<_> = (0..1000u32).map(|n| of_certificate(&n.to_be_bytes())).collect();
        assert_eq!(all.len(), 1000);
        let signs: BTreeSet<_> = FIRST.iter().chain(&SECOND).collect();
        assert_eq!(signs.len(), 32);
    }
}
