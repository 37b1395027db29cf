//! The part of the status page about the systems of the card.

use card::layout::Slot;
use card::state::{Outcome, Version, Why};
use web::status::{Level, StateRow};
use web::texts::Lang;

use crate::systems::{Standing, Systems};

/// Its rows.
pub(crate) fn rows(lang: Lang, systems: &Systems) -> Vec<StateRow> {
    let one = |level, words| vec![StateRow::new(level, lang.t("systems-card"), words)];
    match systems {
        Systems::NoCard => one(Level::Good, lang.t("systems-no-card")),
        Systems::Unreadable(why) => one(Level::Bad, lang.t_with("systems-unreadable", &[("why", why)])),
        Systems::Read(standing) => read(lang, standing),
    }
}

fn read(lang: Lang, standing: &Standing) -> Vec<StateRow> {
    let (level, last) = outcome(lang, &standing.last);
    let other = standing.starts.other();
    let trying = if standing.on_trial {
        lang.t("systems-trying")
    } else if standing.is_ready() {
        lang.t("systems-ready")
    } else {
        String::new()
    };
    vec![
        StateRow::new(
            Level::Good,
            lang.t("systems-starts"),
            slot(lang, standing.starts, standing.version),
        ),
        StateRow::new(
            Level::Good,
            lang.t("systems-other"),
            format!("{}{trying}", slot(lang, other, standing.other)),
        ),
        StateRow::new(level, lang.t("systems-last"), last),
    ]
}

fn slot(lang: Lang, slot: Slot, version: Option<Version>) -> String {
    let name = match slot {
        Slot::A => "A",
        Slot::B => "B",
    };
    let holds = version.map_or_else(
        || lang.t("systems-empty"),
        |version| lang.t_with("systems-version", &[("version", &version.0.to_string())]),
    );
    format!("{name} · {holds}")
}

fn outcome(lang: Lang, last: &Outcome) -> (Level, String) {
    match last {
        Outcome::None => (Level::Good, lang.t("systems-no-update")),
        Outcome::Committed(version) => {
            let words = lang.t_with("systems-committed", &[("version", &version.0.to_string())]);
            (Level::Good, words)
        }
        Outcome::RolledBack { version, why, detail } => {
            let why = lang.t(match why {
                Why::NeverBegan => "systems-why-never-began",
                Why::NotHealthyInTime => "systems-why-not-in-time",
                Why::Unhealthy => "systems-why-unhealthy",
                Why::Damaged => "systems-why-damaged",
                Why::Asked => "systems-why-asked",
            });
            let version = version.0.to_string();
            let values = [("version", version.as_str()), ("why", &why)];
            let words = lang.t_with("systems-rolled-back", &values);
            let detail = if detail.is_empty() {
                String::new()
            } else {
                format!(" ({detail})")
            };
            (Level::Known, words + &detail)
        }
    }
}
