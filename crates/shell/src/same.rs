//! Two charts beside each other: are they of one person? A clinic proposes with a reason, the county decides, and
//! every decision can be taken back. Charts are never merged.

use axum::extract::{Path, Query};
use axum::response::Response;
use maud::{Markup, html};
use records::ids::{DocKind, PatientId};
use records::links::{Link, LinkState, Said, Say};
use records::patients::{AllergyState, Chart};
use records::staff::Action;
use serde::Deserialize;
use store::{AuditAct, Commit, SameBy, Target, Write};
use web::banner::{AllergyLine, OtherChart};
use web::checks::Checked;
use web::fields::Fields;
use web::forms::{Area, Faults};
use web::layout::{Page, heading};
use web::moments;
use web::patients::{hits, lines};
use web::people::Names;
use web::people::facts::{allergy_facts, facts};
use web::texts::Lang;
use web::trouble::Trouble;

use crate::errors::Page as Answer;
use crate::find::row;
use crate::forms::new_form;
use crate::person::Person;
use crate::station::Station;
use crate::visitor::{Visitor, go_to};

/// Charts that a search offers.
const HITS: usize = 20;
/// Pairs that the list shows.
const PAIRS: usize = 200;
/// Longest query, in characters.
const QUERY_CHARS_MAX: usize = 64;

/// What is asked of the page.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    /// The other chart.
    #[serde(default)]
    with: String,
    /// What the other chart is looked for by.
    #[serde(default)]
    q: String,
}

/// Why another chart is shown.
pub fn why(lang: Lang, by: SameBy) -> String {
    match by {
        SameBy::Decision => lang.t("same-by-decision"),
        SameBy::IdNumber => lang.t("same-by-number"),
        SameBy::Proposal => lang.t("same-by-proposal"),
    }
}

/// The notes of a banner about other charts of the person.
pub fn notes(lang: Lang, person: &Person) -> Vec<OtherChart> {
    let note = |other: &store::OtherChart| OtherChart {
        href: format!("{}/same?with={}", person.href(), other.id),
        name: other.chart.name.clone(),
        birth: other.chart.birth,
        why: why(lang, other.by),
    };
    person.others.iter().map(note).collect()
}

/// The allergy line over all charts that count as this person's: what another chart knows is said with its source.
pub fn allergies_of_all(lang: Lang, own: AllergyLine, others: &[store::OtherChart]) -> AllergyLine {
    if own == AllergyLine::Withheld {
        return own;
    }
    let counting = others.iter().filter(|other| other.by != SameBy::Proposal);
    let mut elsewhere = Vec::new();
    let mut unreadable = false;
    for other in counting {
        match &other.chart.allergies {
            AllergyState::Known(known) => {
                elsewhere.extend(known.iter().map(|allergy| {
                    lang.t_with(
                        "same-allergy",
                        &[("agent", &allergy.agent), ("name", &other.chart.name)],
                    )
                }));
            }
            AllergyState::Unreadable => unreadable = true,
            AllergyState::NoneKnown | AllergyState::NotAsked => {}
        }
    }
    match own {
        AllergyLine::Known(mut known) => {
            known.extend(elsewhere);
            AllergyLine::Known(known)
        }
        AllergyLine::Unreadable if !elsewhere.is_empty() => {
            elsewhere.push(lang.t("allergies-unreadable"));
            AllergyLine::Known(elsewhere)
        }
        _ if !elsewhere.is_empty() => AllergyLine::Known(elsewhere),
        // "None known" here is no answer for a chart that cannot be read.
        AllergyLine::NoneKnown | AllergyLine::NotAsked if unreadable => AllergyLine::Unreadable,
        other => other,
    }
}

/// `GET /patients/{id}/same`.
///
/// # Errors
///
/// There is no such chart here, or the store failed.
pub async fn page<S: Station>(
    visitor: Visitor<S>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let page = if asked.with.is_empty() {
        choose(&visitor, &person, asked.q.trim()).await?
    } else {
        let other = Person::of(&visitor, &asked.with).await?;
        compare(&visitor, &person, &other, &Fields::default(), &Checked::default()).await?
    };
    visitor.page(&page).await
}

/// Looks for the other chart.
async fn choose<S: Station>(visitor: &Visitor<S>, person: &Person, query: &str) -> Answer<Page> {
    let lang = visitor.lang;
    let query: String = query.chars().take(QUERY_CHARS_MAX).collect();
    let at = format!("{}/same", person.href());
    let mut rows = Vec::new();
    if !query.is_empty() {
        let found = visitor.state.store().search_patients(&query, HITS).await?;
        for line in found.iter().filter(|line| line.id != person.id) {
            let mut hit = row(visitor, line, false);
            hit.href = format!("{at}?with={}", line.id);
            rows.push(hit);
        }
    }
    let title = lang.t("same-choose");
    let body = html! {
        (heading(&title, &html! { a.button href=(person.href()) { (lang.t("back-to-patient")) } }))
        p.quiet { (lang.t("same-choose-about")) }
        div.stack {
            form.search method="get" action=(at) role="search" {
                label.only-read for="q" { (lang.t("search-label")) }
                input #q name="q" type="text" value=(query) placeholder=(lang.t("search-hint")) maxlength="64" autocomplete="off";
                button.button.button-main type="submit" { (lang.t("search-go")) }
            }
            @if !query.is_empty() { (hits(lang, &query, &rows, false, visitor.today())) }
        }
    };
    Ok(Page::new(title.clone(), body).about(person.banner(visitor, false)))
}

/// Both charts beside each other. No banner: it never stands above two people.
async fn compare<S: Station>(
    visitor: &Visitor<S>,
    one: &Person,
    other: &Person,
    fields: &Fields,
    checked: &Checked,
) -> Answer<Page> {
    let lang = visitor.lang;
    if one.id == other.id {
        return Err(Trouble::NotFound.into());
    }
    let store = visitor.state.store();
    let link = store
        .link_of([one.id, other.id])
        .await?
        .map(|(_, read)| read.value);
    let names = Names::of(&store.staff().await?);
    let by = one
        .others
        .iter()
        .find(|known| known.id == other.id)
        .map(|known| known.by);
    let title = lang.t("same-title");
    let body = html! {
        (heading(&title, &html! { a.button href=(one.href()) { (lang.t("same-back-one")) } a.button href=(other.href()) { (lang.t("same-back-other")) } }))
        div.stack {
            p { (standing(lang, link.as_ref(), by)) }
            section.card { (table(visitor, &one.chart, &other.chart)) }
            @if let Some(link) = &link { section.card { h2 { (lang.t("same-said")) } (history(visitor, link, &names)) } }
            @if visitor.may(Action::ResolveClash) {
                section.card.narrow { (form(visitor, one, other, link.as_ref(), fields, &checked.faults)) }
            }
        }
    };
    Ok(Page::new(title.clone(), body))
}

fn standing(lang: Lang, link: Option<&Link>, by: Option<SameBy>) -> String {
    match (link.map(|link| link.state), by) {
        (Some(LinkState::Same), _) => lang.t("same-now-same"),
        (Some(LinkState::Apart), _) => lang.t("same-now-apart"),
        (_, Some(SameBy::IdNumber)) => lang.t("same-now-number"),
        (Some(LinkState::Proposed), _) => lang.t("same-now-proposed"),
        (None, _) => lang.t("same-now-nothing"),
    }
}

fn table<S: Station>(visitor: &Visitor<S>, one: &Chart, other: &Chart) -> Markup {
    let lang = visitor.lang;
    let all = |chart: &Chart| {
        let mut all = vec![(lang.t("field-name"), chart.name.clone())];
        all.extend(facts(lang, chart));
        if visitor.may(Action::ReadClinical) {
            let words: Vec<String> = allergy_facts(lang, chart)
                .into_iter()
                .map(|fact| fact.words)
                .collect();
            all.push((lang.t("same-allergies"), words.join("、")));
        }
        all
    };
    let (left, right) = (all(one), all(other));
    let mut labels: Vec<String> = Vec::new();
    for (label, _) in left.iter().chain(&right) {
        if !labels.contains(label) {
            labels.push(label.clone());
        }
    }
    let of = |side: &[(String, String)], label: &str| {
        let found = side.iter().find(|(name, _)| name == label);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    html! {
        div.scroll tabindex="0" role="group" aria-label=(lang.t("same-title")) { table.table.same-table {
            thead { tr {
                th scope="col" { (lang.t("same-field")) }
                th scope="col" { (lang.t("same-one")) }
                th scope="col" { (lang.t("same-other")) }
                th scope="col" { (lang.t("same-compare")) }
            } }
            tbody { @for label in &labels {
                @let (a, b) = (of(&left, label), of(&right, label));
                @if !(a.is_empty() && b.is_empty()) {
                    tr { th scope="row" { (label) } td { (a) } td { (b) } td { @if a == b { "＝ " (lang.t("same-equal")) } @else { strong { "≠ " (lang.t("same-differs")) } } } }
                }
            } }
        } }
    }
}

fn history<S: Station>(visitor: &Visitor<S>, link: &Link, names: &Names) -> Markup {
    let lang = visitor.lang;
    let what = |said: &Said| match said.state {
        LinkState::Proposed => lang.t("same-said-proposed"),
        LinkState::Same => lang.t("same-said-same"),
        LinkState::Apart => lang.t("same-said-apart"),
    };
    html! {
        ul.states { @for said in link.said.iter().rev() {
            li.state-row {
                span.state-shape aria-hidden="true" { "●" }
                div {
                    strong { (what(said)) }
                    p { (said.reason) }
                    p.quiet.small {
                        @if let Some(by) = said.by { (names.get(lang, by)) }
                        @if let Some(at) = said.at { " · " (moments::day_and_clock(lang, at.at, visitor.today())) }
                    }
                }
            }
        } }
    }
}

fn form<S: Station>(
    visitor: &Visitor<S>,
    one: &Person,
    other: &Person,
    link: Option<&Link>,
    fields: &Fields,
    faults: &Faults,
) -> Markup {
    let lang = visitor.lang;
    let reason = lang.t("field-reason");
    let state = link.map(|link| link.state);
    html! {
        h2 { (lang.t(if S::DECIDES_LINKS { "same-decide" } else { "same-propose" })) }
        form.form method="post" action={ (one.href()) "/same" } {
            (faults.summary(lang))
            input type="hidden" name="form" value=(new_form());
            input type="hidden" name="with" value=(other.id);
            (Area::new("reason", &reason, fields.get("reason")).hint(&lang.t("same-reason-hint")).rows(3).markup(lang, faults))
            p.quiet { (lang.t(if S::DECIDES_LINKS { "same-decide-about" } else { "same-propose-about" })) }
            div.form-foot {
                @if S::DECIDES_LINKS {
                    @if state != Some(LinkState::Same) { button.button.button-main type="submit" name="say" value="same" { (lang.t("same-say-same")) } }
                    @if state != Some(LinkState::Apart) { button.button type="submit" name="say" value="apart" { (lang.t("same-say-apart")) } }
                } @else {
                    button.button.button-main type="submit" name="say" value="proposed" { (lang.t("same-say-proposed")) }
                }
            }
        }
    }
}

/// `POST /patients/{id}/same`.
///
/// # Errors
///
/// There is no such chart here, the form is broken, or the store failed.
pub async fn say<S: Station>(
    visitor: Visitor<S>,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer<Response> {
    let one = Person::of(&visitor, &id).await?;
    let other = Person::of(&visitor, fields.get("with")).await?;
    let state = LinkState::from_word(fields.get("say")).ok_or(Trouble::Unreadable)?;
    if one.id == other.id {
        return Err(Trouble::Unreadable.into());
    }
    // A clinic proposes and the county decides, whatever a form says.
    if (state == LinkState::Proposed) == S::DECIDES_LINKS {
        return Err(Trouble::Forbidden.into());
    }
    let said = Say {
        state,
        reason: fields.get("reason").to_owned(),
    };
    let checked = Checked::of(visitor.lang, &said.faults(), &fields);
    if !checked.passes() {
        return visitor
            .refused(compare(&visitor, &one, &other, &fields, &checked).await?)
            .await;
    }
    let store = visitor.state.store();
    let charts = [one.id, other.id];
    // The county writes into any link; a clinic into those that it began.
    let own = store.clinic().await?.filter(|_| !S::DECIDES_LINKS);
    let mut known = None;
    if let Some((doc, _)) = store.link_of(charts).await? {
        let owner = store.document_owner(doc).await?;
        known = Some(doc).filter(|_| own.is_none() || owner == own);
    }
    let owner = match own {
        Some(own) => own,
        None => store
            .document_owner(one.id.doc())
            .await?
            .ok_or(Trouble::NotFound)?,
    };
    let target = known.map_or(
        Target::New {
            kind: DocKind::Link,
            owner,
        },
        Target::Existing,
    );
    let new = known.is_none().then_some(charts);
    let edits = said.edits(new, visitor.person.staff, visitor.now(), &mut rand::random);
    let act = match state {
        LinkState::Proposed => AuditAct::LinkPropose,
        LinkState::Same | LinkState::Apart => AuditAct::LinkDecide,
    };
    let form = fields.form()?;
    if store.form_applied(form).await? {
        return go_to(&back(&one, other.id));
    }
    let commit = Commit {
        form: Some(form),
        ..Commit::new(visitor.by(), act, vec![Write::new(target, edits)])
    };
    store.commit(commit).await?;
    for chart in charts {
        store.audit_note(visitor.by(), act, Some(chart)).await?;
    }
    go_to(&back(&one, other.id))
}

fn back(one: &Person, other: PatientId) -> String {
    format!("{}/same?with={other}", one.href())
}

/// `GET /links`: pairs of charts about which nobody has decided.
///
/// # Errors
///
/// The store failed.
pub async fn list<S: Station>(visitor: Visitor<S>) -> Answer {
    let lang = visitor.lang;
    let store = visitor.state.store();
    let mut rows = Vec::new();
    for pair in store.open_links(PAIRS).await? {
        for (chart, with) in [(pair.charts[0], pair.charts[1]), (pair.charts[1], pair.charts[0])] {
            if let Some(line) = store.patient_line(chart).await? {
                let mut one = row(&visitor, &line, false);
                one.href = format!("/patients/{chart}/same?with={with}");
                rows.push((pair.by, one));
            }
        }
    }
    let title = lang.t("same-list");
    let body = html! {
        (heading(&title, &html! { a.button href="/status" { (lang.t("aside-back")) } }))
        p.quiet { (lang.t("same-list-about")) }
        @if rows.is_empty() { p.empty { (lang.t("same-list-none")) } }
        div.stack { @for pair in rows.chunks(2) {
            section.card {
                @if let Some((by, _)) = pair.first() { h2 { (why(lang, *by)) } }
                (lines(lang, &pair.iter().map(|(_, row)| row.clone()).collect::<Vec<_>>(), visitor.today()))
            }
        } }
    };
    visitor.page(&Page::new(title.clone(), body)).await
}

#[cfg(test)]
mod tests {
    use records::ids::PatientId;
    use records::tree::Node;

    use super::*;

    fn other(by: SameBy, allergies: AllergyState) -> store::OtherChart {
        let mut chart = Chart::read(&Node::default());
        chart.name = "王秀瑛".to_owned();
        chart.allergies = allergies;
        store::OtherChart {
            id: PatientId([2; 16]),
            chart,
            by,
        }
    }

    fn penicillin() -> AllergyState {
        use records::patients::ChartCommand;
        let mut tree = Node::default();
        let chart = Chart::read(&tree);
        let command = ChartCommand::AddAllergy(records::patients::NewAllergy {
            agent: "青霉素".to_owned(),
            ..Default::default()
        });
        let stamp = records::time::Stamp {
            at: records::time::WallTime(1),
            source: records::time::ClockSource::Hub,
        };
        let edits = command
            .edits(&chart, records::ids::StaffId([1; 8]), stamp, &mut || [3; 8])
            .unwrap();
        records::tree::apply_all(&mut tree, &edits).unwrap();
        Chart::read(&tree).allergies
    }

    #[test]
    fn an_allergy_in_another_chart_of_the_person_is_never_silent() {
        let all = |own, others: &[store::OtherChart]| allergies_of_all(Lang::Zh, own, others);
        for by in [SameBy::Decision, SameBy::IdNumber] {
            let others = [other(by, penicillin())];
            for own in [
                AllergyLine::NoneKnown,
                AllergyLine::NotAsked,
                AllergyLine::Unreadable,
            ] {
                let AllergyLine::Known(known) = all(own.clone(), &others) else {
                    panic!("{own:?}")
                };
                assert!(
                    known[0].contains("青霉素") && known[0].contains("王秀瑛"),
                    "{known:?}"
                );
            }
            let own = AllergyLine::Known(vec!["磺胺".to_owned()]);
            let AllergyLine::Known(known) = all(own, &others) else {
                panic!()
            };
            assert_eq!((known.len(), known[0].as_str()), (2, "磺胺"));
            assert_eq!(all(AllergyLine::Withheld, &others), AllergyLine::Withheld);
        }
        // What somebody only proposed is not this person's yet.
        let proposed = [other(SameBy::Proposal, penicillin())];
        assert_eq!(all(AllergyLine::NoneKnown, &proposed), AllergyLine::NoneKnown);
        let torn = [other(SameBy::Decision, AllergyState::Unreadable)];
        assert_eq!(all(AllergyLine::NoneKnown, &torn), AllergyLine::Unreadable);
    }
}
