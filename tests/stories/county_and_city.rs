//! Three real programs: a clinic's box, its county's hub, and the city's hub above that. What the box writes is at the city
//! with the same fingerprint, and killed programs and a county that was restored from a backup lose nothing.

use std::path::PathBuf;

use harness::programs::{Program, Said, run, wait_until};
use harness::workload::Workload;
use serde_json::Value;

const CLINIC: &str = "0017";
const COUNTY: &str = "330185";
const FREE: &str = "127.0.0.1:0";

struct Region {
    folder: tempfile::TempDir,
}

impl Region {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn verb(&self, program: &str, words: &[&str], data: &str, more: &[&str], input: &[u8]) -> Said {
        let data = self.text(data);
        let mut all = words.to_vec();
        all.extend(["--data", &data]);
        all.extend(more);
        let said = run(program, &all, input);
        assert_eq!(said.code, 0, "{words:?}: {} {}", said.out, said.err);
        said
    }

    fn hub(&self, words: &[&str], data: &str, more: &[&str]) -> Said {
        self.verb("sync-server", words, data, more, b"")
    }

    fn appliance(&self, words: &[&str], more: &[&str], input: &[u8]) -> Said {
        self.verb("appliance", words, "box", more, input)
    }

    fn serve(&self, data: &str, more: &[&str]) -> (Program, String) {
        let folder = self.text(data);
        let mut all = vec!["serve", "--data", &folder, "--listen", FREE, "--link", FREE];
        all.extend(more);
        let logs = self.path(&format!("logs-{data}"));
        std::fs::create_dir_all(&logs).unwrap();
        let mut program = Program::start("sync-server", &all, &[], &logs);
        let url = program.url("link").trim_end_matches('/').to_owned();
        (program, url)
    }

    fn sync(&self, hub: &str) {
        let said = self.appliance(&["sync"], &["--once", "--hub", hub, "--json"], b"");
        assert_eq!(said.json()["pending"], 0);
    }

    fn import(&self, lines: &str) {
        self.appliance(&["import"], &[&self.text(lines), "--json"], b"");
    }

    /// What a hub holds of the clinic.
    fn of_clinic(&self, data: &str) -> Value {
        self.hub(&["verify"], data, &["--clinic", CLINIC, "--json"])
            .json()
    }

    fn fingerprint_of_box(&self) -> Value {
        self.appliance(&["verify"], &["--json"], b"").json()["fingerprint"].clone()
    }

    /// Waits until the city holds of the clinic what this fingerprint is over.
    fn city_agrees(&self, fingerprint: &Value) {
        wait_until("the city holds what the box holds", || {
            let data = self.text("city");
            let words = ["verify", "--data", &data, "--clinic", CLINIC, "--json"];
            let said = run("sync-server", &words, b"");
            // The clinic may not be known yet.
            (said.code == 0 && said.json()["fingerprint"] == *fingerprint).then_some(())
        });
    }
}

#[test]
fn a_clinics_records_reach_the_city_and_nothing_is_lost_on_the_way() {
    let region = Region {
        folder: tempfile::tempdir().unwrap(),
    };
    region.hub(
        &["clinic", "add"],
        "city",
        &["--code", COUNTY, "--name", "示例县", "--county"],
    );
    region.hub(
        &["clinic", "add"],
        "county",
        &["--code", CLINIC, "--name", "示例卫生室"],
    );
    let (city, above) = region.serve("city", &[]);
    let token = |name: &str| {
        let file = region.path(name);
        std::fs::write(&file, region.hub(&["token"], "city", &["--clinic", COUNTY]).out).unwrap();
        file.display().to_string()
    };
    let first = token("token");
    let upwards = ["--upstream", &above, "--upstream-token-file", &first];
    let (county, link) = region.serve("county", &upwards);
    let joins = region.hub(&["token"], "county", &["--clinic", CLINIC]).out;
    region.appliance(
        &["enroll"],
        &["--hub", &link, "--token-file", "-"],
        joins.as_bytes(),
    );
    let panel = Workload {
        patients: 40,
        years: 1,
        visits: 2,
        seed: 5,
    };
    panel.write_base(&region.path("base"));
    region.import("base");
    region.sync(&link);

    // The county dies with all that on its way up, and again without its token.
    county.kill();
    let (county, link) = region.serve("county", &["--upstream", &above]);
    let base = region.fingerprint_of_box();
    region.city_agrees(&base);
    assert_eq!(region.of_clinic("city")["patients"], 40);

    // A backup of the county, then a day of which it knows nothing.
    let key = region.hub(&["recovery-key"], "county", &[]).out;
    std::fs::write(region.path("key"), key).unwrap();
    let backup = region.text("county.backup");
    region.hub(&["backup"], "county", &[&backup]);
    panel.write_day_after_base(&region.path("day"));
    region.import("day");
    region.sync(&link);
    let day = region.fingerprint_of_box();
    assert_ne!(base, day);

    // The city dies while the day comes up, and begins again somewhere else.
    city.kill();
    let (city, above) = region.serve("city", &[]);
    county.kill();
    let (county, _) = region.serve("county", &["--upstream", &above]);
    region.city_agrees(&day);

    // The county's machine burns; its backup is put onto another one. The box never comes back.
    county.kill();
    std::fs::remove_dir_all(region.path("county")).unwrap();
    let into = region.text("county");
    let identity = region.text("key");
    let said = run(
        "sync-server",
        &[
            "restore",
            &backup,
            "--data",
            &into,
            "--identity",
            &identity,
            "--json",
        ],
        b"",
    );
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    assert_eq!(region.of_clinic("county")["fingerprint"], base);
    let second = token("token-2");
    let (county, _) = region.serve(
        "county",
        &["--upstream", &above, "--upstream-token-file", &second],
    );
    wait_until("the county has the day back from the city", || {
        (region.of_clinic("county")["fingerprint"] == day).then_some(())
    });
    region.city_agrees(&day);
    assert_eq!(region.of_clinic("city")["problems"], serde_json::json!([]));
    assert!(county.stop().success() && city.stop().success());
}
