//! Tests of the drawing: its measures are read back from the SVG.

use super::*;
use crate::filters::Band;
use crate::model::{Lead, Mark, MarkKind, SampleRateHz, Scale};
use crate::synthetic::{Heart, HeartSettings};

const TEXTS: DrawTexts<'_> = DrawTexts {
    id: "strip\" onload=\"x",
    title: "title <b>",
    description: "seventy-two & regular",
    gap: "word-gap",
    clipped: "word-clipped",
    lead_off: "word-off",
    missing_lead: "word-missing",
    filter: "word-filter",
    unfiltered: "word-none",
    footer: &["unconfirmed"],
};

fn strip() -> Waveform {
    Heart::new(HeartSettings::default(), 1).record(10.0, SampleRateHz::DIAGNOSTIC)
}

fn raw() -> DrawOptions {
    DrawOptions {
        filter: DisplayFilter {
            band: Band::Full,
            mains_50_hz: false,
        },
        ..Default::default()
    }
}

/// Value of an attribute of the first element that contains `mark`.
fn attribute<'a>(svg: &'a str, mark: &str, name: &str) -> &'a str {
    let at = svg.find(mark).unwrap_or_else(|| panic!("{mark} is not there"));
    let start = svg[..at].rfind('<').unwrap();
    let element = &svg[start..start + svg[start..].find('>').unwrap()];
    let value = element.split_once(&format!(" {name}=\"")).unwrap().1;
    value.split_once('"').unwrap().0
}

/// Points of a trace in millimetres from its start.
fn points(d: &str) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    for part in d.split('M').skip(1) {
        let (start, rest) = part.split_once('l').unwrap();
        let numbers = |text: &str| {
            text.split_whitespace()
                .map(|n| n.parse::<i64>().unwrap())
                .collect::<Vec<_>>()
        };
        let start = numbers(start);
        let mut at = (start[0], start[1]);
        points.push(at);
        for step in numbers(rest).chunks(2) {
            at = (at.0 + step[0], at.1 + step[1]);
            points.push(at);
        }
    }
    points
        .into_iter()
        .map(|(x, y)| (x as f64 / 100.0, y as f64 / 100.0))
        .collect()
}

#[test]
fn millimetres_are_millimetres() {
    let svg = svg(&strip(), &raw(), &TEXTS);
    assert_eq!(attribute(&svg, "viewBox", "width"), "270mm");
    let height = attribute(&svg, "viewBox", "height").trim_end_matches("mm");
    assert_eq!(attribute(&svg, "viewBox", "viewBox"), format!("0 0 270 {height}"));
    // 1 mV x 200 ms through the scale of the traces: 10 mm x 5 mm.
    let pulse = attribute(&svg, "class=\"calibration\"", "d");
    assert!(pulse.contains("v-10h5v10"), "{pulse}");
    assert!(svg.contains("25 mm/s  10 mm/mV  word-none  500 Hz"));
    assert_eq!(svg.matches("class=\"calibration\"").count(), 4);
}

#[test]
fn a_millivolt_is_ten_millimetres_and_a_second_twenty_five() {
    let ramp: Vec<i32> = (0..5000).map(|at| if at == 1000 { 400 } else { 0 }).collect();
    let lead = Lead {
        name: LeadName::II,
        scale: Scale::RECORDER_STEP,
        zero: 0,
        samples: ramp,
    };
    let one = Waveform::new(SampleRateHz::DIAGNOSTIC, vec![lead], vec![]).unwrap();
    for (speed, mm_per_s) in [(Speed::Slow, 12.5), (Speed::Usual, 25.0), (Speed::Fast, 50.0)] {
        for (gain, mm_per_mv) in [
            (Gain::Quarter, 2.5),
            (Gain::Half, 5.0),
            (Gain::Usual, 10.0),
            (Gain::Double, 20.0),
        ] {
            let options = DrawOptions {
                layout: Layout::Rows,
                speed,
                gain,
                ..raw()
            };
            let svg = svg(&one, &options, &TEXTS);
            let points = points(attribute(&svg, "class=\"trace\"", "d"));
            assert_eq!(points.len(), 5000);
            let peak = points.iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
            assert_eq!(*peak, (2.0 * mm_per_s, -mm_per_mv));
            let pulse = attribute(&svg, "class=\"calibration\"", "d");
            assert!(
                pulse.contains(&format!("v-{mm_per_mv}h{}v{mm_per_mv}", mm_per_s / 5.0)),
                "{pulse}"
            );
            assert!(svg.contains(&format!("{mm_per_s} mm/s  {mm_per_mv} mm/mV")));
        }
    }
}

#[test]
fn columns_share_one_time_axis() {
    let svg = svg(&strip(), &raw(), &TEXTS);
    let places = |lead: &str| {
        let mark = format!("data-lead=\"{lead}\" ");
        let at = attribute(&svg, &mark, "transform");
        let numbers: Vec<f64> = at["translate(".len()..at.find(')').unwrap()]
            .split(' ')
            .map(|number| number.parse().unwrap())
            .collect();
        (numbers[0], numbers[1])
    };
    assert_eq!(places("aVR").0 - places("I").0, 62.5);
    assert_eq!(places("V1").0 - places("I").0, 125.0);
    assert_eq!(places("V4").0 - places("I").0, 187.5);
    assert_eq!(places("I").1, places("V4").1);
    assert_eq!(places("V6").1 - places("V4").1, 60.0);
    // Four columns of three, and the rhythm strip over all ten seconds.
    assert_eq!(svg.matches("class=\"trace\"").count(), 13);
    let rhythm = svg.rfind("<path class=\"trace\"").unwrap();
    let d = &svg[rhythm..];
    assert_eq!(points(attribute(d, "class", "d").trim()).len(), 5000);
}

#[test]
fn each_layout_shows_each_lead_with_its_name() {
    for layout in [Layout::ThreeByFour, Layout::SixByTwo, Layout::Rows] {
        let svg = svg(
            &strip(),
            &DrawOptions {
                layout,
                ..Default::default()
            },
            &TEXTS,
        );
        for name in LeadName::STANDARD {
            assert!(
                svg.contains(&format!(">{name}</text>")) && svg.contains(&format!("data-lead=\"{name}\""))
            );
        }
        assert!(svg.contains("word-filter 0.05\u{2013}150 Hz"));
    }
}

#[test]
fn gaps_are_holes_with_a_name_and_clipping_is_marked() {
    let strip = strip();
    let mark = |start, len, lead, kind| Mark {
        start,
        len,
        lead,
        kind,
    };
    let marks = vec![
        mark(100, 200, None, MarkKind::Gap),
        mark(500, 1, Some(0), MarkKind::Gap),
        mark(600, 50, Some(0), MarkKind::Clipped),
        mark(700, 50, Some(1), MarkKind::LeadOff),
    ];
    let marked = Waveform::new(strip.rate(), strip.leads().to_vec(), marks).unwrap();
    let svg = svg(&marked, &raw(), &TEXTS);
    let first = attribute(&svg, "data-lead=\"I\" ", "d");
    assert_eq!(
        first.matches('M').count(),
        3,
        "the trace of lead I is broken twice"
    );
    assert_eq!(points(first).len(), 1251 - 201);
    assert!(svg.contains("word-gap") && svg.contains("word-clipped") && svg.contains("word-off"));
    // Three leads in the first column and the rhythm strip; the single sample in lead I.
    assert_eq!(svg.matches("class=\"gap\"").count(), 5);
    assert_eq!(svg.matches("class=\"clipped\"").count(), 1);
    assert_eq!(svg.matches("class=\"lead-off\"").count(), 2);
    let narrow = &svg[svg.match_indices("class=\"gap\"").nth(1).unwrap().0..];
    assert_eq!(attribute(&format!("<rect {narrow}"), "class", "width"), "0.60");
}

#[test]
fn words_cannot_leave_their_place() {
    let svg = svg(&strip(), &DrawOptions::default(), &TEXTS);
    assert!(svg.contains("<title id=\"striponloadx-title\">title &lt;b&gt;</title>"));
    assert!(svg.contains("seventy-two &amp; regular</desc>"));
    assert!(svg.contains("aria-labelledby=\"striponloadx-title striponloadx-desc\""));
    assert_eq!(escaped("a\u{0}<'\">"), "a &lt;&#39;&quot;&gt;");
}

#[test]
fn what_is_not_there_is_said_and_short_strips_are_drawn() {
    let lead = Lead {
        name: LeadName::II,
        scale: Scale::RECORDER_STEP,
        zero: 0,
        samples: vec![i32::MAX; 30],
    };
    let odd = Lead {
        name: LeadName::Other("<x>".into()),
        ..lead.clone()
    };
    let short = Waveform::new(SampleRateHz::new(100).unwrap(), vec![lead, odd], vec![]).unwrap();
    for layout in [Layout::ThreeByFour, Layout::SixByTwo, Layout::Rows] {
        for start in [0, 29, 30, usize::MAX] {
            let svg = svg(
                &short,
                &DrawOptions {
                    layout,
                    start,
                    ..raw()
                },
                &TEXTS,
            );
            assert_eq!(svg.contains("word-missing"), layout != Layout::Rows);
            assert!(!svg.contains("<x>"));
            assert!(svg.len() < 40_000);
        }
    }
    let empty = Heart::new(HeartSettings::default(), 1).record(0.0, SampleRateHz::DIAGNOSTIC);
    svg(&empty, &DrawOptions::default(), &TEXTS);
}
