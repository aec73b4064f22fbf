//! The table of Kubernetes messages: JSON names, protobuf numbers, types, list keys, patch
//! strategies.
//!
//! One table serves every codec, patch and schema document; the rows are written by `cargo xtask
//! schema`. It knows shapes only: defaults, limits and cross-field rules belong to validation.

#[rustfmt::skip]
#[expect(non_upper_case_globals, reason = "the statics are named as Kubernetes names the messages")]
mod generated;
mod table;

use std::cmp::Ordering;

pub use table::{
    Field, Inline, ListType, Merge, Message, Package, PatchStrategy, Presence, Shape, Type,
};

const META: &str = "k8s.io.apimachinery.pkg.apis.meta.v1";

/// A message by its full name, e.g. `k8s.io.api.core.v1.Pod`.
pub fn message(name: &str) -> Option<&'static Message> {
    let (package, name) = name.rsplit_once('.')?;
    lookup(package, name)
}

/// The message of a kind. Options and `Status` belong to every group version.
pub fn of(group: &str, version: &str, kind: &str) -> Option<&'static Message> {
    let of_group = generated::MESSAGES.iter().copied().find(|message| {
        let package = message.package;
        message.has_type_meta
            && message.name == kind
            && package.group == group
            && package.version == version
    });
    of_group.or_else(|| lookup(META, kind).filter(|message| message.has_type_meta))
}

/// Every message, ascending by package and name.
pub fn messages() -> &'static [&'static Message] {
    generated::MESSAGES
}

fn lookup(package: &str, name: &str) -> Option<&'static Message> {
    let order = |message: &&Message| -> Ordering {
        message.package.name.cmp(package).then_with(|| message.name.cmp(name))
    };
    let index = generated::MESSAGES.binary_search_by(order).ok()?;
    Some(generated::MESSAGES[index])
}

impl Message {
    /// A field by its JSON name, also one of an inlined message.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        let own = self.fields.binary_search_by(|field| field.name.cmp(name));
        match own {
            Ok(index) => Some(&self.fields[index]),
            Err(_) => self.inlines.iter().find_map(|inline| inline.message.field(name)),
        }
    }

    /// An own field by its protobuf number.
    pub fn field_by_number(&self, number: u32) -> Option<&'static Field> {
        let of = |index: &u8| u32::from(self.fields[usize::from(*index)].number);
        let position = self.by_number.binary_search_by_key(&number, of).ok()?;
        Some(&self.fields[usize::from(self.by_number[position])])
    }

    /// A message that protobuf nests under `number` and JSON does not.
    pub fn inline_by_number(&self, number: u32) -> Option<&'static Message> {
        let inline = self.inlines.iter().find(|inline| u32::from(inline.number) == number)?;
        Some(inline.message)
    }

    /// All fields as JSON shows them: own ones, then those of inlined messages.
    pub fn json_fields(&self) -> Box<dyn Iterator<Item = &'static Field> + '_> {
        let inlined = self.inlines.iter().flat_map(|inline| inline.message.json_fields());
        Box::new(self.fields.iter().chain(inlined))
    }

    /// Full name: `k8s.io.api.core.v1.Pod`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.package.name, self.name)
    }
}
