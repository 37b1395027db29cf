//! Alarms as pages show them, the same at box and hub: what happened, what to do, who can do it; and the button by
//! which somebody says that it was seen to.

use std::path::Path;

use axum::response::Response;
use maud::{Markup, html};
use records::time::WallTime;
use store::{Alarm, AlarmKind};
use web::fields::Fields;
use web::moments;
use web::status::{Guide, Level, StateRow};
use web::texts::Lang;
use web::trouble::Trouble;

use crate::errors::Page as Answer;
use crate::station::Station;
use crate::visitor::{Visitor, go_to};

/// Signs of an id that are shown as its reference.
const REFERENCE_CHARS: usize = 8;

/// Who can do something about an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Technician,
    County,
}

/// What happened, what to do, who can do it.
fn keys(kind: &AlarmKind) -> (&'static str, &'static str, Who) {
    match kind {
        AlarmKind::Damaged => ("alarm-damaged", "alarm-damaged-do", Who::Technician),
        AlarmKind::Repaired => ("alarm-repaired", "alarm-repaired-do", Who::Technician),
        AlarmKind::Salvaged => ("alarm-salvaged", "alarm-salvaged-do", Who::Technician),
        AlarmKind::Suspect => ("alarm-suspect", "alarm-suspect-do", Who::Technician),
        AlarmKind::Rebuilt => ("alarm-rebuilt", "alarm-rebuilt-do", Who::Technician),
        AlarmKind::DiskFull => ("alarm-disk-full", "alarm-disk-full-do", Who::Technician),
        AlarmKind::DiskLow => ("alarm-disk-low", "alarm-disk-low-do", Who::Technician),
        AlarmKind::ReadOnly => ("alarm-read-only", "alarm-read-only-do", Who::Technician),
        AlarmKind::Clone => ("alarm-clone", "alarm-clone-do", Who::County),
        AlarmKind::SessionSpoiled => ("alarm-spoiled", "alarm-spoiled-do", Who::County),
        AlarmKind::Differs => ("alarm-differs", "alarm-differs-do", Who::Technician),
        AlarmKind::Parked => ("alarm-parked", "alarm-parked-do", Who::County),
        AlarmKind::BlobStore => ("alarm-blob-store", "alarm-blob-store-do", Who::Technician),
        AlarmKind::BlobLost => ("alarm-blob-lost", "alarm-blob-lost-do", Who::Technician),
        AlarmKind::Other(_) => ("alarm-other", "alarm-other-do", Who::Technician),
    }
}

/// A fact of this kind as a row: its words, and what to do about it.
pub fn row(lang: Lang, kind: &AlarmKind, level: Level, words: String) -> StateRow {
    let (happened, todo, who) = keys(kind);
    let title = match kind {
        AlarmKind::Other(word) => lang.t_with(happened, &[("word", word)]),
        _ => lang.t(happened),
    };
    let who = match who {
        Who::Technician => lang.t("alarm-who-technician"),
        Who::County => lang.t("alarm-who-county"),
    };
    let guide = Guide {
        todo: lang.t(todo),
        who: lang.t_with("alarm-who", &[("who", &who)]),
        reference: None,
    };
    StateRow::new(level, title, words).guided(guide)
}

/// The alarms that stand, as rows. `place_of` names the place of a device.
pub fn rows<S: Station>(
    visitor: &Visitor<S>,
    alarms: &[Alarm],
    place_of: impl Fn(&Alarm) -> Option<String>,
) -> Vec<StateRow> {
    let lang = visitor.lang;
    let one = |alarm: &Alarm| {
        let at = moments::day_and_clock(lang, alarm.at, visitor.today());
        let words = match place_of(alarm) {
            Some(place) => format!("{place} · {at}"),
            None => at,
        };
        let mut row = row(lang, &alarm.kind, Level::Bad, words);
        if let Some(guide) = &mut row.guide {
            guide.reference = reference(alarm).map(|text| lang.t_with("alarm-reference", &[("text", &text)]));
        }
        if visitor.may(S::SETTLES_ALARMS) && alarm.kind.waits_for_person() {
            row.action = Some(settle_button(lang, alarm));
        }
        row
    };
    alarms.iter().map(one).collect()
}

/// What a technician asks for: the name of the file, or the beginning of the device's id.
fn reference(alarm: &Alarm) -> Option<String> {
    match alarm.kind {
        AlarmKind::Damaged | AlarmKind::Repaired => {
            let name = Path::new(&alarm.text).file_name()?;
            Some(name.to_string_lossy().into_owned())
        }
        _ => {
            let device = alarm.device()?.to_string();
            Some(device.chars().take(REFERENCE_CHARS).collect())
        }
    }
}

fn settle_button(lang: Lang, alarm: &Alarm) -> Markup {
    html! {
        form method="post" action="/alarms/settle" {
            input type="hidden" name="kind" value=(alarm.kind.word());
            input type="hidden" name="at" value=(alarm.at.0);
            button.button type="submit" { (lang.t("alarm-settle")) }
        }
    }
}

/// `POST /alarms/settle`: somebody saw to an alarm, as it stood when the page was drawn.
///
/// # Errors
///
/// The role does not allow it, the form is broken, or the store failed.
pub async fn settle<S: Station>(visitor: Visitor<S>, fields: Fields) -> Answer<Response> {
    visitor.require(S::SETTLES_ALARMS)?;
    let kind = AlarmKind::from_word(fields.get("kind"));
    let at: i64 = fields.get("at").parse().map_err(|_| Trouble::Unreadable)?;
    if !kind.waits_for_person() {
        return Err(Trouble::Unreadable.into());
    }
    let store = visitor.state.store();
    store.settle_alarm(visitor.by(), kind, WallTime(at)).await?;
    go_to("/status")
}

#[cfg(test)]
mod tests {
    use records::ids::DeviceId;
    use store::AuditAct;

    use super::*;

    fn whole(row: &StateRow) -> String {
        let guide = row.guide.as_ref().unwrap();
        format!("{} {} {}", row.title, guide.todo, guide.who)
    }

    #[test]
    fn every_kind_says_what_happened_what_to_do_and_who_can() {
        let newer = AlarmKind::Other("of_a_newer_release".to_owned());
        for lang in Lang::ALL {
            let mut titles = Vec::new();
            for kind in AlarmKind::KNOWN.iter().chain([&newer]) {
                let row = row(lang, kind, Level::Bad, String::new());
                let guide = row.guide.as_ref().unwrap();
                assert!(!whole(&row).contains('⟦'), "{kind:?} {row:?}");
                assert!(!guide.todo.is_empty() && !guide.who.is_empty(), "{kind:?}");
                if kind != &newer && lang == Lang::Zh {
                    assert!(
                        !whole(&row).contains(kind.word()),
                        "{kind:?} shows its word: {row:?}"
                    );
                }
                titles.push(row.title);
            }
            titles.sort();
            titles.dedup();
            assert_eq!(
                titles.len(),
                AlarmKind::KNOWN.len() + 1,
                "two kinds read the same"
            );
        }
        let shown = row(Lang::Zh, &newer, Level::Bad, String::new());
        assert!(shown.title.contains("of_a_newer_release"));
    }

    #[test]
    fn every_audit_act_has_its_words_in_both_languages() {
        for lang in Lang::ALL {
            let mut seen = Vec::new();
            for act in AuditAct::ALL {
                let words = web::people::audit::act(lang, act.word());
                assert_ne!(words, act.word(), "{act:?} has no text");
                assert!(!words.contains('⟦'), "{act:?}");
                seen.push(words);
            }
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), AuditAct::ALL.len(), "two acts read the same");
        }
    }

    #[test]
    fn an_id_is_shown_as_a_short_reference_only() {
        let device = DeviceId([0xab; 8]);
        let alarm = |kind, text: &str| Alarm {
            kind,
            at: WallTime(0),
            text: text.to_owned(),
        };
        let twin = alarm(
            AlarmKind::Clone,
            &format!("{device} 0102030405060708 1112131415161718"),
        );
        assert_eq!(reference(&twin).as_deref(), Some("abababab"));
        let damaged = alarm(AlarmKind::Damaged, "/srv/data/damaged-1/clinic.db");
        assert_eq!(reference(&damaged).as_deref(), Some("clinic.db"));
        assert_eq!(reference(&alarm(AlarmKind::Differs, "")), None);
    }
}
