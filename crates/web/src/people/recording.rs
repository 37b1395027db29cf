//! An ECG recording on its page: drawn true to scale, with its heart rate, never a diagnosis.

use ecg::draw::{DrawOptions, DrawTexts, svg};
use ecg::model::{MarkKind, Waveform};
use maud::{Markup, PreEscaped};
use records::ecgs::EcgMeta;
use records::time::Date;
use records::units::Bpm;

use super::shelf::Names;
use crate::ecg::RecordingView;
use crate::moments;
use crate::texts::Lang;

/// The drawing of a recording.
#[derive(Debug, Clone)]
pub struct Paper {
    /// The picture.
    picture: Markup,
    /// Leads that ran against the recorder's limit.
    clipped: Vec<String>,
}

/// Draws the samples; `None` where they cannot be read. The sheet names the person (`person`, as a line) itself: it
/// fills a page of its own in print. Takes milliseconds of one core: call it away from the threads that answer.
pub fn paper(
    lang: Lang,
    meta: &EcgMeta,
    person: &str,
    device: &str,
    today: Date,
    samples: &[u8],
) -> Option<Paper> {
    let waveform = ecg::codec::decode(samples).ok()?;
    let when = moments::day_and_clock(lang, meta.taken.at, today);
    let rate = match meta.heart_rate {
        Some(rate) => format!("{} {rate} {}", lang.t("ecg-rate"), lang.t("unit-per-minute")),
        None => format!("{} {}", lang.t("ecg-rate"), lang.t("ecg-rate-none")),
    };
    let facts = format!("{when} · {device} · {rate}");
    let foot = format!("{person} · {facts}");
    let no_diagnosis = lang.t("ecg-no-diagnosis");
    let texts = DrawTexts {
        id: &format!("ecg-{}", meta.id),
        title: &lang.t("ecg-paper-label"),
        description: &facts,
        gap: &lang.t("ecg-draw-gap"),
        clipped: &lang.t("ecg-draw-clipped"),
        lead_off: &lang.t("ecg-draw-lead-off"),
        missing_lead: &lang.t("ecg-draw-missing"),
        filter: &lang.t("ecg-draw-filter"),
        unfiltered: &lang.t("ecg-draw-unfiltered"),
        footer: &[foot.as_str(), no_diagnosis.as_str()],
    };
    let picture = PreEscaped(svg(&waveform, &DrawOptions::default(), &texts));
    Some(Paper {
        picture,
        clipped: clipped_leads(&waveform),
    })
}

/// Names of the leads with marked clipping.
fn clipped_leads(waveform: &Waveform) -> Vec<String> {
    let clipped = |place: &usize| {
        let mut marks = waveform.marks().iter();
        marks.any(|mark| mark.kind == MarkKind::Clipped && mark.covers(*place))
    };
    let places = (0..waveform.leads().len()).filter(clipped);
    places
        .map(|place| waveform.leads()[place].name.as_str().to_owned())
        .collect()
}

/// A recording and what its page needs.
pub struct EcgRead<'a> {
    /// Language.
    pub lang: Lang,
    /// Today.
    pub today: Date,
    /// What is known of it.
    pub meta: &'a EcgMeta,
    /// Who wrote what.
    pub names: &'a Names,
    /// The maker's name of the recorder.
    pub device: &'a str,
    /// The drawing, where the samples are here.
    pub paper: Option<&'a Paper>,
    /// Whether it comes from the synthetic heart of a demonstration.
    pub synthetic: bool,
}

/// Draws the page's content.
pub fn recording(read: &EcgRead<'_>) -> Markup {
    let EcgRead { lang, meta, .. } = *read;
    let withdrawn = meta.withdrawn.as_ref().map(|withdrawal| {
        let who = withdrawal
            .by
            .map(|by| read.names.get(lang, by))
            .unwrap_or_default();
        format!("{who} {}", withdrawal.reason).trim().to_owned()
    });
    let marked = read
        .paper
        .map(|paper| paper.clipped.as_slice())
        .unwrap_or_default();
    // Without the samples nobody knows which leads: the recorder said that some did.
    let clipped = if marked.is_empty() && meta.clipped {
        meta.leads.as_slice()
    } else {
        marked
    };
    let view = RecordingView {
        taken: meta.taken.at,
        today: read.today,
        device: read.device,
        heart_rate: meta.heart_rate.map(Bpm::get),
        tenths_of_second: i64::from(meta.duration_ms / 100),
        fs_hz: meta.rate_hz,
        gaps: meta.gaps as usize,
        clipped,
        withdrawn: withdrawn.as_deref(),
        paper: read.paper.map(|paper| &paper.picture),
        pdf: None,
        synthetic: read.synthetic,
    };
    crate::ecg::recording(lang, &view)
}
