//! A hub on PostgreSQL and its keeper's own backups: a copy is checked before boxes hear that they are safe, and a database
//! that goes back in time begins a new epoch and gets everything again from the box.

use std::path::PathBuf;

use harness::programs::{Program, Said, run};
use harness::workload::Workload;
use postgresql_for_tests::Database;
use serde_json::json;

const CODE: &str = "0017";
const FREE: &str = "127.0.0.1:0";

struct County {
    folder: tempfile::TempDir,
}

impl County {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn serve(&self, database: &Database) -> (Program, String) {
        let (data, address) = (self.text("hub"), database.url());
        let words = ["serve", "--data", &data, "--listen", FREE, "--link", FREE];
        let environment = [("SYNC_SERVER_DATABASE_URL", &*address)];
        let mut hub = Program::start("sync-server", &words, &environment, self.folder.path());
        let url = hub.url("link").trim_end_matches('/').to_owned();
        (hub, url)
    }

    fn hub(&self, database: &Database, words: &[&str], more: &[&str]) -> Said {
        let (data, address) = (self.text("hub"), database.url());
        let mut all = words.to_vec();
        all.extend(["--data", &data, "--database-url", &address]);
        all.extend(more);
        run("sync-server", &all, b"")
    }

    fn appliance(&self, verb: &str, more: &[&str], input: &[u8]) -> Said {
        let data = self.text("box");
        let mut all = vec![verb, "--data", &data];
        all.extend(more);
        let said = run("appliance", &all, input);
        assert_eq!(said.code, 0, "{verb}: {} {}", said.out, said.err);
        said
    }

    fn sync(&self, hub: &str) {
        let said = self.appliance("sync", &["--once", "--hub", hub, "--json"], b"");
        assert_eq!(said.json()["pending"], 0);
    }
}

fn good(said: Said) -> Said {
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    said
}

#[test]
fn a_copy_is_checked_and_a_database_that_went_back_loses_nothing() {
    let county = County {
        folder: tempfile::tempdir().unwrap(),
    };
    let database = Database::new();
    let adds = ["--code", CODE, "--name", "示例卫生室"];
    good(county.hub(&database, &["clinic", "add"], &adds));
    let (hub, url) = county.serve(&database);
    let token = good(county.hub(&database, &["token"], &["--clinic", CODE])).out;
    county.appliance("enroll", &["--hub", &url, "--token-file", "-"], token.as_bytes());
    let panel = Workload {
        patients: 40,
        years: 1,
        visits: 2,
        seed: 5,
    };
    panel.write_base(&county.path("base"));
    county.appliance("import", &[&county.text("base")], b"");
    county.sync(&url);

    // The hub's own verb says what to do instead, and a copy is one only if it is another database.
    let own = county.text("own.backup");
    let (data, address) = (county.text("hub"), database.url());
    let environment = [("SYNC_SERVER_DATABASE_URL", &*address)];
    let refused = harness::programs::run_to(
        "sync-server",
        &["backup", "--data", &data, &own],
        &environment,
        b"",
    );
    let refused = format!("{} {}", refused.out, refused.err);
    assert!(
        refused.contains("pg_dump") && refused.contains("new-epoch"),
        "{refused}"
    );
    let itself = county.hub(&database, &["check-copy"], &["--copy", &address, "--json"]);
    assert!(
        itself.code == 1 && itself.err.contains("no copy"),
        "{} {}",
        itself.out,
        itself.err
    );
    let copy = database.restored();
    let checked = good(county.hub(&database, &["check-copy"], &["--copy", &copy.url(), "--json"])).json();
    assert_eq!(
        (&checked["patients"], &checked["problems"]),
        (&json!(40), &json!([]))
    );

    // A day later the server is lost; the copy takes its place.
    panel.write_day_after_base(&county.path("day"));
    county.appliance("import", &[&county.text("day")], b"");
    county.sync(&url);
    let day = county.appliance("verify", &["--json"], b"").json()["fingerprint"].clone();
    assert_ne!(checked["fingerprint"], day);
    let running = county.hub(&copy, &["new-epoch"], &["--json"]);
    assert!(
        running.code == 1 && running.err.contains("is running"),
        "{} {}",
        running.out,
        running.err
    );
    hub.kill();
    let epoch = good(county.hub(&copy, &["new-epoch"], &["--json"])).json();
    assert_eq!(epoch["epoch"], 2);
    let (hub, url) = county.serve(&copy);
    county.sync(&url);
    let verified = good(county.hub(&copy, &["verify"], &["--clinic", CODE, "--json"])).json();
    assert_eq!(verified["fingerprint"], day);
    // A copy from before that is not one of this epoch.
    let old = county.hub(
        &copy,
        &["check-copy"],
        &["--copy", &database.restored().url(), "--json"],
    );
    assert_eq!(old.code, 1);
    assert!(old.out.contains("another epoch"), "{} {}", old.out, old.err);
    assert!(hub.stop().success());
}
