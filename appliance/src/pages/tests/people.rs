//! Registering, finding, changing who people are.

use axum::http::StatusCode;
use records::ids::PatientId;
use records::patients::AllergyState;
use records::time::BirthDate;

use super::browser::Tablet;
use super::{NAME, founded, register};
use crate::workbench::{Bench, bay, card, id_number};

fn patient(path: &str) -> PatientId {
    path.trim_start_matches("/patients/")
        .split(['/', '?'])
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn a_typed_resident_is_registered_once_and_found_by_every_spelling() {
    let (bench, mut tablet) = founded().await;
    let page = tablet.get("/patients/new").await;
    let fields = [
        ("name", NAME),
        ("id_number", "１１０１０５ １９４９１２３１ ００２Ｘ"),
        ("phone", "１３８００００００００"),
        ("village", "石桥村"),
        ("group", "3组"),
        ("allergies", "known"),
        ("allergy_agent", "青霉素、磺胺"),
    ];
    let filled = page.filled("/patients/new", &fields);
    let pairs: Vec<(&str, &str)> = filled
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let first = tablet.post("/patients/new", &pairs).await;
    let second = tablet.post("/patients/new", &pairs).await;
    assert_eq!(first.path, second.path, "the same form twice is one person");
    assert_eq!(bench.state.store.patients_count().await.unwrap(), 1);
    let chart = bench
        .state
        .store
        .chart(patient(&first.path))
        .await
        .unwrap()
        .unwrap()
        .value;
    assert_eq!(chart.birth, "1949-12-31".parse().ok());
    assert_eq!(chart.phone, "13800000000");
    assert!(matches!(chart.allergies, AllergyState::Known(known) if known.len() == 2));
    assert!(
        first.has("有过敏史") && first.has("青霉素") && first.has("磺胺"),
        "{}",
        first.text()
    );
    for query in ["lvxl", "luxl", "lyuxiaolan", "吕", "002x", "0000"] {
        let hits = tablet.part(&format!("/patients?q={query}")).await;
        assert!(hits.has(NAME) && !hits.html.contains("<html"), "{query}");
    }
    let nobody = tablet.get("/patients?q=zzz").await;
    assert!(nobody.has("没有找到") && nobody.html.contains("data-query=\"zzz\""));
}

#[tokio::test]
async fn a_number_that_fails_its_check_asks_once_and_is_kept() {
    let (bench, mut tablet) = founded().await;
    let page = tablet.get("/patients/new").await;
    let asked = tablet
        .send(
            &page,
            "/patients/new",
            &[("name", "王秀英"), ("id_number", "110105194912310021")],
        )
        .await;
    assert_eq!(asked.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        asked.has("核验不通过") && asked.html.contains("110105194912310021"),
        "{}",
        asked.text()
    );
    assert_eq!(bench.state.store.patients_count().await.unwrap(), 0);
    let page = tablet.send(&asked, "/patients/new", &[("confirm", "yes")]).await;
    assert!(page.has("身份证号未核验"), "{}", page.text());
    let chart = bench
        .state
        .store
        .chart(patient(&page.path))
        .await
        .unwrap()
        .unwrap()
        .value;
    let number = chart.id_number.unwrap();
    assert!(number.checked().is_none() && number.as_str() == "110105194912310021");
}

#[tokio::test]
async fn a_birth_date_that_is_none_and_an_empty_name_are_refused_in_place() {
    let (_bench, mut tablet) = founded().await;
    let page = tablet.get("/patients/new").await;
    let refused = tablet
        .send(
            &page,
            "/patients/new",
            &[("birth", "1986-13-40"), ("village", "石桥村")],
        )
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.has("请填写姓名") && refused.has("不是有效日期"));
    assert!(refused.html.contains("<title>错误："));
    assert_eq!(
        refused.form("/patients/new").value("village"),
        Some("石桥村"),
        "what was typed stays"
    );
}

#[tokio::test]
async fn somebody_who_exists_is_offered_before_a_second_chart_is_made() {
    let (bench, mut tablet) = founded().await;
    let number = id_number(7);
    let first = register(&mut tablet, "王秀英", &[("id_number", &number)]).await;
    let page = tablet.get("/patients/new").await;
    let asked = tablet
        .send(
            &page,
            "/patients/new",
            &[("name", "王秀瑛"), ("id_number", &number)],
        )
        .await;
    assert_eq!(asked.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(asked.has("可能已经登记过") && asked.html.contains(&first));
    assert_eq!(bench.state.store.patients_count().await.unwrap(), 1);
    let page = tablet.send(&asked, "/patients/new", &[("confirm", "yes")]).await;
    assert_ne!(page.path, first);
    assert_eq!(bench.state.store.patients_count().await.unwrap(), 2);
    // The same name and birth date without a number.
    let page = tablet.get("/patients/new").await;
    let birth = "1949-12-31";
    let asked = tablet
        .send(&page, "/patients/new", &[("name", "王秀英"), ("birth", birth)])
        .await;
    assert!(asked.has("可能已经登记过"), "{}", asked.text());
}

#[tokio::test]
async fn a_card_registers_in_one_step_and_finds_its_holder_the_next_time() {
    let mut bench = Bench::new(&[bay("大厅", "idcard-sam")]).await;
    let mut tablet = super::found(&bench).await;
    assert!(tablet.get("/patients/new").await.has("把身份证放在读卡器上"));
    let number = id_number(12);
    bench.device(0, card("古丽·示例", &number)).await;
    let page = tablet.part("/patients/new/card").await;
    assert!(
        page.has("古丽·示例") && !page.has(&number),
        "the whole number is not shown"
    );
    let page = tablet.get("/patients/new").await;
    let registered = tablet.send(&page, "/patients/new/card", &[]).await;
    let chart = bench
        .state
        .store
        .chart(patient(&registered.path))
        .await
        .unwrap()
        .unwrap()
        .value;
    assert_eq!(chart.id_number.unwrap().as_str(), number);
    assert_eq!(chart.ethnicity, "汉族");
    assert!(tablet.get("/patients/new").await.has("这位居民已登记"));
    // Another card was laid down between looking and pressing.
    let mut second = Bench::new(&[bay("大厅", "idcard-sam")]).await;
    let mut tablet = super::found(&second).await;
    second.device(0, card("甲", &id_number(1))).await;
    let page = tablet.get("/patients/new").await;
    second.device(0, card("乙", &id_number(2))).await;
    let refused = tablet.send(&page, "/patients/new/card", &[]).await;
    assert!(refused.has("身份证已拿开"), "{}", refused.text());
    assert_eq!(second.state.store.patients_count().await.unwrap(), 0);
}

#[tokio::test]
async fn changing_the_telephone_leaves_the_birth_date_alone() {
    let (bench, mut tablet) = founded().await;
    let path = register(
        &mut tablet,
        "王秀英",
        &[("birth", "1986-05-04"), ("sex", "female")],
    )
    .await;
    let edit = format!("{path}/edit");
    let page = tablet.get(&edit).await;
    assert_eq!(page.form(&edit).value("birth"), Some("1986-05-04"));
    let before = bench
        .state
        .store
        .chart_tree(patient(&path))
        .await
        .unwrap()
        .unwrap()
        .value;
    let page = tablet.send(&page, &edit, &[("phone", "13900001111")]).await;
    assert_eq!(page.path, path);
    let after = bench
        .state
        .store
        .chart_tree(patient(&path))
        .await
        .unwrap()
        .unwrap()
        .value;
    let birth = |tree: &records::tree::Node| tree.leaf(&["person", "birth"]).cloned();
    assert_eq!(birth(&before), birth(&after));
    let chart = bench
        .state
        .store
        .chart(patient(&path))
        .await
        .unwrap()
        .unwrap()
        .value;
    assert_eq!(chart.birth, Some("1986-05-04".parse::<BirthDate>().unwrap()));
    assert_eq!(chart.phone, "13900001111");
}

#[tokio::test]
async fn two_tabs_that_change_different_fields_keep_both() {
    let (bench, mut tablet) = founded().await;
    let path = register(
        &mut tablet,
        "王秀英",
        &[("phone", "13900001111"), ("village", "石桥村")],
    )
    .await;
    let edit = format!("{path}/edit");
    let (first, second) = (tablet.get(&edit).await, tablet.get(&edit).await);
    tablet.send(&first, &edit, &[("phone", "13922223333")]).await;
    tablet.send(&second, &edit, &[("village", "上湾村")]).await;
    let chart = bench
        .state
        .store
        .chart(patient(&path))
        .await
        .unwrap()
        .unwrap()
        .value;
    assert_eq!(
        (chart.phone.as_str(), chart.address.village.as_str()),
        ("13922223333", "上湾村")
    );
    assert!(chart.clashes.is_empty(), "{:?}", chart.clashes);
}

#[tokio::test]
async fn two_names_become_a_question_and_the_choice_is_a_persons() {
    let (bench, mut tablet) = founded().await;
    register(&mut tablet, "李桂花", &[]).await;
    let path = register(&mut tablet, "王秀英", &[]).await;
    let edit = format!("{path}/edit");
    let (first, second) = (tablet.get(&edit).await, tablet.get(&edit).await);
    tablet.send(&first, &edit, &[("name", "王秀瑛")]).await;
    tablet.send(&second, &edit, &[("name", "王秀颖")]).await;
    let page = tablet.get(&path).await;
    assert!(
        page.has("以哪个为准") && page.has("王秀瑛") && page.has("王秀颖"),
        "{}",
        page.text()
    );
    assert!(page.has("身份信息有两种记录"));
    // Both names find the person until somebody chooses.
    for name in ["王秀瑛", "王秀颖"] {
        assert!(
            tablet
                .get(&format!("/patients?q={name}"))
                .await
                .html
                .contains(&path),
            "{name}"
        );
    }
    // The light counts it, its page says what to do and leads there.
    assert!(tablet.get("/light").await.has("◆"));
    assert!(tablet.get("/status").await.has("1 位居民有两种记录"));
    let listed = tablet.get("/patients?show=clash").await;
    assert!(
        listed.html.contains(&path) && !listed.has("李桂花"),
        "{}",
        listed.text()
    );
    let clash = format!("{path}/clash");
    let value = page.button("choose", "王秀颖");
    let page = tablet.send(&page, &clash, &[("choose", &value)]).await;
    assert!(!page.has("以哪个为准"));
    assert!(!tablet.get("/light").await.has("◆"));
    assert!(!tablet.get("/patients?show=clash").await.html.contains(&path));
    let chart = bench
        .state
        .store
        .chart(patient(&path))
        .await
        .unwrap()
        .unwrap()
        .value;
    assert_eq!(chart.name, "王秀颖");
}

#[tokio::test]
async fn allergies_are_added_denied_and_refuted_with_a_reason() {
    let (bench, mut tablet) = founded().await;
    let path = register(&mut tablet, "王秀英", &[]).await;
    assert!(tablet.get(&path).await.has("过敏史未询问"));
    let chart = format!("{path}/chart");
    let page = tablet.get(&chart).await;
    let page = tablet.send(&page, &format!("{chart}/no-allergies"), &[]).await;
    assert!(page.has("无已知过敏"));
    let add = format!("{chart}/allergy");
    let refused = tablet.send(&page, &add, &[("allergy_agent", "")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = tablet
        .send(
            &page,
            &add,
            &[("allergy_agent", "青霉素"), ("allergy_reaction", "皮疹")],
        )
        .await;
    assert!(page.has("有过敏史 青霉素"), "{}", page.text());
    let refute = format!("{chart}/refute");
    let refused = tablet.send(&page, &refute, &[("reason", "")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = tablet.send(&page, &refute, &[("reason", "皮试阴性")]).await;
    assert!(
        page.has("青霉素") && page.has("皮试阴性") && !page.has("有过敏史 青霉素"),
        "{}",
        page.text()
    );
    let chart = bench
        .state
        .store
        .chart(patient(&path))
        .await
        .unwrap()
        .unwrap()
        .value;
    assert_eq!(chart.refuted_allergies.len(), 1, "nothing is deleted");
}

#[tokio::test]
async fn problems_and_drugs_are_added_and_ended() {
    let (bench, mut tablet) = founded().await;
    let path = register(&mut tablet, "王秀英", &[]).await;
    let chart = format!("{path}/chart");
    let found = tablet.get(&format!("{chart}?q=gxy")).await;
    assert!(found.has("高血压"), "{}", found.text());
    let link = found
        .html
        .split("href=\"")
        .find(|part| part.contains("/chart?code=I10"))
        .unwrap();
    let page = tablet.get(link.split('"').next().unwrap()).await;
    let page = tablet
        .send(&page, &format!("{chart}/problem"), &[("onset", "2019")])
        .await;
    let drug = [("drug", "苯磺酸氨氯地平片"), ("spec", "5mg"), ("dose", "5mg")];
    let page = tablet.send(&page, &format!("{chart}/drug"), &drug).await;
    assert!(page.has("苯磺酸氨氯地平片"));
    let page = tablet
        .send(&page, &format!("{chart}/stop-drug"), &[("reason", "踝部水肿")])
        .await;
    assert!(page.has("踝部水肿"));
    let chart = bench
        .state
        .store
        .chart(patient(&path))
        .await
        .unwrap()
        .unwrap()
        .value;
    assert!(chart.problems[0].code.starts_with("I10") && chart.problems[0].onset == "2019");
    assert!(chart.medications[0].stopped.is_some());
}

#[tokio::test]
async fn each_look_at_a_record_stands_in_the_audit_log() {
    let (_bench, mut tablet) = founded().await;
    let path = register(&mut tablet, "王秀英", &[]).await;
    tablet.get(&path).await;
    let log = tablet.get(&format!("/audit?patient={}", patient(&path))).await;
    assert!(
        log.has("登记居民") && log.has("查看居民") && log.has("王秀英") && log.has("李医生"),
        "{}",
        log.text()
    );
}

#[tokio::test]
async fn the_list_of_residents_goes_out_and_in_unspoilt() {
    let (bench, mut tablet) = founded().await;
    let number = id_number(3);
    register(
        &mut tablet,
        "王秀英",
        &[("id_number", &number), ("village", "石桥村")],
    )
    .await;
    let file = tablet.get("/residents.csv").await;
    assert!(file.html.starts_with('\u{feff}') && file.html.contains(&number));
    let other = Bench::new(&[]).await;
    let mut there = super::found(&other).await;
    let page = there.get("/residents").await;
    let list = format!(
        "{}刘大山,男,1958-04-01,4.40981E+17\r\n",
        "姓名,性别,出生日期,身份证号\r\n"
    );
    let taken = there.send(&page, "/residents", &[("file", &list)]).await;
    assert!(
        taken.has("新登记 1 人") && taken.has("第 2 行") && taken.has("改坏了"),
        "{}",
        taken.text()
    );
    let taken = there.send(&page, "/residents", &[("file", &file.html)]).await;
    assert!(taken.has("新登记 1 人"), "{}", taken.text());
    let again = there.send(&page, "/residents", &[("file", &file.html)]).await;
    assert!(again.has("已登记过 1 人"));
    assert_eq!(other.state.store.patients_count().await.unwrap(), 2);
    let none = there
        .send(&page, "/residents", &[("file", "电话\r\n1\r\n")])
        .await;
    assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(bench.state.store.patients_count().await.unwrap(), 1);
}

#[tokio::test]
async fn a_cashier_sees_who_people_are_and_nothing_clinical() {
    let (bench, mut tablet) = founded().await;
    let path = register(
        &mut tablet,
        "王秀英",
        &[("allergies", "known"), ("allergy_agent", "青霉素")],
    )
    .await;
    let (_, cookie) = bench.sign_in(records::staff::Role::Cashier).await;
    let mut cashier = Tablet::new(&bench);
    let (name, value) = cookie.split_once('=').unwrap();
    cashier.cookie(name, value);
    let page = cashier.get(&path).await;
    assert!(
        page.has("王秀英") && !page.has("青霉素") && !page.has("过敏"),
        "{}",
        page.text()
    );
    for clinical in ["/readings", "/visits", "/chart", "/measure"] {
        assert_eq!(
            cashier.get(&format!("{path}{clinical}")).await.status,
            StatusCode::FORBIDDEN,
            "{clinical}"
        );
    }
}

#[tokio::test]
async fn a_clinic_proposes_that_two_charts_are_one_person_and_decides_nothing() {
    let (bench, mut tablet) = founded().await;
    let number = "350426194803159992";
    let one = register(&mut tablet, "王秀英", &[("id_number", number)]).await;
    let other = register(&mut tablet, "王秀瑛", &[("birth", "1948-03-15")]).await;
    let with = other.trim_start_matches("/patients/").to_owned();
    let at = format!("{one}/same");
    let page = tablet.get(&format!("{at}?with={with}")).await;
    assert!(page.text().contains("还没有人提出"), "{}", page.text());
    let decided = [("with", with.as_str()), ("say", "same"), ("reason", "一定是")];
    let refused = tablet.send(&page, &at, &decided).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let page = tablet.get(&format!("{at}?with={with}")).await;
    let said = [
        ("with", with.as_str()),
        ("say", "proposed"),
        ("reason", "同住一户"),
    ];
    let page = tablet.send(&page, &at, &said).await;
    assert!(
        page.text().contains("等县中心决定") && page.text().contains("同住一户"),
        "{}",
        page.text()
    );
    assert_eq!(bench.state.store.proposed_links().await.unwrap(), 1);
    let page = tablet.get(&other).await;
    assert!(
        page.text().contains("另有一份档案") && page.text().contains("待核对"),
        "{}",
        page.text()
    );
}
