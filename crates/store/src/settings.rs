//! Settings of this machine: small JSON values by key. Local, never synced.

use records::ids::ClinicCode;

use crate::engine::{Store, StoreError, Tx};
use crate::sql::{Connection, OptionalExtension, params};

/// Key of the clinic that this box belongs to.
const CLINIC: &str = "clinic";

impl Store {
    /// A setting; `None` where it was never put or is no JSON.
    pub async fn setting(&self, key: &str) -> Result<Option<serde_json::Value>, StoreError> {
        let key = key.to_owned();
        self.read(move |sql| get(sql, &key)).await
    }

    /// Keeps a setting.
    pub async fn put_setting(&self, key: &str, value: &serde_json::Value) -> Result<(), StoreError> {
        let (key, value) = (key.to_owned(), value.clone());
        self.write(move |tx| put(tx, &key, &value)).await
    }

    /// The clinic of this box, once first start or enrolment said which.
    pub async fn clinic(&self) -> Result<Option<ClinicCode>, StoreError> {
        self.read(clinic).await
    }

    /// Says which clinic this box belongs to.
    pub async fn set_clinic(&self, code: &ClinicCode) -> Result<(), StoreError> {
        let code = code.clone();
        self.write(move |tx| set_clinic(tx, &code)).await
    }
}

pub(crate) fn get(sql: &Connection, key: &str) -> Result<Option<serde_json::Value>, StoreError> {
    let mut find = sql.prepare_cached("SELECT value FROM local_settings WHERE key = ?1")?;
    let text: Option<String> = find.query_row([key], |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

pub(crate) fn put(tx: &Tx<'_>, key: &str, value: &serde_json::Value) -> Result<(), StoreError> {
    let mut put = tx.sql.prepare_cached(
        "INSERT INTO local_settings(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = ?2",
    )?;
    put.execute(params![key, value.to_string()])?;
    Ok(())
}

pub(crate) fn clinic(sql: &Connection) -> Result<Option<ClinicCode>, StoreError> {
    Ok(get(sql, CLINIC)?.and_then(|value| value.as_str().and_then(|code| code.parse().ok())))
}

pub(crate) fn set_clinic(tx: &Tx<'_>, code: &ClinicCode) -> Result<(), StoreError> {
    put(tx, CLINIC, &serde_json::Value::from(code.as_str()))
}
