//! What a release leaves in the field: data folders of a box and of its hub, and the bytes between them. The
//! folders of `releases/` are made by this crate's program and read by its tests; see `README.md`.

pub mod machine;
pub mod meeting;
pub mod release;
