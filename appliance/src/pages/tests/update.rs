//! A bundle from a stick by the page: offered, taken, installed, tried; a foreign one refused with a sentence.

use std::fs;
use std::sync::Arc;

use card::layout::Slot;
use card::starting::Health;
use shell::keeping::Keeping;

use super::browser::{Shown, Tablet};
use super::found;
use crate::update::Mailbox;
use crate::update::tests::Bench as CardBench;
use crate::update::work::work;
use crate::workbench::Bench;

/// Asks the page until the taking ended one way or the other.
async fn ended(tablet: &mut Tablet) -> Shown {
    for _ in 0..1000 {
        let page = tablet.get("/update").await;
        if !page.has("正在读取升级包") {
            return page;
        }
        tokio::task::yield_now().await;
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("the taking never ends");
}

#[tokio::test]
async fn a_bundle_on_a_stick_is_taken_by_the_page_and_tried_at_the_next_start() {
    let card = CardBench::new();
    card.start(Slot::A);
    card.settle(&Health::Well);
    let stick = card.at("stick");
    fs::create_dir(&stick).unwrap();
    let mut bench = Bench::new(&[]).await;
    bench.state.card = Arc::new(Some(card.config.clone()));
    bench.state.keeping = Keeping::at(vec![stick.clone()]);
    let mut tablet = found(&bench).await;
    let page = tablet.get("/update").await;
    assert!(
        page.has("没有找到升级包") && page.has("版本 1"),
        "{}",
        page.text()
    );

    let on_stick = stick.join("other.bundle");
    fs::copy(card.bundle(2, true, |to| to.county = "441803"), &on_stick).unwrap();
    let page = tablet.get("/update").await;
    tablet.send(&page, "/update/take", &[]).await;
    let page = ended(&mut tablet).await;
    assert!(page.has("别的县"), "{}", page.text());

    fs::copy(card.bundle(2, true, |_| {}), &on_stick).unwrap();
    tablet.send(&page, "/update/take", &[]).await;
    let page = ended(&mut tablet).await;
    assert!(page.has("版本 2 已核对"), "{}", page.text());
    let mailbox = Mailbox::of(bench.state.store.folder());
    work(&card.config, &mailbox, |_| {}).unwrap();
    let page = tablet.get("/update").await;
    assert!(
        page.has("新系统已装好") && page.has("下次启动时试运行"),
        "{}",
        page.text()
    );
    let page = tablet.send(&page, "/update/restart", &[]).await;
    assert!(page.path == "/update" && mailbox.restart().exists());
    work(&card.config, &mailbox, |_| {}).unwrap();
    card.start(Slot::B);
    card.settle(&Health::Ill("store: no room".to_owned()));
    card.start(Slot::A);
    let page = tablet.get("/status").await;
    assert!(
        page.has("已从版本 2 退回") && page.has("自检发现故障") && page.has("store: no room"),
        "{}",
        page.text()
    );

    // A path that no stick holds is none.
    let elsewhere = card.bundle(3, true, |_| {}).display().to_string();
    let refused = tablet.post("/update/take", &[("bundle", &elsewhere)]).await;
    assert!(!refused.status.is_success(), "{}", refused.status);
}
