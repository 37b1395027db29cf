//! One lead in its place: the trace, its name, and marks over what is no ordinary signal.

use std::fmt::Write as _;

use super::sheet::{Cell, INK, Row, Sheet, TEXT_MM};
use super::{DrawOptions, DrawTexts, escaped};
use crate::model::{MarkKind, Waveform};

/// Colour of marks: dark enough for text on white.
const MARK: &str = "#7a2b00";
/// Traces are written in whole hundredths of a millimetre.
const FINE: f64 = 100.0;

pub(super) fn draw(
    out: &mut String,
    waveform: &Waveform,
    sheet: &Sheet,
    row: &Row,
    cell: &Cell,
    options: &DrawOptions,
    texts: &DrawTexts<'_>,
) {
    let top = row.baseline_mm - row.height_mm / 2.0;
    let _ = write!(
        out,
        "<path d=\"M{0} {1}v4\" stroke=\"{INK}\" stroke-width=\"0.3\"/>\
         <text x=\"{2}\" y=\"{3}\" font-size=\"{TEXT_MM}\" font-weight=\"bold\" fill=\"{INK}\">{4}</text>",
        cell.x_mm,
        row.baseline_mm - 2.0,
        cell.x_mm + 1.0,
        top + TEXT_MM + 0.5,
        escaped(cell.name.as_str())
    );
    let Some(place) = cell.place else {
        text(out, cell.x_mm + 12.0, top + TEXT_MM + 0.5, texts.missing_lead);
        return;
    };
    let mm_per_sample = options.speed.mm_per_s() / waveform.rate().hz();
    let values = options.filter.apply(waveform, place);
    let unusable = waveform.unusable(place);
    let _ = write!(
        out,
        "<path class=\"trace\" data-lead=\"{}\" transform=\"translate({} {}) scale(0.01)\" fill=\"none\" \
         stroke=\"{INK}\" stroke-width=\"25\" stroke-linejoin=\"round\" d=\"",
        escaped(cell.name.as_str()),
        cell.x_mm,
        row.baseline_mm
    );
    // What lies beyond the sheet is drawn at its edge: a number of any size would make the file of any size.
    let limit = sheet.height_mm * FINE;
    let point = |at: usize| {
        let x = ((at - cell.first) as f64 * mm_per_sample * FINE).round() as i64;
        let y = (-values[at] * options.gain.mm_per_mv() * FINE)
            .clamp(-limit, limit)
            .round() as i64;
        (x, y)
    };
    path(out, cell.first..cell.first + cell.count, &unusable, point);
    out.push_str("\"/>");
    marks(out, waveform, row, cell, place, mm_per_sample, texts);
}

/// Moves to the first point of each usable run and draws to the others.
fn path(
    out: &mut String,
    samples: std::ops::Range<usize>,
    unusable: &[bool],
    point: impl Fn(usize) -> (i64, i64),
) {
    let mut last: Option<(i64, i64)> = None;
    for at in samples {
        if unusable[at] {
            last = None;
            continue;
        }
        let (x, y) = point(at);
        let _ = match last {
            None => write!(out, "M{x} {y}l"),
            Some((before_x, before_y)) => write!(out, "{} {} ", x - before_x, y - before_y),
        };
        last = Some((x, y));
    }
}

fn marks(
    out: &mut String,
    waveform: &Waveform,
    row: &Row,
    cell: &Cell,
    place: usize,
    mm_per_sample: f64,
    texts: &DrawTexts<'_>,
) {
    let top = row.baseline_mm - row.height_mm / 2.0 + TEXT_MM + 2.0;
    let height = row.height_mm - TEXT_MM - 3.0;
    let shown = cell.first..(cell.first + cell.count);
    for mark in waveform.marks().iter().filter(|mark| mark.covers(place)) {
        let (from, to) = (
            mark.range().start.max(shown.start),
            mark.range().end.min(shown.end),
        );
        if from >= to {
            continue;
        }
        let x = cell.x_mm + (from - cell.first) as f64 * mm_per_sample;
        let end = cell.x_mm + cell.width_mm;
        // A gap of one sample must be seen as well.
        let width = ((to - from) as f64 * mm_per_sample).min(end - x).max(0.6);
        let (class, word, fill, dashes) = match mark.kind {
            MarkKind::Gap => ("gap", texts.gap, "0.18", "1 0.6"),
            MarkKind::LeadOff => ("lead-off", texts.lead_off, "0.10", "0.4 0.8"),
            MarkKind::Clipped => ("clipped", texts.clipped, "0", "none"),
        };
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{x:.2}\" y=\"{top:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" \
             fill=\"{MARK}\" fill-opacity=\"{fill}\" stroke=\"{MARK}\" stroke-width=\"0.25\" \
             stroke-dasharray=\"{dashes}\"/>"
        );
        if from == mark.range().start.max(cell.first) {
            text(out, x + 0.4, top + TEXT_MM, word);
        }
    }
}

fn text(out: &mut String, x: f64, y: f64, words: &str) {
    let _ = write!(
        out,
        "<text x=\"{x:.2}\" y=\"{y:.2}\" font-size=\"{TEXT_MM}\" fill=\"{MARK}\">{}</text>",
        escaped(words)
    );
}
