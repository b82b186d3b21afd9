//! Kubernetes manifests: objects as YAML documents, and the names that the API takes.

use serde_json::Value;

use super::{comment, yaml};
use crate::x509::sha256_hex;

/// Objects behind `header`, each with a few lines on what it is for; an empty text says nothing.
pub(in crate::emit) fn documents(header: &str, objects: &[(&str, Value)]) -> String {
    let mut out = header.to_owned();
    for (about, object) in objects {
        out.push_str("---\n");
        if !about.is_empty() {
            out.push_str(&comment("#", &[about]));
        }
        out.push_str(&document(object));
    }
    out
}

/// One value as YAML, with the keys in the order that they were given.
pub(in crate::emit) fn document(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => mapping(map, 0, &mut out),
        Value::Array(items) if !items.is_empty() => sequence(items, 0, &mut out),
        other => {
            out.push_str(&flow(other));
            out.push('\n');
        }
    }
    out
}

fn mapping(map: &serde_json::Map<String, Value>, indent: usize, out: &mut String) {
    for (key, value) in map {
        out.push_str(&format!("{:indent$}{}:", "", yaml::scalar(key)));
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                mapping(inner, indent + 2, out);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                sequence(items, indent, out);
            }
            Value::String(text) if text.contains('\n') => {
                out.push(' ');
                out.push_str(&yaml::block(text, indent + 2));
            }
            other => out.push_str(&format!(" {}\n", flow(other))),
        }
    }
}

fn sequence(items: &[Value], indent: usize, out: &mut String) {
    for item in items {
        let mut inner = String::new();
        match item {
            Value::Object(map) if !map.is_empty() => mapping(map, indent + 2, &mut inner),
            Value::Array(items) if !items.is_empty() => sequence(items, indent + 2, &mut inner),
            Value::String(text) if text.contains('\n') => {
                inner = format!("{:1$}{2}", "", indent + 2, yaml::block(text, indent + 2));
            }
            other => inner = format!("{:1$}{2}\n", "", indent + 2, flow(other)),
        }
        out.push_str(&format!("{:indent$}- {}", "", &inner[indent + 2..]));
    }
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => yaml::scalar(text),
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
        number_or_word => number_or_word.to_string(),
    }
}

/// Whether the API takes it for a namespace, and for part of an object's name (RFC 1123 label).
pub(in crate::emit) fn is_label(text: &str) -> bool {
    let harmless = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(harmless) && !text.starts_with('-') && !text.ends_with('-')
}

/// A name of an object that says what `text` is: the text itself where the API takes it, else what is left of it and the
/// beginning of its hash, so that two texts never share an object.
pub(in crate::emit) fn object_name(text: &str) -> String {
    const LONGEST: usize = 40;
    if is_label(text) && text.len() <= LONGEST {
        return text.to_owned();
    }
    let mut name = String::new();
    for c in text.chars().map(|c| c.to_ascii_lowercase()) {
        match c {
            'a'..='z' | '0'..='9' if name.len() < LONGEST => name.push(c),
            _ if !name.is_empty() && !name.ends_with('-') && name.len() < LONGEST => name.push('-'),
            _ => {}
        }
    }
    let hash = &sha256_hex(text.as_bytes())[..8];
    match name.trim_end_matches('-') {
        "" => hash.to_owned(),
        name => format!("{name}-{hash}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::HOSTILE;
    use super::*;

    #[test]
    fn structure_is_kept_and_texts_stay_texts() {
        let value = json!({
            "kind": "X", "on": true, "n": 5671, "none": {}, "list": [], "null": null,
            "text": "a\nb\n", "deep": {"items": [{"name": "a", "of": ["yes", "b: c"]}, [1, 2], "x", "y\nz\n"]},
        });
        assert_eq!(
            documents("# h\n", &[("why\nit is", value)]),
            "# h\n---\n# why\n# it is\nkind: X\n\"on\": true\n\"n\": 5671\nnone: {}\nlist: []\n\"null\": null\ntext: |\n  a\n  b\n\
             deep:\n  items:\n  - name: a\n    of:\n    - \"yes\"\n    - \"b: c\"\n  - - 1\n    - 2\n  - x\n  - |\n    y\n    z\n"
        );
    }

    #[test]
    fn every_text_gets_a_name_of_its_own_that_the_api_takes() {
        assert_eq!(object_name("sensor-1"), "sensor-1");
        assert_eq!(object_name("celery_worker"), "celery-worker-48a063eb");
        let long = "x".repeat(300);
        let texts = HOSTILE.iter().copied().chain(["celery.worker", "Celery_worker", "-", "é", long.as_str()]);
        let names: std::collections::BTreeSet<String> = texts.clone().map(object_name).collect();
        assert_eq!(names.len(), texts.count());
        assert!(names.iter().all(|name| is_label(name)), "{names:?}");
    }
}
