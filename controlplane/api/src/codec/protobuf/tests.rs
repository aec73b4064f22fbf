//! Bodies as kubectl 1.32.4 sent them, recorded from `kubectl create ...` into `fixtures/*.pb`;
//! beside each what `--dry-run=client -o json` of the same command printed (`token` and `can-i`
//! have no such option: theirs are written by hand).

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{FieldValidation, PROTOBUF, conform};
use super::*;
use crate::schema::{self, Message, Shape, Type};

macro_rules! recorded {
    ($($name:literal),* $(,)?) => {
        [$((
            $name,
            include_bytes!(concat!("fixtures/", $name, ".pb")).as_slice(),
            include_str!(concat!("fixtures/", $name, ".json")),
        )),*]
    };
}

const RECORDED: [(&str, &[u8], &str); 22] = recorded![
    "can-i",
    "clusterrole-nonresource",
    "configmap",
    "cronjob",
    "deployment",
    "deployment-command",
    "ingress",
    "job",
    "namespace",
    "pdb",
    "pdb-int",
    "priorityclass",
    "quota",
    "role",
    "rolebinding",
    "secret",
    "secret-tls-docker",
    "service",
    "service-externalname",
    "service-nodeport",
    "serviceaccount",
    "token",
];

fn message_of(object: &Value) -> &'static Message {
    let api_version = object["apiVersion"].as_str().unwrap();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    schema::of(group, version, object["kind"].as_str().unwrap()).unwrap()
}

#[test]
fn what_kubectl_sends_is_what_it_prints() {
    for (name, body, printed) in RECORDED {
        let printed: Value = serde_json::from_str(printed).unwrap();
        let message = message_of(&printed);
        let expected = conform(printed, message, FieldValidation::Strict).unwrap();
        let got = super::super::decode(PROTOBUF, body, message, FieldValidation::Strict).unwrap();
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn what_is_no_such_body_is_refused() {
    let pod = schema::of("", "v1", "Pod").unwrap();
    let (.., secret, _) = RECORDED[15];
    for (body, why) in [
        (&b"{}"[..], "expected prefix"),
        (b"k8s\0\x12\x05ab", "unexpected EOF"),
        (b"k8s\0\x00", "illegal tag"),
        (b"k8s\0\x0b", "illegal tag"),
        (b"k8s\0\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "integer overflow"),
        (b"k8s\0\x12\x02\x08\x01", "wrong wireType for field metadata"),
        (b"k8s\0\x1a\x04gzip", "unsupported content encoding \"gzip\""),
        (secret, "is a Secret, not a Pod"),
    ] {
        let refused = super::super::decode(PROTOBUF, body, pod, FieldValidation::Warn);
        let refused = refused.unwrap_err();
        assert_eq!(refused.code, 400);
        assert!(refused.message.contains(why), "{why}: {}", refused.message);
    }
}

#[test]
fn an_object_in_an_object_is_read_in_both_forms() {
    let list = schema::of("", "v1", "List").unwrap();
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" } });
    let as_json = encode(&json!({ "items": [pod] }), list);
    let nested = encode(&pod, message_of(&pod));
    let mut item = Vec::new();
    wire::put_bytes(&mut item, 1, &nested);
    let mut raw = Vec::new();
    wire::put_bytes(&mut raw, 2, &item);
    let mut as_protobuf = MAGIC.to_vec();
    wire::put_bytes(&mut as_protobuf, 2, &raw);
    for body in [as_json, as_protobuf] {
        assert_eq!(decode(&body, list).unwrap()["items"], json!([pod]));
    }
}

/// Any value that fits a message, from a seed.
struct Generator(u64);

impl Generator {
    fn below(&mut self, limit: u64) -> u64 {
        // A linear congruential step; the low bits are poor, so the high ones are used.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn message(&mut self, message: &'static Message, depth: u32) -> Value {
        let mut object = serde_json::Map::new();
        for field in message.json_fields() {
            if self.below(3) > 0 {
                continue;
            }
            // Protobuf cannot tell an empty list from none; nor can JSON, but for a few required
            // ones.
            let len = self.below(2) + u64::from(!field.presence.omit_empty);
            let value = match field.shape {
                Shape::Single => self.element(field.ty, depth),
                Shape::List => (0..len).map(|_| self.element(field.ty, depth)).collect(),
                Shape::Map => {
                    let entries =
                        (0..len).map(|i| (format!("k{i}"), self.element(field.ty, depth)));
                    Value::Object(entries.collect())
                }
            };
            object.insert(field.name.to_owned(), value);
        }
        Value::Object(object)
    }

    fn element(&mut self, ty: Type, depth: u32) -> Value {
        let number = self.below(2_000);
        match ty {
            Type::String | Type::IntOrString if number < 1_000 => json!(format!("\u{e9}{number}")),
            Type::String => json!(""),
            Type::Enum(values) => json!(values.values[0]),
            Type::IntOrString | Type::Int32 | Type::Int64 => {
                json!(1_000 - i64::try_from(number).unwrap())
            }
            Type::Bool => json!(number < 1_000),
            Type::Double => json!(number as f64 / 8.0),
            Type::Bytes => json!(["", "AA==", "/+8="][number as usize % 3]),
            Type::Quantity => json!(format!("{}m", number * 10)),
            Type::Time => json!(format!("2026-11-21T04:00:{:02}Z", number % 60)),
            Type::MicroTime => json!(format!("1969-12-31T23:00:00.{number:06}Z")),
            Type::Duration => json!(duration::format(i64::try_from(number).unwrap() * 1_000_003)),
            Type::RawExtension | Type::FieldsV1 => json!({ "f:a": { "k8s": [number, null] } }),
            Type::StringList => json!(["a", ""]),
            Type::Message(_) if depth == 0 => json!({}),
            Type::Message(message) => self.message(message, depth - 1),
        }
    }
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(index in 0..schema::messages().len(), seed: u64) {
        let message = schema::messages()[index];
        let value = Generator(seed).message(message, 4);
        let value = conform(value, message, FieldValidation::Strict).unwrap().value;
        let decoded = decode(&encode(&value, message), message).unwrap();
        let decoded = conform(decoded, message, FieldValidation::Strict).unwrap().value;
        prop_assert_eq!(decoded, value, "{}", message.name);
    }

    #[test]
    fn no_bytes_make_it_panic(mut body: Vec<u8>, index in 0..schema::messages().len()) {
        let message = schema::messages()[index];
        for media_type in [super::super::JSON, super::super::YAML] {
            let _ = super::super::decode(media_type, &body, message, FieldValidation::Warn);
        }
        body.splice(0..0, b"k8s\0".iter().copied());
        let _ = super::super::decode(PROTOBUF, &body, message, FieldValidation::Warn);
    }

    #[test]
    fn no_damage_to_a_real_body_makes_it_panic(
        which in 0..RECORDED.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (_, body, printed) = RECORDED[which];
        let message = message_of(&serde_json::from_str(printed).unwrap());
        let mut body = body.to_vec();
        for (place, byte) in damage {
            let place = place.index(body.len());
            body[place] = byte;
        }
        let _ = super::super::decode(PROTOBUF, &body, message, FieldValidation::Warn);
    }
}
