//! The causes of one text, for people and for scripts.

use serde::Serialize;

use crate::env::Env;
use crate::error::Result;
use crate::explain::{self, Likelihood, Match};
use crate::ui;

/// How many causes are told whole; of the others, the title.
const TOLD_WHOLE: usize = 3;
/// How wide a line of prose is.
const WIDTH: usize = 96;

/// One cause of the text, as `--json` has it.
#[derive(Serialize)]
pub(super) struct Item<'m> {
    cause: String,
    likelihood: Likelihood,
    title: &'m str,
    named: Vec<String>,
    meaning: &'m str,
    tell: &'m [String],
    remedy: Vec<String>,
    said: Said<'m>,
    notes: Vec<&'static str>,
}

/// The text of the catalogue that was recognised.
#[derive(Serialize)]
struct Said<'m> {
    who: &'m str,
    text: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<&'m str>,
    seen: bool,
}

impl<'m> Item<'m> {
    pub(super) fn of(one: &'m Match) -> Self {
        let (cause, saying) = (one.cause, one.saying);
        Self {
            cause: cause.id.word(),
            likelihood: one.likelihood,
            title: &cause.title,
            named: one.named(),
            meaning: &cause.meaning,
            tell: &cause.tell,
            remedy: one.remedy(),
            said: Said { who: &saying.who, text: &saying.text, tls: saying.tls.as_deref(), seen: !saying.read },
            notes: explain::notes(std::slice::from_ref(one)),
        }
    }
}

/// Tells all of them.
pub(super) fn causes(matches: &[Match], env: &mut Env) -> Result<()> {
    if env.json {
        return ui::items(env, &matches.iter().map(Item::of).collect::<Vec<_>>());
    }
    people(matches, env)
}

/// Tells that the text means nothing by itself.
pub(super) fn harmless(notes: &[&str], env: &mut Env) -> Result<()> {
    if env.json {
        return ui::items::<()>(env, &[]);
    }
    notes.iter().try_for_each(|note| prose(env, "", note))
}

/// What people read: what misleads, the likely causes, the others by title.
pub(super) fn people(matches: &[Match], env: &mut Env) -> Result<()> {
    for note in explain::notes(matches) {
        prose(env, "", note)?;
        writeln!(env.out())?;
    }
    let many = matches.len() > 1;
    if many {
        writeln!(env.out(), "{} causes print this, most likely first.\n", matches.len())?;
    }
    let (whole, others) = matches.split_at(matches.len().min(TOLD_WHOLE));
    for (at, one) in whole.iter().enumerate() {
        if at > 0 {
            writeln!(env.out())?;
        }
        let number = if many { format!("{}. ", at + 1) } else { String::new() };
        cause(one, &number, env)?;
    }
    if !others.is_empty() {
        writeln!(env.out(), "\nLess often it is (certgen explain WORD tells more):")?;
        let width = others.iter().map(|one| one.cause.id.word().len()).max().unwrap_or_default();
        for one in others {
            writeln!(env.out(), "  {:width$}  {}", one.cause.id.word(), one.cause.title)?;
        }
    }
    Ok(())
}

fn cause(one: &Match, number: &str, env: &mut Env) -> Result<()> {
    let mut title = one.cause.title.clone();
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    prose(env, "", &format!("{number}{title} ({})", one.cause.id.word()))?;
    for named in one.named() {
        prose(env, "  ", &format!("Here: {named}."))?;
    }
    prose(env, "  ", &one.cause.meaning)?;
    writeln!(env.out(), "  How to tell:")?;
    for tell in &one.cause.tell {
        prose(env, "  - ", tell)?;
    }
    writeln!(env.out(), "  What to do:")?;
    for remedy in one.remedy() {
        // Something to type stays on one line.
        writeln!(env.out(), "    {remedy}")?;
    }
    Ok(())
}

/// Prints a paragraph behind `lead`; its further lines stand below its first word.
fn prose(env: &mut Env, lead: &str, text: &str) -> Result<()> {
    let indent = " ".repeat(lead.chars().count());
    let mut line = lead.to_owned();
    let mut filled = false;
    for word in text.split(' ') {
        if filled && line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(env.out(), "{line}")?;
            line.clone_from(&indent);
            filled = false;
        }
        if filled {
            line.push(' ');
        }
        line.push_str(word);
        filled = true;
    }
    writeln!(env.out(), "{line}")?;
    Ok(())
}
