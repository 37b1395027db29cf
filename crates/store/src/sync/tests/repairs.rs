//! Both ends hold different things although nothing waits: an alarm says so, and they find out and mend it.

use super::*;

/// One end loses a document and does not know it: its ranges still claim to hold it.
async fn lose(end: &End, doc: DocId) {
    end.store
        .write(move |tx| super::super::purge::remove(tx, doc))
        .await
        .unwrap();
}

async fn mended(end: &End, hub: &End) {
    let done = exchange(&end.store, &hub.store, usize::MAX).await.unwrap().0;
    assert!(done.round_trips <= 12, "{done:?}");
    same(end, hub, "0017").await;
    assert_eq!(sync(end, hub).await.round_trips, 1);
}

async fn a_document_that_the_hub_lost_unnoticed_comes_back_from_the_box(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 950, "0017").await;
    let mut charts = Vec::new();
    for n in 0..30 {
        charts.push(chart(&end, "0017", &format!("示例{n}")).await);
    }
    sync(&end, &hub).await;
    lose(&hub, charts[11]).await;
    assert_eq!(name_of(&hub, charts[11]).await, None);
    mended(&end, &hub).await;
    assert_eq!(name_of(&hub, charts[11]).await.as_deref(), Some("示例11"));
}

async fn a_document_that_the_box_lost_unnoticed_comes_back_from_the_hub(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 960, "0017").await;
    let patient = chart(&end, "0017", "示例甲").await;
    let other = chart(&end, "0017", "示例乙").await;
    sync(&end, &hub).await;
    edit(&hub, patient, vec![Edit::put(&["person", "phone"], "1")]).await;
    sync(&end, &hub).await;
    lose(&end, patient).await;
    mended(&end, &hub).await;
    assert_eq!(name_of(&end, patient).await.as_deref(), Some("示例甲"));
    assert!(name_of(&end, other).await.is_some());
}

async fn what_only_a_box_still_has_of_the_hubs_own_work_comes_back(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 970, "0017").await;
    let patient = chart(&end, "0017", "示例甲").await;
    sync(&end, &hub).await;
    edit(&hub, patient, vec![Edit::put(&["person", "phone"], "138")]).await;
    sync(&end, &hub).await;
    lose(&hub, patient).await;
    mended(&end, &hub).await;
    let read = hub
        .store
        .chart(patient.patient().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read.value.phone, "138");
}

on_both_engines! {
    a_document_that_the_hub_lost_unnoticed_comes_back_from_the_box,
    a_document_that_the_box_lost_unnoticed_comes_back_from_the_hub,
    what_only_a_box_still_has_of_the_hubs_own_work_comes_back,
}
