//! The box's own radio network: a tablet joins it with what stands on the label, gets an address and the box's names, and
//! reaches the pages and nothing else. Both radios exist in the kernel only (`mac80211_hwsim`), on one emulated machine; the
//! tablet has a network namespace of its own (`tests/radio`). The long lane runs it on the image in the folder `radio`.

use crate::clinic::Clinic;

#[test]
fn a_tablet_joins_by_the_label_and_reaches_the_pages_and_nothing_else() {
    let clinic = Clinic::alone("radio");
    let mut machine = clinic.start("radio", None, false);
    let log = machine.until("the tablet has tried everything", |machine| {
        let log = machine.log();
        log.contains("tablet: done").then_some(log)
    });
    let said: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once("tablet: "))
        .map(|(_, said)| said.trim())
        .collect();
    let has = |line: &str| assert!(said.contains(&line), "{line}: {said:#?}\n{log}");
    has("joined");
    has("country CN");
    let channels = ["2412", "2437", "2462"].map(|megahertz| format!("frequency {megahertz}"));
    let on = said.iter().find(|line| line.starts_with("frequency ")).unwrap();
    assert!(channels.iter().any(|channel| on.starts_with(channel)), "{on}");
    let address = said.iter().find(|line| line.starts_with("address ")).unwrap();
    assert!(
        address.starts_with("address 192.168.8.") && address.ends_with(" way 192.168.8.1 names 192.168.8.1"),
        "{address}"
    );
    for name in ["clinic.internal", "connectivitycheck.gstatic.com"] {
        has(&format!("name {name} 192.168.8.1"));
    }
    // A tablet's system asks whether there is an Internet, and stays.
    has("probe HTTP/1.1 204");
    has("set-up 1");
    for port in [53, 80, 443] {
        has(&format!("port {port} open"));
    }
    for port in [22, 8080, 8081] {
        has(&format!("port {port} closed"));
    }
    has("no echo");
    has("a passer-by stays outside");
}
