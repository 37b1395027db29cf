//! Both ends of the wire: TLS, enrolment, certificates, and the loops that carry frames between a socket and a store.

pub mod box_ca;
