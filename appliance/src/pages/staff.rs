//! The people who work here: the list, adding somebody, roles, new passwords, leaving.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use records::faults::{FaultKind, FieldFault};
use records::ids::{FormId, StaffId};
use records::staff::{Role, STAFF_NAME_CHARS_MAX, StaffMember, StaffState};
use records::text::{fold_search, tidy};
use shell::errors::Page as Answer;
use shell::forms::new_form;
use shell::members::{member_of, states};
use web::account::secret_faults;
use web::checks::secret_sentence;
use web::fields::Fields;
use web::forms::{Choice, Faults, Form, Input};
use web::icons::Icon;
use web::layout::{Page, heading};
use web::panels::{Class, panel};
use web::texts::Lang;
use web::trouble::Trouble;
use web::words;

use crate::founding::keep_member;
use crate::pages::visitor::{Visitor, go_to};

/// Longest staff number, in characters.
const LOGIN_CHARS_MAX: usize = 32;

/// Roles that a clinic gives.
const CLINIC_ROLES: [Role; 7] = [
    Role::VillageDoctor,
    Role::TownshipDoctor,
    Role::Nurse,
    Role::Pharmacist,
    Role::PublicHealthWorker,
    Role::Cashier,
    Role::ClinicAdministrator,
];

/// `GET /staff`.
pub async fn list(visitor: Visitor) -> Answer {
    let lang = visitor.lang;
    let staff = visitor.state.store.staff().await?;
    let title = lang.t("staff-title");
    let body = html! {
        (heading(&title, &html! { a.button.button-main href="/staff/new" { (Icon::Add.svg()) (lang.t("staff-add")) } }))
        ul.lines { @for member in &staff { (line(lang, member)) } }
    };
    visitor.page(&Page::new(title.clone(), body)).await
}

fn line(lang: Lang, member: &StaffMember) -> Markup {
    let roles: Vec<String> = member.roles.iter().map(|role| words::role(lang, *role)).collect();
    html! {
        li {
            a.line-row href={ "/staff/" (member.id) } {
                span.line-main {
                    span.line-name { (member.name) }
                    span.line-sub { (roles.join("、")) }
                }
                span.line-side { (member.login) " " (state_tag(lang, member.state)) }
            }
        }
    }
}

fn state_tag(lang: Lang, state: StaffState) -> Markup {
    match state {
        StaffState::Active => html! { span.tag.tag-good { (lang.t("staff-active")) } },
        StaffState::Suspended => html! { span.tag.tag-warn { (lang.t("staff-suspended")) } },
        StaffState::Left => html! { span.tag { (lang.t("staff-left")) } },
    }
}

/// `GET /staff/new`.
pub async fn new_page(visitor: Visitor) -> Answer {
    let page = new_form_page(visitor.lang, new_form(), &Fields::default(), &Faults::none());
    visitor.page(&page).await
}

fn new_form_page(lang: Lang, form: FormId, fields: &Fields, faults: &Faults) -> Page {
    let title = lang.t("staff-add");
    let submit = lang.t("staff-add-do");
    let around = Form {
        action: "/staff/new",
        id: Some(form.to_string()),
        faults: Some(faults),
        submit: &submit,
        back: Some("/staff"),
        ..Form::default()
    };
    let inner =
        html! { (who(lang, fields, faults)) (roles(lang, fields, faults)) (secrets(lang, faults, false)) };
    let body = html! { (heading(&title, &html! {})) section.card.narrow { (around.around(lang, &inner, &html! {})) } };
    Page::new(title.clone(), body)
}

/// Name and staff number.
pub fn who(lang: Lang, fields: &Fields, faults: &Faults) -> Markup {
    let (name, login, hint) = (
        lang.t("field-name"),
        lang.t("field-login"),
        lang.t("field-login-hint"),
    );
    html! {
        (Input::text("name", &name).value(fields.get("name")).markup(lang, faults))
        (Input::text("login", &login).hint(&hint).value(fields.get("login")).markup(lang, faults))
    }
}

/// Password and PIN; a member who exists may keep theirs.
pub fn secrets(lang: Lang, faults: &Faults, optional: bool) -> Markup {
    let (password, pin) = (lang.t("field-password"), lang.t("field-pin"));
    let (password_hint, pin_hint) = (lang.t("password-hint"), lang.t("pin-hint"));
    let password = Input::password("password", &password)
        .hint(&password_hint)
        .fills("new-password");
    let pin = Input::pin("pin", &pin).hint(&pin_hint).fills("new-password");
    html! {
        @if optional { (password.optional().markup(lang, faults)) (pin.optional().markup(lang, faults)) }
        @else { (password.markup(lang, faults)) (pin.markup(lang, faults)) }
    }
}

fn roles(lang: Lang, fields: &Fields, faults: &Faults) -> Markup {
    let chosen: Vec<&str> = fields.all("roles").collect();
    html! {
        fieldset.field.field-faulty[faults.of("roles").is_some()] {
            legend { (lang.t("field-roles")) }
            @if let Some(fault) = faults.of("roles") { p.fault { (fault) } }
            div.choices {
                @for (at, role) in CLINIC_ROLES.iter().enumerate() {
                    label.choice {
                        input id=[(at == 0).then_some("f-roles")] type="checkbox" name="roles" value=(role.word())
                            checked[chosen.contains(&role.word())];
                        span { (words::role(lang, *role)) }
                    }
                }
            }
        }
    }
}

/// Reads a member off a form. `others` are the members whose staff numbers are taken.
pub fn read_member(
    lang: Lang,
    fields: &Fields,
    others: &[StaffMember],
    faults: &mut Faults,
) -> (String, String, Vec<Role>) {
    let (name, login) = (tidy(fields.get("name")), tidy(fields.get("login")));
    let missing = |field| secret_sentence(lang, FieldFault::new(field, FaultKind::Missing));
    let too_long = |field| secret_sentence(lang, FieldFault::new(field, FaultKind::TooLong));
    if name.is_empty() {
        faults.add("name", missing("name"));
    } else if name.chars().count() > STAFF_NAME_CHARS_MAX {
        faults.add("name", too_long("name"));
    }
    if login.is_empty() {
        faults.add("login", missing("login"));
    } else if login.chars().count() > LOGIN_CHARS_MAX {
        faults.add("login", too_long("login"));
    } else if others
        .iter()
        .any(|other| fold_search(&other.login) == fold_search(&login))
    {
        faults.add("login", lang.t("login-taken"));
    }
    let roles: Vec<Role> = fields
        .all("roles")
        .filter_map(Role::from_word)
        .filter(|role| CLINIC_ROLES.contains(role))
        .collect();
    (name, login, roles)
}

/// `POST /staff/new`.
pub async fn add(visitor: Visitor, fields: Fields) -> Answer<Response> {
    let lang = visitor.lang;
    let form = fields.form()?;
    let store = &visitor.state.store;
    let staff = store.staff().await?;
    // The same form again: its member stands there already.
    let id = StaffId(*form.0.first_chunk().ok_or(Trouble::Unreadable)?);
    if staff.iter().any(|member| member.id == id) {
        return go_to("/staff");
    }
    let mut faults = Faults::none();
    let (name, login, roles) = read_member(lang, &fields, &staff, &mut faults);
    if roles.is_empty() {
        faults.add("roles", lang.t("staff-no-role"));
    }
    for fault in secret_faults(fields.get("password"), fields.get("pin"), false) {
        faults.add(fault.field, secret_sentence(lang, fault));
    }
    if !faults.is_empty() {
        return visitor.refused(new_form_page(lang, form, &fields, &faults)).await;
    }
    let member = StaffMember {
        id,
        name,
        login,
        roles,
        state: StaffState::Active,
        password_hash: store.hash_secret(fields.get("password")).await?,
        pin_hash: store.hash_secret(fields.get("pin")).await?,
        clinic: store.clinic().await?,
        must_change: true,
    };
    keep_member(&visitor.state.store, visitor.by(), &member, Some(form)).await?;
    go_to("/staff")
}

/// `GET /staff/{id}`.
pub async fn member_page(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let member = member_of(&visitor, &id).await?;
    let mut fields = Fields::default();
    fields.put("name", member.name.clone());
    fields.put("login", member.login.clone());
    fields.put("state", member.state.word());
    for role in &member.roles {
        fields.add("roles", role.word());
    }
    visitor
        .page(&edit_page(
            visitor.lang,
            &member,
            new_form(),
            &fields,
            &Faults::none(),
        ))
        .await
}

fn edit_page(lang: Lang, member: &StaffMember, form: FormId, fields: &Fields, faults: &Faults) -> Page {
    let action = format!("/staff/{}", member.id);
    let submit = lang.t("save");
    let around = Form {
        action: &action,
        id: Some(form.to_string()),
        faults: Some(faults),
        submit: &submit,
        back: Some("/staff"),
        ..Form::default()
    };
    let label = lang.t("staff-state");
    let inner = html! {
        (who(lang, fields, faults))
        (roles(lang, fields, faults))
        (Choice::new("state", &label, states(lang)).chosen(Some(fields.get("state"))).markup(lang, faults))
        h2 { (lang.t("staff-new-secrets")) }
        (secrets(lang, faults, true))
    };
    let title = lang.t("staff-edit");
    let body = html! {
        (heading(&title, &html! {}))
        div.narrow.stack {
            @if member.clinic.is_none() { (panel(lang, Class::Warning, &lang.t("staff-of-county"), &html! {})) }
            section.card { (around.around(lang, &inner, &html! {})) }
        }
    };
    Page::new(title.clone(), body)
}

/// `POST /staff/{id}`.
pub async fn change(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Answer<Response> {
    let lang = visitor.lang;
    let form = fields.form()?;
    let mut member = member_of(&visitor, &id).await?;
    let store = &visitor.state.store;
    let staff = store.staff().await?;
    let others: Vec<StaffMember> = staff
        .iter()
        .filter(|other| other.id != member.id)
        .cloned()
        .collect();
    let mut faults = Faults::none();
    let (name, login, mut roles) = read_member(lang, &fields, &others, &mut faults);
    // Roles that a clinic does not give stay as they are.
    roles.extend(member.roles.iter().filter(|role| !CLINIC_ROLES.contains(role)));
    let state = StaffState::from_word(fields.get("state")).unwrap_or(member.state);
    if roles.is_empty() {
        faults.add("roles", lang.t("staff-no-role"));
    }
    let stays = state == StaffState::Active && roles.contains(&Role::ClinicAdministrator);
    let is_admin = |member: &StaffMember| {
        member.state == StaffState::Active && member.roles.contains(&Role::ClinicAdministrator)
    };
    if !stays && !others.iter().any(is_admin) {
        faults.add("roles", lang.t("staff-last-administrator"));
    }
    for fault in secret_faults(fields.get("password"), fields.get("pin"), true) {
        faults.add(fault.field, secret_sentence(lang, fault));
    }
    if !faults.is_empty() {
        return visitor
            .refused(edit_page(lang, &member, form, &fields, &faults))
            .await;
    }
    (member.name, member.login, member.roles, member.state) = (name, login, roles, state);
    if fields.has("password") {
        member.password_hash = store.hash_secret(fields.get("password")).await?;
        member.must_change = member.id != visitor.person.staff;
    }
    if fields.has("pin") {
        member.pin_hash = store.hash_secret(fields.get("pin")).await?;
    }
    keep_member(&visitor.state.store, visitor.by(), &member, Some(form)).await?;
    if member.state != StaffState::Active || fields.has("password") {
        let keep = (member.id == visitor.person.staff).then_some(visitor.person.token.as_str());
        store.end_sessions_of(member.id, keep).await?;
    }
    go_to("/staff")
}
