//! Writers of syntaxes: each knows how its readers take a text apart, and gives it to them whole or refuses it.
//!
//! A function takes text from outside and returns it as one token of its syntax, quoted where that is needed, so that
//! quotes, line breaks, `${}` and `{{ }}` stay data. What a syntax has no way to carry is an error with the reason, and
//! the error names the value. Layout is the targets' business.

pub(super) mod env_file;
pub(super) mod go;
pub(super) mod haproxy;
pub(super) mod java;
pub(super) mod javascript;
pub(super) mod kubernetes;
pub(super) mod line;
pub(super) mod nginx;
pub(super) mod python;
pub(super) mod rust;
pub(super) mod shell;
pub(super) mod uri;
pub(super) mod yaml;

use super::Target;
use crate::error::{Error, Result};
use crate::ui;

/// The syntax cannot carry the text, for this reason.
fn refuse<T>(syntax: &str, text: &str, why: &str) -> Result<T> {
    Err(Error::failed(format!("{syntax} cannot carry {}: {why}", ui::quote(text))))
}

/// Lines of comment, each behind `mark`. Nothing in them ends the comment: no character that some language takes for a line
/// break, and no `\u`, which Java reads even there.
pub(super) fn comment(mark: &str, lines: &[impl AsRef<str>]) -> String {
    let mut out = String::new();
    for line in lines.iter().flat_map(|text| text.as_ref().split('\n')) {
        let ends = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        let line: String = line.chars().map(|c| if ends(c) { ' ' } else { c }).collect();
        out.push_str(format!("{mark} {}", line.replace(r"\u", "/u")).trim_end());
        out.push('\n');
    }
    out
}

/// What made a file, for which versions, and what to change where: `tables` are those of certgen.toml.
pub(super) fn header(mark: &str, target: &Target, versions: &str, tables: &str) -> String {
    let or_set = if target.settings.is_empty() { "" } else { ", or use --set" };
    comment(
        mark,
        &[
            format!("Written by certgen for {versions}."),
            format!("To change it edit {tables} in certgen.toml and run `certgen emit {}`{or_set}.", target.name),
        ],
    )
}

/// A program that lies beside its target as a file of its language, with a line `@header@` where the header comes and a line
/// `@constants@` where its particulars come. Nothing else in it is ever replaced.
pub(super) fn fill(program: &str, header: &str, constants: &str) -> String {
    let mut out = String::new();
    for line in program.split_inclusive('\n') {
        match line.trim() {
            "@header@" => out.push_str(header),
            "@constants@" => out.push_str(constants),
            _ => out.push_str(line),
        }
    }
    out
}

/// Texts that mean something to somebody, for every writer's tests.
#[cfg(test)]
pub(super) const HOSTILE: &[&str] = &[
    "",
    "a b",
    " edges ",
    "it's",
    "say \"hi\"",
    r"back\slash\",
    r"\u000a",
    "${HOME} $(id) `id` $HOME $$",
    "{{ x }} {% y %} #{z} %{w} %s %(x)s %%",
    "a: b # c ; d, [e] {f} & *g !h | > @i",
    "- x",
    "true",
    "null",
    "1e3",
    "0x1f",
    "12:30:45",
    "a\nb",
    "a\r\nb\t",
    "nul\0end",
    "\u{1b}[31m",
    "é 😀 \u{2028} \u{85} \u{feff} \u{202e}",
    "-----BEGIN X-----\nY\n-----END X-----\n",
    "</script><!-- */ // --> \"\"\" '''",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_comment() {
        let text = comment("//", &["a\nb\r*/ \u{2028}evil()", r"\u000aevil()", ""]);
        assert_eq!(text, "// a\n// b */  evil()\n// /u000aevil()\n//\n");
    }

    #[test]
    fn a_program_gets_its_header_and_its_constants_and_nothing_else() {
        assert_eq!(
            fill("@header@\na @constants@\n  @constants@\nb\n", "# h\n", "x = \"@header@\"\n"),
            "# h\na @constants@\nx = \"@header@\"\nb\n"
        );
    }

    #[test]
    fn a_refusal_names_the_value_and_the_reason() {
        let error = refuse::<()>("nginx.conf", "a$b", "it has a $").unwrap_err();
        assert_eq!(error.message(), r#"nginx.conf cannot carry "a$b": it has a $"#);
    }
}
