//! `bundle` and `diff` by the real program on card images, and a card that takes what they made.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use card::FileDevice;
use card::bundle::{Bundle, DataForms, Taker};
use card::layout::Slot;
use card::signed::PublicKey;
use card::slots::Card;
use card::state::Outcome;

use crate::clinic_card::{card, image, image_of};
use crate::running::{Ran, run};

fn bundle(folder: &Path, new: &str, out: &str, more: &[&str]) -> Ran {
    let call = ["bundle", new, out, "--county", "441802", "--key", "county.key"];
    let hardware = ["--hardware", "pi4", "--level", "3"];
    let data = ["--data-oldest", "1", "--data-newest", "2", "--data-writes", "2"];
    run(folder, &[&call[..], &hardware, &data, more].concat())
}

/// Bytes that cannot be compressed: a small generator's, equal in every run.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// A folder with a key and the images of two versions that differ in a few bytes.
fn releases() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let boot = noise(1, 128 << 10);
    let mut root = noise(2, 512 << 10);
    image_of(&folder.path().join("one.img"), 1, &boot, &root);
    root[200_000..200_100].copy_from_slice(&noise(3, 100));
    image_of(&folder.path().join("two.img"), 2, &boot, &root);
    assert!(run(folder.path(), &["key", "county.key"]).is_well);
    folder
}

#[test]
fn a_bundle_of_two_images_is_small_tells_its_minutes_and_brings_a_card_to_the_second() {
    let folder = releases();
    let folder = folder.path();
    let Ran {
        is_well,
        object: said,
        ..
    } = bundle(folder, "two.img", "two.bundle", &["--from", "one.img"]);
    assert!(is_well, "{said}");
    let file = File::open(folder.join("two.bundle")).unwrap();
    let len = file.metadata().unwrap().len();
    assert_eq!(
        (&said["version"], &said["from"], &said["bytes"]),
        (&2.into(), &1.into(), &len.into())
    );
    assert!(len < 10_000, "{said}");
    let Ran {
        is_well,
        object: whole,
        ..
    } = bundle(folder, "two.img", "whole.bundle", &[]);
    assert!(is_well && whole["from"].is_null(), "{whole}");
    assert!(whole["bytes"].as_u64().unwrap() > 600_000, "{whole}");
    // 655,360 bytes that cannot be made smaller, at 8,000 bytes a second.
    assert_eq!(whole["minutes_at_64k"], 1.4, "{whole}");

    let key = std::fs::read_to_string(folder.join("county.key.pub")).unwrap();
    let device = FileDevice::open_to_write(&folder.join("one.img")).unwrap();
    let mut card = Card::open(device).unwrap();
    let running = *card.state().system(Slot::A).unwrap();
    let mut bundle = Bundle::open(file, &[PublicKey::parse(&key).unwrap()]).unwrap();
    let taker = Taker {
        county: "441802",
        hardware: "pi4",
        running: &running,
        data: DataForms {
            oldest: 1,
            newest: 2,
            writes: 2,
        },
        last: &Outcome::None,
    };
    bundle.manifest().judge(&taker).unwrap();
    let slot = bundle.install(&mut card, Slot::A, |_| {}).unwrap();
    assert!(card.is_whole(slot).unwrap());
    assert_eq!(card.state().system(slot).unwrap().version.0, 2);
}

#[test]
fn a_difference_is_told_by_its_parts_with_the_minutes_of_each() {
    let folder = releases();
    let Ran {
        is_well,
        object: said,
        ..
    } = run(folder.path(), &["diff", "one.img", "two.img", "--level", "3"]);
    assert!(is_well, "{said}");
    let bytes = |part: &str, what: &str| said[part][what].as_u64().unwrap();
    assert_eq!(
        (bytes("boot", "bytes"), bytes("root", "bytes")),
        (128 << 10, 512 << 10)
    );
    assert_eq!(
        bytes("sum", "whole"),
        bytes("boot", "whole") + bytes("root", "whole")
    );
    assert!(bytes("root", "difference") < 1000, "{said}");
    assert!(bytes("root", "whole") > 512 << 10, "{said}");
    assert_eq!(said["sum"]["minutes_at_64k"]["whole"], 1.4, "{said}");
    assert_eq!(said["sum"]["minutes_at_64k"]["difference"], 0.0, "{said}");
}

/// A program for the box's processor with 400 functions that call each other and show texts; `grown` is one statement
/// more in the second of them.
fn program(folder: &Path, name: &str, grown: &str) -> Vec<u8> {
    const FUNCTIONS: usize = 400;
    let mut text = "#include <stdio.h>\nstatic long seen[256];\n".to_owned();
    for number in 0..FUNCTIONS {
        writeln!(text, "long f{number}(long x);").unwrap();
    }
    for number in 0..FUNCTIONS {
        writeln!(text, "long f{number}(long x) {{").unwrap();
        if number == 1 {
            writeln!(text, "{grown}").unwrap();
        }
        for drawn in noise(number as u64 + 100, 48).as_chunks::<4>().0 {
            let [kind, a, b, c] = drawn.map(usize::from);
            let call = (b * 7 + c) % FUNCTIONS;
            let statement = match kind % 6 {
                0 => format!("x = x * {a} + {b};"),
                1 => format!("if (x & {a}) x ^= seen[{b}];"),
                2 => format!("seen[{a}] += f{call}(x - {c});"),
                3 => format!("printf(\"%ld in {number} {b}\\n\", x);"),
                4 => format!("while (x > {a}) x -= {b} + (x >> 3);"),
                _ => format!("x = x < {a} ? x + {b} : x - f{call}({c});"),
            };
            writeln!(text, "{statement}").unwrap();
        }
        writeln!(text, "return x; }}").unwrap();
    }
    text.push_str("int main(int count, char **words) { return (int) f0(count); }\n");
    let source = folder.join(format!("{name}.c"));
    std::fs::write(&source, text).unwrap();
    let out = folder.join(name);
    let compiled = Command::new("aarch64-linux-gnu-gcc")
        .args(["-O2", "-s", "-Wl,--build-id=none", "-o"])
        .args([&out, &source])
        .status()
        .expect("a compiler of the package gcc-aarch64-linux-gnu");
    assert!(compiled.success());
    std::fs::read(out).unwrap()
}

/// What zstd alone makes of it, with the old partition as its dictionary.
fn by_zstd(new: &[u8], old: &[u8]) -> usize {
    let mut encoder = zstd::stream::write::Encoder::with_ref_prefix(Vec::new(), 19, old).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.window_log(23).unwrap();
    encoder.write_all(new).unwrap();
    encoder.finish().unwrap().len()
}

#[test]
fn a_program_with_one_statement_more_costs_a_fifth_of_what_compression_alone_makes_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let root = |name: &str, grown: &str| {
        let mut root = noise(4, 64 << 10);
        root.extend_from_slice(&program(folder, name, grown));
        root.resize(root.len().next_multiple_of(4096), 0);
        root
    };
    let old = root("old", "");
    let new = root(
        "new",
        "if (x == 4711) printf(\"a new case: %ld\\n\", seen[5] * x);",
    );
    image_of(&folder.join("one.img"), 1, &[], &old);
    image_of(&folder.join("two.img"), 2, &[], &new);
    let Ran {
        is_well,
        object: said,
        ..
    } = run(folder, &["diff", "one.img", "two.img"]);
    assert!(is_well, "{said}");
    let difference = said["root"]["difference"].as_u64().unwrap() as usize;
    let alone = by_zstd(&new, &old);
    assert!(
        difference * 5 < alone,
        "{difference} bytes, {alone} by zstd alone"
    );
}

#[test]
fn what_no_box_would_take_is_not_made() {
    let folder = releases();
    let folder = folder.path();
    card(&folder.join("empty"));
    image(&folder.join("bare.img"));
    // A root that rotted since it was installed.
    std::fs::copy(folder.join("two.img"), folder.join("rotten.img")).unwrap();
    let device = FileDevice::open_to_write(&folder.join("rotten.img")).unwrap();
    let mut rotten = Card::open(device).unwrap();
    let at = rotten.layout().root_of(Slot::A).at;
    card::BlockDevice::write_at(rotten.parts().0, at, &[7; 4096]).unwrap();
    drop(rotten);
    std::fs::write(folder.join("there"), "mine").unwrap();
    for (new, out, from, part) in [
        ("bare.img", "out", Some("two.img"), "not above"),
        ("two.img", "out", Some("two.img"), "not above"),
        ("empty", "out", None, "empty"),
        ("rotten.img", "out", None, "not what was installed"),
        ("two.img", "there", None, "cannot make there"),
    ] {
        let more: Vec<&str> = from.into_iter().flat_map(|from| ["--from", from]).collect();
        let Ran {
            is_well,
            object: said,
            ..
        } = bundle(folder, new, out, &more);
        let error = said["error"].as_str().unwrap_or_default();
        assert!(!is_well && error.contains(part), "{new} {said}");
    }
    assert!(!folder.join("out").exists());
    assert_eq!(std::fs::read_to_string(folder.join("there")).unwrap(), "mine");
}
