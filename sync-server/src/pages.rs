//! The desks' pages: extract, authorise, act, answer.

pub mod clinics;
pub mod ecgs;
pub mod fleet;
pub mod parked;
pub mod staff;
pub mod status;
pub mod visitor;
pub mod visits;

/// The maker's name of a device. A hub has no drivers: it knows the names by the catalogue's keys, and shows the key
/// of a device of a newer release.
pub fn device_name(key: &str) -> String {
    let name = match key {
        "omron-hbp9030" => "Omron HBP-9030",
        "and-tm2655" => "A&D TM-2655",
        "contec-8000g" => "Contec 8000G",
        "idcard-sam" => "SAM",
        "mlx90614-i2c" => "MLX90614",
        other => other,
    };
    name.to_owned()
}
