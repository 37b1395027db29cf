//! A patient's chart as the pages about one person need it: read once, with the banner that stands above each.

use maud::Markup;
use records::ids::PatientId;
use records::patients::Chart;
use records::staff::Action;
use records::tree::Edit;
use store::{AuditAct, Commit, Committed, Lane, LocalEffect, Read, Target, Write};
use sync_core::document::Heads;
use web::banner::{Renew, patient_banner};
use web::fields::Fields;
use web::trouble::Trouble;
use web::words::BannerWords;

use super::visitor::Visitor;
use crate::errors::Page as Answer;

/// A patient whose record is open.
pub struct Person {
    /// Who.
    pub id: PatientId,
    /// The chart.
    pub chart: Chart,
    /// Heads at which it was read.
    pub heads: Heads,
}

impl Person {
    /// Opens the record of a patient for this visitor, who is noted as having looked.
    pub async fn open(visitor: &Visitor, id: PatientId) -> Answer<Self> {
        let person = Self::read(visitor, id).await?;
        visitor.viewed(AuditAct::ViewPatient, id, None).await?;
        Ok(person)
    }

    /// As [`Person::open`], by the text in an address.
    pub async fn of(visitor: &Visitor, id: &str) -> Answer<Self> {
        Self::open(visitor, id.parse().map_err(|_| Trouble::NotFound)?).await
    }

    /// Reads the chart for a page whose own view is noted.
    pub async fn read(visitor: &Visitor, id: PatientId) -> Answer<Self> {
        let read = visitor.state.store.chart(id).await?;
        let Read { value: chart, heads } = read.ok_or(Trouble::NotFound)?;
        Ok(Self { id, chart, heads })
    }

    /// Address of the patient's page.
    pub fn href(&self) -> String {
        format!("/patients/{}", self.id)
    }

    /// The banner; on the patient's own page it links nowhere.
    pub fn banner(&self, visitor: &Visitor, own_page: bool) -> Markup {
        let words = BannerWords::of(visitor.lang, &self.chart);
        let href = (!own_page).then(|| self.href());
        let clinical = visitor.may(Action::ReadClinical);
        let mut view = words.banner(&self.chart, href, clinical, visitor.today());
        view.clash = self.chart.clashes.iter().any(web::people::clashes::is_identity);
        view.renew = Some(Renew {
            address: format!("{}/banner{}", self.href(), if own_page { "?own=yes" } else { "" }),
            person: self.id.to_string(),
        });
        patient_banner(visitor.lang, &view)
    }

    /// Writes edits of the chart: on the heads that the form was filled from, once per form.
    pub async fn write(
        &self,
        visitor: &Visitor,
        act: AuditAct,
        edits: Vec<Edit>,
        fields: &Fields,
    ) -> Answer<Committed> {
        let form = fields.form()?;
        let write = Write {
            target: Target::Existing(self.id.doc()),
            base: fields.base()?,
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
        Ok(visitor.state.store.commit(commit).await?)
    }
}
