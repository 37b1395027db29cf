//! Seeds of the corpus: small made-up inputs that each decoder takes.

use std::io::Cursor;

use anyhow::{Context as _, Result};
use ecg::model::SampleRateHz;
use ecg::synthetic::{Heart, HeartSettings};
use records::ids::{BlobId, DocKind, StaffId};
use records::time::WallTime;
use records::tree::Edit;
use sync_core::document::{Document, Origin};
use sync_core::identity::Actor;
use sync_core::wire::{ReleaseOffer, RosterEntry, encode_roster};

/// Longest seed of bytes on the wire.
const WIRE_MAX: usize = 8 * 1024;

/// The seeds of a target.
///
/// # Errors
/// Where one cannot be made.
pub fn of(name: &str) -> Result<Vec<Vec<u8>>> {
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    Ok(match name {
        "audit_entry" => vec![audit_entry()],
        "block_map" => {
            let mut image = Cursor::new([[1; 4096], [0; 4096], [2; 4096]].concat());
            vec![card::block_map::BlockMap::of(&mut image)?.to_text().into_bytes()]
        }
        "card_bundle" => texts(&[BUNDLE]),
        "card_difference" => card::difference::fuzz_seeds(),
        "card_identity" => texts(&[IDENTITY]),
        "card_image" => vec![first_sectors()],
        "card_permit" => texts(&[PERMIT]),
        "card_state" => {
            let content = card::state::Content::of(b"system");
            let system = card::state::System {
                version: card::state::Version(3),
                boot: content,
                root: content,
            };
            vec![card::state::State::new(system).to_sector().to_vec()]
        }
        "card_vestibule" => vec![b"clinic-item-1\r\n\0-------id-------\0\x05hello".to_vec()],
        "card_volume" => vec![[vec![0; 4096], VOLUME.as_bytes().to_vec()].concat()],
        "clinic_table" => texts(&[
            "clinic,name,token,hub\n0017,甲,AAAAAAAAAAAAAAAA1,https://hub:1\n",
            "机构代码;名称;入网码\n0017;示例;AAAAAAAA-AAAAAAAA-1\n0018;\"乙;丙\";BBBBBBBBBBBBBBBBB\n",
        ]),
        "devices" => devices()?,
        "ecg_codec" => vec![ecg::codec::encode(&heart(0.5))],
        "ecg_csv" => {
            let table = ecg::formats::csv::write(&heart(0.1));
            vec![table.into_bytes(), b"I,II\n0.1,0.2\n-0.1;x\n".to_vec()]
        }
        "ecg_preview" => vec![ecg::preview::encode(&heart(3.0))?],
        "ecg_wfdb" => {
            let export = ecg::wfdb::write(&heart(0.1), "r")?;
            vec![
                export.header.into_bytes(),
                b"r 2 360 4\nr.dat 212 200(16)/mV 11 0 5 9 0 I\nr.dat 212 200/uV\n# c\n".to_vec(),
                b"r/2 1 250\na 4\nb 4\n".to_vec(),
            ]
        }
        "facts" => vec![records::packed::pack(&document()?.0.tree())?],
        "hub_address" => texts(&["https://hub.example:8443", "https://[::1]:9/"]),
        "identity" => texts(&[
            "11010519491231002X",
            "１１０１０５１９４９１２３１００２ｘ",
            "130503670401001",
        ]),
        "inbox_message" => texts(&[INBOX]),
        "import_lines" => texts(&[LINES]),
        "log_body" => log_bodies()?,
        "names" => texts(&["王秀英", "古丽·示例", "单于 lǚxiaolan"]),
        "opener" => texts(&[
            r#"{"ask":"open","pin":"482759"}"#,
            r#"{"ask":"put","id":"000102030405060708090a0b0c0d0e0f","message":"00ff"}"#,
            r#"{"answer":"wrong-pin","wait_seconds":15}"#,
        ]),
        "release" => {
            let pieces = vec![(BlobId([5; 32]), 1 << 20), (BlobId([6; 32]), 7)];
            let offer = ReleaseOffer { version: 3, pieces };
            vec![offer.encode(), b"appliance 0.1.0+2T-3H".to_vec()]
        }
        "resident_list" => {
            let list = "姓名,性别,出生日期,身份证号,电话\n示例甲,男,1986-05-04,,13800000000\n示例乙,女,19700101,4.40981E+17,\n";
            let mut marked = vec![0xef, 0xbb, 0xbf];
            marked.extend_from_slice(list.as_bytes());
            vec![list.as_bytes().to_vec(), marked]
        }
        "roster" => vec![encode_roster(&[RosterEntry {
            id: StaffId([2; 8]),
            name: "示例".into(),
            login: "shili".into(),
            roles: vec!["doctor".into()],
            state: "active".into(),
            must_change: false,
            password_hash: "$argon2id$x".into(),
            pin_hash: String::new(),
        }])],
        "stick" => sticks(),
        "sync_changes" => document()?.1,
        "sync_folded" => folded()?,
        "sync_frames" => wire()?,
        "text" => texts(&["３６。５", "１３８／８８", "⻝ 食 ①"]),
        "token" => texts(&[&link::token::Token {
            secret: [3; 16],
            county: [7; 32],
        }
        .text()]),
        _ => anyhow::bail!("no seeds for {name}"),
    })
}

const INBOX: &str = r#"{"form":1,"bay":"","name":"示例","number":"11010519491231002X","content":{"kind":"bp","numbers":[151,97],"marks":[],"subject":null,"device":"","serial":"","taken":1760000000000,"clock":"tablet"}}"#;
const IDENTITY: &str = r#"{"form":1,"row":"ab12","disk_signature":5,"clinic":"0017","clinic_name":"示例","hub":"https://hub:1","hub_ca":"-----BEGIN CERTIFICATE-----","wifi_name":"x","wifi_password":"abcd-efgh","country":"CN","locale":"zh-CN","time_zone":"Asia/Shanghai","admin_key":null,"secrets_sha256":"0000000000000000000000000000000000000000000000000000000000000000","issued":"2026-11-26T00:00:00Z"}"#;
const BUNDLE: &str = r#"{"form":2,"county":"x","hardware":["pi"],"system":{"version":3,"boot":{"len":6,"sha256":"00"},"root":{"len":6,"sha256":"00"}},"base":null,"boot":{"len":1,"pieces":["00"]},"root":{"len":1,"pieces":["00"]}}"#;
const PERMIT: &str = r#"{"form":1,"number":"0505050505050505","county":"441802","clinic":"0017","key":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNqzPM6jgKPyXb1gUXoEKZbkBvO5sZTb8L0ks1nGGbT","minutes":60}"#;
const VOLUME: &str = r#"{"keyslots":{"0":{"type":"luks2","key_size":32,"af":{"type":"luks1","stripes":4000,"hash":"sha256"},"area":{"type":"raw","offset":"32768","size":"131072","encryption":"aes-xts-plain64","key_size":64},"kdf":{"type":"pbkdf2","hash":"sha256","iterations":1000,"salt":"AAAA"}}},"tokens":{"0":{"type":"clinic-device","keyslots":["0"],"source":"serial"},"1":{"type":"clinic-recovery","keyslots":["1"],"sealed":"AAAA"}},"segments":{"0":{"type":"crypt","offset":"16777216","size":"dynamic","iv_tweak":"0","encryption":"xchacha12,aes-adiantum-plain64","sector_size":4096}},"digests":{"0":{"type":"pbkdf2","keyslots":["0"],"segments":["0"],"hash":"sha256","iterations":1000,"salt":"AAAA","digest":"AAAA"}}}"#;
const LINES: &str = concat!(
    r#"{"t":"clinic","code":"0017","name":"示例"}"#,
    "\n",
    r#"{"t":"patient","id":"p1","name":"示例甲","sex":"m","birth":"1986-05-04","n":1.5e3,"list":[true,null]}"#,
    "\n"
);

fn heart(seconds: f64) -> ecg::model::Waveform {
    Heart::new(HeartSettings::default(), 3).record(seconds, SampleRateHz::DIAGNOSTIC)
}

fn actor() -> Actor {
    Actor {
        device: records::ids::DeviceId([1; 8]),
        session: records::ids::SessionId([1; 8]),
    }
}

/// A chart and its changes.
fn document() -> Result<(Document, Vec<Vec<u8>>)> {
    let actor = actor();
    let origin = Origin {
        device: actor.device,
        session: actor.session,
        n: 1,
    };
    let clinic = compat::machine::clinic()?;
    let edits = [
        Edit::put(&["person", "name"], "示例甲"),
        Edit::put(&["person", "phone"], "1"),
    ];
    let (mut document, first) =
        Document::create(DocKind::Chart, &clinic, origin, actor, WallTime(7), &edits)?;
    let second = document.edit(actor, WallTime(8), &[Edit::put(&["person", "phone"], "138")])?;
    let second = second.context("an edit without a change")?;
    Ok((document, vec![first.bytes, second.bytes]))
}

/// Changes as operations by themselves, behind a byte that says of which kind of document.
fn folded() -> Result<Vec<Vec<u8>>> {
    let chart = DocKind::ALL
        .iter()
        .position(|kind| *kind == DocKind::Chart)
        .context("chart")?;
    let of = |bytes: Vec<u8>| {
        let folded = sync_core::compact::fold(actor(), DocKind::Chart, &bytes)?;
        Some([&[chart as u8][..], &folded].concat())
    };
    Ok(document()?.1.into_iter().filter_map(of).collect())
}

/// Bodies of the log: a change kept whole, and operations that are no frame.
fn log_bodies() -> Result<Vec<Vec<u8>>> {
    let whole = document()?
        .1
        .into_iter()
        .map(|bytes| [&[0, 0][..], &bytes].concat());
    let operations = folded()?
        .into_iter()
        .map(|folded| [&[folded[0], 2][..], &folded[1..]].concat());
    Ok(whole.chain(operations).collect())
}

fn audit_entry() -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend(9u64.to_be_bytes());
    bytes.extend(1_760_000_000_000i64.to_be_bytes());
    for field in [&b"hub"[..], b"system", b"chart_change", &[3; 16], &[]] {
        bytes.push(field.len() as u8);
        bytes.extend(field);
    }
    bytes.extend([4; 32]);
    bytes
}

/// What stands in a stick's file behind its encryption.
fn sticks() -> Vec<Vec<u8>> {
    let of = |direction: u8| {
        let mut bytes = b"clinic-stick 1\n".to_vec();
        bytes.push(direction);
        for (tag, section) in [(1, &b"head"[..]), (2, b"answer"), (3, b"entry")] {
            bytes.push(tag);
            bytes.extend((section.len() as u32).to_le_bytes());
            bytes.extend(section);
        }
        bytes.push(0);
        bytes.extend([0; 80]);
        bytes
    };
    vec![
        of(1),
        of(2),
        b"age-encryption.org/v1\n-> X25519 AAAA\nBBBB\n--- CCCC\n".to_vec(),
    ]
}

/// The table of partitions of a card.
fn first_sectors() -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    // An entry of FAT32 from sector 1 over 7 sectors, and the mark at the end.
    bytes[446..462].copy_from_slice(&[0x80, 0, 0, 0, 0x0c, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0]);
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    bytes
}

/// The bytes of the devices' vectors, all of a device one after the other.
fn devices() -> Result<Vec<Vec<u8>>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../device-drivers/vectors");
    let mut seeds = Vec::new();
    for (which, key) in device_drivers::catalogue::DeviceKey::ALL.into_iter().enumerate() {
        let file = std::fs::read(folder.join(format!("{}.json", key.as_str())))?;
        let vectors: serde_json::Value = serde_json::from_slice(&file)?;
        let mut bytes = vec![which as u8];
        for vector in vectors["vectors"].as_array().context("vectors")? {
            if let Some(text) = vector["hex"].as_str() {
                bytes.extend(hex::decode(text.replace(' ', ""))?);
            }
        }
        bytes.truncate(2048);
        seeds.push(bytes);
    }
    Ok(seeds)
}

/// What both ends said, by each wire version, and the messages in it.
fn wire() -> Result<Vec<Vec<u8>>> {
    let release = compat::release::newest()?;
    let mut seeds = Vec::new();
    for version in compat::release::kept(&release)?.versions {
        let said = compat::release::said(&release, version)?;
        for of_box in [true, false] {
            let mut stream = said.stream(of_box);
            stream.truncate(WIRE_MAX);
            seeds.push(stream);
            let mut messages = said.messages(of_box)?;
            messages.sort_by_key(Vec::len);
            seeds.extend(
                messages
                    .into_iter()
                    .filter(|message| message.len() <= WIRE_MAX / 4)
                    .take(4),
            );
        }
    }
    Ok(seeds)
}
