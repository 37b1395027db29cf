//! Forms, visits, recordings.

use maud::{Markup, html};

use super::people::{readings, vitals};
use super::{at, banner, tablet, today, triage};
use crate::ecg::{self, RecordingView};
use crate::forms::{Choice, Doubt, Faults, Form, Input, Pick, Tick};
use crate::icons::Icon;
use crate::layout::Page;
use crate::panels::{self, NextStep};
use crate::patients::EcgRow;
use crate::texts::Lang;
use crate::visits::{self, AmendmentView, DiagnosisLine, VisitFormView, VisitState, VisitView};

pub(super) fn register(lang: Lang, faults: &Faults, doubts: &[Doubt]) -> Markup {
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

pub(super) fn register_page(lang: Lang) -> Markup {
    let question = if lang == Lang::Zh {
        "血压 230/130，确认？"
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

pub(super) fn register_faulty(lang: Lang) -> Markup {
    let mut faults = Faults::none();
    faults.add("name", lang.t("unknown"));
    faults.add("birth", lang.t("person-age-unknown"));
    faults.add("sex", lang.t("person-sex-unknown"));
    register(lang, &faults, &[])
}

pub(super) fn diagnoses() -> Vec<DiagnosisLine> {
    vec![DiagnosisLine {
        code: "I10".into(),
        name: "原发性高血压".into(),
        certainty: "confirmed".into(),
        certainty_word: "确诊".into(),
    }]
}

pub(super) fn visit_form_page(lang: Lang) -> Markup {
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
        complaint: "头晕3天，加重半天",
        history: "患者10年前发现血压升高，规律服药。近3天头晕，无恶心呕吐。",
        examination: "神志清，双肺呼吸音清，心律齐，未闻及杂音，双下肢无水肿。",
        advice: "低盐饮食，继续原方案，一周后复测血压。",
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

pub(super) fn visit_page(lang: Lang) -> Markup {
    let notes = [
        (lang.t("visit-complaint"), "头晕3天，加重半天".to_owned()),
        (
            lang.t("visit-history"),
            "患者10年前发现血压升高，规律服药。近3天头晕，无恶心呕吐。".to_owned(),
        ),
        (
            lang.t("visit-examination"),
            "神志清，双肺呼吸音清，心律齐，未闻及杂音，双下肢无水肿。".to_owned(),
        ),
        (
            lang.t("visit-advice"),
            "低盐饮食，继续原方案，一周后复测血压。".to_owned(),
        ),
    ];
    let amendments = [AmendmentView {
        by: "李医生".into(),
        at: at("2026-03-10", 16, 5),
        reason: "家属电话补充".into(),
        text: "家人反映当日晚间头晕加重，电话随访补记。".into(),
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

pub(super) fn critical_page(lang: Lang) -> Markup {
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

pub(super) fn ecg_page(lang: Lang) -> Markup {
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

pub(super) fn ecg_live_page(lang: Lang) -> Markup {
    let body = html! { h1 { (lang.t("ecg-title")) } section.card { (ecg::live(lang, "/bays/1/wave")) } };
    tablet(
        lang,
        "/bays/1",
        &Page::new(lang.t("ecg-title"), body).about(banner(lang)),
    )
}
