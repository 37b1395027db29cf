//! The boards that systems are made for, by the names that update bundles give them.

/// What a board's device tree is compatible with, and its name. The chip decides: a system starts on all of its boards.
const BOARDS: [(&str, &str); 5] = [
    ("brcm,bcm2837", "pi3"),
    ("brcm,bcm2711", "pi4"),
    ("brcm,bcm2712", "pi5"),
    // The emulator's machine, for tests.
    ("linux,dummy-virt", "virt"),
    ("brcm,bcm2710", "pi3"),
];

/// The name of a board from `/proc/device-tree/compatible`: texts that each end in a zero byte.
pub fn named(compatible: &[u8]) -> Option<&'static str> {
    let mut texts = compatible.split(|byte| *byte == 0);
    texts.find_map(|text| {
        let known = BOARDS.iter().find(|(chip, _)| chip.as_bytes() == text);
        known.map(|(_, name)| *name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_are_known_by_their_chip() {
        assert_eq!(named(b"raspberrypi,4-model-b\0brcm,bcm2711\0"), Some("pi4"));
        assert_eq!(named(b"raspberrypi,3-model-b-plus\0brcm,bcm2837\0"), Some("pi3"));
        assert_eq!(named(b"linux,dummy-virt\0"), Some("virt"));
        assert_eq!(named(b"brcm,bcm27110\0"), None);
        assert_eq!(named(b""), None);
    }
}
