//! Both ends of the wire: TLS, enrolment, certificates, and the loops that carry frames between a socket and a store.

pub mod box_ca;
mod cable;
mod carry;
mod certificate_files;
pub mod client;
mod dial;
pub mod enrol;
pub mod hub_ca;
pub mod server;
pub mod share;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod token;

pub use cable::Cable;
pub use certificate_files::CaFault;
pub use dial::{BadAddress, HubAddress, Limits, LinkError};
