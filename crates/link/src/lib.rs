//! Both ends of the wire: TLS, enrolment, certificates, and the loops that carry frames between a socket and a store.

pub mod box_ca;
mod certificate_files;
pub mod hub_ca;
pub mod tls;

pub use certificate_files::CaFault;
