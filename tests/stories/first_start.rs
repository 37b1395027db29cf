//! From a flashed card to the first exchange with the hub, without a keyboard: real programs, a card in a file.

#[path = "../../image-builder/tests/clinic_card/mod.rs"]
pub(crate) mod clinic_card;

use std::path::Path;
use std::time::Instant;

use card::FileDevice;
use card::identity::{self, Kept};
use card::layout::Layout;
use card::signed::PublicKey;
use harness::county_hub::CountyHub;
use harness::programs::{Program, run, wait_until};

const CODE: &str = "0017";

/// What stands beside the row on a card.
fn kept(folder: &Path, card: &str) -> Kept {
    let key = std::fs::read_to_string(folder.join("county.key.pub")).unwrap();
    let mut device = FileDevice::open_to_read(&folder.join(card)).unwrap();
    let layout = Layout::read(&mut device).unwrap();
    let key = PublicKey::parse(key.trim()).unwrap();
    identity::read(&mut device, &layout, &[key]).unwrap().1
}

fn image_builder(folder: &Path, arguments: &[&str]) {
    let said = run("image-builder", arguments, b"");
    assert_eq!(said.code, 0, "{} {} {}", folder.display(), said.out, said.err);
}

/// A box that starts from a card; nobody touches it.
fn start(folder: &Path, name: &str, card: &str) -> Program {
    let path = |name: &str| folder.join(name).display().to_string();
    let settings = format!(
        "[card]\ndevice = {:?}\ncounty_key = {:?}\n",
        path(card),
        path("county.key.pub")
    );
    let config = format!("{name}.toml");
    std::fs::write(folder.join(&config), settings).unwrap();
    let logs = folder.join(format!("{name}-logs"));
    std::fs::create_dir_all(&logs).unwrap();
    let (data, config) = (path(name), path(&config));
    let arguments = [
        "serve",
        "--data",
        &data,
        "--config",
        &config,
        "--listen",
        "127.0.0.1:0",
    ];
    let mut program = Program::start("appliance", &arguments, &[], &logs);
    program.url("pages");
    program
}

fn status(folder: &Path, name: &str) -> serde_json::Value {
    let data = folder.join(name).display().to_string();
    run("appliance", &["status", "--data", &data, "--json"], b"").json()
}

#[test]
fn a_provisioned_card_joins_its_hub_without_a_keyboard_and_its_twin_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let path = |name: &str| folder.join(name).display().to_string();
    let hub = CountyHub::start(folder);
    let token = hub.invite(CODE, "石门村卫生室");
    let authority = hub.authority().display().to_string();
    clinic_card::image(&folder.join("clinic.img"));
    clinic_card::card(&folder.join("card"));
    let table = format!("机构代码,名称,入网码\n{CODE},石门村卫生室,{token}\n");
    std::fs::write(folder.join("clinics.csv"), table).unwrap();

    let begun = Instant::now();
    let (card, ledger) = (format!("{}:file", path("card")), path("cards.jsonl"));
    let address = format!("https://{}", hub.link());
    image_builder(folder, &["key", &path("county.key")]);
    let image = path("clinic.img");
    image_builder(folder, &["flash", &image, "--card", &card, "--ledger", &ledger]);
    let (table, key) = (path("clinics.csv"), path("county.key"));
    let provision = [
        "provision",
        &table,
        "--county",
        "441802",
        "--key",
        &key,
        "--hub-ca",
        &authority,
        "--hub",
        &address,
        "--card",
        &card,
        "--ledger",
        &ledger,
    ];
    image_builder(folder, &provision);
    std::fs::copy(folder.join("card"), folder.join("twin")).unwrap();
    assert!(matches!(kept(folder, "card"), Kept::Fresh(_)));

    let first = start(folder, "box", "card");
    let told = wait_until("the box exchanges with its hub", || {
        Some(status(folder, "box")).filter(|told| !told["last_contact"].is_null() && told["pending"] == 0)
    });
    println!(
        "from `flash` to the first exchange: {:.1} minutes",
        begun.elapsed().as_secs_f64() / 60.0
    );
    assert_eq!(told["clinic"], CODE);
    let used = wait_until("the token goes from the card", || {
        Some(kept(folder, "card")).filter(|kept| *kept == Kept::Used)
    });
    assert_eq!(used, Kept::Used);
    let plain: String = token.chars().filter(char::is_ascii_alphanumeric).collect();
    for name in ["card", "box-logs/appliance.log"] {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        for secret in [token.as_str(), plain.as_str()] {
            let holds = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!holds, "{name} holds the token");
        }
    }

    // The same card's bytes in a second box: the token is used, and it stays alone and says so.
    let twin = start(folder, "other", "twin");
    let log = wait_until("the second box says why", || {
        let log = std::fs::read_to_string(&twin.log).unwrap_or_default();
        log.contains("does not join by its card").then_some(log)
    });
    assert!(log.contains("the token was used already"), "{log}");
    assert!(status(folder, "other")["last_contact"].is_null());
    drop(twin);

    // A cut between joining and clearing: the old bytes are back, and the next start clears them.
    assert!(first.stop().success());
    std::fs::copy(folder.join("twin"), folder.join("card")).unwrap();
    let again = start(folder, "box", "card");
    wait_until("the token goes at the next start", || {
        (kept(folder, "card") == Kept::Used).then_some(())
    });
    assert!(again.stop().success());
}
