//! A real Chromium behind chromedriver.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use thirtyfour::prelude::*;

/// Sizes at which the pages are looked at.
#[derive(Clone, Copy)]
pub enum Screen {
    /// A tablet, lying.
    Tablet,
    /// A tablet, upright.
    TabletUpright,
    /// The kiosk's screen.
    Kiosk,
    /// A desk at the hub.
    Desk,
}

impl Screen {
    /// Width and height in CSS pixels.
    pub fn size(self) -> (u32, u32) {
        match self {
            Self::Tablet => (1280, 800),
            Self::TabletUpright => (800, 1280),
            Self::Kiosk => (1920, 1080),
            Self::Desk => (1440, 900),
        }
    }
}

/// A browser of its own, with an empty profile. It ends when this value goes.
pub struct Browser {
    driver_process: Child,
    profile: tempfile::TempDir,
    /// The WebDriver session.
    pub page: WebDriver,
}

impl Browser {
    /// Starts a browser that asks for pages in Chinese.
    pub async fn start(screen: Screen) -> Self {
        Self::start_with(screen, &[]).await
    }

    /// Starts a browser with further switches.
    pub async fn start_with(screen: Screen, switches: &[&str]) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let (driver_process, port) = start_driver(profile.path());
        let (width, height) = screen.size();
        let mut capabilities = DesiredCapabilities::chrome();
        let profile_switch = format!("--user-data-dir={}", profile.path().join("profile").display());
        let size_switch = format!("--window-size={width},{height}");
        for switch in SWITCHES
            .iter()
            .chain(switches)
            .chain([&profile_switch.as_str(), &size_switch.as_str()])
        {
            capabilities.add_arg(switch).unwrap();
        }
        capabilities.set_binary(&browser_path()).unwrap();
        let page = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities)
            .await
            .unwrap();
        Self {
            driver_process,
            profile,
            page,
        }
    }

    /// Opens a page and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.page.goto(url).await.unwrap();
    }

    /// The element that a CSS selector names, waited for.
    pub async fn find(&self, selector: &str) -> WebElement {
        let found = self.page.query(By::Css(selector)).first().await;
        match found {
            Ok(element) => element,
            Err(error) => panic!(
                "{selector} is not on {}: {error}\n{}",
                self.url().await,
                self.text().await
            ),
        }
    }

    /// Clicks the element that a CSS selector names.
    pub async fn click(&self, selector: &str) {
        self.find(selector).await.click().await.unwrap();
    }

    /// Types into the field that a CSS selector names, in place of what stood there.
    pub async fn fill(&self, selector: &str, text: &str) {
        let field = self.find(selector).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Waits until the page's visible text holds `text`.
    pub async fn wait_text(&self, text: &str) {
        let deadline = std::time::Instant::now() + crate::programs::PATIENCE;
        loop {
            let shown = self.text().await;
            if shown.contains(text) {
                return;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "{text} never shows on {}:\n{shown}",
                self.url().await
            );
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    /// The page's visible text.
    pub async fn text(&self) -> String {
        match self.page.find(By::Css("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// The page's address.
    pub async fn url(&self) -> String {
        self.page
            .current_url()
            .await
            .map(|url| url.to_string())
            .unwrap_or_default()
    }

    /// Saves what is seen as a PNG where the environment variable SCREENSHOTS names a folder.
    pub async fn screenshot(&self, name: &str) {
        let Ok(folder) = std::env::var("SCREENSHOTS") else {
            return;
        };
        std::fs::create_dir_all(&folder).unwrap();
        self.page
            .screenshot(&Path::new(&folder).join(format!("{name}.png")))
            .await
            .unwrap();
    }

    /// What axe-core reports on the page at WCAG 2.2 AA: one line a violation, empty where there is none.
    pub async fn accessibility_violations(&self) -> Vec<String> {
        let script = std::fs::read_to_string(axe_path()).unwrap();
        self.page.execute(&script, vec![]).await.unwrap();
        let run = r#"
            const done = arguments[arguments.length - 1];
            const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
            axe.run(document, { runOnly: { type: "tag", values: tags } }).then(
                (result) => done(result.violations.map((v) => v.id + ": " + v.help + " at "
                    + v.nodes.map((n) => n.target.join(" ")).join(", "))),
                (error) => done(["axe failed: " + error]),
            );"#;
        let result = self.page.execute_async(run, vec![]).await.unwrap();
        result.convert().unwrap()
    }

    /// Ends the session in an orderly way.
    pub async fn quit(self) {
        self.page.clone().quit().await.unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver takes its browser along; both live below this profile.
        let profile = self.profile.path().display().to_string();
        if self.driver_process.kill().is_ok() {
            let _status = self.driver_process.wait();
        }
        let _swept = Command::new("pkill").args(["-f", &profile]).status();
    }
}

/// Switches that let Chromium run as root in a container and keep it off the network.
const SWITCHES: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=zh-CN",
];

fn browser_path() -> String {
    std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned())
}

fn axe_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("axe/node_modules/axe-core/axe.min.js")
}

/// Starts chromedriver on a free port and reads the port from its first lines.
fn start_driver(home: &Path) -> (Child, u16) {
    let driver = std::env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".to_owned());
    let mut child = Command::new(driver)
        .arg("--port=0")
        .env("HOME", home)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("chromedriver is needed by the browser stories: {error}"));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
        line.split("on port ")
            .nth(1)?
            .trim_end_matches('.')
            .trim()
            .parse()
            .ok()
    });
    std::thread::spawn(move || lines.for_each(drop));
    (
        child,
        port.unwrap_or_else(|| panic!("chromedriver names no port")),
    )
}
