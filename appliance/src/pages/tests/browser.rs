//! A browser without scripts: cookies, redirects, and forms that are read off the page.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use tower::ServiceExt as _;

use crate::router;
use crate::state::Transport;
use crate::workbench::Bench;

const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000);

/// A browser.
pub(super) struct Tablet {
    router: Router,
    cookies: Vec<(String, String)>,
}

/// What it shows.
pub(super) struct Shown {
    pub(super) status: StatusCode,
    /// Path and query after redirects.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) html: String,
}

impl Tablet {
    pub(super) fn new(bench: &Bench) -> Self {
        Self {
            router: router::pages(bench.state.clone(), Transport::Loopback),
            cookies: Vec::new(),
        }
    }

    pub(super) fn cookie(&mut self, name: &str, value: &str) {
        self.cookies.retain(|(found, _)| found != name);
        self.cookies.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn cookie_of(&self, name: &str) -> Option<&str> {
        self.cookies
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) async fn get(&mut self, path: &str) -> Shown {
        self.ask(Method::GET, path, None, &[]).await
    }

    /// Asks as htmx does for a part of a page.
    pub(super) async fn part(&mut self, path: &str) -> Shown {
        self.ask(Method::GET, path, None, &[("hx-request", "true")]).await
    }

    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Shown {
        self.ask(Method::POST, path, Some(encode(fields)), &[]).await
    }

    /// Fills in the form of a page and presses its button (or the one that is among the fields).
    pub(super) async fn send(&mut self, page: &Shown, action: &str, fields: &[(&str, &str)]) -> Shown {
        let filled = page.filled(action, fields);
        let pairs: Vec<(&str, &str)> = filled
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let Some(multipart) = page.form(action).multipart.then(|| multipart(&pairs)) else {
            return self.post(action, &pairs).await;
        };
        self.ask_as(
            Method::POST,
            action,
            Some(multipart),
            "multipart/form-data; boundary=XX",
            &[],
        )
        .await
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<String>,
        headers: &[(&str, &str)],
    ) -> Shown {
        self.ask_as(method, path, body, "application/x-www-form-urlencoded", headers)
            .await
    }

    pub(super) async fn ask_as(
        &mut self,
        mut method: Method,
        path: &str,
        mut body: Option<String>,
        kind: &str,
        headers: &[(&str, &str)],
    ) -> Shown {
        let mut path = path.split('#').next().unwrap_or_default().to_owned();
        for _ in 0..6 {
            let cookies: Vec<String> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let mut request = Request::builder()
                .method(method.clone())
                .uri(&path)
                .header(header::HOST, "localhost:8080")
                .header(header::COOKIE, cookies.join("; "))
                .extension(ConnectInfo(PEER));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if body.is_some() {
                request = request.header(header::CONTENT_TYPE, kind);
            }
            let request = request.body(Body::from(body.take().unwrap_or_default())).unwrap();
            let response = self.router.clone().oneshot(request).await.unwrap();
            self.take_cookies(response.headers());
            if response.status() != StatusCode::SEE_OTHER {
                return Shown::of(response, path).await;
            }
            let to = response.headers()[header::LOCATION].to_str().unwrap();
            path = to.split('#').next().unwrap_or_default().to_owned();
            method = Method::GET;
        }
        panic!("redirects without end at {path}");
    }

    fn take_cookies(&mut self, headers: &HeaderMap) {
        for line in headers.get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.cookie(name, value);
        }
    }
}

/// A form of a page.
pub(super) struct FormShown {
    fields: Vec<(String, String)>,
    multipart: bool,
}

impl Shown {
    async fn of(response: axum::response::Response, path: String) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 16 << 20).await.unwrap();
        let html = String::from_utf8_lossy(&bytes).into_owned();
        Self {
            status: parts.status,
            path,
            headers: parts.headers,
            html,
        }
    }

    /// What a person reads: without tags, spaces joined.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        let mut rest = self.html.as_str();
        while let Some(at) = rest.find('<') {
            out.push_str(&rest[..at]);
            out.push(' ');
            let Some(end) = rest[at..].find('>') else { break };
            rest = &rest[at + end + 1..];
        }
        out.push_str(rest);
        unescape(&out.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    pub(super) fn has(&self, words: &str) -> bool {
        self.text().contains(words)
    }

    /// The value of an attribute of the first tag that holds `mark`.
    pub(super) fn attribute(&self, mark: &str, name: &str) -> Option<String> {
        let at = self.html.find(mark)?;
        let from = self.html[..at].rfind('<')?;
        attribute(&self.html[from..from + self.html[from..].find('>')?], name)
    }

    /// The value of the button of this name whose words hold these.
    pub(super) fn button(&self, name: &str, words: &str) -> String {
        let mark = format!("name=\"{name}\" value=\"");
        let buttons = self
            .html
            .split(&mark)
            .skip(1)
            .filter_map(|part| part.split_once("\""));
        let mut fitting = buttons.filter(|(_, rest)| {
            rest.split("</button>")
                .next()
                .is_some_and(|shown| shown.contains(words))
        });
        unescape(
            fitting
                .next()
                .unwrap_or_else(|| panic!("no button {words} on {}: {}", self.path, self.text()))
                .0,
        )
    }

    /// The form with this action as the page filled it.
    pub(super) fn form(&self, action: &str) -> FormShown {
        let mark = format!("action=\"{}\"", action.replace('&', "&amp;"));
        let at = self
            .html
            .find(&mark)
            .unwrap_or_else(|| panic!("no form {action} on {}: {}", self.path, self.text()));
        let from = self.html[..at].rfind("<form").unwrap();
        let to = from + self.html[from..].find("</form>").unwrap();
        FormShown::read(&self.html[from..to])
    }

    /// The fields of a form with these values put in; a name that the form lacks is a button that was pressed.
    pub(super) fn filled(&self, action: &str, fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut all = self.form(action).fields;
        all.retain(|(name, _)| fields.iter().all(|(wanted, _)| wanted != name));
        all.extend(
            fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        all
    }
}

impl FormShown {
    fn read(html: &str) -> Self {
        // A template's content is no field.
        let html = match (html.find("<template"), html.find("</template>")) {
            (Some(from), Some(to)) => format!("{}{}", &html[..from], &html[to..]),
            _ => html.to_owned(),
        };
        let mut fields = Vec::new();
        for (at, _) in html.match_indices('<') {
            let tag = &html[at..at + html[at..].find('>').unwrap_or(0)];
            let name = attribute(tag, "name").unwrap_or_default();
            if name.is_empty() {
                continue;
            }
            if tag.starts_with("<input") {
                let kind = attribute(tag, "type").unwrap_or_default();
                let chosen = tag.contains(" checked") || !matches!(kind.as_str(), "radio" | "checkbox");
                if chosen {
                    fields.push((name, attribute(tag, "value").unwrap_or_default()));
                }
            } else if tag.starts_with("<textarea") {
                let content = &html[at + tag.len() + 1..];
                let content = &content[..content.find("</textarea>").unwrap()];
                fields.push((name, unescape(content.strip_prefix('\n').unwrap_or(content))));
            } else if tag.starts_with("<select") {
                let content = &html[at..at + html[at..].find("</select>").unwrap()];
                let chosen = content.find(" selected").and_then(|place| {
                    let from = content[..place].rfind("<option")?;
                    attribute(&content[from..=place], "value")
                });
                fields.push((name, chosen.unwrap_or_default()));
            }
        }
        let multipart = html
            .split('>')
            .next()
            .is_some_and(|tag| tag.contains("multipart/form-data"));
        Self { fields, multipart }
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let mark = format!(" {name}=\"");
    let from = tag.find(&mark)? + mark.len();
    let to = from + tag[from..].find('"')?;
    Some(unescape(&tag[from..to]))
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

fn encode(fields: &[(&str, &str)]) -> String {
    let plain = |text: &str| {
        text.bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect::<String>()
    };
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", plain(name), plain(value)))
        .collect();
    pairs.join("&")
}

fn multipart(fields: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        body.push_str(&format!(
            "--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        ));
    }
    body + "--XX--\r\n"
}
