//! A patient's chart as the pages about one person need it: read once, with the banner that stands above each.

use maud::Markup;
use records::ids::PatientId;
use records::patients::{Chart, Sex};
use records::staff::Action;
use records::time::Date;
use records::vitals::PersonAge;
use store::{AuditAct, Commit, Committed, Lane, LocalEffect, Read, Target, Write};
use sync_core::document::Heads;
use web::banner::patient_banner;
use web::texts::Lang;
use web::trouble::Trouble;
use web::words::BannerWords;

use crate::errors::Page as Answer;
use crate::pages::fields::Fields;
use crate::pages::visitor::Visitor;

/// A patient whose record is open.
pub struct Person {
    /// Who.
    pub id: PatientId,
    /// The chart.
    pub chart: Chart,
    /// Heads at which it was read.
    pub heads: Heads,
}

/// The patient of an address.
pub fn patient_id(text: &str) -> Result<PatientId, Trouble> {
    text.parse().map_err(|_| Trouble::NotFound)
}

impl Person {
    /// Opens the record of a patient for this visitor, who is noted as having looked.
    pub async fn open(visitor: &Visitor, id: PatientId) -> Answer<Self> {
        let Read { value: chart, heads } = visitor.state.store.chart(id).await?.ok_or(Trouble::NotFound)?;
        visitor.viewed(AuditAct::ViewPatient, id, None).await?;
        Ok(Self { id, chart, heads })
    }

    /// As [`Person::open`], by the text in an address.
    pub async fn of(visitor: &Visitor, id: &str) -> Answer<Self> {
        Self::open(visitor, patient_id(id)?).await
    }

    /// What ranges ask about the person.
    pub fn age(&self, today: Date) -> PersonAge {
        PersonAge::on(self.chart.birth, self.chart.sex, today)
    }

    /// Address of the patient's page.
    pub fn href(&self) -> String {
        format!("/patients/{}", self.id)
    }

    /// The banner; on the patient's own page it links nowhere.
    pub fn banner(&self, visitor: &Visitor, own_page: bool) -> Markup {
        let words = BannerWords::of(visitor.lang, &self.chart);
        let href = (!own_page).then(|| self.href());
        let mut view = words.banner(
            &self.chart,
            href,
            visitor.may(Action::ReadClinical),
            visitor.today(),
        );
        view.clash = self.chart.clashes.iter().any(is_identity);
        patient_banner(visitor.lang, &view)
    }

    /// Writes edits of the chart: on the heads that the form was filled from, once per form.
    pub async fn write(
        &self,
        visitor: &Visitor,
        act: AuditAct,
        edits: Vec<records::tree::Edit>,
        fields: &Fields,
    ) -> Answer<Committed> {
        let form = fields.form()?;
        let commit = Commit {
            writes: vec![Write {
                target: Target::Existing(self.id.doc()),
                base: fields.base()?,
                edits,
            }],
            blobs: Vec::new(),
            by: visitor.by(),
            act,
            lane: Lane::P2,
            form: Some(form),
            settle: vec![LocalEffect::DropDraft(form)],
        };
        Ok(visitor.state.store.commit(commit).await?)
    }
}

/// Whether a clash is about who the person is.
fn is_identity(clash: &records::conflicts::Clash) -> bool {
    let field = clash.path.iter().map(String::as_str).collect::<Vec<_>>();
    clash.policy.needs_choice()
        && matches!(
            field.as_slice(),
            ["person", "name" | "birth" | "sex" | "id_number"]
        )
}

/// The word for a sex.
pub fn sex_word(lang: Lang, sex: Sex) -> String {
    match sex {
        Sex::Male => lang.t("sex-male"),
        Sex::Female => lang.t("sex-female"),
        Sex::Unknown => lang.t("sex-unknown"),
    }
}
