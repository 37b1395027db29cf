//! A browser without scripts: it keeps cookies and sends forms, and follows nothing by itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rand::RngExt as _;
use reqwest::header;

use crate::doctor::{CLINIC, CODE, DOCTOR, LOGIN, PASSWORD, PIN};

/// Most steps that first start may take.
const STEPS_MAX: usize = 10;

/// A browser.
pub struct PlainBrowser {
    http: reqwest::Client,
    base: String,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// What a page answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// The page.
    pub body: String,
}

impl Answer {
    /// The last piece of the path that a redirect leads to: the id of what was made.
    pub fn id(&self) -> Option<&str> {
        let path = self.location.as_deref()?.split(['?', '#']).next()?;
        path.rsplit('/').next()
    }

    /// What the page keeps in the hidden field of this name.
    pub fn hidden(&self, name: &str) -> Option<&str> {
        let mark = format!("type=\"hidden\" name=\"{name}\" value=\"");
        self.body.split_once(&mark)?.1.split('"').next()
    }
}

impl PlainBrowser {
    /// A browser on these pages (`http://HOST:PORT/`) with these cookies.
    pub fn new(base: &str, cookies: BTreeMap<String, String>) -> Self {
        crate::name_tls_provider();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            http,
            base: base.trim_end_matches('/').to_owned(),
            cookies: Mutex::new(cookies),
        }
    }

    /// The cookies so far.
    pub fn cookies(&self) -> BTreeMap<String, String> {
        self.cookies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Asks for a page.
    pub async fn get(&self, path: &str) -> Result<Answer, reqwest::Error> {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    /// Sends a form.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Result<Answer, reqwest::Error> {
        let request = self
            .http
            .post(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(encoded(fields));
        self.send(request).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
        let cookies: Vec<String> = self
            .cookies()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let response = request.header(header::COOKIE, cookies.join("; ")).send().await?;
        self.keep_cookies(response.headers());
        let location = response.headers().get(header::LOCATION);
        let location = location.and_then(|to| to.to_str().ok()).map(str::to_owned);
        Ok(Answer {
            status: response.status().as_u16(),
            location,
            body: response.text().await?,
        })
    }

    fn keep_cookies(&self, headers: &header::HeaderMap) {
        let mut jar = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        for line in headers.get_all(header::SET_COOKIE) {
            let pair = line.to_str().unwrap_or_default().split(';').next();
            if let Some((name, value)) = pair.and_then(|pair| pair.split_once('=')) {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Goes through first start from the step that comes next: the clinic where none is there yet, one doctor.
    pub async fn found(&self) {
        for _ in 0..STEPS_MAX {
            let next = self.get("/start").await.unwrap().location.unwrap_or_default();
            let (action, fields): (&str, &[(&str, &str)]) = match next.as_str() {
                "/start/language" => ("/start/language", &[("language", "zh")]),
                "/start/clinic" => ("/start/clinic", &[("clinic_name", CLINIC), ("code", CODE)]),
                "/start/doctor" => (
                    "/start/doctor",
                    &[
                        ("name", DOCTOR),
                        ("login", LOGIN),
                        ("password", PASSWORD),
                        ("pin", PIN),
                    ],
                ),
                "/start/hub" => ("/start/hub/later", &[]),
                "/start/tablet" => ("/start/tablet", &[]),
                _ => return,
            };
            let answer = self.post(action, fields).await.unwrap();
            assert_eq!(answer.status, 303, "{action} refused: {}", answer.body);
        }
        panic!("first start does not end");
    }

    /// Unlocks the session that the cookies name: after a restart each one is locked.
    pub async fn unlock(&self) -> Result<(), reqwest::Error> {
        let answer = self.post("/unlock", &[("pin", PIN), ("next", "/")]).await?;
        assert_eq!(answer.status, 303, "the PIN was not taken: {}", answer.body);
        Ok(())
    }
}

/// A fresh id of a form, as a page that draws one makes it.
pub fn form_id() -> String {
    let bytes: [u8; 16] = rand::rng().random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text as one part of a URL or form.
pub fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", percent_encoded(name), percent_encoded(value)))
        .collect();
    pairs.join("&")
}
