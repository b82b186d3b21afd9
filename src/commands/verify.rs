//! `certgen verify`

use std::path::{Path, PathBuf};

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use serde::Serialize;
use time::OffsetDateTime;

use crate::apply::{Trust, World};
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::{Context, Error, Result};
use crate::inspect;
use crate::profile::Role;
use crate::store::{self, Store, layout};
use crate::ui::{self, Table};
use crate::verify::{
    Check, Finding, Opinion, PeerName, Purpose, Question, Report, ReportFacts, Severity, Verifier, opinions, verify,
};
use crate::x509::{Certificate, Crl};

/// A revocation list may be long.
const LIST_LIMIT: u64 = 256 << 20;

/// Check a certificate: chain, name, purpose, time, revocation
///
/// The bundle is --bundle, else the one beside the file, else the PKI's; never the system's. Exit code 3 when the answer
/// is no. Files are PEM, DER, PKCS#12 or JKS; of a key store the chain of its first key is asked about.
///
/// With --as the same chain, name, purpose and time are judged as other programs judge them, with their defaults, and the
/// text that each would print is shown: openssl (3.0 and 3.5 at security level 2), python (3.13, strict), go, java (17),
/// node (20), rustls, browser, erlang-25, erlang-27, erlang-29 (RabbitMQ's inter-node links, shovels, federation, and the
/// broker as it verifies clients) and the three with +https-match, when the name check has the match function for https.
/// browser and erlang-29 are documented rules; the others were run. They do not look at revocation lists, and nobody
/// compares the name of a client. Exit code 3 when one of them refuses.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen verify client/celery_worker\n  \
                        certgen verify server.pem --bundle ca.pem --name rabbit.example.com --purpose server\n  \
                        certgen verify server/rabbit.example.com --as openssl,python,go,erlang-27\n  \
                        certgen verify client/celery_worker --at 2027-03-01 --json")]
pub(crate) struct VerifyArgs {
    /// An identity or authority (NAME or ROLE/NAME), a file, or - for standard input
    #[arg(value_name = "THING", required = true, add = shared::complete_all_names())]
    things: Vec<String>,
    /// Trust anchors (repeatable)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    bundle: Vec<PathBuf>,
    /// Certificates that may stand between it and an anchor (repeatable)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    untrusted: Vec<PathBuf>,
    /// File with the password of key stores (repeatable); none, changeit and changeme are tried anyway
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    password_file: Vec<PathBuf>,
    /// For whom it must be: a host name or address; for a client its user name; or dns:, ip:, uri:, email:, cn: in front
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What it must be good for [default: the role of an identity; any for a file]
    #[arg(long, value_name = "PURPOSE", value_parser = ["server", "client", "node", "any"])]
    purpose: Option<String>,
    /// A revocation list; then every certificate of the chain's end must be covered by one (repeatable)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    crl: Vec<PathBuf>,
    /// How many intermediates may stand between it and an anchor, self-issued ones not counted
    #[arg(long, value_name = "N")]
    max_intermediates: Option<usize>,
    /// Judge it as these programs do too, or as all of them (repeatable, or with commas)
    #[arg(long = "as", value_name = "VERIFIER", value_delimiter = ',', add = ArgValueCompleter::new(complete_verifiers))]
    judges: Vec<String>,
}

/// One verdict: what the output shows and what `--json` prints.
#[derive(Debug, Serialize)]
struct Item<'a> {
    thing: &'a str,
    subject: String,
    serial_number: String,
    #[serde(with = "time::serde::rfc3339")]
    not_after: OffsetDateTime,
    purpose: Option<&'a str>,
    name: Option<String>,
    #[serde(flatten)]
    report: ReportFacts<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    verifiers: &'a [Opinion],
}

/// What is said of one case.
struct Judged {
    report: Report,
    opinions: Vec<Opinion>,
}

/// A certificate with everything that it is judged by.
struct Case {
    leaf: Certificate,
    /// It is an authority that was asked about by name.
    is_authority: bool,
    untrusted: Vec<Certificate>,
    anchors: Vec<Certificate>,
    crls: Vec<Crl>,
    /// The inventory says that it was revoked, whether or not a list says so too.
    revoked: bool,
    name: Option<PeerName>,
    purpose: Option<Purpose>,
}

pub(crate) fn run(args: &VerifyArgs, env: &mut Env) -> Result<Answer> {
    let judges = verifiers(&args.judges)?;
    let passwords = shared::passwords(&args.password_file, env)?;
    let passwords: Vec<&str> = passwords.iter().map(|password| password.as_str()).collect();
    let mut cases = Vec::new();
    for thing in &args.things {
        let case = case(thing, args, &passwords, env).context(|| format!("verifying {}", ui::quote(thing)))?;
        if case.is_authority && !judges.is_empty() {
            let asked = format!("{} is an authority, which no peer shows as its own certificate", ui::quote(thing));
            return Err(Error::usage(asked).hint("leave out --as, or name a certificate that it issued"));
        }
        cases.push(case);
    }
    let judged: Vec<Judged> = cases.iter().map(|case| judge(case, args, &judges, env)).collect();
    let items: Vec<Item<'_>> = args
        .things
        .iter()
        .zip(cases.iter().zip(&judged))
        .map(|(thing, (case, judged))| Item {
            thing,
            subject: case.leaf.subject().to_string(),
            serial_number: case.leaf.serial().to_string(),
            not_after: case.leaf.validity().not_after,
            purpose: case.purpose.map(Purpose::as_str),
            name: case.name.as_ref().map(ToString::to_string),
            report: judged.report.facts(),
            verifiers: &judged.opinions,
        })
        .collect();
    if env.json {
        ui::items(env, &items)?;
    } else {
        for item in &items {
            print(item, env)?;
        }
    }
    let is_good = |judged: &Judged| judged.report.accepted() && judged.opinions.iter().all(|opinion| opinion.accepted);
    Ok(if judged.iter().all(is_good) { Answer::Yes } else { Answer::No })
}

fn judge(case: &Case, args: &VerifyArgs, judges: &[Verifier], env: &Env) -> Judged {
    let mut question = Question::new(&case.leaf, &case.anchors, env.now);
    question.untrusted = &case.untrusted;
    question.name = case.name.clone();
    question.purpose = case.purpose;
    question.crls = &case.crls;
    question.crl_required = !args.crl.is_empty();
    question.max_intermediates = args.max_intermediates;
    let report = with_inventory(as_asked(verify(&question), case), case);
    Judged { report, opinions: opinions(&question, judges) }
}

/// The verifiers that were named, each once.
pub(super) fn verifiers(words: &[String]) -> Result<Vec<Verifier>> {
    let mut found: Vec<Verifier> = Vec::new();
    for word in words {
        let named: Vec<Verifier> = match word.trim() {
            "all" => Verifier::all().collect(),
            word => vec![word.parse().map_err(Error::usage)?],
        };
        for verifier in named {
            if !found.contains(&verifier) {
                found.push(verifier);
            }
        }
    }
    Ok(found)
}

pub(super) fn complete_verifiers(typed: &std::ffi::OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let (before, last) = typed.rfind(',').map_or(("", &*typed), |at| typed.split_at(at + 1));
    let words = Verifier::words().chain(["all"]).filter(|word| word.starts_with(last));
    words.map(|word| CompletionCandidate::new(format!("{before}{word}"))).collect()
}

/// An authority that was asked about is no leaf: that it is an authority, or its own anchor, speaks not against it.
fn as_asked(mut report: Report, case: &Case) -> Report {
    if case.is_authority {
        report.findings.retain(|finding| {
            let note = finding.severity == Severity::Note;
            finding.certificate != Some(0)
                || !(finding.check == Check::BasicConstraints || (finding.check == Check::Anchor && note))
        });
    }
    report
}

/// The inventory's word counts as much as a list's: a list may be gone, or not be published yet.
fn with_inventory(mut report: Report, case: &Case) -> Report {
    if !case.revoked {
        return report;
    }
    report.revocation_checked = true;
    if !report.problems().any(|p| p.check == Check::Revocation && p.certificate == Some(0)) {
        report.findings.push(Finding {
            certificate: Some(0),
            subject: ui::plain(&case.leaf.subject().to_string()),
            check: Check::Revocation,
            severity: Severity::Problem,
            expected: format!("serial number {} not revoked", case.leaf.serial()),
            found: "revoked, as certgen log tells".to_owned(),
        });
    }
    report
}

fn print(item: &Item<'_>, env: &mut Env) -> Result<()> {
    let verdict = if item.report.accepted { env.colour.calm("OK") } else { env.colour.alarming("NO") };
    let thing = ui::plain(item.thing);
    writeln!(env.out(), "{thing}: {verdict}")?;
    writeln!(
        env.out(),
        "  chain: {}",
        item.report.chain.iter().map(|c| ui::plain(c)).collect::<Vec<_>>().join(" <- ")
    )?;
    match &item.name {
        Some(name) => writeln!(env.out(), "  name: {}", ui::plain(name))?,
        None => writeln!(env.out(), "  name: not checked")?,
    }
    writeln!(env.out(), "  purpose: {}", item.purpose.unwrap_or("not checked"))?;
    writeln!(env.out(), "  revocation: {}", if item.report.revocation_checked { "checked" } else { "not checked" })?;
    for finding in item.report.findings {
        let mark = if finding.severity == Severity::Problem { "problem" } else { "note" };
        writeln!(env.out(), "  {mark}: {}", finding.sentence())?;
    }
    if item.verifiers.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["VERIFIER", "ANSWER", "TEXT"]);
    for opinion in item.verifiers {
        let answer = if opinion.accepted { "accepts" } else { "refuses" };
        table.row([opinion.verifier.to_owned(), answer.to_owned(), opinion.text.clone().unwrap_or_default()]);
    }
    table.print(env)
}

fn case(thing: &str, args: &VerifyArgs, passwords: &[&str], env: &mut Env) -> Result<Case> {
    let mut case = match shared::find_thing(thing, env)? {
        shared::Thing::Identity(role, name) => identity_case(role, &name, env)?,
        shared::Thing::Authority(name) => authority_case(&name, env)?,
        shared::Thing::Stream(bytes) => bytes_case(&bytes, None, args, passwords, env)?,
        shared::Thing::External(path) => external_case(&path, args, env)?,
        shared::Thing::File(path) => file_case(&path, args, passwords, env)?,
    };
    if !args.bundle.is_empty() {
        case.anchors = read_all(&args.bundle, passwords, env)?;
    }
    if case.anchors.is_empty() {
        return Err(
            Error::failed("there is no bundle to verify it with").hint("name the trust anchors with --bundle FILE")
        );
    }
    case.untrusted.extend(read_all(&args.untrusted, passwords, env)?);
    for path in &args.crl {
        let bytes = store::read_limited(&env.cwd.join(path), LIST_LIMIT)?;
        case.crls
            .push(Crl::from_bytes(&bytes).map_err(|e| Error::from(e).context(format!("reading {}", ui::path(path))))?);
    }
    if let Some(purpose) = &args.purpose {
        case.purpose = Some(purpose.parse().map_err(Error::usage)?);
    }
    if let Some(name) = &args.name {
        case.name = Some(PeerName::parse(name, case.purpose)?);
    }
    Ok(case)
}

/// An identity of the PKI is judged by those who will meet it: with the roots that they trust, for its own name.
fn identity_case(role: Role, name: &str, env: &mut Env) -> Result<Case> {
    let world = World::read(env)?;
    let path = world.store.path(layout::certificate(role.as_str(), name)?);
    let (leaf, untrusted) = split(&store::read_limited(&path, store::INPUT_LIMIT)?, &path, &[])?;
    let trust = Trust::of(&world)?;
    let anchors = match role {
        Role::Client if world.entry(role, name).is_some_and(|e| e.cli) => trust.peers,
        Role::Client => trust.clients,
        Role::Server => trust.servers,
        Role::Node => trust.peers,
    };
    let purpose = match role {
        Role::Client => Purpose::Client,
        Role::Server => Purpose::Server,
        Role::Node => Purpose::Node,
    };
    Ok(Case {
        crls: world.revocation_lists()?,
        revoked: world.is_revoked(&leaf),
        name: own_name(role, name, &leaf),
        purpose: Some(purpose),
        leaf,
        is_authority: false,
        untrusted,
        anchors,
    })
}

/// An authority is judged by its way up to its root. It serves no purpose of its own and answers to no name.
fn authority_case(name: &str, env: &mut Env) -> Result<Case> {
    let world = World::read(env)?;
    let leaf = world.authority_certificate(name)?.clone();
    let untrusted = world.chain_from(name)?;
    Ok(Case {
        crls: world.revocation_lists()?,
        revoked: world.is_revoked(&leaf),
        name: None,
        purpose: None,
        leaf,
        is_authority: true,
        untrusted,
        anchors: world.roots(),
    })
}

/// The name an identity must answer to: a client to its user name, the others to the name they were issued for.
fn own_name(role: Role, name: &str, leaf: &Certificate) -> Option<PeerName> {
    if role == Role::Client {
        return PeerName::parse(&format!("cn:{name}"), None).ok();
    }
    let is_one_of_its_names = |n: &&crate::x509::GeneralName| {
        n.to_string().split_once(':').is_some_and(|(_, v)| v.eq_ignore_ascii_case(name))
    };
    let names = leaf.subject_alt_names().unwrap_or_default();
    let chosen = names.iter().find(is_one_of_its_names).or_else(|| names.first())?;
    PeerName::parse(&chosen.to_string().replace("*.", "any."), None).ok()
}

/// A pair of somebody else's authority: its peers trust that, and not this PKI.
fn external_case(path: &Path, args: &VerifyArgs, env: &mut Env) -> Result<Case> {
    if args.bundle.is_empty() {
        return Err(Error::failed("its authority is not of this PKI")
            .hint("name what its peers trust: --bundle FILE, such as /etc/ssl/certs/ca-certificates.crt"));
    }
    file_case(path, args, &[], env)
}

fn file_case(path: &Path, args: &VerifyArgs, passwords: &[&str], env: &mut Env) -> Result<Case> {
    let bytes = store::read_limited(path, store::INPUT_LIMIT)?;
    bytes_case(&bytes, Some(path), args, passwords, env)
}

fn bytes_case(bytes: &[u8], path: Option<&Path>, args: &VerifyArgs, passwords: &[&str], env: &mut Env) -> Result<Case> {
    let (leaf, untrusted) = split(bytes, path.unwrap_or(Path::new("-")), passwords)?;
    let mut case = Case {
        leaf,
        is_authority: false,
        untrusted,
        anchors: Vec::new(),
        crls: Vec::new(),
        revoked: false,
        name: None,
        purpose: None,
    };
    let beside = path.and_then(Path::parent).map(|dir| dir.join("ca_certificate.pem")).filter(|p| p.is_file());
    let own_bundle = !args.bundle.is_empty() || beside.is_some();
    if let Some(bundle) = beside.filter(|_| args.bundle.is_empty()) {
        case.anchors = Certificate::all_from_bytes(&store::read_limited(&bundle, store::INPUT_LIMIT)?)?;
    }
    if Store::open(&env.pki).exists() {
        match World::read(env) {
            Ok(world) => ask_pki(&world, &mut case, own_bundle)?,
            // A PKI that cannot be read is not asked about a file that brings its own bundle.
            Err(e) if own_bundle => env.say(format!("revocation by this PKI was not checked: {}", e.message())),
            Err(e) => return Err(e),
        }
    }
    Ok(case)
}

/// What the PKI at hand knows of a file: its roots, where the file has no bundle; and what it revoked.
fn ask_pki(world: &World, case: &mut Case, own_bundle: bool) -> Result<()> {
    if !own_bundle {
        case.anchors = world.roots();
    }
    if !own_bundle || world.issuer_of(&case.leaf).is_some() {
        case.crls = world.revocation_lists()?;
        case.revoked = world.is_revoked(&case.leaf);
    }
    Ok(())
}

/// A file's first certificate is the one that is asked about; the others may help it.
fn split(bytes: &[u8], path: &Path, passwords: &[&str]) -> Result<(Certificate, Vec<Certificate>)> {
    let mut all = certificates(bytes, path, passwords)?;
    let leaf = all.remove(0);
    Ok((leaf, all))
}

fn read_all(paths: &[PathBuf], passwords: &[&str], env: &Env) -> Result<Vec<Certificate>> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(certificates(&store::read_limited(&env.cwd.join(path), store::INPUT_LIMIT)?, path, passwords)?);
    }
    Ok(all)
}

/// Those of PEM, DER or a key store; at least one.
fn certificates(bytes: &[u8], path: &Path, passwords: &[&str]) -> Result<Vec<Certificate>> {
    let all = inspect::certificates(bytes, passwords).context(|| format!("reading {}", ui::path(path)))?;
    match all.is_empty() {
        true => Err(Error::failed(format!("{} has no certificate", ui::path(path)))),
        false => Ok(all),
    }
}
