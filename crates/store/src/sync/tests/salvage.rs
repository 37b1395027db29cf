//! Records on a torn page: what the other side holds comes back with the next exchange, what it does not hold is
//! kept if it can be read.

use super::*;
use crate::workbench::{leaf_pages, tear_page};

const CHARTS: usize = 80;

async fn county_with_charts(seed: u64) -> (End, End, Vec<DocId>) {
    let hub = hub(Engine::Sqlite).await;
    let end = boxed(&hub, seed, "0017").await;
    let mut charts = Vec::new();
    for n in 0..CHARTS {
        let doc = chart(&end, "0017", &format!("示例{n}")).await;
        edit(
            &end,
            doc,
            vec![Edit::put(&["person", "phone"], format!("138{n:08}").as_str())],
        )
        .await;
        charts.push(doc);
    }
    sync(&end, &hub).await;
    // The hub wrote, too.
    for doc in &charts[..20] {
        edit(&hub, *doc, vec![Edit::put(&["address", "town"], "清河")]).await;
    }
    sync(&end, &hub).await;
    same(&end, &hub, "0017").await;
    (hub, end, charts)
}

/// Tears a page in the middle of the log, and opens the folder again.
fn torn(end: End, side: Side) -> End {
    let End {
        folder,
        clock,
        store,
        seed,
        ..
    } = end;
    drop(store);
    let path = folder.path().join("clinic.db");
    let leaves = leaf_pages(&path, "log");
    assert!(leaves.len() > 3, "{leaves:?}");
    tear_page(&path, leaves[leaves.len() / 2]);
    let store = End::open(&folder, &clock, side, seed + 1000, Place::default());
    End {
        folder,
        clock,
        store,
        seed: seed + 1000,
        place: Place::default(),
    }
}

async fn kinds(end: &End) -> Vec<String> {
    let alarms = end.store.alarms().await.unwrap();
    alarms
        .into_iter()
        .map(|alarm| alarm.kind.word().to_owned())
        .collect()
}

async fn is_salvaged(end: &End) {
    let kinds = kinds(end).await;
    assert!(kinds.contains(&"salvaged".to_owned()), "{kinds:?}");
}

async fn is_clean(end: &End) {
    let found = end.store.verify(None, Box::new(|_, _| {})).await.unwrap();
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    assert!(end.store.rebuild(Box::new(|_, _| {})).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_box_gets_back_from_its_hub_what_stood_on_a_torn_page() {
    let (hub, end, charts) = county_with_charts(1200).await;
    // Written since, not at the hub yet: new charts, and edits of old ones.
    let unsent = chart(&end, "0017", "未上传").await;
    for doc in &charts {
        edit(&end, *doc, vec![Edit::put(&["address", "village"], "柳树")]).await;
    }
    let end = torn(end, Side::Box);
    is_salvaged(&end).await;
    is_clean(&end).await;
    let mut missing = 0;
    for doc in &charts {
        missing += usize::from(name_of(&end, *doc).await.is_none());
    }
    assert!((1..CHARTS).contains(&missing), "{missing}");
    sync(&end, &hub).await;
    sync(&end, &hub).await;
    equal(&end, &hub, "0017").await;
    is_clean(&end).await;
    assert_eq!(name_of(&hub, unsent).await.as_deref(), Some("未上传"));
    for (n, doc) in charts.iter().enumerate() {
        assert_eq!(name_of(&end, *doc).await, Some(format!("示例{n}")), "lost");
        // Edits that only the box had are kept, also of charts whose begin was on the torn page.
        let at_hub = hub
            .store
            .chart(doc.patient().unwrap())
            .await
            .unwrap()
            .unwrap()
            .value;
        assert_eq!((at_hub.address.village.as_str(), n), ("柳树", n));
    }
    let kinds = kinds(&end).await;
    assert_eq!(kinds, ["salvaged"]);
    assert_eq!(end.store.link_status().await.unwrap().pending, 0);
}

#[tokio::test]
async fn a_hub_gets_back_from_its_box_what_stood_on_a_torn_page() {
    let (hub, end, charts) = county_with_charts(1300).await;
    let hub = torn(hub, Side::Hub);
    is_salvaged(&hub).await;
    is_clean(&hub).await;
    sync(&end, &hub).await;
    sync(&end, &hub).await;
    equal(&end, &hub, "0017").await;
    is_clean(&hub).await;
    for (n, doc) in charts.iter().enumerate() {
        assert_eq!(name_of(&hub, *doc).await, Some(format!("示例{n}")), "lost");
    }
}
