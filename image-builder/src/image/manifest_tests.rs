//! The manifests of this repository: that their locks fit them, and that the parts of one mean the same.

use std::fs;
use std::path::{Path, PathBuf};

use crate::image::accounts::Accounts;
use crate::image::tree::Tree;
use crate::image::units;
use crate::manifest::Manifest;
use crate::packages::lock::Lock;

fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests")
}

#[test]
fn committed_locks_fit_their_manifests() {
    for name in ["clinic", "kiosk"] {
        let manifest = Manifest::read(&manifests().join(format!("{name}.toml"))).unwrap();
        let lock = fs::read_to_string(manifests().join(format!("{name}.lock"))).unwrap();
        let lock = Lock::parse(&lock).unwrap();
        lock.check(&manifest).unwrap();
        let left = lock
            .packages
            .iter()
            .find(|package| manifest.leave_out.contains_key(&package.name));
        assert!(left.is_none(), "{name}: {left:?}");
    }
}

/// The account of the own screen's browser and the port of its page are named by unit, wall and settings.
#[test]
fn the_own_screens_browser_may_reach_its_page_and_nothing_else() {
    let manifest = Manifest::read(&manifests().join("kiosk.toml")).unwrap();
    let mut root = Tree::default();
    for folder in &manifest.files {
        root.lay_over(folder).unwrap();
    }
    let text = |path: &str| String::from_utf8(root.content(path).unwrap().to_vec()).unwrap();
    let (_, unit) = units::text(&root, "clinic-kiosk.service").unwrap();
    let mut made = Tree::default();
    Accounts::of(&root).write(&mut made);
    let passwd = String::from_utf8(made.content("etc/passwd").unwrap().to_vec()).unwrap();
    let user = units::words(&unit, "Service", "User").concat();
    let line = passwd.lines().find(|line| line.starts_with(&format!("{user}:")));
    let number = line.unwrap().split(':').nth(2).unwrap();

    let port = "8082";
    assert!(unit.contains(&format!("--pages 127.0.0.1:{port} ")));
    assert!(unit.contains(&format!("http://localhost:{port}/kiosk")));
    assert!(text("etc/clinic/box.toml").contains(&format!("screen_listen = \"127.0.0.1:{port}\"")));
    let wall = text("etc/nftables-kiosk.conf");
    let rules: Vec<&str> = wall
        .lines()
        .filter(|line| line.contains("skuid"))
        .map(str::trim)
        .collect();
    let door = format!("meta skuid {number} oif lo tcp dport {port} accept");
    assert_eq!(rules, [door, format!("meta skuid {number} reject")]);
    assert!(text("etc/systemd/system/nftables.service.d/kiosk.conf").contains("-f /etc/nftables-kiosk.conf"));
    // The settings of the clinic's image hold in this one too.
    let base = fs::read_to_string(manifests().join("../files/base/etc/clinic/box.toml")).unwrap();
    assert!(text("etc/clinic/box.toml").starts_with(&base));
}
