//! Bytes of devices; the first byte says of which.
#![no_main]

use device_drivers::catalogue::DeviceKey;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((which, bytes)) = bytes.split_first() {
        let keys = DeviceKey::ALL;
        device_drivers::fuzz_one(keys[usize::from(*which) % keys.len()], bytes);
    }
});
