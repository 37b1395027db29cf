//! Staff of the county and of its clinics: the list, adding somebody with a password for one use, roles,
//! suspending. A clinic hears of a change with its next contact.

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use maud::{Markup, html};
use records::faults::{FaultKind, FieldFault};
use records::ids::ClinicCode;
use records::staff::{Role, StaffMember, StaffState};
use shell::clinics::ClinicNames;
use shell::errors::{Page as Answer, PageError};
use shell::forms::new_form;
use shell::members::{member_of, states};
use store::ClinicRow;
use web::checks::{secret_sentence, sentence};
use web::fields::Fields;
use web::forms::{Choice, Faults, Form, Input, Pick};
use web::icons::Icon;
use web::layout::{Page, heading};
use web::panels::{Class, panel};
use web::texts::Lang;
use web::words;

use super::clinics::clinic_names;
use super::visitor::{Visitor, go_to};
use crate::staff::{self, OneTime, Place, StaffError, place_of};

/// `GET /staff`.
pub async fn list(visitor: Visitor) -> Answer {
    let lang = visitor.lang;
    let store = &visitor.state.store;
    let members = store.staff().await?;
    let names = clinic_names(store).await?;
    let title = lang.t("staff-title");
    let add = html! { a.button.button-main href="/staff/new" { (Icon::Add.svg()) (lang.t("staff-add")) } };
    let of = |county: bool| {
        members
            .iter()
            .filter(move |member| member.clinic.is_none() == county)
    };
    let body = html! {
        (heading(&title, &add))
        div.stack {
            section.card { h2 { (lang.t("hub-staff-county")) } (table(lang, of(true), &names)) }
            section.card { h2 { (lang.t("hub-staff-clinics")) } (table(lang, of(false), &names)) }
        }
    };
    visitor.page(&Page::new(title.clone(), body)).await
}

fn table<'a>(lang: Lang, members: impl Iterator<Item = &'a StaffMember>, names: &ClinicNames) -> Markup {
    let members: Vec<_> = members.collect();
    html! {
        @if members.is_empty() { p.empty { (lang.t("hub-staff-none")) } } @else {
            div.scroll tabindex="0" role="group" aria-label=(lang.t("staff-title")) { table.table {
                thead { tr {
                    th scope="col" { (lang.t("field-name")) }
                    th scope="col" { (lang.t("field-login")) }
                    th scope="col" { (lang.t("field-roles")) }
                    th scope="col" { (lang.t("hub-clinic")) }
                    th scope="col" { (lang.t("staff-state")) }
                } }
                tbody { @for member in members { tr {
                    th scope="row" { a href={ "/staff/" (member.id) } { (member.name) } }
                    td { (member.login) }
                    td { (role_words(lang, member)) }
                    td { @match &member.clinic { Some(code) => (names.get(code)), None => (lang.t("hub-county")) } }
                    td {
                        (state_tag(lang, member.state))
                        @if member.must_change { " " span.tag.tag-note { (lang.t("hub-staff-one-time")) } }
                    }
                } } }
            } }
        }
    }
}

fn role_words(lang: Lang, member: &StaffMember) -> String {
    let roles: Vec<String> = member.roles.iter().map(|role| words::role(lang, *role)).collect();
    roles.join(&lang.t("hub-list-comma"))
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
    let clinics = visitor.state.store.clinics().await?;
    visitor
        .page(&new_form_page(
            visitor.lang,
            &clinics,
            &Fields::default(),
            &Faults::none(),
        ))
        .await
}

fn role_options(lang: Lang, place: Option<Place>) -> Vec<(String, String)> {
    let given = Role::ALL.iter().filter(|role| match place {
        Some(place) => place_of(**role) == place,
        None => place_of(**role) != Place::Nowhere,
    });
    given
        .map(|role| (role.word().to_owned(), words::role(lang, *role)))
        .collect()
}

fn new_form_page(lang: Lang, clinics: &[ClinicRow], fields: &Fields, faults: &Faults) -> Page {
    let title = lang.t("staff-add");
    let (name, role, clinic) = (lang.t("field-name"), lang.t("field-roles"), lang.t("hub-clinic"));
    let (hint, submit) = (lang.t("hub-staff-clinic-hint"), lang.t("hub-staff-add-do"));
    let chosen = |field: &'static str| Some(fields.get(field)).filter(|value| !value.is_empty());
    let options = clinics
        .iter()
        .map(|clinic| {
            (
                clinic.code.to_string(),
                format!("{} {}", clinic.name, clinic.code),
            )
        })
        .collect();
    let form = Form {
        action: "/staff/new",
        id: Some(new_form().to_string()),
        faults: Some(faults),
        submit: &submit,
        back: Some("/staff"),
        ..Form::default()
    };
    let inner = html! {
        (Input::text("name", &name).value(fields.get("name")).markup(lang, faults))
        (Pick::new("roles", &role, role_options(lang, None)).chosen(chosen("roles")).markup(lang, faults))
        (Pick::new("clinic", &clinic, options).hint(&hint).chosen(chosen("clinic")).optional().markup(lang, faults))
    };
    let body =
        html! { (heading(&title, &html! {})) section.card.narrow { (form.around(lang, &inner, &html! {})) } };
    Page::new(title.clone(), body)
}

/// `POST /staff/new`: the sign-in is shown this once.
pub async fn add(visitor: Visitor, fields: Fields) -> Answer<Response> {
    let lang = visitor.lang;
    let store = &visitor.state.store;
    let mut faults = Faults::none();
    let role = Role::from_word(fields.get("roles"));
    if role.is_none() {
        faults.add(
            "roles",
            sentence(lang, FieldFault::new("roles", FaultKind::Missing)),
        );
    }
    let code: Option<ClinicCode> = fields.get("clinic").parse().ok();
    if let (Some(role), true) = (role, faults.is_empty()) {
        match staff::add(store, visitor.by(), role, fields.get("name"), code.as_ref()).await {
            Ok(one_time) => return shown_once(&visitor, &one_time, code.is_some()).await,
            Err(refused) => explain(lang, refused, &mut faults)?,
        }
    }
    let clinics = store.clinics().await?;
    visitor
        .refused(new_form_page(lang, &clinics, &fields, &faults))
        .await
}

fn explain(lang: Lang, refused: StaffError, faults: &mut Faults) -> Result<(), PageError> {
    match refused {
        StaffError::Name => {
            faults.add(
                "name",
                secret_sentence(lang, FieldFault::new("name", FaultKind::Missing)),
            );
        }
        StaffError::NeedsClinic(_) => faults.add("clinic", lang.t("hub-staff-needs-clinic")),
        StaffError::NoClinic(_) => faults.add("clinic", lang.t("hub-staff-no-clinic")),
        StaffError::NotGiven(_) => faults.add("roles", lang.t("hub-staff-not-given")),
        StaffError::UnknownClinic(_) => faults.add("clinic", lang.t("hub-staff-needs-clinic")),
        StaffError::Store(error) => return Err(error.into()),
    }
    Ok(())
}

async fn shown_once(visitor: &Visitor, one_time: &OneTime, at_clinic: bool) -> Answer<Response> {
    let lang = visitor.lang;
    let title = lang.t("hub-one-time-title");
    let place = if at_clinic {
        lang.t("hub-one-time-at-clinic")
    } else {
        lang.t("hub-one-time-at-hub")
    };
    let body = html! {
        (heading(&title, &html! { a.button href="/staff" { (lang.t("hub-back-to-staff")) } }))
        div.narrow.stack {
            (panel(lang, Class::Must, &lang.t("hub-one-time-once"), &html! { p { (lang.t("hub-one-time-about")) } }))
            section.card {
                dl.pairs {
                    dt { (lang.t("field-login")) } dd.num #one-time-user { (one_time.user) }
                    dt { (lang.t("field-password")) } dd.num #one-time-password { (one_time.password) }
                }
                p.quiet { (place) }
            }
        }
    };
    let mut response = visitor.page(&Page::new(title.clone(), body)).await?;
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `GET /staff/{id}`.
pub async fn member_page(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let member = member_of(&visitor, &id).await?;
    let mut fields = Fields::default();
    fields.put("name", member.name.clone());
    fields.put("state", member.state.word());
    for role in &member.roles {
        fields.add("roles", role.word());
    }
    visitor
        .page(&edit_page(visitor.lang, &member, &fields, &Faults::none()))
        .await
}

/// Where a member works.
fn place(member: &StaffMember) -> Place {
    if member.clinic.is_some() {
        Place::Clinic
    } else {
        Place::County
    }
}

fn edit_page(lang: Lang, member: &StaffMember, fields: &Fields, faults: &Faults) -> Page {
    let action = format!("/staff/{}", member.id);
    let (name, label, submit) = (lang.t("field-name"), lang.t("staff-state"), lang.t("save"));
    let form = Form {
        action: &action,
        id: Some(new_form().to_string()),
        faults: Some(faults),
        submit: &submit,
        back: Some("/staff"),
        ..Form::default()
    };
    let inner = html! {
        (Input::text("name", &name).value(fields.get("name")).markup(lang, faults))
        (roles(lang, member, fields, faults))
        (Choice::new("state", &label, states(lang)).chosen(Some(fields.get("state"))).markup(lang, faults))
    };
    let title = lang.t("staff-edit");
    let body = html! {
        (heading(&title, &html! {}))
        div.narrow.stack {
            section.card { (form.around(lang, &inner, &html! {})) }
            section.card.stack {
                h2 { (lang.t("hub-one-time-new")) }
                p.quiet { (lang.t("hub-one-time-new-about")) }
                form method="post" action={ (action) "/password" } {
                    button.button type="submit" { (Icon::Lock.svg()) (lang.t("hub-one-time-new-do")) }
                }
            }
        }
    };
    Page::new(title.clone(), body)
}

fn roles(lang: Lang, member: &StaffMember, fields: &Fields, faults: &Faults) -> Markup {
    let chosen: Vec<&str> = fields.all("roles").collect();
    html! {
        fieldset.field.field-faulty[faults.of("roles").is_some()] {
            legend { (lang.t("field-roles")) }
            @if let Some(fault) = faults.of("roles") { p.fault { (fault) } }
            div.choices { @for (at, (word, words)) in role_options(lang, Some(place(member))).iter().enumerate() {
                label.choice {
                    input id=[(at == 0).then_some("f-roles")] type="checkbox" name="roles" value=(word) checked[chosen.contains(&word.as_str())];
                    span { (words) }
                }
            } }
        }
    }
}

/// `POST /staff/{id}`.
pub async fn change(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Answer<Response> {
    let lang = visitor.lang;
    let store = &visitor.state.store;
    let mut member = member_of(&visitor, &id).await?;
    let place = place(&member);
    let mut faults = Faults::none();
    let name = records::text::tidy(fields.get("name"));
    if name.is_empty() {
        faults.add(
            "name",
            sentence(lang, FieldFault::new("name", FaultKind::Missing)),
        );
    } else if name.chars().count() > records::staff::STAFF_NAME_CHARS_MAX {
        faults.add(
            "name",
            sentence(lang, FieldFault::new("name", FaultKind::TooLong)),
        );
    }
    let roles: Vec<Role> = fields
        .all("roles")
        .filter_map(Role::from_word)
        .filter(|role| place_of(*role) == place)
        .collect();
    if roles.is_empty() {
        faults.add("roles", lang.t("staff-no-role"));
    }
    let state = StaffState::from_word(fields.get("state")).unwrap_or(member.state);
    let stays = state == StaffState::Active && roles.contains(&Role::HubAdministrator);
    let others = store.staff().await?;
    let is_admin = |other: &StaffMember| {
        other.id != member.id
            && other.state == StaffState::Active
            && other.clinic.is_none()
            && other.roles.contains(&Role::HubAdministrator)
    };
    if place == Place::County && !stays && !others.iter().any(is_admin) {
        faults.add("roles", lang.t("hub-staff-last-administrator"));
    }
    if !faults.is_empty() {
        return visitor.refused(edit_page(lang, &member, &fields, &faults)).await;
    }
    (member.name, member.roles, member.state) = (name, roles, state);
    if state != StaffState::Active {
        store.end_sessions_of(member.id, None).await?;
    }
    staff::keep(store, visitor.by(), member).await?;
    go_to("/staff")
}

/// `POST /staff/{id}/password`: a new password for one use, shown this once.
pub async fn renew(visitor: Visitor, Path(id): Path<String>) -> Answer<Response> {
    let member = member_of(&visitor, &id).await?;
    let at_clinic = member.clinic.is_some();
    let renewed = staff::renew(&visitor.state.store, visitor.by(), member).await;
    let one_time = renewed?;
    shown_once(&visitor, &one_time, at_clinic).await
}
