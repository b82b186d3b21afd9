//! `certgen doctor --fix`: the changes that are safe, shown before they are made.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::doctor::{Case, Finding, Fix};
use crate::emit;
use crate::env::Env;
use crate::error::Result;
use crate::{store, ui};

/// One change.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    /// The file, as text.
    file: String,
    /// What it is about: the code of the finding.
    code: &'static str,
    /// The change as a command or as a diff, without secrets.
    change: String,
    /// It was made, and not only shown.
    made: bool,
}

/// Shows what can be changed now, one change for each file, and makes it. `None`: nothing can, or it is not wanted.
pub(super) fn fix(case: &Case, findings: &[Finding], dry_run: bool, env: &mut Env) -> Result<Option<Vec<Change>>> {
    let mut seen = BTreeSet::new();
    let fixable = |finding: &&Finding| {
        finding.fix.is_some() && finding.file.as_ref().is_some_and(|file| seen.insert(file.clone()))
    };
    let wanted: Vec<&Finding> = findings.iter().filter(fixable).collect();
    let steps: Vec<Step<'_>> = wanted.iter().filter_map(|finding| Step::of(case, finding, &env.cwd)).collect();
    if steps.is_empty() {
        return Ok(None);
    }
    if !env.json {
        for step in &steps {
            writeln!(env.out(), "{}", step.shown.trim_end())?;
        }
    }
    // The question stands below what it is about.
    env.finish()?;
    let question = match steps.len() {
        1 => "Make this change".to_owned(),
        more => format!("Make these {more} changes"),
    };
    let is_made =
        !dry_run && (!env.interactive || ui::confirm(env, &question, "give --no-input to make them unasked")?);
    if is_made {
        steps.iter().try_for_each(|step| step.make(&env.cwd))?;
    }
    let changes = steps.iter().map(|step| Change {
        file: step.path.to_string_lossy().into_owned(),
        code: step.code,
        change: step.shown.clone(),
        made: is_made,
    });
    let changes = changes.collect();
    Ok((is_made || dry_run).then_some(changes))
}

/// A change to one file.
struct Step<'a> {
    path: &'a PathBuf,
    code: &'static str,
    old: &'a [u8],
    fix: &'a Fix,
    shown: String,
}

impl<'a> Step<'a> {
    fn of(case: &'a Case, finding: &'a Finding, cwd: &Path) -> Option<Self> {
        let (path, fix) = (finding.file.as_ref()?, finding.fix.as_ref()?);
        let exhibit = case.exhibits.iter().find(|exhibit| exhibit.path == *path)?;
        // What came from standard input, or is carried by another file, has no place to be written to.
        cwd.join(path).is_file().then_some(())?;
        let shown = match fix {
            Fix::Mode(mode) => format!("chmod {mode:04o} {}", ui::shell(&path.to_string_lossy())),
            Fix::Content(new) => {
                emit::diff(Some(&without_secrets(&exhibit.bytes)), &without_secrets(new), &ui::path(path))
            }
        };
        Some(Self { path, code: finding.code, old: &exhibit.bytes, fix, shown })
    }

    fn make(&self, cwd: &Path) -> Result<()> {
        let path = cwd.join(self.path);
        match self.fix {
            Fix::Mode(mode) => store::set_mode(&path, *mode),
            Fix::Content(new) => store::replace(&path, self.old, new),
        }
    }
}

/// The text as a diff may show it: no line of a private key, and no value of a password.
fn without_secrets(bytes: &[u8]) -> Vec<u8> {
    let mut inside_key = false;
    let mut shown = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let text = String::from_utf8_lossy(line);
        let is_mark = text.contains("-----BEGIN ") || text.contains("-----END ");
        if is_mark {
            inside_key = text.contains("-----BEGIN ") && text.contains("PRIVATE KEY");
        }
        let secret = text.to_lowercase().find("password").filter(|_| !is_mark);
        match secret {
            _ if inside_key && !is_mark => shown.extend_from_slice(b"(a line of the private key)\n"),
            Some(at) => {
                // Lower case may move a character; then the whole line is hidden.
                shown.extend_from_slice(text.get(..at).unwrap_or_default().as_bytes());
                shown.extend_from_slice(b"password (not shown)\n");
            }
            None => shown.extend_from_slice(line),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_no_secret() {
        let text =
            "ssl_options.password = s3cret\n-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\nport = 1\n";
        let shown = String::from_utf8(without_secrets(text.as_bytes())).unwrap();
        assert!(!shown.contains("s3cret") && !shown.contains("MIGH"), "{shown}");
        assert!(shown.contains("-----END PRIVATE KEY-----\nport = 1\n"), "{shown}");
    }
}
