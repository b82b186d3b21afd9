//! `certgen plan`

use serde::Serialize;
use time::OffsetDateTime;

use crate::apply::{Change, Plan, PlanOptions, Unlock, Vault, World};
use crate::commands::Answer;
use crate::env::Env;
use crate::error::Result;
use crate::plan::{Step, Thing};
use crate::ui::{self, Table};
use crate::x509::Certificate;

/// Show what differs between certgen.toml and what exists, and why
///
/// Changes nothing and needs no key. What certgen apply would do comes first, in its order; what it leaves to somebody's
/// decision comes last, with what to type. Exit 3 when there is something to do.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES:\n  certgen plan\n  certgen plan --prune\n  certgen plan --json | jq -r '.items[].reasons[]'"
)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    what: PlannedArgs,
}

/// What `plan` and `apply` have in common.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PlannedArgs {
    /// Revoke and take out what certgen.toml had and has no longer
    #[arg(long)]
    prune: bool,
    /// Make this authority of certgen.toml although there is a PKI already (repeatable)
    #[arg(long, value_name = "NAME")]
    create_authority: Vec<String>,
}

impl PlannedArgs {
    pub(crate) fn options(&self) -> PlanOptions {
        PlanOptions { prune: self.prune, create: self.create_authority.clone() }
    }
}

/// One step: what the table shows and what `--json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Item {
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    reasons: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<String>,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    not_after: Option<OffsetDateTime>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<String>,
}

impl Item {
    pub(crate) fn of(step: &Step, env: &Env) -> Self {
        let (role, name, path) = match &step.thing {
            Thing::Authority(name) => (Some("authority".to_owned()), Some(name.clone()), None),
            Thing::Identity(role, name) => (Some(role.to_string()), Some(name.clone()), None),
            Thing::File(path) => (None, None, Some(ui::path(env.shown(&env.pki.join(path))))),
        };
        Self {
            action: step.act.as_str(),
            role,
            name,
            path,
            reasons: step.reasons.clone(),
            serial_number: None,
            not_after: None,
            hints: step.hints.clone(),
        }
    }

    /// With what came of it.
    pub(crate) fn with_certificate(self, certificate: &Certificate) -> Self {
        let serial_number = Some(certificate.serial().to_string());
        Self { serial_number, not_after: Some(certificate.validity().not_after), ..self }
    }
}

pub(crate) fn run(args: &PlanArgs, env: &mut Env) -> Result<Answer> {
    let mut world = World::read(env)?;
    let mut plan = world.plan(&args.what.options(), env)?;
    let mut vault = Vault::new(&Unlock::default());
    Change::new(&mut world, &mut vault, env).plan_files(&mut plan)?;
    show(&plan, env)?;
    Ok(answer(&plan))
}

/// No, if there is something to do.
pub(crate) fn answer(plan: &Plan) -> Answer {
    if plan.is_done() { Answer::Yes } else { Answer::No }
}

/// A thing as messages show it: files as somebody here would type them.
pub(crate) fn shown(thing: &Thing, env: &Env) -> String {
    match thing {
        Thing::File(path) => ui::path(env.shown(&env.pki.join(path))),
        thing => thing.to_string(),
    }
}

/// Prints every step.
pub(crate) fn show(plan: &Plan, env: &mut Env) -> Result<()> {
    if env.json {
        let items: Vec<Item> = plan.steps.iter().map(|step| Item::of(step, env)).collect();
        return ui::items(env, &items);
    }
    let mut table = Table::new(&["ACTION", "WHAT", "WHY"]);
    for step in &plan.steps {
        table.row([step.act.as_str().to_owned(), shown(&step.thing, env), ui::sentence(&step.reasons.join("; "))]);
    }
    if !plan.steps.is_empty() {
        table.print(env)?;
    }
    tell_left(plan, env);
    match plan.to_do().count() {
        0 if !plan.is_done() => {}
        0 => tell_done(plan, env),
        n => {
            let things = if n == 1 { "thing" } else { "things" };
            let prune = if plan.unwanted().is_empty() { "" } else { " --prune" };
            env.say(format!("{n} {things} to do: certgen apply{prune}"));
        }
    }
    Ok(())
}

/// Nothing is to be done; whether that is because everything is right.
pub(crate) fn tell_done(plan: &Plan, env: &mut Env) {
    env.say(match plan.left().next() {
        None => "nothing to do: everything is as certgen.toml says",
        Some(_) => "nothing to do: what is left is for you to decide",
    });
}

/// What somebody can type about what is left as it is.
pub(crate) fn tell_left(plan: &Plan, env: &mut Env) {
    let mut told: Vec<&str> = Vec::new();
    for step in plan.left() {
        for hint in &step.hints {
            if !told.contains(&hint.as_str()) {
                env.say(format!("{}: {hint}", shown(&step.thing, env)));
                told.push(hint);
            }
        }
    }
}
