//! JSON to protobuf, by the table.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use super::wire::{put_bytes, put_fixed64, put_varint};
use super::{MAGIC, duration};
use crate::schema::{Field, Message, Shape, Type};
use crate::time;

/// Writes an enveloped body from a conformed value; what does not fit the message is left out.
pub fn encode(value: &Value, message: &'static Message) -> Vec<u8> {
    let mut type_meta = Vec::new();
    // A part of a kind may have fields of these names, which are no identity.
    if message.has_type_meta {
        for (number, name) in [(1, "apiVersion"), (2, "kind")] {
            let text = value[name].as_str().unwrap_or_default();
            put_bytes(&mut type_meta, number, text.as_bytes());
        }
    }
    let mut raw = Vec::new();
    if let Value::Object(object) = value {
        put_message(&mut raw, object, message);
    }
    let mut out = MAGIC.to_vec();
    put_bytes(&mut out, 1, &type_meta);
    put_bytes(&mut out, 2, &raw);
    put_bytes(&mut out, 3, b"");
    put_bytes(&mut out, 4, b"");
    out
}

fn put_message(out: &mut Vec<u8>, object: &Map<String, Value>, message: &'static Message) {
    for inline in message.inlines {
        let mut nested = Vec::new();
        put_message(&mut nested, object, inline.message);
        put_bytes(out, u32::from(inline.number), &nested);
    }
    for field in message.fields {
        let Some(value) = object.get(field.name) else { continue };
        let number = u32::from(field.number);
        match (field.shape, value) {
            (Shape::Single, value) => put_element(out, number, value, field),
            (Shape::List, Value::Array(list)) => {
                for element in list {
                    put_element(out, number, element, field);
                }
            }
            (Shape::Map, Value::Object(map)) => {
                for (key, element) in map {
                    let mut entry = Vec::new();
                    put_bytes(&mut entry, 1, key.as_bytes());
                    put_element(&mut entry, 2, element, field);
                    put_bytes(out, number, &entry);
                }
            }
            (Shape::List | Shape::Map, _) => {}
        }
    }
}

fn put_element(out: &mut Vec<u8>, number: u32, value: &Value, field: &Field) {
    let mut nested = Vec::new();
    match (field.ty, value) {
        (Type::Bool, Value::Bool(value)) => return put_varint(out, number, u64::from(*value)),
        (Type::Int32 | Type::Int64, Value::Number(value)) => {
            return put_varint(out, number, value.as_i64().unwrap_or_default() as u64);
        }
        (Type::Double, Value::Number(value)) => {
            return put_fixed64(out, number, value.as_f64().unwrap_or_default().to_bits());
        }
        (Type::String | Type::Enum(_), Value::String(text)) => {
            nested.extend_from_slice(text.as_bytes())
        }
        (Type::Bytes, Value::String(text)) => nested = BASE64.decode(text).unwrap_or_default(),
        (Type::Quantity, Value::String(text)) => put_bytes(&mut nested, 1, text.as_bytes()),
        (Type::IntOrString, Value::Number(value)) => {
            put_varint(&mut nested, 1, 0);
            put_varint(&mut nested, 2, value.as_i64().unwrap_or_default() as u64);
            put_bytes(&mut nested, 3, b"");
        }
        (Type::IntOrString, Value::String(text)) => {
            put_varint(&mut nested, 1, 1);
            put_varint(&mut nested, 2, 0);
            put_bytes(&mut nested, 3, text.as_bytes());
        }
        (Type::Time | Type::MicroTime, Value::String(text)) => {
            if let Some(at) = time::parse(text) {
                put_varint(&mut nested, 1, at.as_second() as u64);
                put_varint(&mut nested, 2, i64::from(at.subsec_nanosecond()) as u64);
            }
        }
        (Type::Duration, Value::String(text)) => {
            put_varint(&mut nested, 1, duration::parse(text).unwrap_or_default() as u64);
        }
        (Type::RawExtension | Type::FieldsV1, value) => {
            put_bytes(&mut nested, 1, value.to_string().as_bytes());
        }
        (Type::StringList, Value::Array(list)) => {
            for text in list.iter().filter_map(Value::as_str) {
                put_bytes(&mut nested, 1, text.as_bytes());
            }
        }
        (Type::Message(message), Value::Object(object)) => {
            put_message(&mut nested, object, message);
        }
        _ => return,
    }
    put_bytes(out, number, &nested);
}
