//! The patient's banner: who this page is about, on every page about one person and on no other.
//!
//! Order and rules follow the NHS Common User Interface guidance on patient banners: labels without a colon,
//! values heavier than labels, unknown said as a word, names wrapped and never cut, allergies in four states that
//! cannot be mistaken for each other, the dead told by colour and pattern.

use maud::{Markup, html};
use records::time::{BirthDate, Date};

use crate::moments;
use crate::panels::Class;
use crate::texts::Lang;

/// What is known of allergies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllergyLine {
    /// These are known, each by its name.
    Known(Vec<String>),
    /// Somebody asked and there are none.
    NoneKnown,
    /// Nobody asked.
    NotAsked,
    /// The facts cannot be read, or are still arriving.
    Unreadable,
    /// The person before the screen sees no clinical facts.
    Withheld,
}

/// Who the page is about.
#[derive(Debug, Clone)]
pub struct BannerView<'a> {
    /// The person's page; `None` on that page itself.
    pub href: Option<String>,
    /// Name as it is written.
    pub name: &'a str,
    /// Date of birth.
    pub birth: Option<BirthDate>,
    /// Word for the sex; empty where it is unknown.
    pub sex: &'a str,
    /// Number of the resident's health archive.
    pub archive_no: Option<&'a str>,
    /// Last four signs of the ID number.
    pub id_tail: Option<&'a str>,
    /// Allergies.
    pub allergies: AllergyLine,
    /// Date of death as it is known (a day, or its words), where the person has died.
    pub died: Option<Died>,
    /// Whether two records of who this is differ and nobody has chosen.
    pub clash: bool,
    /// Other charts that are, or may be, of this person.
    pub others: Vec<OtherChart>,
    /// Where the banner renews itself; `None` where it stands as it is.
    pub renew: Option<Renew>,
    /// Today.
    pub today: Date,
}

/// Another chart that is, or may be, of the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherChart {
    /// Where both are compared.
    pub href: String,
    /// The name in it.
    pub name: String,
    /// The birth date in it.
    pub birth: Option<BirthDate>,
    /// Why it is shown.
    pub why: String,
}

/// How a banner follows the record: an allergy that is noted elsewhere must not go on as "not asked" here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renew {
    /// Address of the banner alone.
    pub address: String,
    /// The person, as events name them.
    pub person: String,
}

/// A death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Died {
    /// The day, where it is known.
    pub on: Option<Date>,
}

/// Draws the banner.
pub fn patient_banner(lang: Lang, view: &BannerView<'_>) -> Markup {
    let unknown = lang.t("unknown");
    let renew = view.renew.as_ref();
    let address = renew.map(|renew| renew.address.as_str());
    let trigger = renew.map(|renew| format!("live-patient-{} from:body, live-tick from:body", renew.person));
    html! {
        section.banner.banner-dead[view.died.is_some()] #patient aria-label=(lang.t("banner-label"))
            hx-get=[address] hx-trigger=[trigger] hx-swap=[address.map(|_| "outerHTML")] hx-sync=[address.map(|_| "this:replace")] {
            dl {
                div.banner-name {
                    dt.only-read { (lang.t("banner-name")) }
                    dd { @match &view.href { Some(href) => a href=(href) { (view.name) }, None => (view.name) } }
                }
                div { dt { (lang.t("banner-birth")) } dd.num { (birth(lang, view, &unknown)) } }
                div { dt { (lang.t("banner-sex")) } dd { @if view.sex.is_empty() { (unknown) } @else { (view.sex) } } }
                @if let Some(number) = view.archive_no.filter(|number| !number.is_empty()) {
                    div { dt { (lang.t("banner-archive")) } dd.num { (number) } }
                } @else {
                    div { dt { (lang.t("banner-id-tail")) } dd.num { (view.id_tail.unwrap_or(&unknown)) } }
                }
                @if let Some(died) = &view.died { (death(lang, view, died)) }
            }
            (allergies(lang, &view.allergies))
            @for other in &view.others {
                p.banner-other { "⇄ " (lang.t("same-note")) " " a href=(other.href) { (other.name) @if let Some(birth) = other.birth { " " (birth) } } " · " (other.why) }
            }
            @if view.clash { p.banner-clash { "◆ " (lang.t("banner-clash")) } }
        }
    }
}

fn birth(lang: Lang, view: &BannerView<'_>, unknown: &str) -> Markup {
    html! {
        @match view.birth {
            Some(birth) => {
                (birth)
                @if view.died.is_none() { " (" (moments::person_age(lang, birth, view.today)) ")" }
            }
            None => (unknown),
        }
    }
}

fn death(lang: Lang, view: &BannerView<'_>, died: &Died) -> Markup {
    html! {
        div.banner-death {
            dt { (lang.t("banner-died")) }
            dd.num {
                @match died.on {
                    Some(on) => {
                        (on)
                        @if let Some(birth) = view.birth { " (" (lang.t_with("banner-died-age", &[("age", &moments::person_age(lang, birth, on))])) ")" }
                    }
                    None => (lang.t("banner-died-unknown")),
                }
            }
        }
    }
}

fn allergies(lang: Lang, line: &AllergyLine) -> Markup {
    html! {
        @match line {
            AllergyLine::Known(names) => p.allergies.allergies-known {
                (Class::Warning.shape()) span { (lang.t("allergies-known")) } @if !names.is_empty() { span { (names.join("、")) } }
            },
            AllergyLine::NoneKnown => p.allergies.allergies-none { (lang.t("allergies-none")) },
            AllergyLine::NotAsked => p.allergies.allergies-unasked { "？ " (lang.t("allergies-not-asked")) },
            AllergyLine::Unreadable => p.allergies.allergies-unreadable { "✕ " (lang.t("allergies-unreadable")) },
            AllergyLine::Withheld => {},
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(allergies: AllergyLine) -> BannerView<'static> {
        BannerView {
            renew: None,
            others: Vec::new(),
            href: None,
            name: "欧阳𬭎·古丽",
            birth: "1958-04-01".parse().ok(),
            sex: "女",
            archive_no: None,
            id_tail: Some("123X"),
            allergies,
            died: None,
            clash: false,
            today: "2026-03-10".parse().unwrap(),
        }
    }

    #[test]
    fn the_order_is_name_birth_sex_number_and_labels_have_no_colon() {
        let drawn = patient_banner(Lang::Zh, &view(AllergyLine::NoneKnown)).into_string();
        let places: Vec<_> = ["欧阳𬭎·古丽", "1958-04-01", "(67岁)", "女", "123X"]
            .iter()
            .map(|part| drawn.find(part).unwrap())
            .collect();
        assert!(places.is_sorted(), "{drawn}");
        assert!(!drawn.contains('：') && !drawn.contains("出生日期:"));
    }

    #[test]
    fn the_four_states_of_allergies_cannot_be_mistaken() {
        let states = [
            AllergyLine::Known(vec!["青霉素".into()]),
            AllergyLine::NoneKnown,
            AllergyLine::NotAsked,
            AllergyLine::Unreadable,
        ];
        let drawn: Vec<String> = states
            .into_iter()
            .map(|state| patient_banner(Lang::Zh, &view(state)).into_string())
            .collect();
        for (at, words) in ["有过敏史", "无已知过敏", "未询问", "无法读取"]
            .iter()
            .enumerate()
        {
            for (other, page) in drawn.iter().enumerate() {
                assert_eq!(page.contains(words), at == other, "{words} on page {other}");
            }
        }
        assert!(drawn[0].contains("青霉素"));
        let kiosk = patient_banner(Lang::Zh, &view(AllergyLine::Withheld)).into_string();
        assert!(!kiosk.contains("过敏"));
    }

    #[test]
    fn the_dead_show_date_and_age_at_death() {
        let died = Some(Died {
            on: "2026-01-15".parse().ok(),
        });
        let dead = BannerView {
            died,
            ..view(AllergyLine::NotAsked)
        };
        let drawn = patient_banner(Lang::Zh, &dead).into_string();
        assert!(drawn.contains("banner-dead") && drawn.contains("2026-01-15") && drawn.contains("67岁"));
    }

    #[test]
    fn what_is_not_known_is_said() {
        let bare = BannerView {
            birth: None,
            sex: "",
            id_tail: None,
            ..view(AllergyLine::NotAsked)
        };
        assert_eq!(
            patient_banner(Lang::Zh, &bare)
                .into_string()
                .matches("未知")
                .count(),
            3
        );
    }
}
