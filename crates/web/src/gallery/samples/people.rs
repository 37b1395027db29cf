//! Lists of people and the page of one.

use maud::{Markup, html};
use records::time::WallTime;
use records::vitals::Flag;

use super::{NAME, at, banner, banner_view, frame, tablet, today, triage};
use crate::banner::{AllergyLine, BannerView, Died, patient_banner};
use crate::charts::{self, Band, Pressure, PressureChart, Range, TrendChart, TrendPoint};
use crate::icons::Icon;
use crate::layout::{self, Page, Screen};
use crate::light::StatusLight;
use crate::panels;
use crate::patients::{self, DrugLine, EcgRow, FactLine, PatientPageView, PatientRow};
use crate::texts::Lang;
use crate::visits::{self, TodayRow, VisitRow, VisitState};
use crate::vitals::{ReadingLine, ReadingView, VitalView};

pub(super) fn today_page(lang: Lang) -> Markup {
    let row = |hour, minute, name: &str, person: &str, level, state, complaint: &str| TodayRow {
        href: format!("/visits/{hour}{minute}"),
        at: at("2026-03-10", hour, minute),
        name: name.into(),
        person: person.into(),
        village_group: "石桥村3组".into(),
        state,
        triage: triage(level),
        complaint: complaint.into(),
        doctor: "李医生".into(),
    };
    let rows = [
        row(10, 42, "刘大山", "男 71", 2, VisitState::Open, "阵发性胸痛半天"),
        row(10, 5, NAME, "女 67", 3, VisitState::Open, "头晕3天，加重半天"),
        row(9, 30, "周小虎", "男 6", 4, VisitState::Signed, "发热、咳嗽"),
        row(8, 12, "陈玉兰", "女 54", 4, VisitState::Signed, "高血压"),
    ];
    let body = html! {
        (layout::heading(&lang.t("day-today"), &html! { a.button.button-main href="/patients/new" { (Icon::Add.svg()) (lang.t("search-go")) } }))
        div.stack {
            (patients::search_box(lang, "/patients", "", true, false))
            (visits::today_lines(lang, &rows))
        }
    };
    tablet(lang, "/", &Page::new(lang.t("day-today"), body))
}

pub(super) fn search_page(lang: Lang) -> Markup {
    let row = |name: &str, birth: &str, tail: &str, allergic, today| PatientRow {
        href: format!("/patients/{tail}"),
        name: name.into(),
        sex: "女".into(),
        birth: birth.parse().ok(),
        village_group: "石桥村3组".into(),
        id_tail: Some(tail.into()),
        phone_tail: None,
        allergic: Some(allergic),
        died: false,
        last_visit: Some(at("2026-02-20", 9, 0)),
        clash: tail == "4567",
        today,
    };
    let rows = [
        row(NAME, "1958-04-01", "123X", true, true),
        row(NAME, "1958-09-12", "4567", false, false),
        row("欧阳晓燕", "2024-11-02", "0011", false, false),
        row("买买提·阿卜杜拉", "1949-01-01", "7712", false, false),
    ];
    let body = html! {
        h1.only-read { (lang.t("search-label")) }
        div.stack { (patients::search_box(lang, "/patients", "wxy", true, true)) (patients::hits_place(&patients::hits(lang, "wxy", &rows, true, today()))) }
    };
    tablet(lang, "/patients", &Page::new(lang.t("search-label"), body))
}

pub(super) fn reading(value: &str, unit: &'static str, flag: Flag, day: &str, origin: &str) -> ReadingView {
    ReadingView {
        value: value.into(),
        unit,
        flag,
        beside: None,
        at: at(day, 8, 30),
        clock_doubtful: false,
        origin: origin.into(),
        withdrawn: None,
        withdraw: None,
    }
}

pub(super) fn vitals() -> Vec<VitalView> {
    let vital = |title: &str, latest, before| VitalView {
        title: title.into(),
        latest,
        before,
        href: Some("#trends".into()),
    };
    let mut pressure = reading("168/102", "mmHg", Flag::High, "2026-03-10", "袖带血压计");
    pressure.beside = Some("脉搏 86 次/分".into());
    vec![
        vital(
            "血压",
            pressure,
            Some(reading("152/94", "mmHg", Flag::High, "2026-02-20", "自助机")),
        ),
        vital(
            "体温",
            reading("36.5", "℃", Flag::Normal, "2026-03-10", "额温枪"),
            None,
        ),
        vital(
            "血氧",
            reading("88", "%", Flag::CriticalLow, "2026-03-10", "自助机"),
            Some(reading("97", "%", Flag::Normal, "2025-11-02", "手工录入")),
        ),
        vital(
            "血糖",
            reading("9.2", "mmol/L", Flag::High, "2026-01-15", "手工录入"),
            None,
        ),
        vital(
            "体重",
            reading("62.50", "kg", Flag::Normal, "2025-03-01", "县人民医院"),
            None,
        ),
    ]
}

pub(super) fn pressure_chart(lang: Lang) -> Markup {
    let readings: Vec<Pressure> = (0..26)
        .map(|n| Pressure {
            at: WallTime(at("2026-03-10", 8, 30).0 - n * 13 * 86_400_000),
            systolic: 148 + (n * 37) % 29,
            diastolic: 84 + (n * 23) % 19,
        })
        .collect();
    let days = Range::Year.days(None, today());
    let label = if lang == Lang::Zh {
        "成人收缩压正常 90–139"
    } else {
        "Normal systolic, adults 90–139"
    };
    let band = Some(Band {
        low: 90.0,
        high: 139.0,
        label: label.into(),
    });
    charts::pressure_chart(
        lang,
        &PressureChart {
            readings: &readings,
            days,
            band,
        },
    )
}

pub(super) fn trend_chart(lang: Lang) -> Markup {
    let points: Vec<TrendPoint> = (0..9_i64)
        .map(|n| {
            let value = (n != 4).then_some(36.4 + ((n * 5) % 7) as f64 / 10.0);
            let text = value.map_or("—".to_owned(), |value| format!("{value:.1}"));
            TrendPoint {
                at: WallTime(at("2026-03-10", 8, 30).0 - n * 40 * 86_400_000),
                value,
                text,
            }
        })
        .collect();
    let title = if lang == Lang::Zh { "体温" } else { "temperature" };
    let label = if lang == Lang::Zh {
        "成人 36.0–37.2"
    } else {
        "Adults 36.0–37.2"
    };
    let band = Some(Band {
        low: 36.0,
        high: 37.2,
        label: label.into(),
    });
    let days = Range::Year.days(None, today());
    charts::trend_chart(
        lang,
        &TrendChart {
            title,
            unit: "℃",
            points: &points,
            days,
            band,
            always: (35.0, 40.0),
        },
    )
}

pub(super) fn visit_rows() -> Vec<VisitRow> {
    let row = |day: &str, state, level, complaint: &str, diagnosis: &str| VisitRow {
        href: format!("/visits/{day}"),
        at: at(day, 9, 10),
        doctor: "李医生".into(),
        state,
        triage: triage(level),
        complaint: complaint.into(),
        diagnosis: diagnosis.into(),
        clinic: None,
    };
    vec![
        row("2026-03-10", VisitState::Open, 3, "头晕3天", ""),
        row("2026-02-20", VisitState::Signed, 4, "头晕", "原发性高血压"),
        row(
            "2024-10-08",
            VisitState::Imported,
            4,
            "发热、咳嗽",
            "急性上呼吸道感染",
        ),
    ]
}

pub(super) fn readings() -> Vec<ReadingLine> {
    let line = |title: &str, reading| ReadingLine {
        title: title.into(),
        reading,
    };
    let mut wrong = reading("230/130", "mmHg", Flag::CriticalHigh, "2026-03-10", "袖带血压计");
    wrong.withdrawn = Some("李医生：袖带松脱".into());
    let mut doubtful = reading("152/94", "mmHg", Flag::High, "2026-02-20", "自助机");
    doubtful.clock_doubtful = true;
    doubtful.withdraw = Some("/x".into());
    vec![
        line(
            "血压",
            reading("168/102", "mmHg", Flag::High, "2026-03-10", "袖带血压计"),
        ),
        line("血压", wrong),
        line("血压", doubtful),
    ]
}

pub(super) fn patient_body(lang: Lang) -> Markup {
    let fact = |words: &str, note: &str, ended| FactLine {
        words: words.into(),
        note: note.into(),
        ended,
        action: None,
    };
    let allergies = [
        fact("青霉素", "皮疹 · 2019年村医询问", false),
        fact("磺胺", "", false),
        fact("头孢类", "李医生：已排除，皮试阴性", true),
    ];
    let problems = [
        fact("原发性高血压 I10", "2015年起", false),
        fact("2型糖尿病，不伴有并发症 E11.9", "2019年起", false),
    ];
    let drug = |generic: &str, brand: &str, dose: &str, frequency: &str| DrugLine {
        generic: generic.into(),
        brand: brand.into(),
        dose: dose.into(),
        route: "口服".into(),
        frequency: frequency.into(),
        stop: None,
    };
    let drugs = [
        drug("苯磺酸氨氯地平片", "络活喜", "5 mg", "每日一次"),
        drug("二甲双胍缓释片", "格华止", "0.5 g", "每日两次 随餐"),
    ];
    let ecgs = [
        EcgRow {
            href: "/ecgs/1".into(),
            at: at("2026-03-10", 10, 20),
            heart_rate: Some(78),
            withdrawn: false,
        },
        EcgRow {
            href: "/ecgs/2".into(),
            at: at("2025-06-01", 9, 0),
            heart_rate: None,
            withdrawn: true,
        },
    ];
    let facts = [
        ("民族", "汉族"),
        ("电话", "13800000000"),
        ("住址", "东山镇石桥村3组12号"),
        ("婚姻", "已婚"),
    ];
    let facts: Vec<(String, String)> = facts
        .iter()
        .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
        .collect();
    let charts = [pressure_chart(lang), trend_chart(lang)];
    let actions = html! {
        button.button.button-main type="button" { (Icon::Note.svg()) (lang.t("visit-title")) }
        button.button type="button" { (Icon::Heart.svg()) (lang.t("vitals-title")) }
        button.button type="button" { (Icon::Trace.svg()) (lang.t("ecg-title")) }
    };
    let questions = [panels::clash(
        lang,
        if lang == Lang::Zh { "电话" } else { "Telephone" },
        "/x",
        "phone",
        &[
            ("1".into(), "13800000000".into()),
            ("2".into(), "13900000000".into()),
        ],
    )];
    patients::page(
        lang,
        &PatientPageView {
            today: today(),
            path: "/patients/1",
            actions: &actions,
            questions: &questions,
            vitals: &vitals(),
            range: Range::Year,
            charts: &charts,
            readings: &readings(),
            visits: &visit_rows(),
            more_visits: Some("/patients/1/visits"),
            ecgs: &ecgs,
            allergies: &allergies,
            problems: &problems,
            drugs: &drugs,
            edit_chart: Some("/patients/1/chart"),
            facts: &facts,
            edit_facts: Some("/patients/1/edit"),
        },
    )
}

pub(super) fn patient_page(lang: Lang) -> Markup {
    tablet(
        lang,
        "/patients/1",
        &Page::new(lang.t("person-page-title"), patient_body(lang)).about(banner(lang)),
    )
}

pub(super) fn patient_desk(lang: Lang) -> Markup {
    let not_asked = patient_banner(
        lang,
        &BannerView {
            clash: true,
            ..banner_view(AllergyLine::NotAsked)
        },
    );
    let mut frame = frame(lang, Screen::Desk, "/patients/1");
    frame.light = Some(StatusLight::NeedsPerson { count: 3 });
    frame.page(&Page::new(lang.t("person-page-title"), patient_body(lang)).about(not_asked))
}

pub(super) fn patient_dead(lang: Lang) -> Markup {
    let died = Some(Died {
        on: "2026-01-15".parse().ok(),
    });
    let dead = patient_banner(
        lang,
        &BannerView {
            died,
            archive_no: None,
            ..banner_view(AllergyLine::Unreadable)
        },
    );
    let body =
        html! { h1 { (lang.t("person-page-title")) } (crate::visits::lines(lang, &visit_rows(), today())) };
    let mut frame = frame(lang, Screen::Tablet, "/patients/1");
    frame.light = Some(StatusLight::Synced {
        at: Some(at("2026-03-10", 10, 42)),
    });
    frame.page(&Page::new(lang.t("person-page-title"), body).about(dead))
}
