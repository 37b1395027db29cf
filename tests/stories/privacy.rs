//! No log of a program names a person: after each story its logs are searched for everything that was typed, read
//! off cards or measured in it.

use std::path::Path;

use harness::logs::leaks;

/// Fails where a log in one of these folders holds one of these texts.
pub(crate) fn assert_logs_name_nobody(folders: &[&Path], used: &[&str]) {
    let mut searched = 0;
    for folder in folders {
        let found = leaks(folder, used);
        assert!(found.is_empty(), "logs name people: {found:?}");
        searched += std::fs::read_dir(folder).unwrap().count();
    }
    assert!(searched > 0, "no log was searched");
}

#[test]
fn a_name_in_a_log_is_found() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("appliance.log"),
        "{\"message\":\"saved 王秀英\"}\n",
    )
    .unwrap();
    assert_eq!(leaks(folder.path(), &["王秀英", "110101"]).len(), 1);
}
