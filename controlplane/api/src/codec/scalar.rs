//! Values that are no messages: how each type reads JSON, and what its zero is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::conform::describe;
use crate::quantity::Quantity;
use crate::schema::Type;
use crate::time;

/// Why a value is not of its type.
#[derive(Debug)]
pub(super) enum Fault {
    /// Wrong JSON type, or a number out of range.
    Type { found: String, wanted: &'static str },
    /// Text that cannot be read; the sentence.
    Text(String),
}

/// Reads a value that is neither null nor a message's, and writes it as Kubernetes would.
pub(super) fn conform(value: Value, ty: Type) -> Result<Value, Fault> {
    match (ty, value) {
        (Type::String | Type::Enum(_), value @ Value::String(_))
        | (Type::Bool, value @ Value::Bool(_)) => Ok(value),
        (Type::Int32, Value::Number(number)) => integer(&number, i32::MIN.into(), i32::MAX.into())
            .ok_or_else(|| out_of_range(&number, "int32")),
        (Type::Int64, Value::Number(number)) => {
            integer(&number, i64::MIN, i64::MAX).ok_or_else(|| out_of_range(&number, "int64"))
        }
        (Type::IntOrString, Value::Number(number)) => {
            integer(&number, i32::MIN.into(), i32::MAX.into())
                .ok_or_else(|| out_of_range(&number, "int32"))
        }
        (Type::IntOrString, value @ Value::String(_)) => Ok(value),
        (Type::Double, value @ Value::Number(_)) => Ok(value),
        (Type::Bytes, Value::String(text)) => bytes(text),
        (Type::Quantity, Value::String(text)) => quantity(&text),
        (Type::Quantity, Value::Number(number)) => quantity(&number.to_string()),
        (Type::Time, Value::String(text)) => {
            timestamp(&text, "2006-01-02T15:04:05Z07:00", time::seconds)
        }
        (Type::MicroTime, Value::String(text)) => {
            timestamp(&text, "2006-01-02T15:04:05.000000Z07:00", time::micros)
        }
        (Type::Duration, Value::String(text)) => match super::protobuf::duration::parse(&text) {
            Some(nanos) => Ok(Value::String(super::protobuf::duration::format(nanos))),
            None => Err(Fault::Text(format!("time: invalid duration \"{text}\""))),
        },
        (Type::RawExtension | Type::FieldsV1, value) => Ok(value),
        (Type::StringList, Value::Array(list)) => {
            let list = list.into_iter().map(|element| match element {
                Value::Null => Ok(zero(Type::String)),
                element => conform(element, Type::String),
            });
            list.collect::<Result<_, _>>().map(Value::Array)
        }
        (ty, value) => Err(Fault::Type { found: describe(&value), wanted: go_name(ty) }),
    }
}

/// What Go's decoder makes of a null in a list or map.
pub(super) fn zero(ty: Type) -> Value {
    match ty {
        Type::String | Type::Enum(_) | Type::Bytes => json!(""),
        Type::Bool => json!(false),
        Type::Int32 | Type::Int64 | Type::Double | Type::IntOrString => json!(0),
        Type::Quantity => json!("0"),
        Type::Duration => json!("0s"),
        Type::Time | Type::MicroTime | Type::RawExtension | Type::FieldsV1 => Value::Null,
        Type::StringList => json!([]),
        Type::Message(_) => json!({}),
    }
}

/// The Go type that error sentences name.
pub(super) fn go_name(ty: Type) -> &'static str {
    match ty {
        Type::String | Type::Quantity | Type::Time | Type::MicroTime | Type::Duration => "string",
        Type::Bool => "bool",
        Type::Int32 | Type::IntOrString => "int32",
        Type::Int64 => "int64",
        Type::Double => "float64",
        Type::Bytes => "[]uint8",
        Type::RawExtension => "runtime.RawExtension",
        Type::FieldsV1 => "v1.FieldsV1",
        Type::StringList => "[]string",
        Type::Enum(values) => values.name,
        Type::Message(message) => message.name,
    }
}

fn integer(number: &serde_json::Number, min: i64, max: i64) -> Option<Value> {
    number.as_i64().filter(|value| (min..=max).contains(value)).map(Value::from)
}

fn out_of_range(number: &serde_json::Number, wanted: &'static str) -> Fault {
    Fault::Type { found: format!("number {number}"), wanted }
}

fn bytes(text: String) -> Result<Value, Fault> {
    // Line breaks are allowed inside, as in Go; anything else is named by its place.
    let compact = text.replace(['\n', '\r'], "");
    match BASE64.decode(&compact) {
        Ok(_) => Ok(Value::String(compact)),
        Err(why) => {
            let place = match why {
                base64::DecodeError::InvalidByte(place, _)
                | base64::DecodeError::InvalidLastSymbol(place, _) => place,
                _ => compact.len(),
            };
            Err(Fault::Text(format!("illegal base64 data at input byte {place}")))
        }
    }
}

fn quantity(text: &str) -> Result<Value, Fault> {
    let quantity = text.parse::<Quantity>().map_err(|why| Fault::Text(why.to_string()))?;
    Ok(Value::String(quantity.to_string()))
}

fn timestamp(
    text: &str,
    layout: &str,
    write: fn(jiff::Timestamp) -> String,
) -> Result<Value, Fault> {
    // RFC 3339 wants the T; the parser alone would also take a space.
    let parsed = time::parse(text).filter(|_| text.as_bytes().get(10) == Some(&b'T'));
    match parsed {
        Some(at) => Ok(Value::String(write(at))),
        None => Err(Fault::Text(format!(
            "parsing time \"{text}\" as \"{layout}\": cannot parse \"{text}\" as \"2006\""
        ))),
    }
}
