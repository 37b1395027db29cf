//! Debian packages: what an archive's index lists ([`index`]), which of them an image needs ([`resolve`]), the lock
//! file that names them with their hashes ([`lock`]), and the machine's own apt, which fetches all of it ([`archive`]).

pub mod archive;
pub mod index;
pub mod lock;
pub mod resolve;
pub mod store;
pub mod version;

#[cfg(test)]
mod tests;
