//! Names of devices on the box's pages.

use device_drivers::catalogue::DeviceKey;

/// The maker's name of a device; a key that is in no catalogue stays as it is.
pub fn device_name(key: &str) -> String {
    key.parse::<DeviceKey>()
        .map_or_else(|_| key.to_owned(), |key| key.model().name.to_owned())
}
