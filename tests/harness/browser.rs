//! A real Chromium behind chromedriver.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use thirtyfour::WindowHandle;
use thirtyfour::error::WebDriverErrorInner;
use thirtyfour::prelude::*;

use crate::profile::Profile;

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

    /// Its name in the names of screenshots.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tablet => "tablet",
            Self::TabletUpright => "upright",
            Self::Kiosk => "kiosk",
            Self::Desk => "desk",
        }
    }
}

/// A browser of its own, with an empty profile. It ends when this value goes.
pub struct Browser {
    driver_process: Child,
    /// The WebDriver session.
    pub page: WebDriver,
    /// Ends the browser's processes and removes its folder when this value goes.
    _profile: Profile,
}

impl Browser {
    /// Starts a browser that asks for pages in Chinese.
    pub async fn start(screen: Screen) -> Self {
        Self::start_with(screen, &[]).await
    }

    /// Starts a browser that trusts the certificates of this authority (a PEM file) and nothing else of its own.
    pub async fn start_trusting(screen: Screen, authority: &Path, switches: &[&str]) -> Self {
        let profile = Profile::make();
        let store = profile.path().join(".pki/nssdb");
        std::fs::create_dir_all(&store).unwrap();
        let store = format!("sql:{}", store.display());
        let authority = authority.display().to_string();
        let certutil = |arguments: &[&str]| {
            let done = Command::new("certutil")
                .args(["-d", &store])
                .args(arguments)
                .status();
            assert!(
                done.is_ok_and(|status| status.success()),
                "certutil {arguments:?}"
            );
        };
        certutil(&["-N", "--empty-password"]);
        certutil(&["-A", "-n", "authority", "-t", "C,,", "-i", &authority]);
        Self::launch(screen, profile, switches).await
    }

    /// Starts a browser with further switches.
    pub async fn start_with(screen: Screen, switches: &[&str]) -> Self {
        Self::launch(screen, Profile::make(), switches).await
    }

    async fn launch(screen: Screen, profile: Profile, switches: &[&str]) -> Self {
        let (driver_process, port) = start_driver(&profile);
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
        crate::name_tls_provider();
        let page = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities)
            .await
            .unwrap();
        let browser = Self {
            driver_process,
            page,
            _profile: profile,
        };
        browser.resize(screen).await;
        browser
    }

    /// Sends a command of the browser's debugging protocol.
    pub async fn command(&self, method: &str, parameters: serde_json::Value) -> serde_json::Value {
        self.page.cdp().send_raw(method, parameters).await.unwrap()
    }

    /// Gives the page exactly the size of this screen.
    pub async fn resize(&self, screen: Screen) {
        let (width, height) = screen.size();
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Draws text at this many percent of its size, as a person with weak eyes sets it.
    pub async fn text_size(&self, percent: u32) {
        let script = "const root = document.documentElement; root.style.fontSize = '';
            const usual = parseFloat(getComputedStyle(root).fontSize);
            if (arguments[0] !== 100) root.style.fontSize = `${usual * arguments[0] / 100}px`;";
        self.page.execute(script, vec![json!(percent)]).await.unwrap();
    }

    /// Asks for pages in this language (`zh` or `en`) from now on; some page of the program must be open.
    pub async fn speak(&self, lang: &str) {
        self.page.add_cookie(Cookie::new("lang", lang)).await.unwrap();
    }

    /// Opens a page and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.page.goto(url).await.unwrap();
    }

    /// The element that a CSS selector names, waited for.
    pub async fn find(&self, selector: &str) -> WebElement {
        let query = self.page.query(By::Css(selector));
        let found = query.wait(crate::programs::PATIENCE, LOOK_AGAIN).first().await;
        match found {
            Ok(element) => element,
            Err(error) => panic!(
                "{selector} is not on {}: {error}\n{}",
                self.url().await,
                self.text().await
            ),
        }
    }

    /// Presses the middle of what the selector names with a button of a mouse: `left`, `middle` or `right`.
    pub async fn press_with(&self, button: &str, selector: &str) {
        let place = self.find(selector).await.rect().await.unwrap();
        let (x, y) = (place.x + place.width / 2.0, place.y + place.height / 2.0);
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": 1 });
            self.command("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Clicks the element that a CSS selector names, found anew where the page put another in its place meanwhile.
    pub async fn click(&self, selector: &str) {
        let deadline = std::time::Instant::now() + crate::programs::PATIENCE;
        loop {
            let element = self.find(selector).await;
            let clicked = match element.scroll_into_view().await {
                Ok(()) => element.click().await,
                Err(error) => Err(error),
            };
            let Err(error) = clicked else { return };
            let is_late = std::time::Instant::now() > deadline;
            if is_late || !matches!(error.as_inner(), WebDriverErrorInner::StaleElementReference(_)) {
                panic!("{selector} cannot be clicked on {}: {error}", self.url().await);
            }
        }
    }

    /// Clicks what leads to another page (or to the same one anew) and waits until that one is there.
    pub async fn submit(&self, selector: &str) {
        self.page
            .execute("window.isBefore = true;", vec![])
            .await
            .unwrap();
        self.click(selector).await;
        let there = "return !window.isBefore && document.readyState === 'complete';";
        self.wait_script(&format!("the page after {selector}"), there)
            .await;
    }

    /// Types into the field that a CSS selector names, in place of what stood there.
    pub async fn fill(&self, selector: &str, text: &str) {
        let field = self.find(selector).await;
        let typed = match field.clear().await {
            Ok(()) => field.send_keys(text).await,
            Err(error) => Err(error),
        };
        if let Err(error) = typed {
            panic!("{selector} cannot be filled in on {}: {error}", self.url().await);
        }
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
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Runs a script on the page and gives its result.
    pub async fn script<T: serde::de::DeserializeOwned>(
        &self,
        script: &str,
        arguments: Vec<serde_json::Value>,
    ) -> T {
        let answer = self.page.execute(script, arguments).await.unwrap();
        answer.convert().unwrap()
    }

    /// Waits until a script gives true.
    pub async fn wait_script(&self, what: &str, script: &str) {
        let deadline = std::time::Instant::now() + crate::programs::PATIENCE;
        // A page that is just being replaced answers nothing.
        while !self
            .page
            .execute(script, vec![])
            .await
            .is_ok_and(|is| is.convert::<bool>().unwrap_or(false))
        {
            assert!(
                std::time::Instant::now() < deadline,
                "waited in vain: {what} on {}",
                self.url().await
            );
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Presses a key, given by its name and code.
    pub async fn press_key(&self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let text = if key == "Enter" && kind == "keyDown" {
                "\r"
            } else {
                ""
            };
            let event =
                json!({ "type": kind, "key": key, "code": key, "text": text, "windowsVirtualKeyCode": code });
            self.command("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Opens another tab and goes there; gives its handle.
    pub async fn new_tab(&self) -> WindowHandle {
        let tab = self.page.new_tab().await.unwrap();
        self.go_to_tab(&tab).await;
        tab
    }

    /// The tab that is in front.
    pub async fn tab(&self) -> WindowHandle {
        self.page.window().await.unwrap()
    }

    /// Brings a tab to the front.
    pub async fn go_to_tab(&self, tab: &WindowHandle) {
        self.page.switch_to_window(tab.clone()).await.unwrap();
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

    /// Saves the whole page as a PNG where the environment variable SCREENSHOTS names a folder.
    pub async fn screenshot(&self, name: &str) {
        let Ok(folder) = std::env::var("SCREENSHOTS") else {
            return;
        };
        std::fs::create_dir_all(&folder).unwrap();
        let whole = json!({ "format": "png", "captureBeyondViewport": true });
        let picture = self.command("Page.captureScreenshot", whole).await;
        let bytes = thirtyfour::support::base64_decode(picture["data"].as_str().unwrap());
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), bytes.unwrap()).unwrap();
    }

    /// Prints the page into a PDF on the paper that its style names, at true size.
    pub async fn print(&self, path: &Path) {
        let asked = json!({ "preferCSSPageSize": true, "printBackground": true });
        let printed = self.command("Page.printToPDF", asked).await;
        let bytes = thirtyfour::support::base64_decode(printed["data"].as_str().unwrap());
        std::fs::write(path, bytes.unwrap()).unwrap();
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
        if self.driver_process.kill().is_ok() {
            let _status = self.driver_process.wait();
        }
    }
}

/// Pause before the page is asked once more for what is waited for.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(50);

/// Switches that let Chromium run as root in a container and keep it off the network.
const SWITCHES: [&str; 11] = [
    "--headless=new",
    "--hide-scrollbars",
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
fn start_driver(profile: &Profile) -> (Child, u16) {
    let driver = std::env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".to_owned());
    let mut child = Command::new(driver)
        .arg("--port=0")
        .env("HOME", profile.path())
        .env("TMPDIR", profile.scratch())
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
            // Its greeting repeats the port that was asked for: 0, any.
            .filter(|port| *port != 0)
    });
    std::thread::spawn(move || lines.for_each(drop));
    (
        child,
        port.unwrap_or_else(|| panic!("chromedriver names no port")),
    )
}
