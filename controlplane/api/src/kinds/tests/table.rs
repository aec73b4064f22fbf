//! The table itself: names, look-ups, selectable fields.

use crate::kinds::{KINDS, by_group_resource, by_kind, by_resource};
use crate::selector::FieldSelector;

#[test]
fn names_are_unique_and_found() {
    for (index, kind) in KINDS.iter().enumerate() {
        let found = by_resource(kind.group, kind.version, kind.plural).expect("by resource");
        assert!(std::ptr::eq(found, kind), "{}", kind.plural);
        assert!(std::ptr::eq(by_kind(&kind.api_version(), kind.kind).expect("by kind"), kind));
        let resource = kind.group_resource();
        assert!(std::ptr::eq(by_group_resource(&resource).expect("by group resource"), kind));
        assert_eq!(kind.list_kind, format!("{}List", kind.kind));
        assert_eq!(kind.singular, kind.kind.to_lowercase());
        for other in &KINDS[index + 1..] {
            assert!(!kind.short_names.iter().any(|name| other.short_names.contains(name)));
        }
    }
}

#[test]
fn unknown_fields_cannot_be_selected() {
    let pods = by_resource("", "v1", "pods").expect("pods");
    let selector = FieldSelector::parse("spec.nodeName=a,spec.foo=b").expect("well-formed");
    assert_eq!(
        pods.check_field_selector(&selector).expect_err("no such field").message,
        "field label not supported: spec.foo"
    );
}
