//! A patient's chart as the pages about one person need it: read once, with the banner that stands above each.

use maud::Markup;
use records::ids::PatientId;
use records::patients::Chart;
use records::staff::Action;
use records::tree::Edit;
use store::{AuditAct, Commit, Committed, Lane, LocalEffect, OtherChart, Target, Write};
use sync_core::document::Heads;
use web::banner::{Renew, patient_banner};
use web::fields::Fields;
use web::people::clashes::is_identity;
use web::trouble::Trouble;
use web::words::BannerWords;

use crate::errors::Page as Answer;
use crate::same;
use crate::station::Station;
use crate::visitor::Visitor;

/// A patient whose record is open.
pub struct Person {
    /// Who.
    pub id: PatientId,
    /// The chart.
    pub chart: Chart,
    /// Heads at which it was read.
    pub heads: Heads,
    /// Other charts that are, or may be, of the person.
    pub others: Vec<OtherChart>,
}

/// The patient of an address.
///
/// # Errors
///
/// The text is no patient's id.
pub fn patient_id(text: &str) -> Result<PatientId, Trouble> {
    text.parse().map_err(|_| Trouble::NotFound)
}

impl Person {
    /// Opens the record of a patient for this visitor, who is noted as having looked.
    ///
    /// # Errors
    ///
    /// There is no such patient here, or the store failed.
    pub async fn open<S: Station>(visitor: &Visitor<S>, id: PatientId) -> Answer<Self> {
        let person = Self::read(visitor, id).await?;
        visitor.viewed(AuditAct::ViewPatient, id, None).await?;
        Ok(person)
    }

    /// Reads the record without a note: whoever answers with something of it makes the note.
    ///
    /// # Errors
    ///
    /// There is no such patient here, or the store failed.
    pub async fn read<S: Station>(visitor: &Visitor<S>, id: PatientId) -> Answer<Self> {
        let read = visitor.state.store().chart(id).await?.ok_or(Trouble::NotFound)?;
        Ok(Self {
            id,
            chart: read.value,
            heads: read.heads,
            others: visitor.state.store().other_charts(id).await?,
        })
    }

    /// As [`Person::open`], by the text in an address.
    ///
    /// # Errors
    ///
    /// As those of [`Person::open`].
    pub async fn of<S: Station>(visitor: &Visitor<S>, id: &str) -> Answer<Self> {
        Self::open(visitor, patient_id(id)?).await
    }

    /// Address of the patient's page.
    pub fn href(&self) -> String {
        format!("/patients/{}", self.id)
    }

    /// The banner; on the patient's own page it links nowhere.
    pub fn banner<S: Station>(&self, visitor: &Visitor<S>, own_page: bool) -> Markup {
        let words = BannerWords::of(visitor.lang, &self.chart);
        let href = (!own_page).then(|| self.href());
        let clinical = visitor.may(Action::ReadClinical);
        let mut view = words.banner(&self.chart, href, clinical, visitor.today());
        view.others = same::notes(visitor.lang, self);
        view.allergies = same::allergies_of_all(visitor.lang, view.allergies, &self.others);
        view.clash = self.chart.clashes.iter().any(is_identity);
        view.renew = Some(Renew {
            address: format!("{}/banner{}", self.href(), if own_page { "?own=yes" } else { "" }),
            person: self.id.to_string(),
        });
        patient_banner(visitor.lang, &view)
    }

    /// Writes edits of the chart: on the heads that the form was filled from, once per form.
    ///
    /// # Errors
    ///
    /// The form carries no id or broken heads, or the store did not take the edits.
    pub async fn write<S: Station>(
        &self,
        visitor: &Visitor<S>,
        act: AuditAct,
        edits: Vec<Edit>,
        fields: &Fields,
    ) -> Answer<Committed> {
        let form = fields.form()?;
        let write = Write {
            target: Target::Existing(self.id.doc()),
            base: fields.base::<Heads>()?,
            edits,
        };
        let commit = Commit {
            writes: vec![write],
            blobs: Vec::new(),
            by: visitor.by(),
            act,
            lane: Lane::P2,
            form: Some(form),
            settle: vec![LocalEffect::DropDraft(form)],
        };
        Ok(visitor.state.store().commit(commit).await?)
    }
}
