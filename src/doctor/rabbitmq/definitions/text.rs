//! Can RabbitMQ read the file as JSON at all?

use crate::diagnosis::CauseId;
use crate::doctor::{Document, Exhibit, Finding, Fix, Severity};

const EFFECT: &str = "RabbitMQ 4 does not start: \"not_json\"; 3.10 starts with no users at all";
const MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn check(exhibit: &Exhibit, findings: &mut Vec<Finding>) {
    let Ok(text) = std::str::from_utf8(exhibit.bytes.strip_prefix(MARK).unwrap_or(&exhibit.bytes)) else { return };
    if !speaks_of_users(text) {
        return;
    }
    let finding = |line, code, problem: String| {
        let finding = Finding::new(Severity::Error, code, &exhibit.path, problem).line(line);
        finding.cause(CauseId::DefinitionsInvalid).effect(EFFECT)
    };
    if exhibit.bytes.starts_with(MARK) {
        let problem = "the definitions begin with a byte order mark, which RabbitMQ does not read";
        let finding = finding(1, "byte-order-mark", problem.to_owned()).fix(Fix::Content(text.as_bytes().to_vec()));
        findings.push(finding.remedy("save the file as UTF-8 without a byte order mark"));
    }
    if matches!(exhibit.document, Document::Json(_)) {
        return;
    }
    if let Err(e) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        let said = e.to_string();
        let said = said.split(" at line ").next().unwrap_or_default();
        let problem = format!("the definitions are not JSON: {}", crate::ui::plain(said));
        let finding = finding(e.line().max(1), "not-json", problem);
        findings.push(
            finding.remedy(format!("python3 -m json.tool {}", crate::ui::shell(&exhibit.path.to_string_lossy()))),
        );
    }
}

/// Something that was meant for definitions: an object that begins with the lists that are theirs.
fn speaks_of_users(text: &str) -> bool {
    let begins = text.trim_start().starts_with('{');
    begins
        && text.contains("\"users\"")
        && ["\"password_hash\"", "\"vhosts\"", "\"permissions\"", "\"tags\""].iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;

    #[test]
    fn what_is_no_json_is_told_with_its_line() {
        let text = "{\n \"users\": [],\n \"vhosts\": [},\n}\n";
        assert_eq!(found(&[("definitions.json", text)]), [("not-json", Some(3))]);
        let good = "{\"users\": [], \"vhosts\": []}";
        assert_eq!(found(&[("definitions.json", good)]), []);
        assert_eq!(found(&[("definitions.json", &format!("\u{feff}{good}"))]), [("byte-order-mark", Some(1))]);
        assert_eq!(found(&[("package.json", "{\"users\": [}")]), []);
    }
}
