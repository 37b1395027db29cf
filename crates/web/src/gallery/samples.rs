//! The views with data as a village clinic has it.

use maud::{Markup, html};
use records::time::{Date, WallTime};
use records::vitals::Flag;

use crate::banner::{AllergyLine, BannerView, Died, patient_banner};
use crate::charts::{self, Band, Pressure, PressureChart, Range, TrendChart, TrendPoint};
use crate::ecg::{self, RecordingView};
use crate::forms::{Choice, Doubt, Faults, Form, Input, Pick, Tick};
use crate::icons::Icon;
use crate::layout::{self, Frame, NavItem, Page, Screen};
use crate::light::StatusLight;
use crate::panels::{self, Class, NextStep};
use crate::patients::{self, DrugLine, EcgRow, FactLine, PatientPageView, PatientRow};
use crate::sign_in::{self, SignInView, UnlockView};
use crate::status::{Level, StateRow, states};
use crate::texts::Lang;
use crate::trouble::Trouble;
use crate::visits::{
    self, AmendmentView, DiagnosisLine, TodayRow, VisitFormView, VisitRow, VisitState, VisitView,
};
use crate::vitals::{ReadingLine, ReadingView, VitalView};

/// The patient of the samples.
pub(super) const NAME: &str = "王秀英";

/// Every Chinese word that the samples bring as data.
pub(super) const DATA: &str = "王秀英 石桥村卫生室 石桥村 组 李医生 赵护士 女 男 欧阳晓燕 买买提 古丽 阿卜杜拉 青霉素 磺胺 头孢类 \
    原发性高血压 型糖尿病 不伴有并发症 头晕 天 加重 半天 苯磺酸氨氯地平片 络活喜 口服 每日一次 二甲双胍 缓释片 格华止 每日两次 随餐 \
    袖带血压计 额温枪 手工录入 自助机 县人民医院 江源县中心 汉族 东山镇石桥村 号 血压 脉搏 体温 血氧 血糖 体重 次 分 Ⅱ级危重 Ⅲ级急症 Ⅳ级非急症 Ⅰ级濒危 \
    阵发性胸痛半天 年村医询问 年起 二甲双胍缓释片 加重半天 急性上呼吸道感染 发热 咳嗽 神志清 双肺呼吸音清 心律齐 未闻及杂音 双下肢无水肿 患者 年前发现血压升高 规律服药 近 天头晕 无恶心呕吐 \
    低盐饮食 继续原方案 一周后复测血压 家人反映当日晚间头晕加重 电话随访补记 家属电话补充 成人收缩压正常 成人 补充 确诊 疑似 高血压 高血压性心脏病 \
    刘大山 陈玉兰 周小虎 年 起 皮疹 村医询问 已排除 皮试阴性 县医院 民族 电话 住址 婚姻 已婚 心电图机 袖带松脱";

type Sample = (&'static str, fn(Lang) -> Markup);

/// Every sample page.
pub(super) const ALL: &[Sample] = &[
    ("sign-in", sign_in_page),
    ("sign-in-faulty", sign_in_faulty),
    ("unlock", unlock_page),
    ("today", today_page),
    ("search", search_page),
    ("patient", patient_page),
    ("patient-desk", patient_desk),
    ("patient-dead", patient_dead),
    ("register", register_page),
    ("register-faulty", register_faulty),
    ("visit-form", visit_form_page),
    ("visit", visit_page),
    ("critical", critical_page),
    ("ecg", ecg_page),
    ("ecg-live", ecg_live_page),
    ("status", status_page),
    ("panels", panels_page),
    ("trouble", trouble_page),
    ("kiosk-start", kiosk_start),
    ("kiosk-choose", kiosk_choose),
    ("kiosk-result", kiosk_result),
];

fn today() -> Date {
    "2026-03-10".parse().unwrap()
}

fn at(day: &str, hour: i8, minute: i8) -> WallTime {
    WallTime::from_china(day.parse::<Date>().unwrap().at(hour, minute, 0, 0))
}

fn frame(lang: Lang, screen: Screen, here: &str) -> Frame {
    let item = |href, zh: &str, en: &str, icon, count| NavItem {
        href,
        label: if lang == Lang::Zh {
            zh.to_owned()
        } else {
            en.to_owned()
        },
        icon,
        count,
    };
    Frame {
        lang,
        screen,
        place: if screen == Screen::Desk {
            "江源县中心".into()
        } else {
            "石桥村卫生室".into()
        },
        user: Some("李医生".into()),
        nav: vec![
            item("/", "今日", "Today", Icon::Today, 0),
            item("/patients", "居民", "Residents", Icon::People, 0),
            item("/bays", "设备", "Devices", Icon::Device, 0),
            item("/tray", "待认领", "Unclaimed", Icon::Tray, 2),
            item("/settings", "管理", "Settings", Icon::Settings, 0),
        ],
        light: Some(StatusLight::Unreached { kept: 14 }),
        here: here.into(),
        live: Some("/live"),
        notice: None,
    }
}

fn tablet(lang: Lang, here: &str, page: &Page) -> Markup {
    frame(lang, Screen::Tablet, here).page(page)
}

fn banner_view(allergies: AllergyLine) -> BannerView<'static> {
    BannerView {
        href: None,
        name: NAME,
        birth: "1958-04-01".parse().ok(),
        sex: "女",
        archive_no: Some("440981101203000127"),
        id_tail: Some("123X"),
        allergies,
        died: None,
        clash: false,
        today: today(),
    }
}

fn banner(lang: Lang) -> Markup {
    let known = AllergyLine::Known(vec!["青霉素".into(), "磺胺".into()]);
    patient_banner(lang, &banner_view(known))
}

fn sign_in_page(lang: Lang) -> Markup {
    let faults = Faults::none();
    sign_in::page(
        lang,
        &SignInView {
            screen: Screen::Tablet,
            place: "石桥村卫生室",
            user: "",
            next: "/",
            faults: &faults,
            note: None,
        },
    )
}

fn sign_in_faulty(lang: Lang) -> Markup {
    let mut faults = Faults::none();
    faults.add(
        "password",
        if lang == Lang::Zh {
            "密码不对,还可以试 4 次"
        } else {
            "Wrong password, 4 tries left"
        },
    );
    sign_in::page(
        lang,
        &SignInView {
            screen: Screen::Tablet,
            place: "石桥村卫生室",
            user: "李医生",
            next: "/",
            faults: &faults,
            note: None,
        },
    )
}

fn unlock_page(lang: Lang) -> Markup {
    let faults = Faults::none();
    sign_in::unlock_page(
        lang,
        &UnlockView {
            screen: Screen::Tablet,
            place: "石桥村卫生室",
            user: "李医生",
            next: "/",
            faults: &faults,
        },
    )
}

fn triage(level: u8) -> Option<(u8, String)> {
    let words = ["Ⅰ级濒危", "Ⅱ级危重", "Ⅲ级急症", "Ⅳ级非急症"];
    words
        .get(usize::from(level) - 1)
        .map(|word| (level, (*word).to_owned()))
}

fn today_page(lang: Lang) -> Markup {
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
        row(10, 5, NAME, "女 67", 3, VisitState::Open, "头晕3天,加重半天"),
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

fn search_page(lang: Lang) -> Markup {
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

fn reading(value: &str, unit: &'static str, flag: Flag, day: &str, origin: &str) -> ReadingView {
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

fn vitals() -> Vec<VitalView> {
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

fn pressure_chart(lang: Lang) -> Markup {
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

fn trend_chart(lang: Lang) -> Markup {
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

fn visit_rows() -> Vec<VisitRow> {
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

fn readings() -> Vec<ReadingLine> {
    let line = |title: &str, reading| ReadingLine {
        title: title.into(),
        reading,
    };
    let mut wrong = reading("230/130", "mmHg", Flag::CriticalHigh, "2026-03-10", "袖带血压计");
    wrong.withdrawn = Some("李医生:袖带松脱".into());
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

fn patient_body(lang: Lang) -> Markup {
    let fact = |words: &str, note: &str, ended| FactLine {
        words: words.into(),
        note: note.into(),
        ended,
        action: None,
    };
    let allergies = [
        fact("青霉素", "皮疹 · 2019年村医询问", false),
        fact("磺胺", "", false),
        fact("头孢类", "李医生:已排除,皮试阴性", true),
    ];
    let problems = [
        fact("原发性高血压 I10", "2015年起", false),
        fact("2型糖尿病,不伴有并发症 E11.9", "2019年起", false),
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

fn patient_page(lang: Lang) -> Markup {
    tablet(
        lang,
        "/patients/1",
        &Page::new(lang.t("person-page-title"), patient_body(lang)).about(banner(lang)),
    )
}

fn patient_desk(lang: Lang) -> Markup {
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

fn patient_dead(lang: Lang) -> Markup {
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

fn register(lang: Lang, faults: &Faults, doubts: &[Doubt]) -> Markup {
    let word = |zh: &str, en: &str| {
        if lang == Lang::Zh {
            zh.to_owned()
        } else {
            en.to_owned()
        }
    };
    let sexes = vec![
        ("1".into(), word("男", "Male")),
        ("2".into(), word("女", "Female")),
    ];
    let groups = vec![
        ("01".into(), word("汉族", "Han")),
        ("05".into(), "Uygur".to_owned()),
    ];
    let (name, sex, birth, id) = (
        lang.t("banner-name"),
        lang.t("banner-sex"),
        lang.t("banner-birth"),
        lang.t("banner-id-tail"),
    );
    let fields = html! {
        (Input::text("name", &name).value("王秀").focus().markup(lang, faults))
        (Choice::new("sex", &sex, sexes).chosen(Some("2")).markup(lang, faults))
        (Input::digits("birth", &birth).value("1958040").hint("19580401").markup(lang, faults))
        (Input::text("id_number", &id).optional().markup(lang, faults))
        (Input::decimal("systolic", "mmHg").unit("mmHg").value("230").optional().markup(lang, faults))
        (Pick::new("ethnicity", "GB/T 3304", groups).chosen(Some("01")).markup(lang, faults))
        (Tick { name: "no_allergy", label: &lang.t("allergies-none"), ticked: false }.markup(faults))
    };
    let submit = lang.t("sign-in-go");
    let form = Form {
        action: "/patients",
        id: Some("00ff".into()),
        draft: true,
        draft_from: Some("10:42".into()),
        faults: Some(faults),
        doubts,
        submit: &submit,
        back: Some("/patients"),
        ..Form::default()
    };
    let body = html! { div.narrow { h1 { (lang.t("person-page-title")) } div.card { (form.around(lang, &fields, &html! {})) } } };
    tablet(
        lang,
        "/patients/new",
        &Page::new(lang.t("person-page-title"), body).faulty(!faults.is_empty()),
    )
}

fn register_page(lang: Lang) -> Markup {
    let question = if lang == Lang::Zh {
        "血压 230/130,确认?"
    } else {
        "Blood pressure 230/130, confirm?"
    };
    register(
        lang,
        &Faults::none(),
        &[Doubt {
            field: "systolic".into(),
            question: question.into(),
        }],
    )
}

fn register_faulty(lang: Lang) -> Markup {
    let mut faults = Faults::none();
    faults.add("name", lang.t("unknown"));
    faults.add("birth", lang.t("person-age-unknown"));
    faults.add("sex", lang.t("person-sex-unknown"));
    register(lang, &faults, &[])
}

fn diagnoses() -> Vec<DiagnosisLine> {
    vec![DiagnosisLine {
        code: "I10".into(),
        name: "原发性高血压".into(),
        certainty: "confirmed".into(),
        certainty_word: "确诊".into(),
    }]
}

fn visit_form_page(lang: Lang) -> Markup {
    let levels: Vec<(u8, String)> = (1..=4).filter_map(triage).collect();
    let certainties = [
        ("confirmed".to_owned(), "确诊".to_owned()),
        ("suspected".to_owned(), "疑似".to_owned()),
    ];
    let found = [
        ("I10".to_owned(), "原发性高血压".to_owned()),
        ("I11.9".to_owned(), "高血压性心脏病".to_owned()),
    ];
    let submit = lang.t("undo");
    let view = VisitFormView {
        form: Form {
            action: "/visits/1",
            id: Some("aa".into()),
            draft: true,
            draft_from: Some("10:45".into()),
            submit: &submit,
            ..Form::default()
        },
        levels: &levels,
        level: Some(3),
        reason: "头晕3天",
        complaint: "头晕3天,加重半天",
        history: "患者10年前发现血压升高,规律服药。近3天头晕,无恶心呕吐。",
        examination: "神志清,双肺呼吸音清,心律齐,未闻及杂音,双下肢无水肿。",
        advice: "低盐饮食,继续原方案,一周后复测血压。",
        diagnoses: &diagnoses(),
        certainties: &certainties,
        wanted: "gxy",
        found: &found,
        readings: &crate::vitals::tiles(lang, &vitals()[..2], today()),
        extra: &html! { button.button type="submit" name="sign" value="yes" { (Icon::Check.svg()) (lang.t("visit-state-signed")) } },
    };
    let body = html! { div.narrow { div.heading { h1 { (lang.t("visit-title")) } } div.card { (visits::visit_form(lang, &view)) } } };
    tablet(
        lang,
        "/visits/1",
        &Page::new(lang.t("visit-title"), body).about(banner(lang)),
    )
}

fn visit_page(lang: Lang) -> Markup {
    let notes = [
        (lang.t("visit-complaint"), "头晕3天,加重半天".to_owned()),
        (
            lang.t("visit-history"),
            "患者10年前发现血压升高,规律服药。近3天头晕,无恶心呕吐。".to_owned(),
        ),
        (
            lang.t("visit-examination"),
            "神志清,双肺呼吸音清,心律齐,未闻及杂音,双下肢无水肿。".to_owned(),
        ),
        (
            lang.t("visit-advice"),
            "低盐饮食,继续原方案,一周后复测血压。".to_owned(),
        ),
    ];
    let amendments = [AmendmentView {
        by: "李医生".into(),
        at: at("2026-03-10", 16, 5),
        reason: "家属电话补充".into(),
        text: "家人反映当日晚间头晕加重,电话随访补记。".into(),
    }];
    let view = VisitView {
        today: today(),
        at: at("2026-03-10", 8, 12),
        doctor: "李医生",
        clinic: "石桥村卫生室",
        state: VisitState::Signed,
        source: None,
        triage: triage(3).map(|(level, words)| (level, words, "头晕3天".to_owned())),
        notes: &notes,
        diagnoses: &diagnoses(),
        readings: &readings(),
        ecgs: &[EcgRow {
            href: "/ecgs/1".into(),
            at: at("2026-03-10", 10, 20),
            heart_rate: Some(78),
            withdrawn: false,
        }],
        signed: Some(("李医生", at("2026-03-10", 8, 30))),
        amendments: &amendments,
        actions: &html! { a.button href="/visits/1/amend" { (lang.t("visit-amendment")) } button.button type="button" data-print="" { (Icon::Print.svg()) (lang.t("print")) } },
        questions: &[],
        print_head: &html! {},
    };
    let body = html! { div.narrow { (visits::visit_page(lang, &view)) } };
    let done = panels::undo(lang, &lang.t("withdrawn"), "/undo", &[("id", "1")]);
    tablet(
        lang,
        "/visits/1",
        &Page::new(lang.t("visit-title"), html! { (body) (done) }).about(banner(lang)),
    )
}

fn critical_page(lang: Lang) -> Markup {
    let word = |zh: &str, en: &str| {
        if lang == Lang::Zh {
            zh.to_owned()
        } else {
            en.to_owned()
        }
    };
    let steps = [
        NextStep {
            value: "refer".into(),
            label: word("立即转诊", "Refer now"),
        },
        NextStep {
            value: "call".into(),
            label: word("电话联系县医院", "Call the county hospital"),
        },
        NextStep {
            value: "repeat".into(),
            label: word("复测", "Measure again"),
        },
    ];
    let sentence = word(
        "血氧过低。请给氧并马上联系上级医院。",
        "Oxygen saturation is very low. Give oxygen and call the hospital.",
    );
    let reading = if lang == Lang::Zh {
        "血氧 82 % ↓↓"
    } else {
        "SpO₂ 82 % ↓↓"
    };
    let body = panels::critical(lang, &sentence, reading, "/critical", "ff", &steps);
    tablet(
        lang,
        "/x",
        &Page::new(lang.t("critical-title"), body).about(banner(lang)),
    )
}

fn ecg_page(lang: Lang) -> Markup {
    let paper = html! {
        svg width="267mm" height="60mm" viewBox="0 0 267 60" role="img" aria-label="ECG" {
            path d="M0 30h40l2-6 3 20 4-32 3 22h30l2-6 3 20 4-32 3 22h170" fill="none" stroke="#13262d" stroke-width=".4" {}
        }
    };
    let clipped = ["V2".to_owned(), "V3".to_owned()];
    let view = RecordingView {
        taken: at("2026-03-10", 10, 20),
        today: today(),
        device: "Contec 8000G",
        heart_rate: Some(78),
        tenths_of_second: 100,
        fs_hz: 500,
        gaps: 1,
        clipped: &clipped,
        withdrawn: None,
        paper: Some(&paper),
        print_head: &html! {},
        pdf: None,
        synthetic: true,
    };
    tablet(
        lang,
        "/ecgs/1",
        &Page::new(lang.t("ecg-title"), ecg::recording(lang, &view))
            .about(banner(lang))
            .landscape(),
    )
}

fn ecg_live_page(lang: Lang) -> Markup {
    let body = html! { h1 { (lang.t("ecg-title")) } section.card { (ecg::live(lang, "/bays/1/wave")) } };
    tablet(
        lang,
        "/bays/1",
        &Page::new(lang.t("ecg-title"), body).about(banner(lang)),
    )
}

fn status_page(lang: Lang) -> Markup {
    let row = |level, title: &str, words: &str| StateRow {
        level,
        title: title.into(),
        words: words.into(),
        action: None,
    };
    let rows = [
        row(Level::Good, "SQLite", "12.4 GB"),
        row(Level::Known, "https://hub", "14"),
        row(Level::Bad, "COM3", "Omron HBP-9030"),
    ];
    let qr = crate::qr::code(&crate::qr::wifi("clinic", "12345678"), "Wi-Fi").unwrap();
    let body = html! { h1 { (StatusLight::Unreached { kept: 14 }.words(lang)) } div.columns { div.card { (states(&rows)) } div.card { (qr) } } };
    tablet(lang, "/status", &Page::new("status", body))
}

fn panels_page(lang: Lang) -> Markup {
    let body = html! {
        h1 { (lang.t("panel-warning")) }
        div.stack {
            @for class in [Class::Warning, Class::Forbidden, Class::Must, Class::Done] {
                (panels::panel(lang, class, &lang.t("withdrawn"), &html! { p { (lang.t("doubt-do")) } }))
            }
            (Trouble::DiskFull.panel(lang))
        }
    };
    tablet(lang, "/x", &Page::new("panels", body))
}

fn trouble_page(lang: Lang) -> Markup {
    Trouble::broken(&std::fmt::Error).page(lang)
}

fn kiosk_start(lang: Lang) -> Markup {
    let word = |zh: &str, en: &str| {
        if lang == Lang::Zh {
            zh.to_owned()
        } else {
            en.to_owned()
        }
    };
    let body = html! {
        div.kiosk-picture.kiosk-card-here aria-hidden="true" { (Icon::Card.svg()) }
        h1 { (word("请把身份证放在读卡区", "Put your ID card on the reader")) }
        p.kiosk-sentence { (word("屏幕显示您的姓名后,请坐好。", "Sit down when the screen shows your name.")) }
        (layout::language_switch(lang, "/kiosk"))
    };
    layout::kiosk_page(lang, "石桥村卫生室", "kiosk", &body, None)
}

fn kiosk_choose(lang: Lang) -> Markup {
    let word = |zh: &str, en: &str| {
        if lang == Lang::Zh {
            zh.to_owned()
        } else {
            en.to_owned()
        }
    };
    let body = html! {
        h1 { (word("您想测什么?", "What would you like to measure?")) }
        div.kiosk-choices {
            form { button.button.button-go type="button" { (Icon::Heart.svg()) span { (word("量血压", "Blood pressure")) } } }
            form { button.button.button-go type="button" { (Icon::Trace.svg()) span { (word("做心电图", "ECG")) } } }
            form { button.button.button-back type="button" { (word("离开", "Leave")) } }
        }
    };
    layout::kiosk_page(lang, "石桥村卫生室", "kiosk", &body, Some("/kiosk/clear"))
}

fn kiosk_result(lang: Lang) -> Markup {
    let word = |zh: &str, en: &str| {
        if lang == Lang::Zh {
            zh.to_owned()
        } else {
            en.to_owned()
        }
    };
    let body = html! {
        h1 { (word("您的血压", "Your blood pressure")) }
        p.kiosk-value { strong { "138/86" } " " span.unit { "mmHg" } }
        p.kiosk-word.word-normal { "● " (word("正常", "Normal")) }
        div.kiosk-choices {
            form { button.button.button-go type="button" { (word("再测一次", "Again")) } }
            form { button.button.button-back type="button" { (word("完成", "Done")) } }
        }
    };
    layout::kiosk_page(lang, "石桥村卫生室", "kiosk", &body, Some("/kiosk/clear"))
}
