//! Request bodies: bytes in JSON, YAML or protobuf to one checked JSON value, by the table of
//! messages.
//!
//! Two functions serve everybody. [`decode`] takes a body. [`conform`] takes a value that is parsed
//! already, which is what a patch leaves behind. Both drop what the message does not have and say
//! so as [`FieldValidation`] asks, refuse wrong types, and leave out what Kubernetes' own types
//! leave out (nulls, empty optional fields), so that one object has one form, however it came.
//!
//! Not here: defaults, limits and rules between fields (validation), content negotiation (the API
//! server), the size limit of a body (the API server).

mod conform;
pub mod protobuf;
mod scalar;
mod tree;

use serde_json::Value;

use crate::Status;
use crate::schema::Message;

/// `application/json`.
pub const JSON: &str = "application/json";
/// `application/yaml`.
pub const YAML: &str = "application/yaml";
/// `application/vnd.kubernetes.protobuf`.
pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// Complaints about one body that are kept: a hostile one could hold a hundred thousand.
const COMPLAINTS_MAX: usize = 100;

/// What to do about unknown and duplicate fields: the `fieldValidation` parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Drop them silently.
    Ignore,
    /// Drop them and warn: what Kubernetes does when nothing is asked.
    #[default]
    Warn,
    /// Refuse the request.
    Strict,
}

impl FieldValidation {
    /// Reads the query parameter; absent or empty is `Warn`.
    ///
    /// # Errors
    /// 422 for any other value, worded as Kubernetes words it.
    pub fn parse(value: Option<&str>) -> Result<Self, Status> {
        match value {
            None | Some("" | "Warn") => Ok(Self::Warn),
            Some("Ignore") => Ok(Self::Ignore),
            Some("Strict") => Ok(Self::Strict),
            Some(other) => Err(Status::new(
                422,
                "Invalid",
                format!(
                    "fieldValidation: Unsupported value: \"{other}\": supported values: \
                     \"Ignore\", \"Strict\", \"Warn\""
                ),
            )),
        }
    }
}

/// An object and what its sender should hear.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The object, with known fields only.
    pub value: Value,
    /// One sentence each, for `Warning: 299` headers.
    pub warnings: Vec<String>,
}

/// Decodes a request body; an absent content type is JSON.
///
/// `apiVersion` and `kind` are kept as sent (absent if the sender left them out). Protobuf has no
/// strictness: its unknown fields are dropped silently, as Kubernetes does.
///
/// # Errors
/// 415 for any other content type; 400 for a body that is no object of this message, or has unknown
/// or duplicate fields under `Strict`.
pub fn decode(
    content_type: &str,
    body: &[u8],
    message: &'static Message,
    validation: FieldValidation,
) -> Result<Decoded, Status> {
    let parsed = match MediaType::of(content_type)? {
        MediaType::Json => tree::from_json(body),
        MediaType::Yaml => tree::from_yaml(body),
        MediaType::Protobuf => {
            let value = protobuf::decode(body, message)
                .map_err(|why| unrecognized(&Value::Null, message, &why.to_string()))?;
            return conform(value, message, FieldValidation::Ignore);
        }
    };
    let parsed = parsed.map_err(|why| unrecognized(&Value::Null, message, &why))?;
    finish(parsed.value, parsed.duplicates, message, validation)
}

/// Checks and prunes a value that is parsed already, e.g. the result of a patch.
///
/// # Errors
/// 400 for a wrong type, or for unknown fields under `Strict`.
pub fn conform(
    value: Value,
    message: &'static Message,
    validation: FieldValidation,
) -> Result<Decoded, Status> {
    finish(value, Vec::new(), message, validation)
}

/// Parses a patch body to a value as it stands, nulls kept; of a duplicate key the last value
/// counts.
///
/// # Errors
/// 400 if it is no JSON.
pub fn parse(body: &[u8]) -> Result<Value, Status> {
    match tree::from_json(body) {
        Ok(parsed) => Ok(parsed.value),
        Err(why) => Err(Status::bad_request(format!("error decoding patch: {why}"))),
    }
}

fn finish(
    value: Value,
    duplicates: Vec<String>,
    message: &'static Message,
    validation: FieldValidation,
) -> Result<Decoded, Status> {
    let identity = serde_json::json!({ "kind": value["kind"], "apiVersion": value["apiVersion"] });
    let conformed = conform::conform(value, message)
        .map_err(|why| unrecognized(&identity, message, &why.to_string()))?;
    let unknown = conformed.unknown.iter().map(|path| format!("unknown field \"{path}\""));
    let duplicate = duplicates.iter().map(|path| format!("duplicate field \"{path}\""));
    let complaints = unknown.chain(duplicate).collect::<Vec<_>>();
    let warnings = match validation {
        FieldValidation::Ignore => Vec::new(),
        FieldValidation::Warn => complaints,
        FieldValidation::Strict if complaints.is_empty() => Vec::new(),
        FieldValidation::Strict => {
            let why = format!("strict decoding error: {}", complaints.join(", "));
            return Err(unrecognized(&identity, message, &why));
        }
    };
    Ok(Decoded { value: conformed.value, warnings })
}

/// The 400 for a body that does not fit, as the API server words it.
fn unrecognized(identity: &Value, message: &Message, why: &str) -> Status {
    let expected = message.name;
    let Some(kind) = identity["kind"].as_str().filter(|kind| !kind.is_empty()) else {
        return Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {expected}): {why}"
        ));
    };
    let api_version = identity["apiVersion"].as_str().unwrap_or_default();
    let version = api_version.rsplit('/').next().unwrap_or_default();
    Status::bad_request(format!(
        "{kind} in version \"{version}\" cannot be handled as a {expected}: {why}"
    ))
}

enum MediaType {
    Json,
    Yaml,
    Protobuf,
}

impl MediaType {
    fn of(content_type: &str) -> Result<Self, Status> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if essence.is_empty() || essence.eq_ignore_ascii_case(JSON) {
            Ok(Self::Json)
        } else if essence.eq_ignore_ascii_case(YAML) {
            Ok(Self::Yaml)
        } else if essence.eq_ignore_ascii_case(PROTOBUF) {
            Ok(Self::Protobuf)
        } else {
            Err(Status::new(
                415,
                "UnsupportedMediaType",
                format!(
                    "the body of the request was in an unknown format - accepted media types \
                     include: {JSON}, {YAML}, {PROTOBUF}"
                ),
            ))
        }
    }
}

#[cfg(test)]
mod tests;
