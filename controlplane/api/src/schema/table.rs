//! The types of the table: what a message, a field and a list's merge rules are.
//!
//! All statics: nothing is built at start, and a page of the table is read when it is first needed.

/// A Go package, which is a group and version.
#[derive(Debug)]
pub struct Package {
    /// Dotted, as protobuf names it: `k8s.io.api.core.v1`.
    pub name: &'static str,
    /// API group; empty for core.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
}

/// One object type: a kind, or a part of one.
#[derive(Debug)]
pub struct Message {
    /// Name without package: `Pod`, `Container`.
    pub name: &'static str,
    /// Where it is defined.
    pub package: &'static Package,
    /// Whether it carries `apiVersion` and `kind`, in protobuf by the envelope.
    pub has_type_meta: bool,
    /// Whether server-side apply treats it as one value.
    pub atomic: bool,
    /// Own fields, ascending by JSON name; those of inlined messages are not among them.
    pub fields: &'static [Field],
    /// Indices into `fields`, ascending by protobuf number.
    pub by_number: &'static [u8],
    /// Messages whose fields appear as this one's own in JSON, but nested in protobuf.
    pub inlines: &'static [Inline],
}

/// A message embedded without a name.
#[derive(Debug)]
pub struct Inline {
    /// Protobuf number.
    pub number: u16,
    /// Whose fields.
    pub message: &'static Message,
}

/// One field of a message.
#[derive(Debug)]
pub struct Field {
    /// JSON name.
    pub name: &'static str,
    /// Protobuf number.
    pub number: u16,
    /// One, many, or many by name.
    pub shape: Shape,
    /// Type of one element.
    pub ty: Type,
    /// What absence means.
    pub presence: Presence,
    /// How two versions of it are merged, where that is not obvious.
    pub merge: Option<&'static Merge>,
}

/// How many of its type a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One value.
    Single,
    /// A JSON array.
    List,
    /// A JSON object with any keys.
    Map,
}

/// Type of one element.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// UTF-8 text.
    String,
    /// True or false.
    Bool,
    /// 32-bit signed.
    Int32,
    /// 64-bit signed.
    Int64,
    /// 64-bit floating point.
    Double,
    /// Base64 text in JSON.
    Bytes,
    /// `100m`, `1Gi`; a JSON number is taken too.
    Quantity,
    /// A 32-bit number or text.
    IntOrString,
    /// RFC 3339, whole seconds.
    Time,
    /// RFC 3339 with microseconds.
    MicroTime,
    /// `1h2m3s` in JSON, nanoseconds in protobuf.
    Duration,
    /// Any JSON object.
    RawExtension,
    /// `managedFields[].fieldsV1`: any JSON object.
    FieldsV1,
    /// A list of text where protobuf needs a message of its own (values of a map).
    StringList,
    /// Text that should be one of a few values; that is validation's to check.
    Enum(&'static Enum),
    /// Another message.
    Message(&'static Message),
}

/// The values of a field that has few.
#[derive(Debug)]
pub struct Enum {
    /// As Go's errors name the type: `v1.RestartPolicy`.
    pub name: &'static str,
    /// Ascending.
    pub values: &'static [&'static str],
}

/// What absence means; facts of the Go declaration, which decide what a zero value becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Absent differs from zero.
    pub pointer: bool,
    /// A zero value is left out of JSON.
    pub omit_empty: bool,
    /// Must be given.
    pub required: bool,
}

/// List type, patch strategy and merge key.
#[derive(Debug)]
pub struct Merge {
    /// For lists: how server-side apply sees it.
    pub list: Option<ListType>,
    /// For structs and maps: server-side apply treats it as one value.
    pub atomic: bool,
    /// What a strategic merge patch does, where it is not the default (lists replaced, objects
    /// merged).
    pub patch: Option<PatchStrategy>,
    /// Strategic merge patch drops keys that `$retainKeys` does not name.
    pub retain_keys: bool,
    /// What identifies an element in a strategic merge patch; empty for lists of scalars.
    pub merge_key: &'static str,
}

/// `patchStrategy` of strategic merge patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchStrategy {
    /// The list is merged element by element.
    Merge,
    /// The object is replaced as a whole.
    Replace,
}

/// `+listType` of server-side apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListType {
    /// Replaced as a whole.
    Atomic,
    /// Distinct scalars.
    Set,
    /// Objects told apart by these keys.
    Map(&'static [&'static str]),
}

/// One row of a generated file.
macro_rules! f {
    ($name:literal, $number:literal, $shape:ident, $ty:expr, $presence:ident, $merge:expr) => {
        Field {
            name: $name,
            number: $number,
            shape: Shape::$shape,
            ty: $ty,
            presence: $presence,
            merge: $merge,
        }
    };
}
pub(super) use f;

const fn presence(pointer: bool, omit_empty: bool, required: bool) -> Presence {
    Presence { pointer, omit_empty, required }
}

// Pointer, Omitted when empty, Required; None of these.
pub(super) const N: Presence = presence(false, false, false);
pub(super) const P: Presence = presence(true, false, false);
pub(super) const O: Presence = presence(false, true, false);
pub(super) const R: Presence = presence(false, false, true);
pub(super) const PO: Presence = presence(true, true, false);
pub(super) const PR: Presence = presence(true, false, true);

const fn list(list: ListType) -> Merge {
    Merge { list: Some(list), atomic: false, patch: None, retain_keys: false, merge_key: "" }
}

/// A list that is replaced as a whole, whichever patch.
pub(super) static ATOMIC: Merge = list(ListType::Atomic);
/// A set to server-side apply, replaced by every other patch.
pub(super) static SET: Merge = list(ListType::Set);
