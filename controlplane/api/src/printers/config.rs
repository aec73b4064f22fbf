//! Columns of ConfigMaps, Secrets and ServiceAccounts.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{AGE, Column, NAME, Printer, age, column, meta, text};

/// A number of entries. kubectl shows these as text.
const DATA: Column = column("Data", "Number of entries.");

/// Columns of ConfigMaps.
pub struct ConfigMap;

impl Printer for ConfigMap {
    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[NAME, DATA, AGE];
        COLUMNS
    }

    fn cells(&self, map: &Value, now: Timestamp) -> Vec<Value> {
        let entries = entries(&map["data"]) + entries(&map["binaryData"]);
        vec![json!(meta::name(map)), json!(entries), json!(age(map, now))]
    }
}

/// Columns of Secrets; values are never shown.
pub struct Secret;

impl Printer for Secret {
    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[NAME, column("Type", "What the secret is for."), DATA, AGE];
        COLUMNS
    }

    fn cells(&self, secret: &Value, now: Timestamp) -> Vec<Value> {
        vec![
            json!(meta::name(secret)),
            json!(text(&secret["type"])),
            json!(entries(&secret["data"])),
            json!(age(secret, now)),
        ]
    }
}

/// Columns of ServiceAccounts.
pub struct ServiceAccount;

impl Printer for ServiceAccount {
    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[NAME, column("Secrets", "Number of token secrets."), AGE];
        COLUMNS
    }

    fn cells(&self, account: &Value, now: Timestamp) -> Vec<Value> {
        let secrets = meta::list(&account["secrets"]).len();
        vec![json!(meta::name(account)), json!(secrets), json!(age(account, now))]
    }
}

fn entries(map: &Value) -> usize {
    map.as_object().map_or(0, serde_json::Map::len)
}
