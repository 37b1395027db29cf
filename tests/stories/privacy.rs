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
fn a_name_in_a_log_is_found_however_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let written = [
        "{\"message\":\"saved 王秀英\"}",
        "GET /patients?q=%E7%8E%8B%E7%A7%80%E8%8B%B1",
        "b\"\\xe7\\x8e\\x8b\\xe7\\xa7\\x80\\xe8\\x8b\\xb1\"",
        "{\"bytes\":\"b\\\"\\\\xe7\\\\x8e\\\\x8b\\\\xe7\\\\xa7\\\\x80\\\\xe8\\\\x8b\\\\xb1\\\"\"}",
        "[231, 142, 139, 231, 167, 128, 232, 139, 177]",
        "E78E8BE7A780E88BB1",
        "\\u738b\\u79c0\\u82f1",
    ];
    for text in written {
        std::fs::write(folder.path().join("appliance.log"), format!("{text}\n")).unwrap();
        assert_eq!(leaks(folder.path(), &["王秀英", "110101"]).len(), 1, "{text}");
    }
}
