//! Query parameters and DeleteOptions bodies as the registry's options.

use serde_json::Value;
use sheave_api::kinds::Propagation;
use sheave_api::selector::{FieldSelector, LabelSelector};
use sheave_api::{Kind, Status};
use sheave_registry::{
    DeleteOptions, ListOptions, ResourceVersion, ResourceVersionMatch, WatchOptions, WriteOptions,
};

use crate::query::Query;

/// Options of list and deletecollection.
pub(super) fn list(query: &Query, kind: &Kind) -> Result<ListOptions, Status> {
    let limit = query.integer("limit")?.unwrap_or(0);
    let limit = usize::try_from(limit).map_err(|_| {
        Status::bad_request(format!("limit: Invalid value: {limit}: must not be negative"))
    })?;
    Ok(ListOptions {
        limit,
        continue_token: query.get("continue").unwrap_or_default().to_owned(),
        label_selector: label_selector(query)?,
        field_selector: field_selector(query, kind)?,
        resource_version: resource_version(query)?,
        resource_version_match: resource_version_match(query)?,
    })
}

/// Options of a watch.
pub(super) fn watch(query: &Query, kind: &Kind) -> Result<WatchOptions, Status> {
    Ok(WatchOptions {
        label_selector: label_selector(query)?,
        field_selector: field_selector(query, kind)?,
        resource_version: resource_version(query)?,
        resource_version_match: resource_version_match(query)?,
        allow_bookmarks: query.flag("allowWatchBookmarks"),
        send_initial_events: query.optional_flag("sendInitialEvents"),
    })
}

/// Options of create, update and patch.
pub(super) fn write(query: &Query) -> Result<WriteOptions, Status> {
    Ok(WriteOptions { dry_run: dry_run(query.all("dryRun"))? })
}

/// Options of a deletion: from the body where there is one, as Kubernetes does, else from the query.
pub(super) fn delete(query: &Query, body: Option<&Value>) -> Result<DeleteOptions, Status> {
    match body {
        Some(body) => delete_from_body(body),
        None => delete_from_query(query),
    }
}

fn delete_from_body(body: &Value) -> Result<DeleteOptions, Status> {
    let text = |field: &Value| field.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let dry_run_values = body["dryRun"].as_array().map(Vec::as_slice).unwrap_or_default();
    let preconditions = &body["preconditions"];
    Ok(DeleteOptions {
        dry_run: dry_run(dry_run_values.iter().filter_map(Value::as_str))?,
        grace_period_seconds: grace_period(body["gracePeriodSeconds"].as_i64())?,
        uid: text(&preconditions["uid"]),
        resource_version: text(&preconditions["resourceVersion"]),
        propagation: propagation(
            body["propagationPolicy"].as_str(),
            body["orphanDependents"].as_bool(),
        )?,
    })
}

fn delete_from_query(query: &Query) -> Result<DeleteOptions, Status> {
    Ok(DeleteOptions {
        dry_run: dry_run(query.all("dryRun"))?,
        grace_period_seconds: grace_period(query.integer("gracePeriodSeconds")?)?,
        uid: None,
        resource_version: None,
        propagation: propagation(
            query.get("propagationPolicy"),
            query.optional_flag("orphanDependents"),
        )?,
    })
}

fn grace_period(seconds: Option<i64>) -> Result<Option<i64>, Status> {
    match seconds {
        Some(negative) if negative < 0 => Err(invalid(format!(
            "gracePeriodSeconds: Invalid value: {negative}: must be greater than or equal to 0"
        ))),
        other => Ok(other),
    }
}

fn propagation(
    policy: Option<&str>,
    orphan_dependents: Option<bool>,
) -> Result<Option<Propagation>, Status> {
    match (policy, orphan_dependents) {
        (Some(policy), Some(_)) => Err(invalid(format!(
            "propagationPolicy: Invalid value: {policy:?}: orphanDependents and \
             deletionPropagation cannot be both set"
        ))),
        (Some("Background"), None) | (None, Some(false)) => Ok(Some(Propagation::Background)),
        (Some("Foreground"), None) => Ok(Some(Propagation::Foreground)),
        (Some("Orphan"), None) | (None, Some(true)) => Ok(Some(Propagation::Orphan)),
        (Some(other), None) => Err(invalid(format!(
            "propagationPolicy: Unsupported value: {other:?}: supported values: \"Background\", \
             \"Foreground\", \"Orphan\""
        ))),
        (None, None) => Ok(None),
    }
}

fn dry_run<'a>(values: impl Iterator<Item = &'a str>) -> Result<bool, Status> {
    let mut dry_run = false;
    for value in values.filter(|value| !value.is_empty()) {
        if value != "All" {
            return Err(invalid(format!(
                "dryRun: Unsupported value: {value:?}: supported values: \"All\""
            )));
        }
        dry_run = true;
    }
    Ok(dry_run)
}

/// The revision a get, list or watch asks for.
pub(super) fn resource_version(query: &Query) -> Result<ResourceVersion, Status> {
    ResourceVersion::parse(query.get("resourceVersion").unwrap_or_default())
}

fn resource_version_match(query: &Query) -> Result<Option<ResourceVersionMatch>, Status> {
    match query.get("resourceVersionMatch") {
        None => Ok(None),
        Some("Exact") => Ok(Some(ResourceVersionMatch::Exact)),
        Some("NotOlderThan") => Ok(Some(ResourceVersionMatch::NotOlderThan)),
        Some(other) => Err(invalid(format!(
            "resourceVersionMatch: Unsupported value: {other:?}: supported values: \"Exact\", \
             \"NotOlderThan\""
        ))),
    }
}

fn label_selector(query: &Query) -> Result<LabelSelector, Status> {
    match query.get("labelSelector") {
        None => Ok(LabelSelector::everything()),
        Some(text) => LabelSelector::parse(text).map_err(|error| {
            Status::bad_request(format!("unable to parse labelSelector {text:?}: {error}"))
        }),
    }
}

fn field_selector(query: &Query, kind: &Kind) -> Result<FieldSelector, Status> {
    let Some(text) = query.get("fieldSelector") else { return Ok(FieldSelector::everything()) };
    let selector = FieldSelector::parse(text).map_err(|error| {
        Status::bad_request(format!("unable to parse fieldSelector {text:?}: {error}"))
    })?;
    kind.check_field_selector(&selector)?;
    Ok(selector)
}

fn invalid(message: String) -> Status {
    Status::new(422, "Invalid", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(&format!("/x?{text}").parse().unwrap()).unwrap()
    }

    #[test]
    fn the_body_of_a_deletion_wins_over_the_query() {
        let body = json!({
            "gracePeriodSeconds": 0, "propagationPolicy": "Orphan", "dryRun": ["All"],
            "preconditions": { "uid": "u", "resourceVersion": "7" },
        });
        let options = delete(&query("gracePeriodSeconds=30"), Some(&body)).unwrap();
        assert_eq!(options.grace_period_seconds, Some(0));
        assert_eq!(options.propagation, Some(Propagation::Orphan));
        assert!(options.dry_run);
        assert_eq!(
            (options.uid.as_deref(), options.resource_version.as_deref()),
            (Some("u"), Some("7"))
        );
        let options =
            delete(&query("gracePeriodSeconds=30&propagationPolicy=Foreground"), None).unwrap();
        assert_eq!(options.grace_period_seconds, Some(30));
        assert_eq!(options.propagation, Some(Propagation::Foreground));
    }

    #[test]
    fn nonsense_is_named() {
        let cases = [
            ("propagationPolicy=Sideways", "propagationPolicy"),
            ("dryRun=Some", "dryRun"),
            ("gracePeriodSeconds=-1", "gracePeriodSeconds"),
            ("orphanDependents=true&propagationPolicy=Orphan", "propagationPolicy"),
        ];
        for (text, field) in cases {
            let error = delete(&query(text), None).unwrap_err();
            assert_eq!(error.code, 422, "{text}");
            assert!(error.message.starts_with(field), "{text}: {}", error.message);
        }
        let pods = sheave_api::kinds::by_resource("", "v1", "pods").unwrap();
        for text in
            ["limit=-1", "labelSelector=a=b=c", "resourceVersion=new", "fieldSelector=x%3Dy%3Dz"]
        {
            assert_eq!(list(&query(text), pods).unwrap_err().code, 400, "{text}");
        }
    }
}
