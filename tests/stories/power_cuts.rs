//! Power cuts at every kind of moment: while a commit is written, while the log starts over, while a checkpoint
//! writes the database file. `CLINIC_CUTS` says how many (80 where it is not set).

use harness::power::Run;

/// Cuts of an ordinary run.
const CUTS: u64 = 80;

#[tokio::test]
async fn no_acknowledged_record_is_lost_when_the_power_goes() {
    let cuts = std::env::var("CLINIC_CUTS").map_or(CUTS, |cuts| cuts.parse().unwrap());
    let run = Run::new().await;
    let (mut checkpoints, mut overs, mut taken, mut kept) = (0, 0, 0, 0);
    for seed in 0..cuts {
        let left = run.cut(seed).await.unwrap();
        checkpoints += u64::from(left.checkpoint);
        overs += u64::from(left.started_over);
        kept += u64::from(left.unacknowledged_kept);
        taken += u64::from(!left.checkpoint && !left.unacknowledged_kept);
    }
    println!(
        "{cuts} cuts, {checkpoints} in a checkpoint, {overs} in a log that started over, {taken} took what was under \
         way, {kept} left it"
    );
    assert!(
        checkpoints > 0 && overs > 0 && taken > 0 && kept > 0,
        "a kind of cut never happened"
    );
}
