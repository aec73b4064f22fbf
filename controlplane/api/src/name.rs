//! Which texts may be names: DNS labels and subdomains, label keys and values, and their kin.
//!
//! Each rule returns the sentences Kubernetes prints for what is wrong, so that a field error quotes them.

/// The rules that a text breaks, each as one sentence.
pub type Broken = Vec<String>;

/// RFC 1123 label: `[a-z0-9]([-a-z0-9]*[a-z0-9])?`, at most 63 bytes. Namespaces, containers, ports.
pub fn dns1123_label(text: &str) -> Result<(), Broken> {
    const RULE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or \
        '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex \
        used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
    let mut broken = longer_than(text, 63);
    if !is_dns1123_label(text) {
        broken.push(RULE.to_owned());
    }
    checked(broken)
}

/// RFC 1123 subdomain: labels joined by dots, at most 253 bytes. Most object names.
pub fn dns1123_subdomain(text: &str) -> Result<(), Broken> {
    const RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
        characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', \
        regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    let mut broken = longer_than(text, 253);
    if !text.split('.').all(is_dns1123_label) {
        broken.push(RULE.to_owned());
    }
    checked(broken)
}

/// RFC 1035 label: `[a-z]([-a-z0-9]*[a-z0-9])?`, at most 63 bytes. Services.
pub fn dns1035_label(text: &str) -> Result<(), Broken> {
    const RULE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start \
        with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', \
        regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
    let mut broken = longer_than(text, 63);
    if !is_dns1123_label(text) || !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        broken.push(RULE.to_owned());
    }
    checked(broken)
}

/// A key of labels, annotations, taints: `[prefix/]name`, the prefix a subdomain.
pub fn qualified(text: &str) -> Result<(), Broken> {
    const RULE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end \
        with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for \
        validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let mut broken = Broken::new();
    let mut parts = text.split('/');
    let name = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, _) => name,
        (Some(prefix), Some(name), None) => {
            if prefix.is_empty() {
                broken.push("prefix part must be non-empty".to_owned());
            } else if let Err(rules) = dns1123_subdomain(prefix) {
                broken.extend(rules.into_iter().map(|rule| format!("prefix part {rule}")));
            }
            name
        }
        _ => {
            return Err(vec![format!(
                "a qualified name {RULE} with an optional DNS subdomain prefix and '/' (e.g. \
                 'example.com/MyName')"
            )]);
        }
    };
    if name.is_empty() {
        broken.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        broken.push("name part must be no more than 63 characters".to_owned());
    }
    if !is_wordlike(name) {
        broken.push(format!("name part {RULE}"));
    }
    checked(broken)
}

/// A label's value: empty, or up to 63 bytes like the name part of a key.
pub fn label_value(text: &str) -> Result<(), Broken> {
    const RULE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', \
        '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  \
        or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
    let mut broken = longer_than(text, 63);
    if !text.is_empty() && !is_wordlike(text) {
        broken.push(RULE.to_owned());
    }
    checked(broken)
}

/// A key of a ConfigMap or Secret, which becomes a file name: `[-._a-zA-Z0-9]+`, not `.` or `..`.
pub fn config_key(text: &str) -> Result<(), Broken> {
    const RULE: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. \
        'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
    let mut broken = longer_than(text, 253);
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if text.is_empty() || !text.bytes().all(legal) {
        broken.push(RULE.to_owned());
    }
    match text {
        "." => broken.push("must not be '.'".to_owned()),
        ".." => broken.push("must not be '..'".to_owned()),
        _ if text.starts_with("..") => broken.push("must not start with '..'".to_owned()),
        _ => {}
    }
    checked(broken)
}

/// The name of an environment variable: any printable ASCII but `=` (since Kubernetes 1.34 the default).
pub fn env_var(text: &str) -> Result<(), Broken> {
    const RULE: &str = "a valid environment variable name must consist only of printable ASCII characters \
        other than '='";
    let legal = |b: u8| (b' '..=b'~').contains(&b) && b != b'=';
    if text.is_empty() || !text.bytes().all(legal) {
        return Err(vec![RULE.to_owned()]);
    }
    Ok(())
}

/// The name of a container's port: at most 15 of `[-a-z0-9]`, a letter among them (RFC 6335 section 5.1).
pub fn port(text: &str) -> Result<(), Broken> {
    let mut broken = Broken::new();
    if text.len() > 15 {
        broken.push("must be no more than 15 characters".to_owned());
    }
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !text.bytes().all(legal) {
        broken
            .push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into());
    }
    if !text.bytes().any(|b| b.is_ascii_lowercase()) {
        broken.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        broken.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        broken.push("must not begin or end with a hyphen".to_owned());
    }
    checked(broken)
}

fn checked(broken: Broken) -> Result<(), Broken> {
    if broken.is_empty() { Ok(()) } else { Err(broken) }
}

fn longer_than(text: &str, limit_bytes: usize) -> Broken {
    if text.len() > limit_bytes {
        vec![format!("must be no more than {limit_bytes} characters")]
    } else {
        Broken::new()
    }
}

fn is_dns1123_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_wordlike(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    text.bytes().all(inner) && edge(text.bytes().next()) && edge(text.bytes().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        for good in ["a", "a-b", "1a", "a.b-c.d"] {
            assert!(dns1123_subdomain(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "a_b", "-a", "a-", "a..b", ".a", "a."] {
            assert!(dns1123_subdomain(bad).is_err(), "{bad}");
        }
        assert!(dns1123_label("a.b").is_err());
        assert!(dns1123_label(&"a".repeat(64)).is_err());
        assert!(dns1035_label("1a").is_err());
        assert!(dns1035_label("a1").is_ok());
        for good in ["a", "app.kubernetes.io/name", "A_b.c"] {
            assert!(qualified(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a/b/c", "A.b/c", "-a", "a b"] {
            assert!(qualified(bad).is_err(), "{bad}");
        }
        assert!(label_value("").is_ok());
        assert!(label_value("a b").is_err());
        assert!(config_key("a.b_c-D").is_ok());
        for bad in ["", ".", "..", "..a", "a/b"] {
            assert!(config_key(bad).is_err(), "{bad}");
        }
        assert!(port("http-2").is_ok());
        for bad in ["", "80", "HTTP", "a--b", "-a", "abcdefghijklmnop"] {
            assert!(port(bad).is_err(), "{bad}");
        }
        assert!(env_var("A.b-c").is_ok());
        assert!(env_var("A=").is_err());
    }
}
