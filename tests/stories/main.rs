//! The whole system as people meet it: real programs, a real browser, simulated devices.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod architecture;
mod browser_ecg;
mod browser_privacy;
mod browser_races;
mod browser_story;
mod county_and_city;
mod first_start;
mod fleet;
mod hub_opens;
mod kills;
mod locked_start;
mod narrow_line;
mod nodes;
mod own_screen;
mod page_list;
mod pages_box;
mod pages_hub;
mod power_cuts;
mod privacy;
mod replay;
mod server_copies;
mod shared_bucket;
mod tidy;
mod tools;
mod traps_browser;
mod two_nodes;
mod workload;
