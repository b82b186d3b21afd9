//! Everything that can be known from files: what does not fit together, before it fails in front of a user.
//!
//! A [`Case`] is what was found on the disk and what the user said about it; [`examine`] runs every check over it and gives
//! the [`Finding`]s, worst first. The room is pure: the command reads the files (through `store`) and applies a [`Fix`].
//!
//! A file is first recognised by its content, never by its name ([`Document`]); then each check looks at the documents that
//! concern it, and at how they refer to one another. Readers of a syntax (`syntax`) know lines and nothing of RabbitMQ; checks
//! know RabbitMQ and nothing of syntax. A check is a function from a case to findings, and stands in `CHECKS`; checks do not
//! call one another.

use std::collections::HashSet;

mod case;
mod clients;
mod crypto;
mod deployment;
mod finding;
mod rabbitmq;
mod recognise;
mod release;
pub mod syntax;

pub use case::{Access, Account, Case, Document, Exhibit, Place};
pub use deployment::unfolded;
pub use finding::{Finding, Fix, Severity};
pub use release::Target;

/// One check.
type Check = fn(&Case, &mut Vec<Finding>);

/// Every check there is, in the order in which its findings are told among equals.
const CHECKS: &[&[Check]] = &[crypto::CHECKS, rabbitmq::CHECKS, deployment::CHECKS, clients::CHECKS];

/// Runs every check over `case`. Worst first; within one severity in the order of files and lines.
pub fn examine(case: &Case) -> Vec<Finding> {
    let mut findings = Vec::new();
    for check in CHECKS.iter().copied().flatten() {
        check(case, &mut findings);
    }
    for carried in findings.iter_mut().filter(|f| f.file.as_deref().is_some_and(deployment::is_carried)) {
        // There is no such file on the disk.
        carried.fix = None;
    }
    findings.sort_by(|a, b| (a.severity, &a.file, a.line).cmp(&(b.severity, &b.file, b.line)));
    // Two checks may come upon one thing: the file itself, and the setting that names it.
    let mut told = HashSet::new();
    findings.retain(|found| told.insert((found.code, found.file.clone(), found.line, found.problem.clone())));
    findings
}
