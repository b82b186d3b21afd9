//! What to do with a PKI that was just made.

use crate::apply::World;
use crate::env::Env;
use crate::manifest::EntryRef;
use crate::store::layout;
use crate::ui;

/// Where an identity's files are: names of directories are not always the names in the manifest.
fn directory(world: &World, of: &EntryRef, env: &Env) -> String {
    match layout::entry_dir(of.role.as_str(), &of.name) {
        Ok(directory) => ui::path(env.shown(&world.store.path(directory))),
        Err(_) => ui::plain(&of.to_string()),
    }
}

/// The first steps, as commands to type.
pub fn first_steps(world: &World, env: &Env) -> Vec<String> {
    let root = ui::path(env.shown(&world.store.path("")));
    let mut lines = Vec::new();
    for broker in world.manifest.brokers() {
        let dir = match &broker.name {
            Some(name) => format!("{root}/rabbitmq/{name}"),
            None => format!("{root}/rabbitmq"),
        };
        let dir = dir.replace("//", "/");
        if broker.certificates.len() > 1 {
            for certificate in &broker.certificates {
                let from = directory(world, certificate, env);
                lines.push(format!("next: {from}/ goes to {} on its host", broker.certs_dir));
            }
            lines.push(format!("and {dir}/ to {} on each of them", broker.config_dir));
        } else if let Some(certificate) = broker.certificates.first() {
            lines.push(format!(
                "next: {}/ goes to {} and {dir}/ to {} on the broker's host",
                directory(world, certificate, env),
                broker.certs_dir,
                broker.config_dir
            ));
        }
        if broker.revocation {
            lines.push(format!(
                "the lists in {dir}/crls/ lapse after 30 days, and then everybody is refused: run certgen crl --due every day"
            ));
        }
        if broker.administrator.is_some() {
            lines.push(format!("{dir}/administrator.password and {dir}/definitions.d/ stay here"));
        }
    }
    lines
}
