//! The doors: signing in with a password, unlocking with a PIN.

use maud::{Markup, html};

use crate::forms::{Faults, Input};
use crate::icons::Icon;
use crate::layout::{self, Screen};
use crate::texts::Lang;

/// The sign-in page.
#[derive(Debug, Clone)]
pub struct SignInView<'a> {
    /// Screen that it is drawn for.
    pub screen: Screen,
    /// Name of the clinic or hub.
    pub place: &'a str,
    /// The name that was typed.
    pub user: &'a str,
    /// Where to go afterwards.
    pub next: &'a str,
    /// What was wrong.
    pub faults: &'a Faults,
    /// Words below the form, such as the sign-ins of a demonstration.
    pub note: Option<Markup>,
}

/// Draws the sign-in page.
pub fn page(lang: Lang, view: &SignInView<'_>) -> Markup {
    let user_label = lang.t("sign-in-user");
    let password_label = lang.t("sign-in-password");
    let user = Input::text("user", &user_label)
        .value(view.user)
        .fills("username");
    let user = if view.user.is_empty() { user.focus() } else { user };
    let password = Input::password("password", &password_label).fills("current-password");
    let password = if view.user.is_empty() {
        password
    } else {
        password.focus()
    };
    let body = html! {
        div.gate {
            div.gate-head { (layout::mark()) div { h1 { (lang.t("sign-in-title")) } p.quiet { (view.place) } } }
            (view.faults.summary(lang))
            form.form method="post" action="/sign-in" novalidate {
                input type="hidden" name="next" value=(view.next);
                offer-clock name="clock" {}
                (user.markup(lang, view.faults))
                (password.markup(lang, view.faults))
                button.button.button-main type="submit" { (lang.t("sign-in-go")) }
            }
            @if let Some(note) = &view.note { (note) }
        }
        div.bare-foot { (layout::language_switch(lang, "/sign-in")) }
    };
    layout::bare_page(
        lang,
        view.screen,
        &lang.t("sign-in-title"),
        !view.faults.is_empty(),
        &body,
    )
}

/// The PIN page of a locked screen. It names the person who locked it, never a patient.
#[derive(Debug, Clone)]
pub struct UnlockView<'a> {
    /// Screen that it is drawn for.
    pub screen: Screen,
    /// Name of the clinic or hub.
    pub place: &'a str,
    /// Who is signed in.
    pub user: &'a str,
    /// Where to go afterwards.
    pub next: &'a str,
    /// What was wrong.
    pub faults: &'a Faults,
}

/// Draws the PIN page.
pub fn unlock_page(lang: Lang, view: &UnlockView<'_>) -> Markup {
    let label = lang.t("unlock-pin");
    let body = html! {
        div.gate {
            div.gate-head { (layout::mark()) div { h1 { (lang.t("unlock-title")) } p.quiet { (view.place) } } }
            p.lead { (Icon::Lock.svg()) " " (lang.t_with("unlock-who", &[("name", view.user)])) }
            (view.faults.summary(lang))
            form.form method="post" action="/unlock" novalidate {
                input type="hidden" name="next" value=(view.next);
                (Input::pin("pin", &label).focus().markup(lang, view.faults))
                button.button.button-main type="submit" { (lang.t("unlock-go")) }
            }
            form method="post" action="/sign-out" { button.button type="submit" { (Icon::Leave.svg()) (lang.t("unlock-other")) } }
        }
    };
    layout::bare_page(
        lang,
        view.screen,
        &lang.t("unlock-title"),
        !view.faults.is_empty(),
        &body,
    )
}
