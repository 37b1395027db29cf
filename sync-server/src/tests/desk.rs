//! A desk's browser without scripts: asks the router, keeps its cookie, follows no redirect by itself.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use tower::ServiceExt as _;

/// Largest answer that a test reads.
const ANSWER_MAX: usize = 8 * 1024 * 1024;

/// An answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) location: String,
    pub(super) body: String,
}

impl Answer {
    /// The values of the hidden fields `form` and `base` of the first form that is sent to an address.
    pub(super) fn form(&self, action: &str) -> Vec<(&'static str, String)> {
        let start = self
            .body
            .find(&format!("action=\"{action}\""))
            .unwrap_or_else(|| panic!("no form {action}"));
        let form = self.body[start..].split("</form>").next().unwrap();
        let hidden = |name: &str| {
            let (_, rest) = form.split_once(&format!("name=\"{name}\" value=\""))?;
            rest.split('"').next().map(str::to_owned)
        };
        ["form", "base"]
            .into_iter()
            .filter_map(|name| Some((name, hidden(name)?)))
            .collect()
    }

    /// The text of the element with an id.
    pub(super) fn text_of(&self, id: &str) -> String {
        let (_, rest) = self.body.split_once(&format!("id=\"{id}\"")).unwrap();
        let (_, rest) = rest.split_once('>').unwrap();
        rest.split('<').next().unwrap().to_owned()
    }
}

/// A browser at a desk.
pub(super) struct Desk {
    router: Router,
    cookie: String,
    language: &'static str,
}

impl Desk {
    pub(super) fn new(router: &Router) -> Self {
        Self {
            router: router.clone(),
            cookie: String::new(),
            language: "zh",
        }
    }

    pub(super) fn speak(&mut self, language: &'static str) {
        self.language = language;
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.ask(Method::GET, path, Body::empty()).await
    }

    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let encode = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02x}")).collect() };
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        self.ask(Method::POST, path, Body::from(pairs.join("&"))).await
    }

    /// Sends the form of a page with its hidden fields.
    pub(super) async fn send(&mut self, page: &Answer, action: &str, fields: &[(&str, &str)]) -> Answer {
        let hidden = page.form(action);
        let all = hidden
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .chain(fields.iter().copied());
        self.post(action, &all.collect::<Vec<_>>()).await
    }

    async fn ask(&mut self, method: Method, path: &str, body: Body) -> Answer {
        let mut cookie = format!("lang={}", self.language);
        if !self.cookie.is_empty() {
            cookie = format!("{cookie}; {}", self.cookie);
        }
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "127.0.0.1:8443")
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .body(body)
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        for line in response.headers().get_all(header::SET_COOKIE) {
            self.cookie = line.to_str().unwrap().split(';').next().unwrap().to_owned();
        }
        let location = response.headers().get(header::LOCATION);
        let location = location
            .map(|to| to.to_str().unwrap().to_owned())
            .unwrap_or_default();
        let status = response.status();
        let body = to_bytes(response.into_body(), ANSWER_MAX).await.unwrap();
        Answer {
            status,
            location,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// Signs in; the answer to the form.
    pub(super) async fn sign_in(&mut self, user: &str, password: &str) -> Answer {
        self.post(
            "/sign-in",
            &[("user", user), ("password", password), ("next", "/")],
        )
        .await
    }
}
