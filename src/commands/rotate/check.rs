//! `--check HOST:PORT`: asks a listener whose certificates it accepts. An authority's name carries a mark from its key, so
//! a listener that names the successor has read the bundle.

use crate::apply::{Rotation, World};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::probe::{PATIENCE, Target, probe};
use crate::store::layout::{Ca, Generation};
use crate::ui;

/// Asks each of `places`.
///
/// # Errors
/// One cannot be asked, or does not name the successor.
pub(super) fn listeners(places: &[String], rotation: &Rotation, world: &World, env: &mut Env) -> Result<()> {
    let root_of = |generation| world.chain_from(Ca::new(&rotation.authority, generation)).map(|mut chain| chain.pop());
    let (root, present) = (root_of(Generation::Successor)?, root_of(Generation::Present)?);
    let Some(root) = root.filter(|root| present.as_ref() != Some(root)) else {
        return Err(Error::failed(format!(
            "--check: authority {} is no root, so no bundle holds it and no listener names it",
            ui::quote(&rotation.authority)
        ))
        .hint("leave --check out"));
    };
    for place in places {
        let target: Target = place.parse()?;
        let seen = probe(&target, PATIENCE).map_err(|e| e.at(&target))?;
        let Some(accepted) = seen.client_authorities else {
            return Err(Error::failed(format!(
                "{target} asks for no client certificate, so it cannot say whom it trusts"
            ))
            .hint("ask a listener that wants one: AMQP is on 5671, MQTT on 8883"));
        };
        if !accepted.iter().any(|name| name.as_ref() == Ok(root.subject())) {
            let known: Vec<String> = accepted.iter().flatten().map(|name| ui::quote(&name.to_string())).collect();
            let known = if known.is_empty() { "nobody by name".to_owned() } else { known.join(", ") };
            // Listeners and inter-node links read their files each for themselves; the port does not say which it is.
            let reloads = super::tell::reloads(world).join(" && ");
            return Err(Error::failed(format!(
                "{target} does not know the successor {} yet: it accepts {known}",
                ui::quote(&root.subject().to_string())
            ))
            .hint(format!("bring the bundle there, then on its host: {reloads}")));
        }
        env.say(format!("{target} knows the successor"));
    }
    Ok(())
}
