//! Content negotiation: which shape of an answer a client asks for (RFC 9110 section 12.5.1, and the `as`
//! parameter of Kubernetes). Pure.
//!
//! Answers are JSON. A client that prefers protobuf and also takes JSON gets JSON; one that takes nothing
//! else is told so with 406.

use http::HeaderMap;
use http::header::ACCEPT;
use sheave_api::Status;

/// The shape of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Objects as they are.
    Object,
    /// `meta.k8s.io/v1` Table: columns as `kubectl get` prints them.
    Table,
    /// `meta.k8s.io/v1` PartialObjectMetadata, alone or as a list.
    Metadata,
}

/// One media range of an Accept header.
struct MediaRange<'a> {
    media_type: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    weight_permille: u16,
}

impl<'a> MediaRange<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let mut parameters = Vec::new();
        let mut weight_permille = 1000;
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim_matches('"');
            if name.eq_ignore_ascii_case("q") {
                weight_permille = weight(value);
            } else {
                parameters.push((name, value));
            }
        }
        Self { media_type, parameters, weight_permille }
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(found, _)| *found == name).map(|(_, value)| *value)
    }

    fn is_json(&self) -> bool {
        ["application/json", "application/*", "*/*"]
            .iter()
            .any(|known| self.media_type.eq_ignore_ascii_case(known))
    }
}

/// `0.8` as 800; what is no weight counts as 1.
fn weight(text: &str) -> u16 {
    match text.parse::<f32>() {
        Ok(weight) if (0.0..=1.0).contains(&weight) => (weight * 1000.0) as u16,
        _ => 1000,
    }
}

/// The ranges of all Accept headers, most wanted first; one for anything when there is no header.
fn ranges(headers: &HeaderMap) -> Vec<MediaRange<'_>> {
    let mut ranges: Vec<MediaRange<'_>> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter(|range| !range.trim().is_empty())
        .map(MediaRange::parse)
        .collect();
    if ranges.is_empty() {
        ranges.push(MediaRange::parse("*/*"));
    }
    ranges.retain(|range| range.weight_permille > 0);
    ranges.sort_by_key(|range| std::cmp::Reverse(range.weight_permille));
    ranges
}

/// The shape of objects, lists and watches.
///
/// # Errors
/// 406 when nothing that we can send is accepted.
pub(crate) fn shape(headers: &HeaderMap) -> Result<Shape, Status> {
    for range in ranges(headers) {
        if !range.is_json() {
            continue;
        }
        let meta_v1 =
            range.parameter("g") == Some("meta.k8s.io") && range.parameter("v") == Some("v1");
        match range.parameter("as") {
            None => return Ok(Shape::Object),
            Some("Table") if meta_v1 => return Ok(Shape::Table),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") if meta_v1 => {
                return Ok(Shape::Metadata);
            }
            Some(_) => {}
        }
    }
    Err(not_acceptable())
}

/// True when the client prefers the aggregated form of discovery (`apidiscovery.k8s.io/v2`).
pub(crate) fn aggregated_discovery(headers: &HeaderMap) -> bool {
    for range in ranges(headers).iter().filter(|range| range.is_json()) {
        match range.parameter("as") {
            None => return false,
            Some("APIGroupDiscoveryList")
                if range.parameter("g") == Some("apidiscovery.k8s.io")
                    && range.parameter("v") == Some("v2") =>
            {
                return true;
            }
            Some(_) => {}
        }
    }
    false
}

/// True when JSON, or anything, is accepted.
pub(crate) fn json(headers: &HeaderMap) -> bool {
    ranges(headers).iter().any(|range| range.is_json())
}

/// True when a media type is accepted by its own name.
pub(crate) fn names(headers: &HeaderMap, media_type: &str) -> bool {
    ranges(headers).iter().any(|range| range.media_type.eq_ignore_ascii_case(media_type))
}

/// 406, as Kubernetes words it.
pub(crate) fn not_acceptable() -> Status {
    Status::new(
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, value.parse().unwrap());
        headers
    }

    #[test]
    fn what_clients_send() {
        let cases = [
            (
                "application/json;as=Table;v=v1;g=meta.k8s.io,\
                 application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
                Shape::Table,
            ),
            ("application/vnd.kubernetes.protobuf,application/json", Shape::Object),
            (
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
                 application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
                Shape::Metadata,
            ),
            ("application/json;stream=watch", Shape::Object),
            ("*/*", Shape::Object),
            (
                "application/json;q=0.5,application/json;as=Table;v=v1;g=meta.k8s.io;q=0.9",
                Shape::Table,
            ),
            ("application/json;as=Table;v=v9;g=meta.k8s.io,*/*;q=0.1", Shape::Object),
        ];
        for (header, expected) in cases {
            assert_eq!(shape(&accept(header)), Ok(expected), "{header}");
        }
        assert_eq!(shape(&HeaderMap::new()), Ok(Shape::Object));
    }

    #[test]
    fn nothing_fits() {
        for header in [
            "application/vnd.kubernetes.protobuf",
            "application/json;as=Table;v=v1alpha1;g=meta.k8s.io",
            "application/json;q=0",
        ] {
            assert_eq!(shape(&accept(header)).unwrap_err().code, 406, "{header}");
        }
    }

    #[test]
    fn aggregated_discovery_is_asked_for_by_name() {
        assert!(aggregated_discovery(&accept(
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
             application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
        )));
        assert!(!aggregated_discovery(&accept("application/json")));
        assert!(!aggregated_discovery(&HeaderMap::new()));
    }
}
