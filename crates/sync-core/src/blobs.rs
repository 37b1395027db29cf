//! Names of blobs: content addresses.

use records::ids::BlobId;

/// Largest blob that is kept, in bytes. An hour of 12-lead ECG at 500 Hz is 43 MB raw and less than 10 coded.
pub const BLOB_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The name of a blob: the BLAKE3 hash of its content.
pub fn blob_id(content: &[u8]) -> BlobId {
    BlobId(*blake3::hash(content).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_named_by_its_content() {
        // BLAKE3 of the empty input, from the test vectors of the BLAKE3 team.
        let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(blob_id(b"").to_string(), empty);
        assert_ne!(blob_id(b"a"), blob_id(b"b"));
    }
}
