//! What people do at a tablet, step by step, through the pages alone.

use crate::browser::Browser;

/// Login of the first doctor.
pub const LOGIN: &str = "zhao";
/// Name of the first doctor.
pub const DOCTOR: &str = "赵医生";
/// Their password.
pub const PASSWORD: &str = "qingshi-weisheng-8";
/// Their PIN.
pub const PIN: &str = "4826";
/// The clinic.
pub const CLINIC: &str = "青石村卫生室";
/// Its code.
pub const CODE: &str = "QS01";

/// The button that sends a page's main form.
pub const SEND: &str = "main form .button-main";

/// A tablet that shows the pages of a box.
pub struct Tablet<'a> {
    /// Its browser.
    pub browser: &'a Browser,
    pages: String,
}

/// Fields of a form: name and what is typed.
pub type Typed<'a> = &'a [(&'a str, &'a str)];

impl<'a> Tablet<'a> {
    /// A tablet before the box whose pages begin at this address.
    pub fn new(browser: &'a Browser, pages: &str) -> Self {
        Self {
            browser,
            pages: pages.trim_end_matches('/').to_owned(),
        }
    }

    /// Opens a page of the box.
    pub async fn open(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.pages)).await;
    }

    /// Path of the page that is open, with its query.
    pub async fn path(&self) -> String {
        let url = self.browser.url().await;
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        format!("/{}", path.split('#').next().unwrap_or_default())
    }

    /// Waits until the address of the page holds these words; gives its path.
    pub async fn arrive(&self, words: &str) -> String {
        let script =
            format!("return location.href.includes({words:?}) && document.readyState === 'complete';");
        self.browser.wait_script(words, &script).await;
        self.path().await
    }

    /// Presses what the selector names.
    pub async fn press(&self, selector: &str) {
        self.browser.click(selector).await;
    }

    /// Presses what leads to another page, and waits for it.
    pub async fn submit(&self, selector: &str) {
        self.browser.submit(selector).await;
    }

    /// Types into fields by their names.
    pub async fn type_in(&self, fields: Typed<'_>) {
        for (name, text) in fields {
            self.browser.fill(&format!("main [name={name}]"), text).await;
        }
    }

    /// Types into fields and sends the form.
    pub async fn send(&self, fields: Typed<'_>) {
        self.type_in(fields).await;
        self.submit(SEND).await;
    }

    /// Second step of first start.
    pub async fn name_clinic(&self) {
        self.send(&[("clinic_name", CLINIC), ("code", CODE)]).await;
    }

    /// Third step of first start.
    pub async fn enter_doctor(&self) {
        let doctor = [
            ("name", DOCTOR),
            ("login", LOGIN),
            ("password", PASSWORD),
            ("pin", PIN),
        ];
        self.send(&doctor).await;
        self.browser.find("form[action='/start/hub/later']").await;
    }

    /// Fourth step of first start, put off.
    pub async fn without_hub(&self) {
        self.submit("form[action='/start/hub/later'] button").await;
    }

    /// Last step of first start.
    pub async fn finish_start(&self) {
        self.submit("form[action='/start/tablet'] button").await;
        self.browser.find("#today").await;
    }

    /// The steps of first start up to the hub.
    pub async fn begin(&self) {
        self.open("/").await;
        self.send(&[]).await;
        self.name_clinic().await;
        self.enter_doctor().await;
    }

    /// First start without a hub.
    pub async fn found_clinic(&self) {
        self.begin().await;
        self.without_hub().await;
        self.finish_start().await;
    }

    /// Signs in.
    pub async fn sign_in(&self) {
        self.open("/sign-in").await;
        self.send(&[("user", LOGIN), ("password", PASSWORD)]).await;
        self.browser.find("#today").await;
    }

    /// Locks the screen.
    pub async fn lock(&self) {
        self.press("details.user summary").await;
        self.submit("form[action='/lock'] button").await;
        self.browser.find("input[name=pin]").await;
    }

    /// Signs out.
    pub async fn sign_out(&self) {
        self.press("details.user summary").await;
        self.submit("form[action='/sign-out'] button").await;
        self.browser.find("input[name=password]").await;
    }

    /// Registers somebody by hand; gives the path of their page.
    pub async fn register(&self, fields: Typed<'_>, allergies: &str) -> String {
        self.open("/patients/new").await;
        self.type_in(fields).await;
        self.press(&format!("label:has(input[name=allergies][value='{allergies}'])"))
            .await;
        self.submit("main section.card .form-foot .button-main").await;
        self.patient_path().await
    }

    /// Registers who lies on the card reader; gives the path of their page.
    pub async fn register_card(&self) -> String {
        self.open("/patients/new").await;
        self.submit("#card form .button-main").await;
        self.patient_path().await
    }

    async fn patient_path(&self) -> String {
        self.browser.find(".banner").await;
        let path = self.path().await;
        assert!(
            path.starts_with("/patients/") && !path.ends_with("/new"),
            "{path}: {}",
            self.browser.text().await
        );
        path
    }

    /// Adds an allergy on somebody's chart.
    pub async fn add_allergy(&self, patient: &str, agent: &str) {
        self.open(&format!("{patient}/chart")).await;
        self.browser
            .fill("form[action$='/chart/allergy'] [name=allergy_agent]", agent)
            .await;
        self.submit("form[action$='/chart/allergy'] button.button").await;
        self.browser.wait_text(agent).await;
    }

    /// Opens today's visit of somebody; gives its path.
    pub async fn open_visit(&self, patient: &str) -> String {
        self.open(patient).await;
        self.submit("form[action$='/visits'] button").await;
        self.browser.find("[name=complaint]").await;
        self.path().await
    }

    /// Looks for a diagnosis on the visit's form and takes the first one.
    pub async fn pick_diagnosis(&self, wanted: &str) {
        self.browser.fill("[name=diagnosis_wanted]", wanted).await;
        self.press("#diagnosis-hits .suggestions button").await;
        self.browser.find(".picked .picked-line").await;
    }

    /// Chooses a triage level with its reason on the visit's form and signs; gives the visit's path.
    pub async fn sign(&self, level: &str, reason: &str) -> String {
        self.press(&format!("label:has(input[name=triage_level][value='{level}'])"))
            .await;
        self.type_in(&[("triage_reason", reason)]).await;
        self.submit("main button[name=act][value=sign]").await;
        self.browser.wait_text("由 ").await;
        self.path().await
    }

    /// Opens a bay for somebody: what its device measures next is theirs.
    pub async fn open_bay(&self, patient: &str, bay: usize) {
        self.open(&format!("{patient}/measure")).await;
        self.submit(&format!("form[action='/bays/{bay}/open'] button"))
            .await;
        self.browser.find("#bay-now form[action$='/act/end']").await;
    }

    /// Records an ECG of somebody at a bay and waits until it is in the record.
    pub async fn record_ecg(&self, patient: &str, bay: usize) {
        self.open_bay(patient, bay).await;
        self.submit("form[action$='/act/start'] button").await;
        self.browser.find("#bay-now .panel a.button-main").await;
    }
}
