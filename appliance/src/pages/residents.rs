//! The list of residents in and out as a table for spreadsheets.

use axum::extract::Multipart;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use records::identity::IdNumber;
use records::ids::DocKind;
use records::patients::{Address, Chart, NewPatient};
use records::text::fold_name;
use shell::errors::Page as Answer;
use store::{AuditAct, Commit, Lane, Target, Write};
use web::forms::{Faults, Form, Input};
use web::icons::Icon;
use web::layout::{Page, heading};
use web::panels::{Class, panel};
use web::texts::Lang;
use web::trouble::Trouble;

use crate::pages::visitor::Visitor;
use crate::residents_csv::{self, LineFault, ListFault, Resident};

/// Residents that one commit registers.
const BATCH: usize = 50;
/// Faults that the page lists; the rest is counted.
const FAULTS_SHOWN: usize = 200;
/// Lines that are read of the list at a time.
const PAGE: usize = 500;

/// What became of a list.
#[derive(Default)]
struct Taken {
    new: usize,
    known: usize,
    faults: Vec<(u64, LineFault)>,
}

/// `GET /residents`.
pub async fn page(visitor: Visitor) -> Answer {
    let page = draw(visitor.lang, None, &Faults::none());
    visitor.page(&page).await
}

fn draw(lang: Lang, taken: Option<&Taken>, faults: &Faults) -> Page {
    let title = lang.t("more-residents");
    let (file, hint, submit) = (
        lang.t("residents-file"),
        lang.t("residents-file-hint"),
        lang.t("residents-take"),
    );
    let form = Form {
        action: "/residents",
        faults: Some(faults),
        submit: &submit,
        files: true,
        ..Form::default()
    };
    let inner = Input::file("file", &file, ".csv,text/csv")
        .hint(&hint)
        .markup(lang, faults);
    let body = html! {
        (heading(&title, &html! {}))
        div.narrow.stack {
            @if let Some(taken) = taken { (outcome(lang, taken)) }
            section.card.stack {
                h2 { (lang.t("residents-out")) }
                p { (lang.t("residents-out-about")) }
                p.actions { a.button.button-main href="/residents.csv" download="residents.csv" { (Icon::Download.svg()) (lang.t("residents-out-do")) } }
            }
            section.card.stack { h2 { (lang.t("residents-in")) } p { (lang.t("residents-in-about")) } (form.around(lang, &inner, &html! {})) }
        }
    };
    Page::new(title.clone(), body)
}

fn outcome(lang: Lang, taken: &Taken) -> Markup {
    let class = if taken.faults.is_empty() {
        Class::Done
    } else {
        Class::Warning
    };
    let counts = lang.t_with(
        "residents-taken",
        &[
            ("new", &taken.new.to_string()),
            ("known", &taken.known.to_string()),
        ],
    );
    panel(
        lang,
        class,
        &counts,
        &html! {
            @if !taken.faults.is_empty() {
                p { (lang.t_n("residents-faults", taken.faults.len())) }
                ul.facts { @for (line, fault) in taken.faults.iter().take(FAULTS_SHOWN) { li { (lang.t_with("residents-line", &[("line", &line.to_string())])) " " (fault_words(lang, *fault)) } } }
            }
        },
    )
}

fn fault_words(lang: Lang, fault: LineFault) -> String {
    match fault {
        LineFault::NoName => lang.t("line-no-name"),
        LineFault::SpoiltIdNumber => lang.t("line-spoilt-number"),
        LineFault::UnverifiedIdNumber => lang.t("line-unverified-number"),
        LineFault::BadBirthDate => lang.t("line-bad-birth"),
        LineFault::ContradictsIdNumber => lang.t("line-contradiction"),
        LineFault::UnknownSex => lang.t("line-unknown-sex"),
        LineFault::SpoiltPhone => lang.t("line-spoilt-phone"),
        LineFault::BadField => lang.t("line-bad-field"),
    }
}

fn list_fault(lang: Lang, fault: ListFault) -> String {
    match fault {
        ListFault::TooLarge => lang.t("list-too-large"),
        ListFault::TooManyRows => lang.t("list-too-many"),
        ListFault::NotText => lang.t("list-not-text"),
        ListFault::NoNameColumn => lang.t("list-no-name-column"),
    }
}

/// `POST /residents`: registers whoever is not registered yet.
pub async fn take(visitor: Visitor, mut multipart: Multipart) -> Answer<Response> {
    let lang = visitor.lang;
    let mut bytes = None;
    while let Some(part) = multipart.next_field().await.map_err(|_| Trouble::Unreadable)? {
        if part.name() == Some("file") {
            bytes = Some(part.bytes().await.map_err(|_| Trouble::TooLarge)?);
        }
    }
    let bytes = bytes.filter(|bytes| !bytes.is_empty());
    let read = match bytes {
        None => Err(lang.t("residents-no-file")),
        Some(bytes) => {
            let read = tokio::task::spawn_blocking(move || residents_csv::read(&bytes)).await;
            read.map_err(|error| Trouble::broken(&error))?
                .map_err(|fault| list_fault(lang, fault))
        }
    };
    let list = match read {
        Ok(list) => list,
        Err(words) => {
            let mut faults = Faults::none();
            faults.add("file", words);
            return visitor.refused(draw(lang, None, &faults)).await;
        }
    };
    let mut taken = Taken {
        faults: list.faults.clone(),
        ..Taken::default()
    };
    register(&visitor, &list.residents, &mut taken).await?;
    visitor
        .state
        .store
        .audit_note(visitor.by(), AuditAct::Import, None)
        .await?;
    visitor.page(&draw(lang, Some(&taken), &Faults::none())).await
}

async fn register(visitor: &Visitor, residents: &[Resident], taken: &mut Taken) -> Answer<()> {
    let owner = visitor.state.clinic().await?;
    for batch in residents.chunks(BATCH) {
        let mut writes = Vec::new();
        let mut seen: Vec<&Resident> = Vec::new();
        for resident in batch {
            let twice = seen.iter().any(|other| is_same(other, resident));
            if twice || is_known(visitor, resident).await? {
                taken.known += 1;
                continue;
            }
            seen.push(resident);
            let edits =
                new_patient(resident).edits(Some(visitor.person.staff), visitor.now(), &mut rand::random);
            let target = Target::New {
                kind: DocKind::Chart,
                owner: owner.clone(),
            };
            writes.push(Write::new(target, edits));
        }
        if writes.is_empty() {
            continue;
        }
        taken.new += writes.len();
        let commit = Commit {
            lane: Lane::P3,
            ..Commit::new(visitor.by(), AuditAct::Register, writes)
        };
        visitor.state.store.commit(commit).await?;
    }
    Ok(())
}

fn is_same(left: &Resident, right: &Resident) -> bool {
    let numbers = (
        left.id_number.as_ref().and_then(IdNumber::checked),
        right.id_number.as_ref().and_then(IdNumber::checked),
    );
    match numbers {
        (Some(left), Some(right)) => left == right,
        _ => {
            fold_name(&left.name) == fold_name(&right.name)
                && left.birth.is_some()
                && left.birth == right.birth
                && left.village == right.village
        }
    }
}

/// Whether a resident of the list is registered: by number, else by name and birth date.
async fn is_known(visitor: &Visitor, resident: &Resident) -> Answer<bool> {
    let store = &visitor.state.store;
    if let Some(number) = resident.id_number.as_ref().and_then(IdNumber::checked)
        && !store.patients_with_id_number(number.as_str()).await?.is_empty()
    {
        return Ok(true);
    }
    let Some(birth) = resident.birth else {
        return Ok(false);
    };
    let found = store.search_patients(&resident.name, 20).await?;
    let has_number = resident.id_number.as_ref().and_then(IdNumber::checked).is_some();
    Ok(found.iter().any(|line| {
        fold_name(&line.name) == fold_name(&resident.name)
            && line.birth == Some(birth)
            && !(has_number && line.id_tail.is_some())
    }))
}

fn new_patient(resident: &Resident) -> NewPatient {
    NewPatient {
        name: resident.name.clone(),
        sex: resident.sex,
        birth: resident.birth,
        id_number: resident
            .id_number
            .as_ref()
            .map(|number| number.as_str().to_owned())
            .unwrap_or_default(),
        phone: resident.phone.clone(),
        address: Address {
            county: String::new(),
            town: resident.town.clone(),
            village: resident.village.clone(),
            group: resident.group.clone(),
            house: resident.house.clone(),
        },
        archive_number: resident.archive_no.clone(),
        ..NewPatient::default()
    }
}

/// `GET /residents.csv`.
pub async fn give(visitor: Visitor) -> Answer {
    let store = &visitor.state.store;
    let mut residents = Vec::new();
    let mut after = None;
    loop {
        let lines = store.patients_page(after, PAGE).await?;
        let Some(last) = lines.last() else { break };
        after = Some(last.id);
        for line in &lines {
            if let Some(read) = store.chart(line.id).await? {
                residents.push(of_chart(residents.len() as u64 + 2, read.value));
            }
        }
    }
    store.audit_note(visitor.by(), AuditAct::Export, None).await?;
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/csv; charset=utf-8"),
        ),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"residents.csv\""),
        ),
    ];
    Ok((headers, residents_csv::write(&residents)).into_response())
}

fn of_chart(line: u64, chart: Chart) -> Resident {
    Resident {
        line,
        name: chart.name,
        sex: chart.sex,
        birth: chart.birth,
        id_number: chart.id_number,
        phone: chart.phone,
        town: chart.address.town,
        village: chart.address.village,
        group: chart.address.group,
        house: chart.address.house,
        archive_no: chart.archive_number,
    }
}
