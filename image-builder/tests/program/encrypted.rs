//! A card that fell into other hands: of a box with a thousand patients, nothing of them can be read on it where its data
//! are encrypted; the same look at a card without encryption finds them. The long lane runs it, as [`crate::updating`].

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use card::layout::Layout;
use card::luks::DATA_OFFSET;
use card::{BlockDevice, FileDevice};

use crate::clinic::{Clinic, found, found_with, shows, sign_in};
use crate::county_hub::CountyHub;
use crate::joining::HOST;
use crate::qemu::OWN_KEY;
use crate::running::run;

/// Patients of the village.
const PEOPLE: usize = 1000;
/// Patients of one list.
const LIST: usize = 250;
/// The shortest text that is looked for, in bytes: a shorter one stands in noise by chance.
const SHORTEST: usize = 6;
/// Bytes that are read at once, and bits of the sieve that most places fall through.
const CHUNK: usize = 4 << 20;
const SIEVE_BITS: usize = 1 << 20;

struct Person {
    name: String,
    number: String,
    phone: String,
}

/// Invented people. Names have three characters of those that no text of the program joins like this.
fn people() -> Vec<Person> {
    let (surnames, first, second) = (
        "欧蔡鲁邬屈蔺裘臧晁冼",
        "崧琰骞姝霁嵘璐翊瑾昶",
        "煊茗翎驰筠旻岚赟珩澍",
    );
    let letters = |text: &str| text.chars().collect::<Vec<_>>();
    let (surnames, first, second) = (letters(surnames), letters(first), letters(second));
    (0..PEOPLE)
        .map(|n| {
            let name = [surnames[n / 100], first[n / 10 % 10], second[n % 10]];
            let digits = format!(
                "441802{:04}{:02}{:02}{:03}",
                1940 + n % 70,
                1 + n % 12,
                1 + n % 28,
                n % 1000
            );
            Person {
                name: name.iter().collect(),
                number: format!("{digits}{}", check_letter(&digits)),
                phone: format!("139{:08}", 70_310_007 + n * 7919),
            }
        })
        .collect()
}

/// The last place of an ID number (GB 11643).
fn check_letter(digits: &str) -> char {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let digits = digits.chars().map(|digit| digit.to_digit(10).unwrap());
    let sum: u32 = digits.zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    "10X98765432".chars().nth((sum % 11) as usize).unwrap()
}

/// What is looked for, by its first bytes.
struct Sought {
    by_head: HashMap<[u8; SHORTEST], Vec<(usize, Vec<u8>)>>,
    sieve: Vec<bool>,
}

fn place_in_sieve(head: &[u8]) -> usize {
    let mut number = 0_u64;
    for byte in head {
        number = number << 8 | u64::from(*byte);
    }
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as usize % SIEVE_BITS
}

impl Sought {
    /// Each person's name, number and phone as UTF-8, as GBK and as UTF-16.
    fn new(people: &[Person]) -> Self {
        let mut this = Self {
            by_head: HashMap::new(),
            sieve: vec![false; SIEVE_BITS],
        };
        for (index, text) in people
            .iter()
            .flat_map(|person| [&person.name, &person.number, &person.phone])
            .enumerate()
        {
            let wide = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let gbk = encoding_rs::GBK.encode(text).0.into_owned();
            for bytes in [text.clone().into_bytes(), gbk, wide] {
                let head: [u8; SHORTEST] = bytes[..SHORTEST].try_into().unwrap();
                this.sieve[place_in_sieve(&head)] = true;
                this.by_head.entry(head).or_default().push((index, bytes));
            }
        }
        this
    }

    /// How many names, numbers and phones stand on the card.
    fn found_on(&self, card: &Path) -> [usize; 3] {
        let mut file = File::open(card).unwrap();
        let mut found = vec![false; 3 * PEOPLE];
        // The longest text that is sought, so that none is cut by the edge of a chunk.
        let kept = 64;
        let mut bytes = vec![0; kept + CHUNK];
        loop {
            let count = file.read(&mut bytes[kept..]).unwrap();
            if count == 0 {
                break;
            }
            let here = &bytes[..kept + count];
            if here.iter().any(|byte| *byte != 0) {
                for at in 0..=here.len() - SHORTEST {
                    let head = &here[at..at + SHORTEST];
                    if !self.sieve[place_in_sieve(head)] {
                        continue;
                    }
                    for (index, text) in self.by_head.get(head).into_iter().flatten() {
                        found[*index] |= here[at..].starts_with(text);
                    }
                }
            }
            bytes.copy_within(count..count + kept, 0);
        }
        [0, 1, 2].map(|kind| {
            found
                .iter()
                .skip(kind)
                .step_by(3)
                .filter(|is_there| **is_there)
                .count()
        })
    }
}

/// A box that takes a thousand residents and loses its power.
fn served(words: &[&str], people: &[Person], shown: &str) -> Clinic {
    let hub = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    let clinic = Clinic::of("https://10.0.2.99:8444", hub, "AAAAAAAA-BBBBBBBB-0001", words);
    let mut machine = clinic.follow("first", None, false);
    found(&mut machine);
    // An emulated machine takes longer over all of them than a page may take.
    for part in people.chunks(LIST) {
        let mut list = "姓名,身份证号,电话\n".to_owned();
        for Person { name, number, phone } in part {
            list.push_str(&format!("{name},{number},{phone}\n"));
        }
        fs::write(clinic.at("residents.csv"), list).unwrap();
        let (last, page) = machine.upload("/residents", "file", &clinic.at("residents.csv"));
        let taken = page.contains(&format!("新登记 {LIST} 人"));
        assert!(last.ends_with(" 200") && taken, "{last} {page}");
    }
    shows(&mut machine, "/status", shown);
    clinic
}

#[test]
fn of_a_thousand_patients_nothing_stands_on_an_encrypted_card_and_its_box_still_has_them() {
    let people = people();
    let sought = Sought::new(&people);
    let clinic = served(&[], &people, "已加密，密钥来自模拟机");
    assert_eq!(sought.found_on(&clinic.at("card")), [0; 3]);

    // The power comes back, and nobody is asked for anything.
    let mut machine = clinic.follow("second", None, false);
    sign_in(&mut machine);
    let (_, list) = machine.get("/residents.csv");
    assert!(list.contains(&people[512].number) && list.contains(&people[999].phone));
    drop(machine);
    assert_eq!(sought.found_on(&clinic.at("card")), [0; 3]);

    // The county opens the data of a box that burnt down.
    let key = clinic.key();
    let ran = run(
        clinic.folder.path(),
        &["recover", "card", "recovery", "--key", &key],
    );
    assert!(ran.is_well, "{ran:?}");
    let secret = fs::read_to_string(clinic.at("recovery")).unwrap();
    assert!(!ran.all().contains(&secret), "a secret on the terminal");
    let mut device = FileDevice::open_to_read(&clinic.at("card")).unwrap();
    let data = Layout::read(&mut device).unwrap().data.unwrap();
    let mut head = vec![0; DATA_OFFSET as usize];
    device.read_at(data.at, &mut head).unwrap();
    drop(device);
    // Cryptsetup wants a few sectors of data behind the header.
    head.resize(head.len() + (1 << 20), 0);
    fs::write(clinic.at("head"), head).unwrap();
    let status = Command::new("cryptsetup")
        .env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap()))
        .args(["open", "--test-passphrase", "--key-file"])
        .args([clinic.at("recovery"), clinic.at("head")])
        .status()
        .expect("cryptsetup of the package cryptsetup-bin");
    assert!(status.success());

    // In another box the card stays closed, and nothing is made over it.
    fs::write(
        clinic.at(OWN_KEY),
        [7; 31].iter().chain(&[8]).copied().collect::<Vec<u8>>(),
    )
    .unwrap();
    let before = clinic.state().data;
    let mut other = clinic.start("other", None, false);
    other.until("the box says that it is locked", |machine| {
        machine.log().contains("the data are locked").then_some(())
    });
    drop(other);
    assert_eq!(clinic.state().data, before);
    fs::remove_file(clinic.at(OWN_KEY)).unwrap();
    let mut machine = clinic.follow("home", None, false);
    sign_in(&mut machine);
}

#[test]
fn the_same_look_finds_the_patients_on_a_card_without_encryption() {
    let people = people();
    let sought = Sought::new(&people);
    let clinic = served(&["--plain-data"], &people, "没有加密");
    let found = sought.found_on(&clinic.at("card"));
    println!("of 1,000 each, in clear: {found:?} names, ID numbers, phones");
    assert!(found.iter().all(|count| *count > 100), "{found:?}");
    let key = clinic.key();
    let ran = run(
        clinic.folder.path(),
        &["recover", "card", "recovery", "--key", &key],
    );
    assert!(ran.error().contains("not encrypted"), "{ran:?}");
}

#[test]
fn a_box_that_a_person_opens_waits_for_its_pin_after_each_start() {
    const PIN: &str = "红旗渠1969";
    let person = &people()[512];
    let clinic = Clinic::by_person();
    let mut machine = clinic.follow("first", None, false);
    found_with(&mut machine, Some(PIN));
    let list = format!(
        "姓名,身份证号,电话\n{},{},{}\n",
        person.name, person.number, person.phone
    );
    fs::write(clinic.at("residents.csv"), list).unwrap();
    let (last, page) = machine.upload("/residents", "file", &clinic.at("residents.csv"));
    assert!(
        last.ends_with(" 200") && page.contains("新登记 1 人"),
        "{last} {page}"
    );
    shows(&mut machine, "/status", "每次启动要输入开机密码");
    drop(machine);

    // The power comes back in the night, and a patient stands before the kiosk before anybody else comes.
    let mut machine = clinic.start("second", None, false);
    shows(&mut machine, "/", "请输入开机密码");
    let who = [("name", person.name.as_str()), ("number", &person.number)];
    let (last, page) = machine.post("/kiosk/person", &who);
    assert!(
        last.ends_with(" 200") && page.contains("仪器上显示多少"),
        "{last} {page}"
    );
    let typed = [("form", "000102030405060708090a0b0c0d0e0f"), ("bp", "151/97")];
    for _ in 0..2 {
        let (last, page) = machine.post("/kiosk/values", &[&who[..], &typed].concat());
        assert!(
            last.ends_with(" 200") && page.contains("已密封保存"),
            "{last} {page}"
        );
    }
    let (last, page) = machine.post("/open", &[("pin", "红旗渠1968")]);
    assert!(
        last.ends_with(" 422") && page.contains("开机密码不对"),
        "{last} {page}"
    );
    let (last, page) = machine.post("/open", &[("pin", PIN)]);
    assert!(
        last.ends_with(" 200") && page.contains("盒子正在启动"),
        "{last} {page}"
    );
    shows(&mut machine, "/sign-in", "name=\"user\"");
    sign_in(&mut machine);
    let (_, list) = machine.get("/residents.csv");
    assert!(
        list.contains(&person.number) && list.contains(&person.phone),
        "{list}"
    );
    // The emulated board has no clock: of which day the reading is, nobody knows for certain.
    shows(&mut machine, "/tray", "数据上锁期间测量");
    let (_, tray) = machine.get("/tray");
    assert!(tray.matches("151/97").count() == 1, "{tray}");
    drop(machine);
    let sought = Sought::new(&people());
    assert_eq!(sought.found_on(&clinic.at("card")), [0; 3]);
}

#[test]
fn a_box_that_its_hub_opens_needs_nobody_after_a_power_cut_and_a_pin_without_its_hub() {
    const PIN: &str = "红旗渠1969";
    let folder = tempfile::tempdir().unwrap();
    let mut hub = CountyHub::start(folder.path());
    let token = hub.invite("0017", "石门村卫生室");
    let authority = fs::read_to_string(hub.authority()).unwrap();
    let address = format!("https://{HOST}:{}", hub.link().port());
    let clinic = Clinic::by_hub(&address, &authority, &token);
    let mut machine = clinic.follow("first", None, false);
    found_with(&mut machine, Some(PIN));
    shows(&mut machine, "/status", "每次启动由县中心开启");
    drop(machine);

    // The power comes back in the night, and nobody is there.
    let mut machine = clinic.start("second", None, false);
    shows(&mut machine, "/sign-in", "name=\"user\"");
    sign_in(&mut machine);
    shows(&mut machine, "/status", "每次启动由县中心开启");
    drop(machine);

    // Its hub does not answer: it says so, and a person opens it.
    hub.stop();
    let mut machine = clinic.start("third", None, false);
    shows(&mut machine, "/", "正在向县中心请求开启");
    shows(&mut machine, "/", "没有连上县中心");
    let (last, page) = machine.post("/open", &[("pin", PIN)]);
    assert!(
        last.ends_with(" 200") && page.contains("盒子正在启动"),
        "{last} {page}"
    );
    shows(&mut machine, "/sign-in", "name=\"user\"");

    // The county revokes it: the open box starts anew as soon as it hears that, and neither hub nor PIN opens it again.
    hub.start_again();
    let boxes = hub.verb(&["box", "list"], &["--json"]).json();
    hub.verb(&["box", "revoke"], &[boxes["boxes"][0]["box"].as_str().unwrap()]);
    assert!(machine.restarted_within(Duration::from_secs(120)).is_some());
    drop(machine);
    let mut machine = clinic.start("fourth", None, false);
    shows(&mut machine, "/", "已被县中心停用");
    let (last, page) = machine.post("/open", &[("pin", PIN)]);
    assert!(
        last.ends_with(" 200") && page.contains("已被县中心停用"),
        "{last} {page}"
    );
    hub.stop();
}
