//! Protobuf to JSON, by the table.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::wire::{Reader, Wire};
use super::{MAGIC, WireError, duration};
use crate::schema::{self, Field, Message, Shape, Type};
use crate::time;

/// Objects embedded in objects embedded in objects: more is an attack.
const EMBEDDED_DEPTH_MAX: usize = 8;

/// Reads an enveloped body. Zero values are kept as they are on the wire.
///
/// # Errors
/// The body is no envelope, holds another kind, or is malformed.
pub fn decode(body: &[u8], message: &'static Message) -> Result<Value, WireError> {
    let envelope = Envelope::read(body)?;
    if !envelope.kind.is_empty() && envelope.kind != message.name {
        return Err(WireError::Kind { found: envelope.kind, wanted: message.name });
    }
    envelope.content(message, 0)
}

/// `runtime.Unknown`: what the object is, and its bytes.
struct Envelope<'a> {
    api_version: String,
    kind: String,
    raw: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn read(body: &'a [u8]) -> Result<Self, WireError> {
        let body = body.strip_prefix(MAGIC).ok_or(WireError::Magic)?;
        let mut envelope = Self { api_version: String::new(), kind: String::new(), raw: &[] };
        let mut reader = Reader::new(body);
        while let Some((number, content)) = reader.next()? {
            match (number, content) {
                (1, Wire::Bytes(type_meta)) => {
                    let mut reader = Reader::new(type_meta);
                    while let Some((number, content)) = reader.next()? {
                        match (number, content) {
                            (1, Wire::Bytes(text)) => envelope.api_version = lossy(text),
                            (2, Wire::Bytes(text)) => envelope.kind = lossy(text),
                            _ => {}
                        }
                    }
                }
                (2, Wire::Bytes(raw)) => envelope.raw = raw,
                (3, Wire::Bytes(encoding)) if !encoding.is_empty() => {
                    return Err(WireError::Encoding(lossy(encoding)));
                }
                _ => {}
            }
        }
        Ok(envelope)
    }

    fn content(self, message: &'static Message, depth: usize) -> Result<Value, WireError> {
        let mut object = Map::new();
        for (name, text) in [("apiVersion", self.api_version), ("kind", self.kind)] {
            if !text.is_empty() {
                object.insert(name.to_owned(), Value::String(text));
            }
        }
        fill(&mut object, self.raw, message, depth)?;
        Ok(Value::Object(object))
    }
}

/// Adds the fields in `body` to `object`. Unknown numbers are skipped, as proto2 asks.
fn fill(
    object: &mut Map<String, Value>,
    body: &[u8],
    message: &'static Message,
    depth: usize,
) -> Result<(), WireError> {
    let mut reader = Reader::new(body);
    while let Some((number, content)) = reader.next()? {
        if let Some(inlined) = message.inline_by_number(number) {
            let Wire::Bytes(body) = content else { return Err(wrong(inlined.name)) };
            fill(object, body, inlined, depth)?;
        } else if let Some(field) = message.field_by_number(number) {
            put(object, content, field, depth)?;
        }
    }
    Ok(())
}

fn put(
    object: &mut Map<String, Value>,
    content: Wire<'_>,
    field: &'static Field,
    depth: usize,
) -> Result<(), WireError> {
    match field.shape {
        Shape::List => {
            let list = object.entry(field.name).or_insert_with(|| json!([]));
            let list = list.as_array_mut().expect("a list field holds only lists");
            match (content, field.ty) {
                (Wire::Bytes(packed), Type::Int32 | Type::Int64 | Type::Bool) => {
                    let mut reader = Reader::new(packed);
                    while !reader.is_empty() {
                        list.push(varint(reader.varint()?, field)?);
                    }
                }
                (content, _) => list.push(element(content, field, depth)?),
            }
        }
        Shape::Map => {
            let Wire::Bytes(entry) = content else { return Err(wrong(field.name)) };
            let (key, value) = map_entry(entry, field, depth)?;
            let map = object.entry(field.name).or_insert_with(|| json!({}));
            map.as_object_mut().expect("a map field holds only maps").insert(key, value);
        }
        Shape::Single => match (field.ty, content) {
            // A message may come in pieces, which add up.
            (Type::Message(message), Wire::Bytes(body)) => {
                let existing = object.entry(field.name).or_insert_with(|| json!({}));
                let existing = existing.as_object_mut().expect("a message is an object");
                fill(existing, body, message, depth)?;
            }
            (_, content) => {
                object.insert(field.name.to_owned(), element(content, field, depth)?);
            }
        },
    }
    Ok(())
}

fn map_entry(
    entry: &[u8],
    field: &'static Field,
    depth: usize,
) -> Result<(String, Value), WireError> {
    let mut key = String::new();
    let mut value = None;
    let mut reader = Reader::new(entry);
    while let Some((number, content)) = reader.next()? {
        match (number, content) {
            (1, Wire::Bytes(text)) => key = lossy(text),
            (2, content) => value = Some(element(content, field, depth)?),
            _ => {}
        }
    }
    Ok((key, value.unwrap_or_else(|| super::super::scalar::zero(field.ty))))
}

fn element(content: Wire<'_>, field: &'static Field, depth: usize) -> Result<Value, WireError> {
    match content {
        Wire::Varint(value) => varint(value, field),
        Wire::Fixed64(bits) if matches!(field.ty, Type::Double) => {
            Ok(serde_json::Number::from_f64(f64::from_bits(bits)).map_or(json!(0), Value::Number))
        }
        Wire::Bytes(body) => delimited(body, field, depth),
        Wire::Fixed64(_) | Wire::Fixed32(_) => Err(wrong(field.name)),
    }
}

fn varint(value: u64, field: &Field) -> Result<Value, WireError> {
    match field.ty {
        Type::Bool => Ok(Value::Bool(value != 0)),
        Type::Int32 => Ok(Value::from(value as i32)),
        Type::Int64 => Ok(Value::from(value as i64)),
        _ => Err(wrong(field.name)),
    }
}

fn delimited(body: &[u8], field: &'static Field, depth: usize) -> Result<Value, WireError> {
    match field.ty {
        Type::String | Type::Enum(_) => Ok(Value::String(lossy(body))),
        Type::Bytes => Ok(Value::String(BASE64.encode(body))),
        Type::Message(message) => {
            let mut object = Map::new();
            fill(&mut object, body, message, depth)?;
            Ok(Value::Object(object))
        }
        Type::Quantity => {
            let text = lossy(first_bytes(body)?);
            Ok(Value::String(if text.is_empty() { "0".to_owned() } else { text }))
        }
        Type::IntOrString => int_or_string(body),
        Type::Time => Ok(timestamp(body)?.map_or(Value::Null, |at| json!(time::seconds(at)))),
        Type::MicroTime => Ok(timestamp(body)?.map_or(Value::Null, |at| json!(time::micros(at)))),
        Type::Duration => {
            let (nanos, _) = two_varints(body)?;
            Ok(Value::String(duration::format(nanos)))
        }
        Type::FieldsV1 | Type::RawExtension => embedded(first_bytes(body)?, depth),
        Type::StringList => {
            let mut list = Vec::new();
            let mut reader = Reader::new(body);
            while let Some((number, content)) = reader.next()? {
                if let (1, Wire::Bytes(text)) = (number, content) {
                    list.push(Value::String(lossy(text)));
                }
            }
            Ok(Value::Array(list))
        }
        Type::Bool | Type::Int32 | Type::Int64 | Type::Double => Err(wrong(field.name)),
    }
}

/// `intstr.IntOrString`: 1 which of them, 2 the number, 3 the text.
fn int_or_string(body: &[u8]) -> Result<Value, WireError> {
    let (mut is_text, mut number, mut text) = (false, 0, String::new());
    let mut reader = Reader::new(body);
    while let Some((tag, content)) = reader.next()? {
        match (tag, content) {
            (1, Wire::Varint(which)) => is_text = which == 1,
            (2, Wire::Varint(value)) => number = value as i32,
            (3, Wire::Bytes(value)) => text = lossy(value),
            _ => {}
        }
    }
    Ok(if is_text { Value::String(text) } else { Value::from(number) })
}

/// `metav1.Timestamp`: 1 seconds, 2 nanoseconds. Empty is the zero time, which JSON does not write.
fn timestamp(body: &[u8]) -> Result<Option<Timestamp>, WireError> {
    let (seconds, nanos) = two_varints(body)?;
    if seconds == 0 && nanos == 0 {
        return Ok(None);
    }
    let nanos = i32::try_from(nanos).map_err(|_| WireError::Overflow)?;
    Timestamp::new(seconds, nanos).map(Some).map_err(|_| WireError::Overflow)
}

fn two_varints(body: &[u8]) -> Result<(i64, i64), WireError> {
    let (mut first, mut second) = (0, 0);
    let mut reader = Reader::new(body);
    while let Some((number, content)) = reader.next()? {
        match (number, content) {
            (1, Wire::Varint(value)) => first = value as i64,
            (2, Wire::Varint(value)) => second = value as i64,
            _ => {}
        }
    }
    Ok((first, second))
}

/// Field 1 of a message that wraps bytes or text.
fn first_bytes(body: &[u8]) -> Result<&[u8], WireError> {
    let mut found: &[u8] = &[];
    let mut reader = Reader::new(body);
    while let Some((number, content)) = reader.next()? {
        if let (1, Wire::Bytes(bytes)) = (number, content) {
            found = bytes;
        }
    }
    Ok(found)
}

/// An object inside an object: JSON, or an envelope of a kind in the table.
fn embedded(raw: &[u8], depth: usize) -> Result<Value, WireError> {
    if raw.is_empty() {
        return Ok(Value::Null);
    }
    if !raw.starts_with(MAGIC) {
        return serde_json::from_slice(raw).map_err(|why| WireError::Embedded(why.to_string()));
    }
    if depth >= EMBEDDED_DEPTH_MAX {
        return Err(WireError::Embedded("nested too deeply".to_owned()));
    }
    let envelope = Envelope::read(raw)?;
    let (group, version) =
        envelope.api_version.split_once('/').unwrap_or(("", &envelope.api_version));
    let message = schema::of(group, version, &envelope.kind).ok_or_else(|| {
        let (kind, version) = (&envelope.kind, &envelope.api_version);
        WireError::Embedded(format!("no kind \"{kind}\" is registered for version \"{version}\""))
    })?;
    envelope.content(message, depth + 1)
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn wrong(field: &str) -> WireError {
    WireError::WireType(field.to_owned())
}
