//! What every page must hold, measured in the browser: no fault that axe-core knows, targets large enough for a
//! finger, nothing cut off, overlapping or scrolling sideways, at both text sizes.

use serde_json::json;

use crate::browser::{Browser, Screen};

/// How large targets of a screen are, and how far apart, in CSS pixels.
#[derive(Clone, Copy)]
pub struct Rules {
    /// Least width and height of a target.
    pub target: u32,
    /// Least height of the buttons that carry a screen on.
    pub main_target: u32,
    /// Least distance between two targets.
    pub gap: u32,
    /// Size of ordinary text.
    pub text: u32,
}

impl Rules {
    /// The rules of a screen.
    pub fn of(screen: Screen) -> Self {
        match screen {
            Screen::Tablet | Screen::TabletUpright => Self::sizes(48, 48, 8, 18),
            Screen::Kiosk => Self::sizes(60, 96, 8, 24),
            Screen::Desk => Self::sizes(32, 32, 0, 16),
        }
    }

    fn sizes(target: u32, main_target: u32, gap: u32, text: u32) -> Self {
        Self {
            target,
            main_target,
            gap,
            text,
        }
    }
}

/// Text at its usual size and at twice that.
const TEXT_SIZES: [u32; 2] = [100, 200];

/// Looks at the page that stands in the browser, at these screens and both text sizes; saves what is seen under
/// `name`; gives one line a fault.
pub async fn faults(browser: &Browser, name: &str, screens: &[Screen]) -> Vec<String> {
    let mut found = Vec::new();
    for violation in browser.accessibility_violations().await {
        found.push(format!("{name}: axe {violation}"));
    }
    for screen in screens {
        browser.resize(*screen).await;
        for percent in TEXT_SIZES {
            browser.text_size(percent).await;
            let rules = Rules::of(*screen);
            let asked = json!({
                "target": rules.target,
                "main": rules.main_target,
                "gap": rules.gap,
                "text": rules.text * percent / 100,
            });
            let script = include_str!("page_faults.js");
            let answer = browser.page.execute(script, vec![asked]).await.unwrap();
            let measured: Vec<String> = answer.convert().unwrap();
            let shown = format!(
                "{name}-{}{}",
                screen.word(),
                if percent == 200 { "-200" } else { "" }
            );
            found.extend(measured.into_iter().map(|fault| format!("{shown}: {fault}")));
            browser.screenshot(&shown).await;
        }
        browser.text_size(100).await;
    }
    if let Some(first) = screens.first() {
        browser.resize(*first).await;
    }
    found
}
