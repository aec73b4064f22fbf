//! A parsed value against its message: known fields kept and checked, the others dropped and named.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{COMPLAINTS_MAX, scalar};
use crate::schema::{Field, Message, Shape, Type};

/// A value that fits its message.
#[derive(Debug)]
pub(super) struct Conformed {
    pub(super) value: Value,
    /// Paths of fields that the message does not have.
    pub(super) unknown: Vec<String>,
}

/// Why a value does not fit, worded as Go's JSON decoder words it: clients and people know these
/// sentences.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum Misfit {
    /// A JSON type in the wrong place.
    #[error("json: cannot unmarshal {found} into Go struct field {owner}.{field} of type {wanted}")]
    Type { found: String, owner: &'static str, field: String, wanted: String },
    /// The body is no object.
    #[error("json: cannot unmarshal {found} into Go value of type {wanted}")]
    Body { found: String, wanted: String },
    /// Text that its type cannot read.
    #[error("{0}")]
    Text(String),
}

/// What is known on the way down.
struct Walk {
    /// `spec.containers[0].name`: what warnings name.
    path: String,
    /// `spec.containers.name`: what Go's decoder names.
    fields: String,
    unknown: Vec<String>,
}

/// Keeps what `message` has.
pub(super) fn conform(value: Value, message: &'static Message) -> Result<Conformed, Misfit> {
    let mut walk = Walk { path: String::new(), fields: String::new(), unknown: Vec::new() };
    let Value::Object(object) = value else {
        let wanted = go_message(message);
        return Err(Misfit::Body { found: describe(&value), wanted });
    };
    let kept = walk.object(object, message)?;
    Ok(Conformed { value: Value::Object(kept), unknown: walk.unknown })
}

impl Walk {
    fn object(
        &mut self,
        object: Map<String, Value>,
        message: &'static Message,
    ) -> Result<Map<String, Value>, Misfit> {
        let mut kept = Map::new();
        let (path, fields) = (self.path.len(), self.fields.len());
        for (name, value) in object {
            step(&mut self.path, &name);
            match message.field(&name) {
                None if message.has_type_meta && is_type_meta(&name) => match value {
                    Value::String(text) if !text.is_empty() => {
                        kept.insert(name, Value::String(text));
                    }
                    Value::Null | Value::String(_) => {}
                    other => {
                        step(&mut self.fields, &name);
                        return Err(self.misfit(&other, message, "string".to_owned()));
                    }
                },
                None if self.unknown.len() < COMPLAINTS_MAX => {
                    self.unknown.push(self.path.clone());
                }
                None => {}
                Some(_) if value.is_null() => {}
                Some(field) => {
                    step(&mut self.fields, &name);
                    let value = self.field(value, field, message)?;
                    if !is_left_out(&value, field) {
                        kept.insert(name, value);
                    }
                    self.fields.truncate(fields);
                }
            }
            self.path.truncate(path);
        }
        Ok(kept)
    }

    fn field(
        &mut self,
        value: Value,
        field: &'static Field,
        owner: &'static Message,
    ) -> Result<Value, Misfit> {
        match (field.shape, value) {
            (Shape::Single, value) => self.element(value, field, owner),
            (Shape::List, Value::Array(list)) => {
                let end = self.path.len();
                let mut kept = Vec::with_capacity(list.len());
                for (index, element) in list.into_iter().enumerate() {
                    write!(self.path, "[{index}]").expect("writing to a String cannot fail");
                    kept.push(self.element(element, field, owner)?);
                    self.path.truncate(end);
                }
                Ok(Value::Array(kept))
            }
            (Shape::Map, Value::Object(map)) => {
                let end = self.path.len();
                let mut kept = Map::new();
                for (key, element) in map {
                    step(&mut self.path, &key);
                    kept.insert(key, self.element(element, field, owner)?);
                    self.path.truncate(end);
                }
                Ok(Value::Object(kept))
            }
            (Shape::List, other) => {
                Err(self.misfit(&other, owner, format!("[]{}", go_type(field.ty))))
            }
            (Shape::Map, other) => {
                Err(self.misfit(&other, owner, format!("map[string]{}", go_type(field.ty))))
            }
        }
    }

    fn element(
        &mut self,
        value: Value,
        field: &'static Field,
        owner: &'static Message,
    ) -> Result<Value, Misfit> {
        if value.is_null() {
            return Ok(scalar::zero(field.ty));
        }
        match (field.ty, value) {
            (Type::Message(message), Value::Object(object)) => {
                self.object(object, message).map(Value::Object)
            }
            (Type::Message(message), other) => Err(self.misfit(&other, owner, go_message(message))),
            (ty, value) => scalar::conform(value, ty).map_err(|fault| match fault {
                scalar::Fault::Type { found, wanted } => Misfit::Type {
                    found,
                    owner: owner.name,
                    field: self.fields.clone(),
                    wanted: wanted.to_owned(),
                },
                scalar::Fault::Text(why) => Misfit::Text(why),
            }),
        }
    }

    fn misfit(&self, value: &Value, owner: &'static Message, wanted: String) -> Misfit {
        let found = describe(value);
        Misfit::Type { found, owner: owner.name, field: self.fields.clone(), wanted }
    }
}

/// Whether Kubernetes' own types would not write this value: empty, and absence means the same.
pub(super) fn is_left_out(value: &Value, field: &Field) -> bool {
    let presence = field.presence;
    match value {
        Value::Null => true,
        _ if !presence.omit_empty || presence.pointer => false,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => field.shape == Shape::Map && map.is_empty(),
        Value::String(text) => {
            text.is_empty()
                && matches!(
                    field.ty,
                    Type::String | Type::Enum(_) | Type::Bytes | Type::IntOrString
                )
        }
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
    }
}

fn is_type_meta(name: &str) -> bool {
    matches!(name, "apiVersion" | "kind")
}

/// How Go's decoder calls a JSON value.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
    .to_owned()
}

fn step(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

fn go_message(message: &Message) -> String {
    format!("{}.{}", message.package.version, message.name)
}

fn go_type(ty: Type) -> String {
    match ty {
        Type::Message(message) => go_message(message),
        other => scalar::go_name(other).to_owned(),
    }
}
