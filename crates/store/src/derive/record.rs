//! What a patient's page shows, read at one instant.

use records::encounters::EncounterLine;
use records::ids::{ClinicCode, DocId, PatientId};
use records::patients::Chart;

use super::encounters::visits_of;
use super::links::{OtherChart, other_charts};
use super::patients::chart;
use super::readings::{EcgLine, ObservationLine, ecgs_of, observations_of};
use crate::Read;
use crate::engine::{Store, StoreError};

/// Chart, readings, visits and ECGs of a patient, each list newest first, as they stood together.
#[derive(Debug, Clone, PartialEq)]
pub struct PatientRecord {
    /// The chart.
    pub chart: Read<Chart>,
    /// Other charts that are, or may be, of the person.
    pub others: Vec<OtherChart>,
    /// Readings over all visits and series; withdrawn ones are among them and say so.
    pub readings: Vec<ObservationLine>,
    /// Visits.
    pub visits: Vec<EncounterLine>,
    /// ECGs; withdrawn ones are among them and say so.
    pub ecgs: Vec<EcgLine>,
}

impl Store {
    /// The clinic that owns a document held here.
    pub async fn document_owner(&self, doc: DocId) -> Result<Option<ClinicCode>, StoreError> {
        self.read(move |sql| Ok(crate::log::doc_row(sql, doc)?.map(|row| row.owner)))
            .await
    }

    /// A patient's record with so many visits and readings at most; `None` where the chart is not held here.
    pub async fn patient_record(
        &self,
        patient: PatientId,
        visits: usize,
        readings: usize,
    ) -> Result<Option<PatientRecord>, StoreError> {
        self.read(move |sql| {
            let Some(chart) = chart(sql, patient)? else {
                return Ok(None);
            };
            Ok(Some(PatientRecord {
                chart,
                others: other_charts(sql, patient)?,
                readings: observations_of(sql, patient, None, readings)?,
                visits: visits_of(sql, patient, visits)?,
                ecgs: ecgs_of(sql, patient)?,
            }))
        })
        .await
    }
}
