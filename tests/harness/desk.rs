//! What people of the county do at a desk of the hub, through its pages alone.

use crate::browser::Browser;
use crate::county_hub::SignIn;

/// The password that people choose at their first sign-in.
pub const PASSWORD: &str = "xian-zhongxin-29";

/// A desk that shows the pages of a hub.
pub struct Desk<'a> {
    /// Its browser.
    pub browser: &'a Browser,
    pages: String,
}

impl<'a> Desk<'a> {
    /// A desk before the hub whose pages begin at this address.
    pub fn new(browser: &'a Browser, pages: &str) -> Self {
        Self {
            browser,
            pages: pages.trim_end_matches('/').to_owned(),
        }
    }

    /// Opens a page of the hub.
    pub async fn open(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.pages)).await;
    }

    /// Signs in for the first time: the one-time password is changed at once.
    pub async fn begin(&self, person: &SignIn) {
        self.open("/sign-in").await;
        self.browser.fill("[name=user]", &person.user).await;
        self.browser.fill("[name=password]", &person.password).await;
        self.browser.submit("main form .button-main").await;
        self.browser.fill("[name=present]", &person.password).await;
        self.browser.fill("[name=password]", PASSWORD).await;
        self.browser.fill("[name=repeat]", PASSWORD).await;
        self.browser.submit("main form .button-main[type=submit]").await;
        self.browser.find("details.user").await;
    }

    /// Signs out.
    pub async fn sign_out(&self) {
        self.browser.click("details.user summary").await;
        self.browser.submit("form[action='/sign-out'] button").await;
        self.browser.find("[name=password]").await;
    }

    /// Looks somebody up and opens the only hit.
    pub async fn find_patient(&self, query: &str) {
        self.open(&format!("/patients?q={query}")).await;
        self.browser.submit("a[data-hit]").await;
        self.browser.find(".banner").await;
    }
}
