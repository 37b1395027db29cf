//! The acceptance test as a technician without a script goes through it.

use std::time::Duration;

use axum::http::StatusCode;

use super::founded;

/// Looks at the page again and again are at most this many.
const LOOKS_MAX: u32 = 3_000;

#[tokio::test]
async fn an_acceptance_test_measures_each_item_and_leaves_nothing_behind() {
    let (bench, mut tablet) = founded().await;
    let page = tablet.get("/checkup").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.html.contains("验收检查单"), "nothing was tested yet");
    let files = || {
        let entries = std::fs::read_dir(bench.state.store.folder()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = files();
    let mut page = tablet.send(&page, "/checkup", &[]).await;
    for _ in 0..LOOKS_MAX {
        if page.html.contains("验收检查单") {
            break;
        }
        assert!(page.html.contains("正在检查"));
        tokio::time::sleep(Duration::from_millis(10)).await;
        page = tablet.get("/checkup").await;
    }
    for words in [
        "验收检查单",
        "存储写入速度",
        "没有插测试插头",
        "条修改全部相符",
        "还没有加入县网",
        "技术员签字",
    ] {
        assert!(page.html.contains(words), "{words} in {}", page.html);
    }
    assert!(!page.html.contains("正在检查"));
    assert_eq!(files(), before);
    // It is no backup.
    assert!(bench.state.store.last_backup().await.unwrap().is_none());
}

#[tokio::test]
async fn a_port_that_is_not_there_is_not_opened() {
    let (_bench, mut tablet) = founded().await;
    let page = tablet.post("/checkup", &[("port", "/etc/passwd")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
}
