//! Can Erlang read its files at all? Asked of all of them: the option file, advanced.config, enabled_plugins.

use crate::diagnosis::CauseId;
use crate::doctor::syntax::erlang::Kind;
use crate::doctor::{Case, Document, Finding, Fix, Severity};

pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    for exhibit in &case.exhibits {
        let Document::Erlang(file) = &exhibit.document else { continue };
        let finding = |code, problem: &str| {
            let finding = Finding::new(Severity::Error, code, &exhibit.path, problem);
            match file.kind {
                Kind::InterNode => finding.cause(CauseId::NodeOptionsUnreadable).effect(
                    "neither the node nor rabbitmqctl starts: \"Error while reading TLS distributon option file ... {badfile,...}\", or \
                     bad_ssl_dist_optfile in a crash report",
                ),
                Kind::Plugins => finding.effect("the node does not start: it cannot read the list of enabled plugins"),
                Kind::Applications | Kind::Other => finding.effect("the node does not start: it cannot read advanced.config"),
            }
        };
        if exhibit.bytes.starts_with(b"\xef\xbb\xbf") && file.kind != Kind::Other {
            let problem = "the file begins with a byte order mark, which Erlang takes for a syntax error";
            let mended = Fix::Content(exhibit.bytes[3..].to_vec());
            let finding =
                finding("byte-order-mark", problem).line(1).remedy("save the file as UTF-8 without a byte order mark");
            findings.push(finding.fix(mended));
        }
        if let Some(trouble) = &file.trouble {
            let finding = finding("erlang-syntax", trouble.problem).line(trouble.line);
            let path = crate::ui::shell(&exhibit.path.to_string_lossy());
            let type_this = format!(
                "mend it, then: erl -noshell -eval 'io:format(\"~p~n\", [file:script(hd(init:get_plain_arguments()))]), halt().' -extra {path}"
            );
            findings.push(finding.remedy(type_this));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{BOTH, codes, file, findings};
    use super::*;

    #[test]
    fn what_erlang_cannot_read_is_told_with_its_line() {
        assert_eq!(codes(check, &file(BOTH, BOTH)), [""; 0]);
        let no_stop = file(BOTH, BOTH).replace("].\n", "]\n");
        let found = findings(check, &no_stop);
        assert_eq!((found[0].code, found[0].line), ("erlang-syntax", Some(no_stop.lines().count())));
        assert!(found[0].effect.contains("badfile"), "{found:?}");
        assert!(findings(check, "[rabbitmq_management, rabbitmq_mqtt]\n")[0].effect.contains("plugins"));
    }

    #[test]
    fn a_byte_order_mark_is_taken_away() {
        let text = file(BOTH, BOTH);
        let found = findings(check, &format!("\u{feff}{text}"));
        assert_eq!(found[0].fix, Some(Fix::Content(text.into_bytes())));
        assert_eq!(found.len(), 1);
    }
}
