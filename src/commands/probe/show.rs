//! The answer for people: one sentence, the facts, where it is to be changed, what to type.

use super::places::Places;
use crate::env::Env;
use crate::error::Result;
use crate::probe::{Observation, Question, Target, Verdict};
use crate::ui;
use crate::x509::{Certificate, X509Error};

/// More certificates than this tell nothing that fewer would not.
const MOST_SHOWN: usize = 6;

pub(super) fn print(
    target: &Target,
    question: &Question<'_>,
    seen: &Observation,
    verdict: &Verdict,
    places: &Places,
    env: &mut Env,
) -> Result<()> {
    let word = if verdict.good { env.colour.calm("OK") } else { env.colour.alarming("NO") };
    writeln!(env.out(), "{target}: {word}: {}", ui::sentence(&verdict.sentence))?;
    for (label, text) in facts(question, seen, verdict) {
        writeln!(env.out(), "  {label:<20}{}", ui::sentence(&text))?;
    }
    for note in &verdict.notes {
        writeln!(env.out(), "  note: {}", ui::sentence(note))?;
    }
    for (cause, why) in &verdict.also {
        writeln!(env.out(), "  also: {}; {}", cause.cause().title, ui::sentence(why))?;
    }
    for file in &places.files {
        writeln!(env.out(), "  see: {}", ui::sentence(file))?;
    }
    for remedy in &places.remedies {
        writeln!(env.out(), "  do: {}", ui::sentence(remedy))?;
    }
    Ok(())
}

fn facts(question: &Question<'_>, seen: &Observation, verdict: &Verdict) -> Vec<(&'static str, String)> {
    let mut facts = vec![("address", seen.address.to_string())];
    if let Some(tls) = &seen.tls {
        let mut text = tls.versions.join(" and ");
        for more in [&tls.suite, &tls.group].into_iter().flatten() {
            text += &format!(", {more}");
        }
        facts.push(("tls", text));
    }
    for (at, certificate) in seen.chain.iter().take(MOST_SHOWN).enumerate() {
        facts.push((if at == 0 { "certificate" } else { "issuer sent" }, certificate_text(certificate)));
    }
    if seen.chain.len() > MOST_SHOWN {
        facts.push(("", format!("and {} more", seen.chain.len() - MOST_SHOWN)));
    }
    if !seen.chain.is_empty() {
        let by = match (question.anchors, &verdict.server) {
            (None, _) => "nothing".to_owned(),
            (Some(_), server) if server.accepted() => {
                format!("the roots of {}: good for {}", question.bundle, question.name)
            }
            (Some(_), _) => format!("the roots of {}: not good for {}", question.bundle, question.name),
        };
        facts.push(("judged by", by));
        for opinion in &verdict.server.opinions {
            let answer = if opinion.accepted { "accepts" } else { "refuses" };
            let text = opinion.text.as_deref().map(|text| format!(": {}", ui::plain(text))).unwrap_or_default();
            facts.push(("as", format!("{} {answer}{text}", opinion.verifier)));
        }
        facts.push(("client certificate", client_text(seen)));
    }
    if let Some(application) = &seen.application {
        let mut text = application.protocol.title().to_owned();
        for more in [&application.product, &application.version, &application.platform].into_iter().flatten() {
            text += &format!(", {}", ui::plain(more));
        }
        if !application.mechanisms.is_empty() {
            let offered: Vec<_> = application.mechanisms.iter().take(10).map(|m| ui::plain(m)).collect();
            text += &format!("; offers {}", offered.join(" "));
        }
        facts.push(("inside", text));
    }
    facts
}

fn certificate_text(certificate: &Result<Certificate, X509Error>) -> String {
    match certificate {
        Ok(certificate) => format!(
            "{}, serial number {}, until {}",
            ui::quote(&certificate.subject().to_string()),
            certificate.serial(),
            ui::date(certificate.validity().not_after)
        ),
        Err(fault) => format!("cannot be read: {fault}"),
    }
}

fn client_text(seen: &Observation) -> String {
    let Some(names) = &seen.client_authorities else { return "not asked for".to_owned() };
    let asked = if names.is_empty() {
        "asked for, from nobody by name".to_owned()
    } else {
        let known: Vec<String> = names
            .iter()
            .take(MOST_SHOWN)
            .map(|name| name.as_ref().map_or("an unreadable name".to_owned(), |name| ui::quote(&name.to_string())))
            .collect();
        let more = names.len().saturating_sub(MOST_SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("asked for, from {}{more}", known.join(", "))
    };
    if seen.presented { format!("{asked}; presented") } else { asked }
}
