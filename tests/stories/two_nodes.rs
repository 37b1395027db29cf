//! Two real nodes of a hub on one PostgreSQL database, behind one address: boxes meet either of them, one dies in the
//! middle of an exchange, and nothing is lost or missed.

use harness::one_address::OneAddress;
use harness::workload::Workload;
use serde_json::Value;

use crate::nodes::{CODE, County};

/// Bytes of the exchange after which the node dies: the charts alone are more.
const DIES_AFTER: u64 = 8 * 1024;

/// What a box, or the hub of what the clinic holds, finds when it checks itself.
fn verified(county: &County, name: &str) -> Value {
    let said = match name {
        "hub" => county.hub_verb(&["verify"], &["--clinic", CODE, "--json"]),
        name => county.box_verb(name, "verify", &["--json"], b""),
    };
    said.json()
}

#[test]
fn a_node_dies_in_an_exchange_and_the_other_goes_on() {
    let county = County::new(None);
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
    county.dies_in_exchange(first, "near", &address, DIES_AFTER);

    // The address still names both: whoever finds the dead one is given the other.
    address.stands_before(vec![one, two]);
    county.sync("near", &address);
    county.sync("far", &address);
    let near = verified(&county, "near");
    assert_eq!(near["patients"], 150);
    for other in ["far", "hub"] {
        assert_eq!(
            verified(&county, other)["fingerprint"],
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
    county.sync("far", &address);
    assert!(
        county.sync("near", &address)["changes_received"]
            .as_u64()
            .unwrap()
            > 0
    );
    let far = verified(&county, "far");
    for other in ["near", "hub"] {
        assert_eq!(
            verified(&county, other)["fingerprint"],
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
