//! How what is asked differs from what exists.

use crate::apply::Dates;
use crate::manifest::Entry;
use crate::plan::Reason;
use crate::x509::{Certificate, Csr};

/// The differences between an identity that exists and what is asked of it. `old` is its entry so far; an identity that
/// is new has no differences. What stands in the certificate is compared there, the rest between the entries.
pub(super) fn of(
    new: &Entry,
    old: Option<&Entry>,
    current: Option<&Certificate>,
    reasons: &[Reason],
    csr: Option<&Csr>,
    dates: Dates,
) -> Vec<String> {
    if reasons.contains(&Reason::Missing) {
        return Vec::new();
    }
    let mut found: Vec<String> = reasons.iter().filter(|r| r.is_difference()).map(ToString::to_string).collect();
    if let Some(old) = old {
        let mut differs = |what: &str, is: String, asked: String| {
            if is != asked {
                found.push(format!("{what}: is {is}, asked {asked}"));
            }
        };
        if !reasons.iter().any(|r| matches!(r, Reason::Validity { .. })) {
            differs("validity", old.validity.to_string(), new.validity.to_string());
        }
        differs("owner", shown(old.owner.as_ref()), shown(new.owner.as_ref()));
        differs("key mode", format!("{:04o}", old.key_mode), format!("{:04o}", new.key_mode));
        if !reasons.iter().any(|r| matches!(r, Reason::Encryption { .. })) {
            differs("encrypted key", shown_path(old), shown_path(new));
        }
        if old.user != new.user {
            found.push("the user: vhosts, permissions or tags differ".to_owned());
        }
        if old.brokers != new.brokers {
            found.push("broker differs".to_owned());
        }
        if old.cli != new.cli {
            found.push("one is for CLI tools, the other for a user".to_owned());
        }
    }
    if csr.is_some_and(|csr| current.is_none_or(|c| c.public_key() != csr.public_key())) {
        found.push("key: the request brings another key".to_owned());
    }
    let validity = current.map(Certificate::validity);
    for (what, asked, is) in [
        ("begin", dates.not_before, validity.map(|v| v.not_before)),
        ("end", dates.not_after, validity.map(|v| v.not_after)),
    ] {
        if let Some(asked) = asked.filter(|asked| is != Some(*asked)) {
            let is = is.map_or_else(|| "unknown".to_owned(), crate::ui::date);
            found.push(format!("{what}: is {is}, asked {}", crate::ui::date(asked)));
        }
    }
    found
}

fn shown(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "none".to_owned())
}

fn shown_path(entry: &Entry) -> String {
    entry.key_password_file.as_ref().map_or_else(|| "no".to_owned(), |path| format!("with {}", crate::ui::path(path)))
}
