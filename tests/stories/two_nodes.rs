//! Two real nodes of a hub on one PostgreSQL database, behind one address: boxes meet either of them, one dies in the
//! middle of an exchange, and nothing is lost or missed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use harness::one_address::OneAddress;
use harness::programs::{Program, Said, run, wait_until};
use harness::workload::Workload;
use postgresql_for_tests::Database;
use serde_json::Value;

const CODE: &str = "0017";
/// What all nodes of a hub have in common besides the database.
const KEYS: [&str; 3] = ["device.key", "county.pem", "county.key.pem"];
/// Bytes of the exchange after which the node dies: the charts alone are more.
const DIES_AFTER: u64 = 8 * 1024;

struct County {
    folder: tempfile::TempDir,
    database: Database,
}

impl County {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn node(&self, name: &str) -> (Program, SocketAddr) {
        let (data, free) = (self.text(name), "127.0.0.1:0");
        let arguments = ["serve", "--data", &data, "--listen", free, "--link", free];
        let environment = [("SYNC_SERVER_DATABASE_URL", &*self.database.url())];
        let mut node = Program::start("sync-server", &arguments, &environment, self.folder.path());
        let link = node.url("link");
        let link = link.trim_start_matches("https://").trim_end_matches('/');
        (node, link.parse().unwrap())
    }

    fn hub_verb(&self, words: &[&str], more: &[&str]) -> Said {
        let (data, url) = (self.text("first"), self.database.url());
        let mut all = words.to_vec();
        all.extend(["--data", &data, "--database-url", &url]);
        all.extend(more);
        let said = run("sync-server", &all, b"");
        assert_eq!(said.code, 0, "{words:?}: {} {}", said.out, said.err);
        said
    }

    fn box_verb(&self, name: &str, verb: &str, more: &[&str], input: &[u8]) -> Said {
        let data = self.text(name);
        let mut all = vec![verb, "--data", &data];
        all.extend(more);
        run("appliance", &all, input)
    }

    fn enrol(&self, name: &str, address: &OneAddress) {
        let token = self.hub_verb(&["token"], &["--clinic", CODE]).out;
        let more = ["--hub", &address.url(), "--token-file", "-"];
        let said = self.box_verb(name, "enroll", &more, token.as_bytes());
        assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    }

    fn import(&self, name: &str, lines: &Path) {
        let said = self.box_verb(name, "import", &[lines.to_str().unwrap(), "--json"], b"");
        assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    }

    fn sync(&self, name: &str, address: &OneAddress) -> Value {
        let said = self.box_verb(name, "sync", &["--once", "--hub", &address.url(), "--json"], b"");
        assert_eq!(said.code, 0, "{} {}", said.out, said.err);
        said.json()
    }

    /// What a box, or the hub of what the clinic holds, finds when it checks itself.
    fn verified(&self, name: &str) -> Value {
        let said = match name {
            "hub" => self.hub_verb(&["verify"], &["--clinic", CODE, "--json"]),
            name => self.box_verb(name, "verify", &["--json"], b""),
        };
        assert_eq!(said.code, 0, "{} {}", said.out, said.err);
        said.json()
    }
}

#[test]
fn a_node_dies_in_an_exchange_and_the_other_goes_on() {
    let county = County {
        folder: tempfile::tempdir().unwrap(),
        database: Database::new(),
    };
    county.hub_verb(&["clinic", "add"], &["--code", CODE, "--name", "示例卫生室"]);
    county.hub_verb(&["ca"], &[]);
    std::fs::create_dir(county.path("second")).unwrap();
    for key in KEYS {
        std::fs::copy(county.path("first").join(key), county.path("second").join(key)).unwrap();
    }
    let (first, one) = county.node("first");
    let (second, two) = county.node("second");
    let address = OneAddress::before(vec![one, two]);
    // The first connection of each pair goes to the first node, the second to the second.
    county.enrol("near", &address);
    county.enrol("far", &address);
    let base = county.path("base");
    let panel = Workload {
        patients: 150,
        years: 1,
        visits: 2,
        seed: 5,
    };
    panel.write_base(&base);
    county.import("near", &base);

    // The node that carries the exchange is killed in its middle.
    address.stands_before(vec![one]);
    let before = address.carried();
    let (data, url) = (county.text("near"), address.url());
    let cut = ["sync", "--data", &data, "--once", "--hub", &url, "--json"];
    let mut cut = Program::start("appliance", &cut, &[], county.folder.path());
    wait_until("the exchange is in its middle", || {
        (address.carried() > before + DIES_AFTER).then_some(())
    });
    first.kill();
    assert!(!cut.wait().success(), "the exchange ended before its node died");

    // The address still names both: whoever finds the dead one is given the other.
    address.stands_before(vec![one, two]);
    assert_eq!(county.sync("near", &address)["pending"], 0);
    assert_eq!(county.sync("far", &address)["pending"], 0);
    let near = county.verified("near");
    assert_eq!(near["patients"], 150);
    for other in ["far", "hub"] {
        assert_eq!(
            county.verified(other)["fingerprint"],
            near["fingerprint"],
            "{other}"
        );
    }

    // The node comes back; boxes write through one and read through the other.
    let (first, one) = county.node("first");
    address.stands_before(vec![one, two]);
    let day = county.path("day");
    panel.write_day_after_base(&day);
    county.import("far", &day);
    assert_eq!(county.sync("far", &address)["pending"], 0);
    assert!(
        county.sync("near", &address)["changes_received"]
            .as_u64()
            .unwrap()
            > 0
    );
    let far = county.verified("far");
    for other in ["near", "hub"] {
        assert_eq!(
            county.verified(other)["fingerprint"],
            far["fingerprint"],
            "{other}"
        );
    }
    for name in ["near", "far", "near"] {
        assert_eq!(county.sync(name, &address)["round_trips"], 1, "nothing is left");
    }
    for node in [first, second] {
        assert!(node.stop().success());
    }
}
