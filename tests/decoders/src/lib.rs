//! Every function `fuzz_one` of the workspace, by name. The fuzzer's targets and the test that replays their corpus
//! call the same ones.

use std::path::{Path, PathBuf};

mod mutate;
pub mod seeds;

pub use mutate::Mutations;

/// Longest input that a run takes.
pub const INPUT_MAX: usize = 64 * 1024;

/// A decoder and its name, which is that of its folder in the corpus.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name.
    pub name: &'static str,
    /// One run. Panics where the decoder is wrong.
    pub run: fn(&[u8]),
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("audit_entry", store::fuzzing::audit_entry),
    target("block_map", card::block_map::fuzz_one),
    target("card_bundle", card::bundle::fuzz_one),
    target("card_difference", card::difference::fuzz_one),
    target("card_identity", card::identity::fuzz_one),
    target("card_image", card::firmware::fuzz_one),
    target("card_permit", card::technician::fuzz_one),
    target("card_state", card::state::fuzz_one),
    target("card_vestibule", card::vestibule::fuzz_one),
    target("card_volume", card::luks::fuzz_one),
    target("clinic_table", image_builder::provision::rows::fuzz_one),
    target("devices", devices),
    target("ecg_codec", ecg::codec::fuzz_one),
    target("ecg_csv", ecg::formats::csv::fuzz_one),
    target("ecg_preview", ecg::preview::fuzz_one),
    target("ecg_wfdb", ecg::wfdb::fuzz_one),
    target("facts", records::packed::fuzz_one),
    target("hub_address", |bytes| text(bytes, hub_address)),
    target("identity", |bytes| text(bytes, records::identity::fuzz_one)),
    target("import_lines", store::fuzzing::import_lines),
    target("inbox_message", appliance::inbox::fuzz_one),
    target("log_body", store::fuzzing::log_body),
    target("names", |bytes| text(bytes, records::pinyin::fuzz_one)),
    target("opener", appliance::opener::protocol::fuzz_one),
    target("release", sync_core::wire::fuzz_release),
    target("resident_list", |bytes| {
        drop(appliance::residents_csv::read(bytes))
    }),
    target("roster", roster),
    target("stick", store::fuzzing::stick),
    target("sync_changes", sync_core::check::fuzz_one),
    target("sync_folded", sync_core::compact::fuzz_one),
    target("sync_frames", sync_core::wire::fuzz_one),
    target("text", |bytes| text(bytes, records::text::fuzz_one)),
    target("token", |bytes| text(bytes, link::token::fuzz_one)),
];

/// One run of a fuzzer: as [`run`], but a panic of a library that a decoder catches, and answers for, goes on. The
/// fuzzer's own hook would end the process at it; one that nobody catches still does.
///
/// # Panics
/// As [`run`].
#[expect(clippy::print_stderr, reason = "what the fuzzer's own hook would print")]
pub fn fuzz(name: &str, bytes: &[u8]) {
    static QUIET: std::sync::Once = std::sync::Once::new();
    QUIET.call_once(|| std::panic::set_hook(Box::new(|what| eprintln!("{what}"))));
    run(name, bytes);
}

/// One run of the target of this name.
///
/// # Panics
/// Where there is none, and where its decoder is wrong.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    assert!(target.is_some(), "no target {name}");
    if let Some(target) = target
        && bytes.len() <= INPUT_MAX
    {
        (target.run)(bytes);
    }
}

/// The inputs that are kept of a target.
pub fn corpus_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(name)
}

/// What reads text is given text only.
fn text(bytes: &[u8], run: fn(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        run(text);
    }
}

/// The first byte says of which device.
fn devices(bytes: &[u8]) {
    use device_drivers::catalogue::DeviceKey;
    if let Some((which, bytes)) = bytes.split_first() {
        let keys = DeviceKey::ALL;
        device_drivers::fuzz_one(keys[usize::from(*which) % keys.len()], bytes);
    }
}

fn roster(bytes: &[u8]) {
    use sync_core::wire::{decode_roster, encode_roster};
    if let Ok(staff) = decode_roster(bytes) {
        assert_eq!(
            decode_roster(&encode_roster(&staff)),
            Ok(staff),
            "a roster changed"
        );
    }
}

fn hub_address(text: &str) {
    if let Ok(address) = link::HubAddress::parse(text) {
        assert!(address.port > 0 && !address.host.is_empty());
    }
}
