//! Starts the real programs, a real browser and simulated devices for the stories and measurements.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

pub mod browser;
pub mod cable;
pub mod clinic_box;
pub mod county_hub;
pub mod desk;
pub mod doctor;
pub mod far_hub;
pub mod kills;
pub mod logs;
pub mod narrow_line;
pub mod one_address;
pub mod page_check;
pub mod plain_browser;
pub mod power;
mod profile;
pub mod programs;
pub mod slow_line;
pub mod walk;
pub mod workload;

/// Names the provider of TLS for the HTTP clients of this process: they ask for one when they are made, also where they
/// speak plain HTTP only.
fn name_tls_provider() {
    // A second choice is the same one.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
}
