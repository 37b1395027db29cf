//! A disk that is full while somebody saves: the page keeps what was typed and says it; nothing is half stored.

use axum::http::StatusCode;
use records::ids::{EncounterId, FormId, StaffId};

use super::{found, register};
use crate::workbench::Bench;

/// Enough for first start and a few charts.
const PAGES: u32 = 420;
/// Forms that are sent at most until the disk is full.
const TRIES: usize = 60;

/// Takes what room there is, down to a page or so.
async fn fill(bench: &Bench) {
    for length in [40_000, 4_000, 400] {
        let mut n = 0_u64;
        loop {
            let mut bytes = vec![0; length];
            bytes[..8].copy_from_slice(&n.to_le_bytes());
            if bench.state.store.put_blob(bytes).await.is_err() {
                break;
            }
            n += 1;
            assert!(n < 2_000, "the disk is never full");
        }
    }
}

async fn problems(bench: &Bench) -> usize {
    let told = bench.state.store.verify(None, Box::new(|_, _| {})).await;
    told.unwrap().problems.len()
}

#[tokio::test]
async fn a_save_on_a_full_disk_stays_on_the_page_and_goes_through_later() {
    let bench = Bench::with_pages(&[], Some(PAGES)).await;
    let mut tablet = found(&bench).await;
    let path = register(&mut tablet, "王秀英", &[("birth", "1958-04-01")]).await;
    let page = tablet.get(&path).await;
    let page = tablet.send(&page, &format!("{path}/visits"), &[]).await;
    let visit = page.path.split('?').next().unwrap().to_owned();
    let id: EncounterId = visit.trim_start_matches("/visits/").parse().unwrap();

    // Drafts take room that can be given back; samples take the rest.
    let filler = serde_json::json!("x".repeat(30_000));
    let drafts: Vec<FormId> = (0..8).map(|n| FormId([n; 16])).collect();
    for form in &drafts {
        let kept = bench
            .state
            .store
            .put_draft(*form, StaffId([1; 8]), "filler", &filler);
        assert!(kept.await.unwrap());
    }
    fill(&bench).await;
    let mut page = page;
    let mut stored = String::new();
    let mut refused = None;
    for n in 0..TRIES {
        // Digits that do not compress away.
        let history: String = (0..300_u64)
            .map(|m| {
                (m + 977 * n as u64)
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    .to_string()
            })
            .collect::<Vec<_>>()
            .join(" ");
        let history = history[..2_000].to_owned();
        let answer = tablet
            .send(&page, &visit, &[("complaint", "头晕三天"), ("history", &history)])
            .await;
        if answer.status == StatusCode::INSUFFICIENT_STORAGE {
            refused = Some((answer, history));
            break;
        }
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        stored = history;
        page = answer;
    }
    let Some((refused, typed)) = refused else {
        panic!("the disk was never full")
    };
    assert!(
        refused.has("存储空间已满") && refused.has("请不要关闭本页"),
        "{}",
        refused.text()
    );
    assert_eq!(refused.form(&visit).value("history"), Some(typed.as_str()));
    let kept = bench.state.store.encounter(id).await.unwrap().unwrap().value;
    assert_eq!(kept.history, stored, "what was saved before is whole");
    assert_eq!(problems(&bench).await, 0);

    // Somebody new: refused in the same words, and there is no half of them.
    let mut count = bench.state.store.patients_count().await.unwrap();
    let mut refused_new = None;
    for n in 0..TRIES {
        let page = tablet.get("/patients/new").await;
        let phone = format!("138{n:08}");
        let name: String = ["吕小兰", "陈", "示例"][n % 3]
            .chars()
            .chain("甲乙丙丁".chars().skip(n % 4))
            .collect();
        let new = [
            ("name", name.as_str()),
            ("birth", "1986-05-04"),
            ("phone", &phone),
        ];
        let answer = tablet.send(&page, "/patients/new", &new).await;
        if answer.status == StatusCode::INSUFFICIENT_STORAGE {
            refused_new = Some((answer, name));
            break;
        }
        count = bench.state.store.patients_count().await.unwrap();
    }
    let Some((answer, name)) = refused_new else {
        panic!("there was always room for one more")
    };
    assert_eq!(answer.form("/patients/new").value("name"), Some(name.as_str()));
    assert_eq!(bench.state.store.patients_count().await.unwrap(), count);

    // With room again the same forms go through, once.
    for form in drafts {
        bench.state.store.drop_draft(form).await.unwrap();
    }
    let saved = tablet.send(&refused, &visit, &[]).await;
    assert_eq!(saved.status, StatusCode::OK, "{}", saved.text());
    let kept = bench.state.store.encounter(id).await.unwrap().unwrap().value;
    assert_eq!((kept.history, kept.clashes.len()), (typed, 0));
    let saved = tablet.send(&answer, "/patients/new", &[]).await;
    assert!(saved.has(&name), "{}", saved.text());
    assert_eq!(bench.state.store.patients_count().await.unwrap(), count + 1);
    assert_eq!(problems(&bench).await, 0);
}
