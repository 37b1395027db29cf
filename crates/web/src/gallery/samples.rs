//! The views with data as a village clinic has it.

mod doors;
mod kiosk;
mod notes;
mod people;

use maud::Markup;
use records::time::{Date, WallTime};

use crate::banner::{AllergyLine, BannerView, OtherChart, patient_banner};
use crate::icons::Icon;
use crate::layout::{Frame, NavItem, Page, Screen};
use crate::light::StatusLight;
use crate::texts::Lang;

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
    ("sign-in", doors::sign_in_page),
    ("sign-in-faulty", doors::sign_in_faulty),
    ("unlock", doors::unlock_page),
    ("today", people::today_page),
    ("search", people::search_page),
    ("patient", people::patient_page),
    ("patient-desk", people::patient_desk),
    ("patient-dead", people::patient_dead),
    ("register", notes::register_page),
    ("register-faulty", notes::register_faulty),
    ("visit-form", notes::visit_form_page),
    ("visit", notes::visit_page),
    ("critical", notes::critical_page),
    ("ecg", notes::ecg_page),
    ("ecg-live", notes::ecg_live_page),
    ("status", doors::status_page),
    ("panels", doors::panels_page),
    ("trouble", doors::trouble_page),
    ("kiosk-start", kiosk::kiosk_start),
    ("kiosk-choose", kiosk::kiosk_choose),
    ("kiosk-result", kiosk::kiosk_result),
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
        others: vec![OtherChart {
            href: "/patients/2/same?with=1".into(),
            name: NAME.into(),
            birth: None,
            why: String::new(),
        }],
        renew: None,
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

fn triage(level: u8) -> Option<(u8, String)> {
    let words = ["Ⅰ级濒危", "Ⅱ级危重", "Ⅲ级急症", "Ⅳ级非急症"];
    words
        .get(usize::from(level) - 1)
        .map(|word| (level, (*word).to_owned()))
}
