//! The frame of every page: head, navigation, status light, language switch, and the place where a patient's
//! banner stands.
//!
//! Titles never hold a patient's name: browsers keep titles in their history.

use maud::{DOCTYPE, Markup, html};

use crate::assets;
use crate::icons::Icon;
use crate::light::StatusLight;
use crate::texts::Lang;

/// Minutes without touch after which a signed-in screen locks.
pub const IDLE_LOCK_SECONDS: u32 = 180;

/// The kind of screen that a page is drawn for: sizes of text and targets follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// A village doctor's tablet.
    Tablet,
    /// A patient's screen beside the devices.
    Kiosk,
    /// A desk with mouse and keyboard.
    Desk,
}

impl Screen {
    /// The class of the page's root.
    pub fn class(self) -> &'static str {
        match self {
            Self::Tablet => "tablet",
            Self::Kiosk => "kiosk",
            Self::Desk => "desk",
        }
    }
}

/// An entry of the navigation.
#[derive(Debug, Clone)]
pub struct NavItem {
    /// Where it leads; the entry whose address begins the page's path is the current one.
    pub href: &'static str,
    /// Its word.
    pub label: String,
    /// Its icon.
    pub icon: Icon,
    /// A count that waits there; 0 is not shown.
    pub count: u64,
}

/// What stands around the content of every page of one request.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Language of the page.
    pub lang: Lang,
    /// Screen that it is drawn for.
    pub screen: Screen,
    /// Name of the clinic or hub.
    pub place: String,
    /// Name of the person who is signed in.
    pub user: Option<String>,
    /// Navigation.
    pub nav: Vec<NavItem>,
    /// State of the connection; drawn where a place has one.
    pub light: Option<StatusLight>,
    /// Path and query of the page, for the language switch and the current entry of the navigation.
    pub here: String,
    /// Address of the server-sent stream of changes, where the page listens to it.
    pub live: Option<&'static str>,
    /// Words shown above everything, such as 演示数据.
    pub notice: Option<String>,
}

/// The content of a page.
#[derive(Debug, Default)]
pub struct Page {
    /// Title, without any patient's name.
    pub title: String,
    /// Whether a form on it was refused: the title then begins with 错误.
    pub faulty: bool,
    /// Banner of the person that the page is about.
    pub banner: Option<Markup>,
    /// Whether prints lie on their side: an ECG at true size does not fit upright.
    pub landscape: bool,
    /// Content, beginning with an `h1` (a banner's page may hide it).
    pub body: Option<Markup>,
}

impl Page {
    /// A page with this title and content.
    pub fn new(title: impl Into<String>, body: Markup) -> Self {
        Self {
            title: title.into(),
            body: Some(body),
            ..Self::default()
        }
    }

    /// The same page about the person of this banner.
    pub fn about(mut self, banner: Markup) -> Self {
        self.banner = Some(banner);
        self
    }

    /// The same page, printed on its side.
    pub fn landscape(mut self) -> Self {
        self.landscape = true;
        self
    }

    /// The same page with a refused form on it.
    pub fn faulty(mut self, faulty: bool) -> Self {
        self.faulty = faulty;
        self
    }
}

impl Frame {
    /// Draws a page.
    pub fn page(&self, page: &Page) -> Markup {
        let lang = self.lang;
        let main = html! {
            a.skip href="#main" { (lang.t("skip-to-content")) }
            (self.lost_strip())
            @if let Some(notice) = &self.notice { p.notice { (notice) } }
            (self.top())
            @if let Some(banner) = &page.banner { (banner) }
            main #main tabindex="-1" { @if let Some(body) = &page.body { (body) } }
            @if self.user.is_some() {
                idle-lock after=(IDLE_LOCK_SECONDS) lock="/lock" awake="/awake" {}
            }
            @if let Some(live) = self.live { live-events src=(live) ping="/ping" {} }
        };
        let title = if page.faulty {
            lang.t_with("title-faulty", &[("title", &page.title)])
        } else {
            page.title.clone()
        };
        document(
            lang,
            self.screen,
            &format!("{title} · {}", self.place),
            page.landscape,
            &main,
        )
    }

    fn top(&self) -> Markup {
        let lang = self.lang;
        html! {
            header.top {
                a.place href="/" { (mark()) span { (self.place) } }
                nav.nav aria-label=(lang.t("nav-label")) {
                    @for item in &self.nav {
                        a href=(item.href) aria-current=[self.is_current(item).then_some("page")] {
                            (item.icon.svg()) span { (item.label) }
                            @if item.count > 0 { span.count { (item.count) } }
                        }
                    }
                }
                div.top-end {
                    @if let Some(light) = &self.light { (light.slot(lang, "/status", self.live.map(|_| "/light"))) }
                    (language_switch(lang, &self.here))
                    @if let Some(user) = &self.user { (user_corner(lang, user)) }
                }
            }
        }
    }

    /// Shown by the script while the box itself does not answer.
    fn lost_strip(&self) -> Markup {
        html! {
            @if self.live.is_some() {
                p #lost .lost role="status" hidden { span aria-hidden="true" { "■" } " " (self.lang.t("lost-box")) }
            }
        }
    }

    fn is_current(&self, item: &NavItem) -> bool {
        let path = self.here.split('?').next().unwrap_or("");
        if item.href == "/" {
            path == "/"
        } else {
            path == item.href || path.starts_with(&format!("{}/", item.href))
        }
    }
}

fn user_corner(lang: Lang, user: &str) -> Markup {
    html! {
        details.user {
            summary { (Icon::Person.svg()) span { (user) } }
            div.user-menu {
                form method="post" action="/lock" { button.button type="submit" { (Icon::Lock.svg()) (lang.t("lock-now")) } }
                form method="post" action="/sign-out" { button.button type="submit" { (Icon::Leave.svg()) (lang.t("sign-out")) } }
            }
        }
    }
}

/// The switch to the other language: a form, so that it works without a script.
pub fn language_switch(lang: Lang, here: &str) -> Markup {
    let other = lang.other();
    html! {
        form.language method="post" action="/language" {
            input type="hidden" name="to" value=(other.code());
            input type="hidden" name="back" value=(here);
            button.button-quiet type="submit" lang=(other.tag()) { (lang.t("language-other")) }
        }
    }
}

/// A page without navigation: sign-in, lock, errors, first start.
pub fn bare_page(lang: Lang, screen: Screen, title: &str, faulty: bool, body: &Markup) -> Markup {
    let title = if faulty {
        lang.t_with("title-faulty", &[("title", title)])
    } else {
        title.to_owned()
    };
    let main = html! { main #main .bare tabindex="-1" { (body) } };
    document(lang, screen, &title, false, &main)
}

/// A page of the kiosk: one question, and the red call for the doctor always in the same corner. After a minute
/// without touch it asks whether somebody is there, and clears to `clear` (a POST address).
pub fn kiosk_page(lang: Lang, place: &str, title: &str, body: &Markup, idle: Option<&str>) -> Markup {
    let main = html! {
        header.kiosk-top {
            span.place { (mark()) span { (place) } }
            form method="post" action="/kiosk/call" {
                button.button.button-call type="submit" { (Icon::Bell.svg()) (lang.t("kiosk-call")) }
            }
        }
        main #main tabindex="-1" { (body) }
        @if let Some(clear) = idle {
            kiosk-idle after="60" bar="30" clear=(clear) {
                div.kiosk-still role="alertdialog" aria-labelledby="still-there" hidden {
                    p #still-there { (lang.t("kiosk-still-there")) }
                    progress max="30" value="30" {}
                    button.button.button-go type="button" data-stay="" { (lang.t("kiosk-stay")) }
                }
            }
        }
    };
    document(lang, Screen::Kiosk, title, false, &main)
}

fn document(lang: Lang, screen: Screen, title: &str, landscape: bool, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(lang.tag()) class=(screen.class()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="format-detection" content="telephone=no, date=no, address=no";
                meta name="theme-color" content="#0b4a50";
                meta name="htmx-config" content=r#"{"includeIndicatorCSS":false,"history":false}"#;
                title { (title) }
                link rel="icon" type="image/svg+xml" href=(assets::address("favicon.svg"));
                link rel="stylesheet" href=(assets::address("clinic.css"));
                script src=(assets::address("htmx.js")) defer {}
                script src=(assets::address("clinic.js")) defer {}
            }
            body.landscape[landscape] { (content) }
        }
    }
}

/// The product's mark: a cross made of two leaves of paper.
pub fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 32 32" width="32" height="32" aria-hidden="true" focusable="false" {
            rect x="1" y="1" width="30" height="30" rx="8" fill="#ffffff" {}
            path d="M13 6h6v7h7v6h-7v7h-6v-7H6v-6h7z" fill="#0b7a75" {}
            path d="M6.5 16h5l1.6-3.6 2.6 7.2 2.2-5 1 1.4h6.6" fill="none" stroke="#ffffff" stroke-width="1.8" stroke-linejoin="round" stroke-linecap="round" {}
        }
    }
}

/// The heading of a page with its main actions beside it.
pub fn heading(title: &str, actions: &Markup) -> Markup {
    html! { div.heading { h1 { (title) } div.actions { (actions) } } }
}
