//! Manifests, locks and plans from small fixed indexes, and the machine's own apt over an archive in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::manifest::Manifest;
use crate::packages::archive::Archive;
use crate::packages::index::Index;
use crate::packages::lock::Lock;
use crate::packages::resolve::ResolveError;
use crate::packages::store::{Store, file_name};
use crate::plan::plan;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn indexes() -> Index {
    let mut index = Index::default();
    for suite in ["trixie", "trixie-security", "trixie-backports"] {
        let text = fs::read_to_string(fixture("packages").join(suite)).unwrap();
        index.add(suite, &text).unwrap();
    }
    index
}

fn manifest_of(text: &str) -> Result<Manifest, String> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("box.toml");
    fs::write(&path, text).unwrap();
    Manifest::read(&path).map_err(|error| error.to_string().replace(&path.display().to_string(), "box.toml"))
}

const HEAD: &str =
    "name = \"box\"\narchitecture = \"arm64\"\nsuites = [\"trixie\"]\ncomponents = [\"main\"]\n";

#[test]
fn a_plan_tells_what_a_manifest_becomes() {
    let manifest = Manifest::read(&fixture("box.toml")).unwrap();
    assert_eq!(manifest.cmdline, "quiet panic=5");
    let lock = Lock::of(&manifest, &indexes()).unwrap();
    let expected = "\
image box for arm64
suites trixie, trixie-security, trixie-backports

card
  select  default
  boot    128 MiB each, two slots
  root    300 MiB each, two slots
  data    default, grows at the first start

packages: 6, 102.9 MB to fetch
  appd      2.0-1            trixie             120.0 kB  111111111111  asked for
  exim      4.98-1           trixie             900.0 kB  222222222222  asked for
  journald  1:2.9-1          trixie              70.0 kB  444444444444  needed by appd
  kernel    7.3.4-1~bpo13+1  trixie-backports    99.4 MB  aaaaaaaaaaaa  asked for
  libc      2.41-12+deb13u5  trixie-security      2.4 MB  888888888888  needed by appd
  sh        0.5-1            trixie              95.6 kB  666666666666  essential

left out
  docs: nobody reads them on a box
  setup-scripts: packages are only unpacked

modules at the start: ext4
modules of the root: none
units switched on: appd.service
units that never start: getty@.service
";
    assert_eq!(plan(&manifest, &lock), expected);
    assert_eq!(Lock::parse(&lock.to_text()).unwrap(), lock);
    lock.check(&manifest).unwrap();
}

#[test]
fn an_unknown_key_of_a_manifest_is_refused_with_its_line() {
    let said = manifest_of(&format!("{HEAD}packges = [\"sh\"]\n")).unwrap_err();
    assert!(
        said.starts_with("the manifest box.toml, line 5: unknown field `packges`, expected one of"),
        "{said}"
    );
    let said = manifest_of(&format!("{HEAD}[card]\nboot-mb = 128\n")).unwrap_err();
    assert!(said.contains("line 6: unknown field `boot-mb`"), "{said}");
    let said = manifest_of("name = \"box\"\nsuites = [\"trixie\"]\n").unwrap_err();
    assert_eq!(said, "the manifest box.toml does not say its architecture");
    let said = manifest_of("base = \"box.toml\"\n").unwrap_err();
    assert!(said.contains("or on itself"), "{said}");
}

#[test]
fn what_does_not_fit_is_named() {
    let refusal = |more: &str| {
        let manifest = manifest_of(&format!("{HEAD}{more}")).unwrap();
        Lock::of(&manifest, &indexes()).unwrap_err()
    };
    assert_eq!(
        refusal("packages = [\"samba\"]\n").to_string(),
        "the package samba (asked for) is in none of the suites trixie"
    );
    assert_eq!(
        refusal("packages = [\"appd\"]\n[leave-out]\nsetup-scripts = \"-\"\n").to_string(),
        "appd needs docs, and nothing in the suites meets that"
    );
    assert!(matches!(
        refusal("packages = [\"exim\", \"msmtp\"]\n[leave-out]\nsetup-scripts = \"-\"\n"),
        ResolveError::Conflict { .. }
    ));
    assert!(matches!(
        refusal("packages = [\"exim\"]\n[leave-out]\nexim = \"-\"\n"),
        ResolveError::AskedAndLeftOut(_)
    ));
}

#[test]
fn a_lock_of_another_state_of_the_manifest_is_noticed() {
    let manifest = Manifest::read(&fixture("box.toml")).unwrap();
    let lock = Lock::of(&manifest, &indexes()).unwrap();
    let mut later = manifest.clone();
    later.packages.push("msmtp".to_owned());
    let said = lock.check(&later).unwrap_err().to_string();
    assert!(
        said.contains("(msmtp is not in the lock)") && said.contains("image-builder lock"),
        "{said}"
    );
    let mut later = manifest;
    later.leave_out.insert("libc".to_owned(), "-".to_owned());
    assert!(
        lock.check(&later)
            .unwrap_err()
            .to_string()
            .contains("libc is left out")
    );
}

#[test]
fn hostile_locks_and_indexes_are_refused() {
    let manifest = Manifest::read(&fixture("box.toml")).unwrap();
    let text = Lock::of(&manifest, &indexes()).unwrap().to_text();
    for (from, to) in [
        ("pool/main/a", "../../etc/a"),
        ("name = \"appd\"", "name = \"../appd\""),
        ("1111111111", "zzzzzzzzzz"),
        ("form = 1", "form = 2"),
        ("why = ", "because = "),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(Lock::parse(&text.replacen(from, to, 1)).is_err(), "{to}");
    }
    let good = fs::read_to_string(fixture("packages/trixie")).unwrap();
    for (from, to) in [
        ("pool/main/a", "pool/../../a"),
        ("Size: 120000", "Size: many"),
        ("1111", "111g"),
    ] {
        assert!(
            Index::default()
                .add("trixie", &good.replacen(from, to, 1))
                .is_err(),
            "{to}"
        );
    }
}

/// An archive in a folder, with one package, and an apt that is set up for an older release of it.
struct Shelf {
    folder: TempDir,
}

impl Shelf {
    fn new(trust: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let archive = folder.path().join("debian");
        fs::create_dir_all(folder.path().join("etc")).unwrap();
        fs::write(
            folder.path().join("etc/sources.list"),
            format!(
                "# the machine's own\ndeb https://tools.example/apt stable tools\ndeb [{trust}] file:{} bookworm main\n",
                archive.display()
            ),
        )
        .unwrap();
        let shelf = Self { folder };
        shelf.publish("2.0-1", b"a package of some length");
        shelf
    }

    fn publish(&self, version: &str, bytes: &[u8]) {
        let archive = self.folder.path().join("debian");
        let _ = fs::remove_dir_all(&archive);
        let file = format!("pool/main/a/appd/appd_{version}_arm64.deb");
        let index = format!(
            "Package: appd\nVersion: {version}\nArchitecture: arm64\nFilename: {file}\nSize: {}\nSHA256: {}\n",
            bytes.len(),
            hex::encode(Sha256::digest(bytes))
        );
        let binary = archive.join("dists/trixie/main/binary-arm64");
        fs::create_dir_all(&binary).unwrap();
        fs::write(binary.join("Packages"), &index).unwrap();
        fs::write(
            archive.join("dists/trixie/Release"),
            format!(
                "Origin: Debian\nSuite: stable\nCodename: trixie\nArchitectures: arm64\nComponents: main\n\
                 Date: Thu, 26 Nov 2026 00:00:00 UTC\nSHA256:\n {} {} main/binary-arm64/Packages\n",
                hex::encode(Sha256::digest(&index)),
                index.len()
            ),
        )
        .unwrap();
        let path = archive.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn manifest(&self) -> Manifest {
        manifest_of(&format!("{HEAD}packages = [\"appd\"]\n")).unwrap()
    }

    fn archive(&self) -> Archive {
        let manifest = self.manifest();
        Archive::set_up(
            &self.folder.path().join("private"),
            &self.folder.path().join("etc"),
            &manifest,
            &manifest.suites,
        )
        .unwrap()
    }

    fn store(&self, keep: bool) -> Store {
        Store {
            cache: self.folder.path().join("cache"),
            keep: keep.then(|| self.folder.path().join("keep")),
        }
    }
}

#[test]
fn packages_come_from_the_archive_that_the_machine_is_set_up_for() {
    let shelf = Shelf::new("trusted=yes");
    let index = shelf.archive().refresh().unwrap();
    let lock = Lock::of(&shelf.manifest(), &index).unwrap();
    let mut bytes = 0;
    let files = shelf
        .store(true)
        .files(&lock, || Ok(shelf.archive()), |more| bytes += more)
        .unwrap();
    assert_eq!(bytes, lock.bytes());
    assert_eq!(fs::read(&files[0]).unwrap(), b"a package of some length");
    assert!(files[0].starts_with(shelf.folder.path().join("keep")));

    // The archive moves on: what was kept still builds, from the folder as from the cache.
    shelf.publish("2.0-2", b"a package of another length");
    let nobody = || panic!("nothing is missing");
    shelf.store(true).files(&lock, nobody, |_| {}).unwrap();
    fs::remove_dir_all(shelf.folder.path().join("cache")).unwrap();
    shelf.store(true).files(&lock, nobody, |_| {}).unwrap();

    // Without either it is named, with the way out.
    let said = shelf
        .store(false)
        .files(&lock, || Ok(shelf.archive()), |_| {})
        .unwrap_err()
        .to_string();
    assert!(
        said.starts_with("appd 2.0-1 is neither in the cache nor in the archive any more")
            && said.contains("image-builder lock")
            && said.contains("--keep-packages"),
        "{said}"
    );
}

#[test]
fn a_file_that_was_cut_or_changed_is_fetched_again() {
    let shelf = Shelf::new("trusted=yes");
    let lock = Lock::of(&shelf.manifest(), &shelf.archive().refresh().unwrap()).unwrap();
    let cached = shelf
        .folder
        .path()
        .join("cache")
        .join(file_name(&lock.packages[0]));
    fs::create_dir_all(cached.parent().unwrap()).unwrap();
    for spoilt in [
        "a package of some lengtX",
        "a pack",
        "much more than the package ever was",
    ] {
        fs::write(&cached, spoilt).unwrap();
        let files = shelf
            .store(false)
            .files(&lock, || Ok(shelf.archive()), |_| {})
            .unwrap();
        assert_eq!(fs::read(&files[0]).unwrap(), b"a package of some length");
    }
}

#[test]
fn an_index_without_a_signature_is_refused() {
    let shelf = Shelf::new("");
    let said = shelf.archive().refresh().unwrap_err().to_string();
    assert!(said.starts_with("apt cannot fetch the indexes"), "{said}");
    assert!(
        said.contains("not signed") || said.contains("signature"),
        "{said}"
    );
}

#[test]
fn a_machine_without_a_debian_archive_is_told_so() {
    let folder = TempDir::new().unwrap();
    let paragraph = "Types: deb\nURIs: https://tools.example/apt\nSuites: nodistro\nComponents: main\n";
    fs::create_dir_all(folder.path().join("sources.list.d")).unwrap();
    fs::write(folder.path().join("sources.list.d/tools.sources"), paragraph).unwrap();
    let manifest = manifest_of(HEAD).unwrap();
    let set_up = || {
        Archive::set_up(
            &folder.path().join("private"),
            folder.path(),
            &manifest,
            &manifest.suites,
        )
    };
    let said = set_up().unwrap_err().to_string();
    assert!(said.contains("name no Debian archive for trixie"), "{said}");
    let debian = format!(
        "{paragraph}\nTypes: deb deb-src\nURIs: https://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main contrib\n"
    );
    fs::write(folder.path().join("sources.list.d/tools.sources"), debian).unwrap();
    let address = set_up().unwrap().address("trixie", "pool/x.deb");
    assert_eq!(
        address.as_deref(),
        Some("https://mirror.example/debian/pool/x.deb")
    );
}
