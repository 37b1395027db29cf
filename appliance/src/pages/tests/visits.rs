//! Visits: drafts, saving, signing, amending, two tabs.

use std::time::Duration;

use axum::http::StatusCode;
use records::encounters::{Encounter, EncounterState};
use records::ids::EncounterId;

use super::browser::{Shown, Tablet};
use super::{found, founded, register};
use crate::workbench::{Bench, bay, pressure};

async fn begin(tablet: &mut Tablet) -> (String, Shown) {
    let path = register(tablet, "王秀英", &[("birth", "1958-04-01")]).await;
    let page = tablet.get(&path).await;
    let visit = tablet.send(&page, &format!("{path}/visits"), &[]).await;
    assert!(visit.path.starts_with("/visits/"), "{}", visit.text());
    (path, visit)
}

async fn read(bench: &Bench, path: &str) -> Encounter {
    let id: EncounterId = path
        .trim_start_matches("/visits/")
        .split('?')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    bench.state.store.encounter(id).await.unwrap().unwrap().value
}

fn address(path: &str) -> &str {
    path.split('?').next().unwrap()
}

#[tokio::test]
async fn a_visit_is_written_saved_signed_and_amended() {
    let (bench, mut tablet) = founded().await;
    let (patient, page) = begin(&mut tablet).await;
    let visit = address(&page.path).to_owned();
    // Pressed again it is the same visit.
    let again = tablet.get(&patient).await;
    assert_eq!(
        address(&tablet.send(&again, &format!("{patient}/visits"), &[]).await.path),
        visit
    );
    let unfinished = tablet
        .send(&page, &visit, &[("act", "sign"), ("history", "头晕三天")])
        .await;
    assert_eq!(unfinished.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        unfinished.has("分诊级别") && unfinished.has("请填写主诉"),
        "{}",
        unfinished.text()
    );
    let note = [
        ("triage_level", "3"),
        ("triage_reason", "头晕"),
        ("complaint", "头晕三天"),
        ("advice", "低盐饮食"),
    ];
    let saved = tablet.send(&unfinished, &visit, &note).await;
    assert!(saved.has("已保存到诊室"), "{}", saved.text());
    let signed = tablet.send(&saved, &visit, &[("act", "sign")]).await;
    assert!(
        signed.has("由 李医生 于") && signed.has("头晕三天"),
        "{}",
        signed.text()
    );
    assert!(matches!(
        read(&bench, &visit).await.state,
        EncounterState::Signed(_)
    ));
    let amend = format!("{visit}/amend");
    let refused = tablet
        .send(&signed, &amend, &[("reason", ""), ("text", "补充")])
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let amended = tablet
        .send(
            &signed,
            &amend,
            &[("reason", "家属补充"), ("text", "昨晚呕吐一次")],
        )
        .await;
    assert!(amended.has("昨晚呕吐一次") && amended.has("家属补充"));
    let visit = read(&bench, &visit).await;
    assert_eq!(
        (visit.complaint.as_str(), visit.amendments.len(), visit.late.len()),
        ("头晕三天", 1, 0)
    );
}

#[tokio::test]
async fn diagnoses_are_chosen_by_initials_without_a_script() {
    let (bench, mut tablet) = founded().await;
    let (_, page) = begin(&mut tablet).await;
    let visit = address(&page.path).to_owned();
    let hits = tablet.part("/diagnoses?diagnosis_wanted=gxy").await;
    assert!(hits.has("高血压") && !hits.html.contains("<html"));
    let found = tablet
        .send(
            &page,
            &visit,
            &[
                ("diagnosis_wanted", "gxy"),
                ("diagnosis_find", "yes"),
                ("complaint", "头晕"),
            ],
        )
        .await;
    assert_eq!(found.status, StatusCode::OK);
    let value = found.button("diagnosis_add", "原发性高血压");
    assert!(value.starts_with("I10"), "{value}");
    let added = tablet.send(&found, &visit, &[("diagnosis_add", &value)]).await;
    assert_eq!(
        added.form(&visit).value("complaint"),
        Some("头晕"),
        "the rest of the form stays"
    );
    // What was chosen is a draft: it is still there after a reload.
    let added = {
        assert!(added.has("高血压"));
        tablet.get(&visit).await
    };
    let saved = tablet.send(&added, &visit, &[]).await;
    assert!(saved.has("已保存到诊室"));
    let written = read(&bench, &visit).await;
    assert_eq!((written.diagnoses.len(), written.complaint.as_str()), (1, "头晕"));
    assert!(written.diagnoses[0].code.starts_with("I10"));
    let removed = tablet.send(&saved, &visit, &[("diagnosis_remove", "0")]).await;
    tablet.send(&removed, &visit, &[]).await;
    assert!(read(&bench, &visit).await.diagnoses.is_empty());
}

#[tokio::test]
async fn two_tabs_saving_the_same_visit_lose_nothing_and_the_second_is_told() {
    let (bench, mut tablet) = founded().await;
    let (_, page) = begin(&mut tablet).await;
    let visit = address(&page.path).to_owned();
    let (first, second) = (tablet.get(&visit).await, tablet.get(&visit).await);
    tablet
        .send(
            &first,
            &visit,
            &[("complaint", "头晕三天"), ("history", "无呕吐")],
        )
        .await;
    let told = tablet
        .send(&second, &visit, &[("complaint", "头痛两天"), ("advice", "休息")])
        .await;
    assert!(told.has("另一处也保存了这份记录"), "{}", told.text());
    assert!(
        told.has("以哪个为准") && told.has("头晕三天") && told.has("头痛两天"),
        "{}",
        told.text()
    );
    let merged = read(&bench, &visit).await;
    assert_eq!(
        (merged.history.as_str(), merged.advice.as_str()),
        ("无呕吐", "休息")
    );
    assert_eq!(merged.clashes.len(), 1);
    let clash = format!("{visit}/clash");
    let value = told.button("choose", "头痛两天");
    tablet.send(&told, &clash, &[("choose", &value)]).await;
    let chosen = read(&bench, &visit).await;
    assert_eq!((chosen.complaint.as_str(), chosen.clashes.len()), ("头痛两天", 0));
}

#[tokio::test]
async fn a_form_sent_twice_counts_once_and_sent_again_with_other_words_counts_too() {
    let (bench, mut tablet) = founded().await;
    let (_, page) = begin(&mut tablet).await;
    let visit = address(&page.path).to_owned();
    let fields = [("complaint", "头晕"), ("bp", "138/86")];
    tablet.send(&page, &visit, &fields).await;
    tablet.send(&page, &visit, &fields).await;
    let written = read(&bench, &visit).await;
    assert_eq!(
        (written.observations.len(), written.complaint.as_str()),
        (1, "头晕")
    );
    // Back, another word, sent under the same form.
    tablet.send(&page, &visit, &[("complaint", "头晕三天")]).await;
    let written = read(&bench, &visit).await;
    let words: Vec<String> = written
        .clashes
        .iter()
        .flat_map(|clash| &clash.values)
        .filter_map(|value| value.as_text().map(str::to_owned))
        .collect();
    assert!(
        written.complaint == "头晕三天" || words.iter().any(|word| word == "头晕三天"),
        "{written:?}"
    );
    assert_eq!(written.observations.len(), 1);
}

#[tokio::test]
async fn what_was_typed_while_somebody_signed_is_offered_as_an_amendment() {
    let (bench, mut tablet) = founded().await;
    let (_, page) = begin(&mut tablet).await;
    let visit = address(&page.path).to_owned();
    let late = tablet.get(&visit).await;
    let note = [
        ("triage_level", "4"),
        ("triage_reason", "复诊"),
        ("complaint", "取药"),
        ("act", "sign"),
    ];
    tablet.send(&page, &visit, &note).await;
    let told = tablet
        .send(
            &late,
            &visit,
            &[("complaint", "取药"), ("advice", "一周后复测血压")],
        )
        .await;
    assert_eq!(told.status, StatusCode::CONFLICT);
    assert!(
        told.has("已签名")
            && told
                .form(&format!("{visit}/amend"))
                .value("text")
                .unwrap()
                .contains("一周后复测血压")
    );
    let amended = tablet
        .send(&told, &format!("{visit}/amend"), &[("reason", "补充")])
        .await;
    assert!(amended.has("一周后复测血压"));
    assert_eq!(read(&bench, &visit).await.advice, "");
}

#[tokio::test]
async fn a_draft_of_a_visit_survives_and_ends_with_saving() {
    let (bench, mut tablet) = founded().await;
    let (_, page) = begin(&mut tablet).await;
    let visit = address(&page.path).to_owned();
    let form = page.form(&visit).value("form").unwrap().to_owned();
    let typed = page.filled(&visit, &[("complaint", "头"), ("history", "三天\n加重")]);
    let typed: Vec<(&str, &str)> = typed
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        tablet.post(&format!("/drafts/{form}"), &typed).await.status,
        StatusCode::OK
    );
    assert_eq!(read(&bench, &visit).await.complaint, "", "a draft is no record");
    let front = tablet.get("/").await;
    assert!(
        front.has("王秀英 · 就诊"),
        "the draft says whose it is: {}",
        front.text()
    );
    let page = tablet.get(&visit).await;
    assert_eq!(page.form(&visit).value("history"), Some("三天\n加重"));
    let saved = tablet.send(&page, &visit, &[("complaint", "头晕")]).await;
    assert!(saved.has("已保存到诊室"));
    let fresh = tablet.get(&visit).await;
    assert_ne!(
        fresh.form(&visit).value("form"),
        Some(form.as_str()),
        "the draft is gone with its form"
    );
    // The last keystroke's message comes after the save: it brings no draft back.
    assert_eq!(
        tablet.post(&format!("/drafts/{form}"), &typed).await.status,
        StatusCode::GONE
    );
    assert!(!tablet.get("/").await.has("未保存的草稿"));
}

#[tokio::test]
async fn an_impossible_reading_keeps_the_whole_visit_on_the_page() {
    let (bench, mut tablet) = founded().await;
    let (_, page) = begin(&mut tablet).await;
    let visit = address(&page.path).to_owned();
    let refused = tablet
        .send(&page, &visit, &[("complaint", "头晕"), ("bp", "300/400")])
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.has("血压的数值不可能"), "{}", refused.text());
    assert_eq!(refused.form(&visit).value("complaint"), Some("头晕"));
    let written = read(&bench, &visit).await;
    assert!(
        written.observations.is_empty() && written.complaint.is_empty(),
        "nothing is half-stored"
    );
}

#[tokio::test]
async fn a_reading_of_a_device_is_no_second_author() {
    let mut bench = Bench::new(&[bay("诊桌", "omron-hbp9030")]).await;
    let mut tablet = found(&bench).await;
    let (patient, page) = begin(&mut tablet).await;
    let visit = address(&page.path).to_owned();
    let id = patient.trim_start_matches("/patients/");
    tablet.post("/bays/0/open", &[("patient", id)]).await;
    bench.pass(Duration::from_secs(40)).await;
    bench.device(0, pressure(138, 86, None)).await;
    // The form was opened before the reading came: it saves and signs all the same.
    let note = [
        ("triage_level", "4"),
        ("triage_reason", "复诊"),
        ("complaint", "取药"),
        ("act", "sign"),
    ];
    let signed = tablet.send(&page, &visit, &note).await;
    assert!(
        signed.has("由 李医生 于") && signed.has("138/86"),
        "{}",
        signed.text()
    );
    assert_eq!(read(&bench, &visit).await.observations.len(), 1);
}

#[tokio::test]
async fn a_question_that_is_open_stands_before_the_signature() {
    let (bench, mut tablet) = founded().await;
    let (_, page) = begin(&mut tablet).await;
    let visit = address(&page.path).to_owned();
    let (first, second) = (tablet.get(&visit).await, tablet.get(&visit).await);
    let triage = [("triage_level", "4"), ("triage_reason", "复诊")];
    tablet
        .send(&first, &visit, &[triage[0], triage[1], ("complaint", "头晕")])
        .await;
    let told = tablet
        .send(
            &second,
            &visit,
            &[triage[0], triage[1], ("complaint", "头痛"), ("act", "sign")],
        )
        .await;
    assert!(told.has("另一处也保存了这份记录"));
    let refused = tablet.send(&told, &visit, &[("act", "sign")]).await;
    assert!(refused.has("请先选择以哪个为准"), "{}", refused.text());
    assert!(read(&bench, &visit).await.is_open());
}

#[tokio::test]
async fn saving_in_one_tab_after_another_patient_was_opened_stays_with_the_first() {
    let (bench, mut tablet) = founded().await;
    let (_, first) = begin(&mut tablet).await;
    let other = register(&mut tablet, "刘大山", &[]).await;
    let page = tablet.get(&other).await;
    let second = tablet.send(&page, &format!("{other}/visits"), &[]).await;
    let (one, two) = (address(&first.path).to_owned(), address(&second.path).to_owned());
    assert_ne!(one, two);
    tablet.send(&first, &one, &[("complaint", "头晕三天")]).await;
    assert_eq!(read(&bench, &one).await.complaint, "头晕三天");
    assert_eq!(read(&bench, &two).await.complaint, "");
}
