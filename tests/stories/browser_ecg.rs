//! An ECG in the browser: the trace that runs while a recorder records, the stored recording, and its print.

use std::path::Path;
use std::process::Command;

use harness::browser::{Browser, Screen};
use harness::clinic_box::{Bay, ClinicBox};
use harness::doctor::Tablet;

const NAME: &str = "王秀英";
/// The heart of the simulated recorder.
const RATE: &str = "72";
const LEADS: [&str; 12] = [
    "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6",
];
/// Dots in a millimetre at 254 dots an inch.
const DOTS_OF_MM: f64 = 10.0;
/// How far 100 mm on paper may be off, in millimetres.
const OFF_MAX_MM: f64 = 0.5;

fn recorder() -> [Bay<'static>; 1] {
    [Bay {
        name: "心电",
        device: "contec-8000g",
        arguments: &[],
    }]
}

/// Founds the clinic and registers somebody.
async fn first_patient(tablet: &Tablet<'_>) -> String {
    tablet.found_clinic().await;
    tablet
        .register(&[("name", NAME), ("birth", "1958-04-01")], "none")
        .await
}

/// Whether the picture of the strip has changed since it was asked last, in the state "running".
const MOVED: &str = "const strip = document.querySelector('ecg-live');
    const picture = strip.querySelector('canvas').toDataURL();
    const moved = strip.dataset.state === 'running' && window.picture !== undefined && picture !== window.picture;
    window.picture = picture;
    return moved;";

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_runs_while_it_is_recorded_and_then_stands_on_paper_at_true_size() {
    let folder = tempfile::tempdir().unwrap();
    let clinic = ClinicBox::start(folder.path(), &recorder());
    let browser = Browser::start(Screen::Tablet).await;
    let tablet = Tablet::new(&browser, &clinic.url("/"));
    let patient = first_patient(&tablet).await;
    tablet.open_bay(&patient, 0).await;
    tablet.submit("form[action$='/act/start'] button").await;
    browser.find("ecg-live canvas").await;
    for look in 1..=3 {
        browser
            .wait_script(&format!("the trace moves, look {look}"), MOVED)
            .await;
    }
    let names: Vec<String> = browser
        .script("return document.querySelector('ecg-live').leads;", vec![])
        .await;
    assert_eq!(names, LEADS, "leads of the running trace");
    browser
        .wait_script("a trace in the place of each lead", EACH_LEAD_IS_DRAWN)
        .await;
    let shows_rate = format!("return document.querySelector('.ecg-rate').textContent === '{RATE}';");
    browser
        .wait_script("the heart rate beside the trace", &shows_rate)
        .await;
    browser.screenshot("ecg-live").await;

    browser.find("#bay-now .panel a.button-main").await;
    tablet.open(&patient).await;
    tablet.submit("main a[href^='/ecgs/']").await;
    browser.find("main svg").await;
    let written: Vec<String> = browser
        .script(
            "return [...document.querySelectorAll('.ecg-paper svg text')].map((one) => one.textContent);",
            vec![],
        )
        .await;
    for lead in LEADS {
        assert!(
            written.iter().any(|text| text == lead),
            "{lead} is not on the paper: {written:?}"
        );
    }
    let shown = browser.text().await;
    assert!(shown.contains(RATE), "{shown}");
    let pdf = folder.path().join("ecg.pdf");
    browser.print(&pdf).await;
    browser.quit().await;
    assert_true_size(&pdf);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heart_that_races_is_told_at_once_and_its_ecg_waits_before_all_ordinary_work() {
    let folder = tempfile::tempdir().unwrap();
    let [bay] = recorder();
    let racing = Bay {
        arguments: &["--heart-rate", "210"],
        ..bay
    };
    let clinic = ClinicBox::start(folder.path(), &[racing]);
    let browser = Browser::start(Screen::Tablet).await;
    let tablet = Tablet::new(&browser, &clinic.url("/"));
    let patient = first_patient(&tablet).await;
    tablet.record_ecg(&patient, 0).await;
    browser.find("#bay-now .panel.panel-must").await;
    browser.wait_text("危急，请立即处理").await;
    browser.screenshot("ecg-critical").await;
    browser.quit().await;
    let queue = clinic.verb("status", &["--json"]).json()["queue"].clone();
    let items = ["P0", "P1", "P4"].map(|lane| queue[lane]["items"].as_u64());
    // The chart's new entry with the preview, and the samples; nothing of it in the lane of blobs.
    assert_eq!(items, [Some(2), Some(1), Some(0)], "{queue}");
}

/// Whether ink stands in the place of each lead of the running strip.
const EACH_LEAD_IS_DRAWN: &str = "const strip = document.querySelector('ecg-live');
    const ratio = strip.ratio;
    return strip.leads.every((name, lead) => {
        const place = strip.place(lead);
        const dots = strip.pen.getImageData(place.x * ratio, (place.top + 20) * ratio, place.width * ratio, (place.height - 20) * ratio).data;
        let inked = 0;
        for (let at = 3; at < dots.length; at += 4) if (dots[at] > 128) inked += 1;
        return inked > 100;
    });";

/// The sheet is an A4 one on its side, alone; it names its person, and 100 mm of its grid are 100 mm both ways.
fn assert_true_size(pdf: &Path) {
    let said = Command::new("pdfinfo").arg(pdf).output().unwrap();
    let facts = String::from_utf8_lossy(&said.stdout).into_owned();
    let fact = |name: &str| {
        let line = facts.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {facts}"))
            .trim()
            .to_owned()
    };
    assert_eq!(fact("Pages:"), "1");
    let said = Command::new("pdftotext").arg(pdf).arg("-").output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    for words in [NAME, "1958-04-01", "25 mm/s", "10 mm/mV", RATE, "aVR", "V6"] {
        assert!(text.contains(words), "{words} is not on the sheet: {text}");
    }
    let size = fact("Page size:");
    assert!(size.ends_with("pts (A4)"), "the paper is not named: {size}");
    let sides: Vec<f64> = size.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(sides[0] > sides[1], "on its side: {size}");
    let sheet = Sheet::of(pdf);
    for (way, lines) in [("across", sheet.upright_lines()), ("down", sheet.level_lines())] {
        // Thick lines stand 5 mm apart.
        assert!(lines.len() > 20, "{} lines {way}", lines.len());
        let length = (lines[20] - lines[0]) / DOTS_OF_MM;
        assert!(
            (length - 100.0).abs() <= OFF_MAX_MM,
            "100 mm {way} measure {length} mm"
        );
        for pair in lines.windows(2) {
            let step = (pair[1] - pair[0]) / DOTS_OF_MM;
            assert!((step - 5.0).abs() <= 0.2, "5 mm {way} measure {step} mm");
        }
    }
}

/// The first page of a PDF in dots of a tenth of a millimetre.
struct Sheet {
    width: usize,
    dots: Vec<[u8; 3]>,
}

impl Sheet {
    fn of(pdf: &Path) -> Self {
        let pdftoppm = Command::new("pdftoppm")
            .args(["-r", "254", "-f", "1", "-l", "1"])
            .arg(pdf)
            .output()
            .unwrap();
        assert!(
            pdftoppm.status.success(),
            "{}",
            String::from_utf8_lossy(&pdftoppm.stderr)
        );
        // PPM: "P6", width, height, largest value, then three bytes a dot.
        let mut rest = pdftoppm.stdout.as_slice();
        let mut words = Vec::new();
        while words.len() < 4 {
            let end = rest.iter().position(u8::is_ascii_whitespace).unwrap();
            words.push(String::from_utf8_lossy(&rest[..end]).into_owned());
            rest = &rest[end + 1..];
        }
        assert_eq!((words[0].as_str(), words[3].as_str()), ("P6", "255"));
        let dots = rest.as_chunks::<3>().0.to_vec();
        let (width, height): (usize, usize) = (words[1].parse().unwrap(), words[2].parse().unwrap());
        assert_eq!(dots.len(), width * height);
        Self { width, dots }
    }

    fn height(&self) -> usize {
        self.dots.len() / self.width
    }

    /// Whether a dot has the colour of the grid's thick lines, darker than that of the thin ones.
    fn is_thick(&self, x: usize, y: usize) -> bool {
        let [red, green, blue] = self.dots[y * self.width + x];
        red > 200 && (120..190).contains(&green) && (110..190).contains(&blue)
    }

    /// Middles of the lines that go down most of the grid.
    fn upright_lines(&self) -> Vec<f64> {
        let thick = |x: usize| (0..self.height()).filter(|y| self.is_thick(x, *y)).count();
        lines(&(0..self.width).map(thick).collect::<Vec<_>>())
    }

    /// Middles of the lines that go across most of the grid.
    fn level_lines(&self) -> Vec<f64> {
        let thick = |y: usize| (0..self.width).filter(|x| self.is_thick(*x, y)).count();
        lines(&(0..self.height()).map(thick).collect::<Vec<_>>())
    }
}

/// Middles of the runs that have more than half as many dots as the fullest one.
fn lines(counts: &[usize]) -> Vec<f64> {
    let most = counts.iter().max().copied().unwrap_or_default();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (at, count) in counts.iter().enumerate() {
        if *count * 2 <= most {
            continue;
        }
        match found.last_mut() {
            Some((_, last)) if *last + 1 == at => *last = at,
            _ => found.push((at, at)),
        }
    }
    found
        .into_iter()
        .map(|(first, last)| (first + last) as f64 / 2.0)
        .collect()
}

/// A plug is pulled in mid-record: an old trace must not look like a running one.
#[tokio::test(flavor = "multi_thread")]
async fn a_strip_that_hears_nothing_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut clinic = ClinicBox::start(folder.path(), &recorder());
    let browser = Browser::start(Screen::Tablet).await;
    let tablet = Tablet::new(&browser, &clinic.url("/"));
    tablet.found_clinic().await;
    let patient = tablet.register(&[("name", NAME)], "none").await;
    tablet.open_bay(&patient, 0).await;
    tablet.submit("form[action$='/act/start'] button").await;
    browser.wait_script("the first picture", MOVED).await;
    clinic.at("心电", "unplug");
    let stale = "const strip = document.querySelector('ecg-live'); return strip.classList.contains('stale')
        && strip.dataset.state !== 'running';";
    browser
        .wait_script("a strip without news is grey and says so", stale)
        .await;
    browser.quit().await;
}
