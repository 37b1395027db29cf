//! Readings on the box's pages: what the shared views need, with names of devices and people.

use device_drivers::catalogue::DeviceKey;
use records::ids::{DocId, PatientId, StaffId};
use records::patients::Chart;
use records::staff::StaffMember;
use records::time::ClockSource;
use records::vitals::{Flag, Measured, Observation, Origin, VitalKind};
use web::texts::Lang;
use web::vitals::{ReadingLine, ReadingView, VitalView, kind_name, reading_of, value_words};

use crate::bays::shown::SURFACE;

/// Who wrote what, by name.
pub struct Names(Vec<(StaffId, String)>);

impl Names {
    /// The names of these members.
    pub fn of(staff: &[StaffMember]) -> Self {
        Self(
            staff
                .iter()
                .map(|member| (member.id, member.name.clone()))
                .collect(),
        )
    }

    /// The name of a member; a word for somebody who is not in the roster here.
    pub fn get(&self, lang: Lang, id: StaffId) -> String {
        let found = self.0.iter().find(|(member, _)| *member == id);
        found.map_or_else(|| lang.t("staff-unknown"), |(_, name)| name.clone())
    }
}

/// The maker's name of a device.
pub fn device_name(key: &str) -> String {
    key.parse::<DeviceKey>()
        .map_or_else(|_| key.to_owned(), |key| key.model().name.to_owned())
}

/// The whole reading in one line: 血压 138/86 mmHg.
pub fn sentence(lang: Lang, measured: &Measured) -> String {
    let name = measured
        .kind()
        .map_or_else(|| measured.kind_word().to_owned(), |kind| kind_name(lang, kind));
    let (value, unit) = value_words(lang, measured);
    let gap = if unit.is_empty() { "" } else { " " };
    format!("{name} {value}{gap}{unit}")
}

/// What a page needs to show readings of a person.
pub struct Shelf<'a> {
    /// Language.
    pub lang: Lang,
    /// Whose readings.
    pub chart: &'a Chart,
    /// Who wrote what.
    pub names: &'a Names,
    /// The patient, where readings may be marked as taken in error.
    pub withdraw: Option<PatientId>,
}

impl Shelf<'_> {
    /// One reading as pages show it.
    pub fn view(&self, doc: DocId, reading: &Observation) -> ReadingView {
        let lang = self.lang;
        let mut view = reading_of(lang, reading, self.chart.birth, self.chart.sex, device_name);
        if reading.marks.iter().any(|mark| mark == SURFACE) {
            // The temperature of a surface is not judged by the limits of a body.
            view.flag = Flag::Normal;
            view.beside = Some(lang.t("reading-surface"));
        }
        // Imported readings bring the civil time that a person wrote.
        let imported = matches!(reading.origin, Origin::Imported { .. });
        view.clock_doubtful = reading.taken.source == ClockSource::None && !imported;
        if let Some(by) = reading.by {
            view.origin = format!("{} · {}", view.origin, self.names.get(lang, by));
        }
        if let Some(withdrawal) = &reading.withdrawn {
            let who = withdrawal
                .by
                .map(|by| self.names.get(lang, by))
                .unwrap_or_default();
            view.withdrawn = Some(format!("{who} {}", withdrawal.reason).trim().to_owned());
        }
        let withdraw = self.withdraw.filter(|_| reading.withdrawn.is_none());
        view.withdraw =
            withdraw.map(|patient| format!("/patients/{patient}/readings/{doc}/{}/withdraw", reading.id));
        view
    }

    /// Lines of a table.
    pub fn lines<'o>(
        &self,
        readings: impl IntoIterator<Item = (DocId, &'o Observation)>,
    ) -> Vec<ReadingLine> {
        let title = |measured: &Measured| {
            measured.kind().map_or_else(
                || measured.kind_word().to_owned(),
                |kind| kind_name(self.lang, kind),
            )
        };
        let line = |(doc, reading): (DocId, &Observation)| ReadingLine {
            title: title(&reading.measured),
            reading: self.view(doc, reading),
        };
        readings.into_iter().map(line).collect()
    }

    /// The last value of each kind with the one before it; `readings` come newest first.
    pub fn latest(
        &self,
        readings: &[(DocId, &Observation)],
        href: impl Fn(VitalKind) -> String,
    ) -> Vec<VitalView> {
        let of = |kind: VitalKind| {
            let standing = readings.iter().filter(|(_, reading)| reading.withdrawn.is_none());
            let mut two = standing.filter(|(_, reading)| reading.measured.kind() == Some(kind));
            let (doc, latest) = two.next()?;
            Some(VitalView {
                title: kind_name(self.lang, kind),
                latest: self.view(*doc, latest),
                before: two.next().map(|(doc, before)| self.view(*doc, before)),
                href: Some(href(kind)),
            })
        };
        VitalKind::ALL.into_iter().filter_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use records::vitals::{GlucoseTiming, MissingReason, parse_typed};

    use super::*;

    #[test]
    fn a_reading_is_told_with_its_unit() {
        let typed = |kind, text| parse_typed(kind, text, GlucoseTiming::Fasting).unwrap();
        assert_eq!(
            sentence(Lang::Zh, &typed(VitalKind::BloodPressure, "138/86/77")),
            "血压 138/86 mmHg"
        );
        assert_eq!(
            sentence(Lang::En, &typed(VitalKind::Pulse, "72")),
            "Pulse 72 /min"
        );
    }

    #[test]
    fn a_missing_value_is_a_reason_and_no_zero() {
        for reason in MissingReason::ALL {
            let gone = Measured::Missing {
                kind: VitalKind::BloodPressure,
                reason,
            };
            let said = sentence(Lang::Zh, &gone);
            assert!(!said.contains('0') && !said.contains('⟦'), "{said}");
        }
    }
}
