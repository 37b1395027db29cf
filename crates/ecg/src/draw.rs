//! A strip as SVG, true to scale: one unit of the drawing is one millimetre, and width and height say so.
//!
//! 25 mm/s and 10 mm/mV unless asked otherwise; grid, calibration pulse and traces go through the same scale.
//! Words come from the caller; what stands there by itself are lead names and figures with units.

mod sheet;
mod trace;

use std::fmt::Write as _;

use crate::filters::DisplayFilter;
use crate::model::{LeadName, Waveform};
use sheet::Sheet;

/// Seconds of a strip that one sheet holds.
pub const SHEET_SECONDS: f64 = 10.0;

/// How the leads stand on the sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Four columns of 2.5 s with three leads each, on one time axis, and a rhythm strip of 10 s below.
    ThreeByFour,
    /// Two columns of 5 s with six leads each: fits a page in portrait.
    SixByTwo,
    /// Each lead of the recording in a row of its own, 10 s.
    Rows,
}

/// Paper speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Speed {
    /// 12.5 mm/s.
    Slow,
    /// 25 mm/s, the usual one.
    Usual,
    /// 50 mm/s.
    Fast,
}

impl Speed {
    /// Millimetres of a second.
    pub fn mm_per_s(self) -> f64 {
        match self {
            Self::Slow => 12.5,
            Self::Usual => 25.0,
            Self::Fast => 50.0,
        }
    }
}

/// Height of a millivolt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gain {
    /// 2.5 mm/mV.
    Quarter,
    /// 5 mm/mV.
    Half,
    /// 10 mm/mV, the usual one.
    Usual,
    /// 20 mm/mV.
    Double,
}

impl Gain {
    /// Millimetres of a millivolt.
    pub fn mm_per_mv(self) -> f64 {
        match self {
            Self::Quarter => 2.5,
            Self::Half => 5.0,
            Self::Usual => 10.0,
            Self::Double => 20.0,
        }
    }
}

/// What is drawn, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrawOptions {
    /// Where the leads stand.
    pub layout: Layout,
    /// Paper speed.
    pub speed: Speed,
    /// Height of a millivolt.
    pub gain: Gain,
    /// Filter of the drawn copy; it is named on the sheet.
    pub filter: DisplayFilter,
    /// First sample that is drawn.
    pub start: usize,
    /// Lead of the rhythm strip.
    pub rhythm: LeadName,
}

impl Default for DrawOptions {
    /// Three by four at 25 mm/s and 10 mm/mV in the diagnostic band, lead II below.
    fn default() -> Self {
        Self {
            layout: Layout::ThreeByFour,
            speed: Speed::Usual,
            gain: Gain::Usual,
            filter: DisplayFilter::DEFAULT,
            start: 0,
            rhythm: LeadName::II,
        }
    }
}

/// Words on the sheet, in the reader's language. They are escaped.
#[derive(Debug, Clone, Copy)]
pub struct DrawTexts<'a> {
    /// Distinguishes this drawing from others on the same page: letters, digits and hyphens.
    pub id: &'a str,
    /// What the picture is, for those who cannot see it.
    pub title: &'a str,
    /// Its content in words: heart rate, quality, gaps.
    pub description: &'a str,
    /// Stands over a stretch that was not recorded.
    pub gap: &'a str,
    /// Stands over a stretch where the voltage was beyond the range.
    pub clipped: &'a str,
    /// Stands over a stretch where an electrode had no contact.
    pub lead_off: &'a str,
    /// Stands in the place of a lead that the recording does not have.
    pub missing_lead: &'a str,
    /// Word before the filter of the drawing.
    pub filter: &'a str,
    /// Word for no filter.
    pub unfiltered: &'a str,
    /// Further lines below the drawing: device, time, who confirmed, or that nobody did.
    pub footer: &'a [&'a str],
}

/// Draws a strip.
pub fn svg(waveform: &Waveform, options: &DrawOptions, texts: &DrawTexts<'_>) -> String {
    let sheet = Sheet::of(waveform, options, texts.footer.len());
    let mut out = String::with_capacity(32 * 1024);
    let (width, height) = (sheet.width_mm, sheet.height_mm);
    let id: String = texts
        .id
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}mm\" height=\"{height}mm\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\" \
         font-family=\"sans-serif\">\
         <title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">{}</desc>",
        escaped(texts.title),
        escaped(texts.description)
    );
    sheet.draw_grid(&mut out);
    for row in &sheet.rows {
        sheet.draw_calibration(&mut out, row.baseline_mm);
        for cell in &row.cells {
            trace::draw(&mut out, waveform, &sheet, row, cell, options, texts);
        }
    }
    sheet.draw_footer(&mut out, &scale_line(waveform, options, texts), texts.footer);
    out.push_str("</svg>");
    out
}

/// Speed, gain, filter and sampling rate, as they are printed on every sheet.
fn scale_line(waveform: &Waveform, options: &DrawOptions, texts: &DrawTexts<'_>) -> String {
    let band = match options.filter.band.corners_hz() {
        None => texts.unfiltered.to_owned(),
        Some((low, high)) => format!("{} {low}\u{2013}{high} Hz", texts.filter),
    };
    let hum = if options.filter.mains_50_hz {
        " \u{2212}50 Hz"
    } else {
        ""
    };
    let (speed, gain) = (options.speed.mm_per_s(), options.gain.mm_per_mv());
    format!("{speed} mm/s  {gain} mm/mV  {band}{hum}  {} Hz", waveform.rate())
}

/// Text with the characters that mean something in XML replaced, and without those that XML cannot hold.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
