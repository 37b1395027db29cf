//! The sheet: where rows and columns stand, the grid, the calibration pulse and the footer.

use std::fmt::Write as _;

use super::{DrawOptions, Layout, SHEET_SECONDS, escaped};
use crate::model::{LeadName, Waveform};

/// Colours with a contrast of at least 4.5 to 1 between text or trace and paper; the grid stays light, and
/// thick lines are darker than thin ones also in grey.
const PAPER: &str = "#ffffff";
const THIN: &str = "#f6cfc9";
const THICK: &str = "#e79d93";
pub(super) const INK: &str = "#10182b";

const MARGIN_MM: f64 = 5.0;
/// Room for the calibration pulse before the traces.
const CALIBRATION_MM: f64 = 10.0;
/// Height of a row of the three-by-four sheet, and of sheets with more rows, at 10 mm/mV.
const TALL_ROW_MM: f64 = 30.0;
const ROW_MM: f64 = 14.0;
const SIX_ROW_MM: f64 = 20.0;
/// Room above the first of the lower rows, which are not as high as a calibration pulse needs.
const HEADROOM_MM: f64 = 5.0;
pub(super) const TEXT_MM: f64 = 3.2;
const LINE_MM: f64 = 4.5;

/// A lead, or where it is missing, over some of the time axis.
pub(super) struct Cell {
    pub(super) name: LeadName,
    /// Place in the waveform.
    pub(super) place: Option<usize>,
    /// Samples that stand here.
    pub(super) first: usize,
    pub(super) count: usize,
    /// Where the first of them stands.
    pub(super) x_mm: f64,
    pub(super) width_mm: f64,
}

pub(super) struct Row {
    pub(super) baseline_mm: f64,
    pub(super) height_mm: f64,
    pub(super) cells: Vec<Cell>,
}

pub(super) struct Sheet {
    pub(super) width_mm: f64,
    pub(super) height_mm: f64,
    pub(super) rows: Vec<Row>,
    grid: (f64, f64, f64, f64),
    gain: f64,
    mm_per_s: f64,
}

impl Sheet {
    pub(super) fn of(waveform: &Waveform, options: &DrawOptions, footer_lines: usize) -> Self {
        let mm_per_s = options.speed.mm_per_s();
        let (table, row_mm) = table(waveform, options);
        let left = MARGIN_MM + CALIBRATION_MM;
        let grid_width = CALIBRATION_MM + SHEET_SECONDS * mm_per_s;
        let rate = waveform.rate();
        let headroom = if row_mm < 2.2 * options.gain.mm_per_mv() {
            HEADROOM_MM
        } else {
            0.0
        };
        let mut rows = Vec::with_capacity(table.len());
        for (index, names) in table.into_iter().enumerate() {
            let seconds = SHEET_SECONDS / names.len() as f64;
            let cells = names.into_iter().enumerate().map(|(column, name)| {
                let from = column as f64 * seconds;
                let offset = rate.samples_in(from);
                let end = rate
                    .samples_in(from + seconds)
                    .saturating_add(options.start)
                    .min(waveform.len());
                let first = options.start.saturating_add(offset).min(end);
                let x_mm = left + rate.seconds(offset) * mm_per_s;
                let place = waveform.place(&name);
                // One sample more than the column holds joins it to the next one.
                let count = (end + 1).min(waveform.len()).saturating_sub(first);
                Cell {
                    name,
                    place,
                    first,
                    count,
                    x_mm,
                    width_mm: seconds * mm_per_s,
                }
            });
            let baseline_mm = MARGIN_MM + headroom + row_mm * (index as f64 + 0.5);
            // On a line of the grid, so that heights can be counted.
            rows.push(Row {
                baseline_mm: baseline_mm.round(),
                height_mm: row_mm,
                cells: cells.collect(),
            });
        }
        let grid_height = ((headroom + rows.len() as f64 * row_mm) / 5.0).ceil() * 5.0;
        Self {
            width_mm: grid_width + 2.0 * MARGIN_MM,
            height_mm: grid_height + MARGIN_MM + LINE_MM * (footer_lines as f64 + 1.0) + 1.0,
            rows,
            grid: (MARGIN_MM, MARGIN_MM, grid_width, grid_height),
            gain: options.gain.mm_per_mv(),
            mm_per_s,
        }
    }

    /// Thin lines each millimetre, thick ones each five.
    pub(super) fn draw_grid(&self, out: &mut String) {
        let (left, top, width, height) = self.grid;
        let _ = write!(
            out,
            "<rect width=\"{}\" height=\"{}\" fill=\"{PAPER}\"/>",
            self.width_mm, self.height_mm
        );
        for (colour, stroke, step, skip) in [(THIN, 0.1, 1.0, 5), (THICK, 0.18, 5.0, 0)] {
            let _ = write!(
                out,
                "<path fill=\"none\" stroke=\"{colour}\" stroke-width=\"{stroke}\" d=\""
            );
            let lines =
                |length: f64| (0..=(length / step) as usize).filter(move |at| skip == 0 || at % skip != 0);
            for at in lines(width) {
                let _ = write!(out, "M{} {top}v{height}", left + at as f64 * step);
            }
            for at in lines(height) {
                let _ = write!(out, "M{left} {}h{width}", top + at as f64 * step);
            }
            out.push_str("\"/>");
        }
    }

    /// 1 mV over 200 ms at the start of a row, through the scale of the traces.
    pub(super) fn draw_calibration(&self, out: &mut String, baseline_mm: f64) {
        let (height, width) = (self.gain, 0.2 * self.mm_per_s);
        let from = MARGIN_MM + (CALIBRATION_MM - width) / 2.0;
        let _ = write!(
            out,
            "<path class=\"calibration\" fill=\"none\" stroke=\"{INK}\" stroke-width=\"0.3\" \
             d=\"M{} {baseline_mm}H{from}v-{height}h{width}v{height}H{}\"/>",
            MARGIN_MM + 1.0,
            MARGIN_MM + CALIBRATION_MM - 1.0
        );
    }

    pub(super) fn draw_footer(&self, out: &mut String, scale: &str, lines: &[&str]) {
        let (left, top, _, height) = self.grid;
        let all = std::iter::once(scale).chain(lines.iter().copied());
        for (index, line) in all.enumerate() {
            let y = top + height + LINE_MM * (index as f64 + 1.0);
            let _ = write!(
                out,
                "<text x=\"{left}\" y=\"{y}\" font-size=\"{TEXT_MM}\" fill=\"{INK}\" xml:space=\"preserve\">{}</text>",
                escaped(line)
            );
        }
    }
}

/// Names of the leads of each row, and the height of a row.
fn table(waveform: &Waveform, options: &DrawOptions) -> (Vec<Vec<LeadName>>, f64) {
    let columns = |rows: usize| -> Vec<Vec<LeadName>> {
        let of_row = |row: usize| LeadName::STANDARD.into_iter().skip(row).step_by(rows).collect();
        (0..rows).map(of_row).collect()
    };
    // Rows grow with the gain, but do not shrink below what keeps labels apart.
    let scale = (options.gain.mm_per_mv() / 10.0).max(1.0);
    match options.layout {
        Layout::ThreeByFour => {
            let mut rows = columns(3);
            rows.push(vec![options.rhythm.clone()]);
            (rows, TALL_ROW_MM * scale)
        }
        Layout::SixByTwo => (columns(6), SIX_ROW_MM * scale),
        Layout::Rows => {
            let standard = LeadName::STANDARD
                .into_iter()
                .filter(|name| waveform.lead(name).is_some());
            let mut names: Vec<LeadName> = standard.collect();
            let others = waveform.leads().iter().map(|lead| &lead.name);
            names.extend(others.filter(|name| name.standard_index().is_none()).cloned());
            let row_mm = if names.len() < 4 { TALL_ROW_MM } else { ROW_MM };
            (names.into_iter().map(|name| vec![name]).collect(), row_mm * scale)
        }
    }
}
