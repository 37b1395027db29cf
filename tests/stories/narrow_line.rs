//! A real box and a real hub over a line of packets that vanish.

use harness::far_hub::FarHub;
use harness::narrow_line::{Narrow, NarrowLine};
use harness::workload::Workload;

const FEW: Workload = Workload {
    patients: 60,
    years: 1,
    visits: 2,
    seed: 7,
};

/// A way that carries the handshake's small packets and drops full ones without a word (no ICMP tells the sender), as
/// tunnels of carriers do.
#[test]
fn the_day_arrives_where_full_packets_vanish() {
    let narrow = Narrow {
        kbit: 2_000,
        delay_ms: 20,
        loss_percent: 0,
        largest: 1_400,
        seed: 1,
    };
    let Some(line) = NarrowLine::lay(narrow) else {
        println!("not tried: this machine gives no network namespaces");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let ends = FarHub::with_base(folder.path(), FEW);
    let day = folder.path().join("day");
    FEW.write_day_after_base(&day);
    ends.import(&day);
    let (hub, url) = ends.serve(Some(line.far()), NarrowLine::FAR);
    let sent = ends.exchange(Some(&line), &url);
    let sent = sent.unwrap_or_else(|said| panic!("{} {}", said.out, said.err));
    assert_eq!(sent.told["pending"], 0, "{}", sent.told);
    // More than a full packet went each way, so full packets were there to vanish.
    for way in ["bytes_up", "bytes_down"] {
        assert!(sent.told[way].as_u64().unwrap() > 200, "{}", sent.told);
    }
    assert!(sent.told["bytes_up"].as_u64().unwrap() > 3_000, "{}", sent.told);
    assert!(hub.stop().success());
    let [there, here] = ends.fingerprints();
    assert_eq!(there, here);
}
