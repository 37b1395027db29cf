//! `provision` by the real program on card files: tables, cards that are given out once, sheets.

use std::path::Path;
use std::process::Command;

use card::identity::{self, Kept};
use card::layout::Layout;
use card::signed::PublicKey;
use card::{BlockDevice, FileDevice};

use crate::clinic_card::{card, image};
use crate::running::{Ran, run};

const TOKENS: [&str; 3] = [
    "AAAAAAAA-BBBBBBBB-0001",
    "AAAAAAAA-BBBBBBBB-0002",
    "AAAAAAAA-BBBBBBBB-0003",
];

fn provision(folder: &Path, more: &[&str]) -> Ran {
    let call = [
        "provision",
        "clinics.csv",
        "--county",
        "441802",
        "--key",
        "county.key",
        "--hub-ca",
        "hub.pem",
        "--hub",
        "https://hub.example:8444",
    ];
    run(folder, &[&call[..], more].concat())
}

/// A folder with a table in GBK, a key, the hub's certificate and cards that were flashed.
fn county(cards: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let lines = ["0017,石门村卫生室", "0018,龙潭村卫生室", "0019,青山镇卫生院"];
    let mut table = "机构代码,名称,入网码\r\n".to_owned();
    for (line, token) in lines.iter().zip(TOKENS) {
        table.push_str(&format!("{line},{token}\r\n"));
    }
    std::fs::write(path("clinics.csv"), encoding_rs::GBK.encode(&table).0).unwrap();
    let pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    std::fs::write(path("hub.pem"), pem).unwrap();
    assert!(run(folder.path(), &["key", "county.key"]).is_well);
    image(&path("clinic.img"));
    for name in cards {
        card(&path(name));
        let target = format!("{name}:file");
        let flashed = run(folder.path(), &["flash", "clinic.img", "--card", &target]);
        assert!(flashed.is_well, "{}", flashed.all());
    }
    folder
}

fn read(folder: &Path, name: &str) -> (identity::Identity, Kept) {
    let key = std::fs::read_to_string(folder.join("county.key.pub")).unwrap();
    let mut device = FileDevice::open_to_read(&folder.join(name)).unwrap();
    let layout = Layout::read(&mut device).unwrap();
    identity::read(&mut device, &layout, &[PublicKey::parse(&key).unwrap()]).unwrap()
}

#[test]
fn a_countys_cards_are_given_out_each_once_with_labels_that_a_telephone_reads() {
    let folder = county(&["a", "b", "c"]);
    let folder = folder.path();
    let checked = provision(folder, &[]);
    assert!(
        checked.is_well && checked.object["clinics"] == 3,
        "{}",
        checked.all()
    );
    let given = provision(
        folder,
        &["--card", "a:file", "--card", "b:file", "--sheets", "sheets.pdf"],
    );
    assert!(given.is_well && given.object["ready"] == 2, "{}", given.all());
    let (one, kept) = read(folder, "a");
    let (two, _) = read(folder, "b");
    assert_eq!((one.clinic.as_str(), two.clinic.as_str()), ("0017", "0018"));
    assert_eq!(
        (one.clinic_name.as_str(), one.country.as_str()),
        ("石门村卫生室", "CN")
    );
    assert_ne!(one.wifi_password, two.wifi_password);
    assert_ne!(one.disk_signature, two.disk_signature);
    let Kept::Fresh(secrets) = kept else {
        panic!("used already");
    };
    assert_eq!(secrets.token, TOKENS[0]);
    let ledger = std::fs::read_to_string(folder.join("cards.jsonl")).unwrap();
    for secret in [
        TOKENS[0],
        TOKENS[1],
        &secrets.code,
        &one.wifi_password,
        &two.wifi_password,
    ] {
        assert!(!given.all().contains(secret), "a secret on the terminal");
        assert!(!ledger.contains(secret), "a secret in the ledger");
    }
    assert!(ledger.contains("\"clinic\":\"0018\""), "{ledger}");

    sheets(folder, &[&one, &two], &secrets.code);

    // The next card gets the next clinic that has none; then there is none left.
    let third = provision(folder, &["--card", "c:file"]);
    assert!(
        third.is_well && third.object["cards"][0]["clinic"] == "0019",
        "{}",
        third.all()
    );
    card(&folder.join("d"));
    assert!(run(folder, &["flash", "clinic.img", "--card", "d:file"]).is_well);
    let fourth = provision(folder, &["--card", "d:file"]);
    assert!(
        !fourth.is_well && fourth.all().contains("only 0 clinics"),
        "{}",
        fourth.all()
    );
    let named = provision(folder, &["--card", "d:file", "--clinic", "0017"]);
    assert!(
        !named.is_well && named.object["cards"][0]["result"] == "row_used",
        "{}",
        named.all()
    );
    assert!(named.all().contains("new token"), "{}", named.all());
}

/// The sheets hold what they should, in characters that can be copied, and the code joins the network.
fn sheets(folder: &Path, rows: &[&identity::Identity], code: &str) {
    let pdf = folder.join("sheets.pdf");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&pdf).unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "only its owner reads the passwords");
    let text = Command::new("pdftotext").arg(&pdf).arg("-").output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    for row in rows {
        assert_eq!(
            text.matches(&row.clinic_name).count(),
            2,
            "label and hand-over sheet: {text}"
        );
        assert!(text.matches(&row.wifi_password).count() >= 2, "{text}");
    }
    assert!(
        text.contains(code) && text.contains("乡医盒子 交接单") && text.contains("恢复密钥"),
        "{text}"
    );
    let page = Command::new("pdftoppm")
        .args(["-gray", "-r", "200", "-f", "1", "-l", "1", "-singlefile"])
        .arg(&pdf)
        .arg(folder.join("page"))
        .status()
        .unwrap();
    assert!(page.success());
    let grey = std::fs::read(folder.join("page.pgm")).unwrap();
    // P5, width, height, 255: then the pixels.
    let mut head = grey.splitn(4, |byte| byte.is_ascii_whitespace());
    let mut number = |skip: usize| -> usize {
        std::str::from_utf8(head.nth(skip).unwrap())
            .unwrap()
            .parse()
            .unwrap()
    };
    let (width, height) = (number(1), number(0));
    let pixels = &grey[grey.len() - width * height..];
    let mut prepared =
        rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);
    let read: Vec<String> = prepared
        .detect_grids()
        .iter()
        .filter_map(|grid| grid.decode().ok())
        .map(|(_, text)| text)
        .collect();
    for row in rows {
        let meant = format!("WIFI:T:WPA;S:{};P:{};;", row.wifi_name, row.wifi_password);
        assert!(read.contains(&meant), "{read:?}");
    }
}

#[test]
fn a_card_that_is_given_out_served_or_is_none_of_ours_is_left_as_it_is() {
    let folder = county(&["a", "b"]);
    let folder = folder.path();
    assert!(provision(folder, &["--card", "a:file"]).is_well);
    let refused = |name: &str, word: &str| {
        let before = std::fs::read(folder.join(name)).unwrap();
        let ran = provision(folder, &["--card", &format!("{name}:file")]);
        assert!(
            !ran.is_well && ran.object["cards"][0]["result"] == word,
            "{}",
            ran.all()
        );
        assert!(
            std::fs::read(folder.join(name)).unwrap() == before,
            "{name} was changed"
        );
        ran.all()
    };
    assert!(refused("a", "card_used").contains("0017"));
    // A card that served has data.
    let mut device = FileDevice::open_to_write(&folder.join("b")).unwrap();
    let mut state = card::state::State::read(&mut device).unwrap();
    state.data = card::state::Data::Made([1; 16]);
    state.write(&mut device).unwrap();
    drop(device);
    assert!(refused("b", "has_data").contains("flash it again"));
    card(&folder.join("empty"));
    assert!(refused("empty", "not_flashed").contains("flash it first"));
    // Flashed again, both may be given out.
    assert!(run(folder, &["flash", "clinic.img", "--card", "b:file", "--again"]).is_well);
    assert!(provision(folder, &["--card", "b:file"]).is_well);
}

#[test]
fn a_row_that_was_begun_is_finished_on_its_card_and_on_no_other() {
    let folder = county(&["a", "b"]);
    let folder = folder.path();
    assert!(provision(folder, &["--card", "a:file", "--clinic", "0018"]).is_well);
    // As a cut between the ledger's line and the signature would leave it.
    let mut device = FileDevice::open_to_write(&folder.join("a")).unwrap();
    let signature = Layout::read(&mut device).unwrap().signature;
    Layout::sign(&mut device, signature ^ 0xff).unwrap();
    device.flush().unwrap();
    drop(device);
    let elsewhere = provision(folder, &["--card", "b:file", "--clinic", "0018"]);
    assert_eq!(
        elsewhere.object["cards"][0]["result"],
        "row_used",
        "{}",
        elsewhere.all()
    );
    let finished = provision(folder, &["--card", "a:file", "--clinic", "0018"]);
    assert!(finished.is_well, "{}", finished.all());
    assert_eq!(read(folder, "a").0.clinic, "0018");
}

#[test]
fn what_is_wrong_with_a_call_is_said_before_a_card_is_touched() {
    let folder = county(&["a"]);
    let folder = folder.path();
    let before = std::fs::read(folder.join("a")).unwrap();
    let said = |more: &[&str]| {
        let ran = provision(folder, more);
        assert!(!ran.is_well, "{}", ran.all());
        ran.all()
    };
    assert!(said(&["--card", "a:file", "--clinic", "4711"]).contains("not in the table"));
    assert!(said(&["--card", "a:file", "--card", "./a:file"]).contains("named twice"));
    assert!(said(&["--card", "a:file", "--clinic", "0017", "--clinic", "0018"]).contains("as many"));
    std::fs::write(folder.join("old.pdf"), "").unwrap();
    assert!(said(&["--card", "a:file", "--sheets", "old.pdf"]).contains("there already"));
    assert!(
        run(folder, &["key", "county.key"]).all().contains("cannot make"),
        "no key is overwritten"
    );
    let table = format!(
        "clinic,name,token\n0017,甲,{0}\n0018,乙,{0}\n../x,丙,{1}\n",
        TOKENS[0], TOKENS[1]
    );
    std::fs::write(folder.join("clinics.csv"), table).unwrap();
    let faults = said(&["--card", "a:file"]);
    assert!(faults.contains("line 3") && faults.contains("line 4"), "{faults}");
    std::fs::write(folder.join("clinics.csv"), format!("0017,甲,{}\n", TOKENS[2])).unwrap();
    let faults = said(&["--card", "a:file"]);
    assert!(
        faults.contains("line 1") && !faults.contains(TOKENS[2]),
        "{faults}"
    );
    assert_eq!(std::fs::read(folder.join("a")).unwrap(), before);
}
