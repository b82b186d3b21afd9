//! What to do with a PKI that was just made.

use crate::apply::World;
use crate::env::Env;
use crate::manifest::{Broker, EntryRef};
use crate::store::layout;
use crate::ui;

/// Where an identity's files are: names of directories are not always the names in the manifest.
pub(super) fn directory(world: &World, of: &EntryRef, env: &Env) -> String {
    match layout::entry_dir(of.role.as_str(), &of.name) {
        Ok(directory) => ui::path(env.shown(&world.store.path(directory))),
        Err(_) => ui::plain(&of.to_string()),
    }
}

/// Where a broker's configuration lies here.
fn configuration(world: &World, broker: &Broker, env: &Env) -> String {
    let root = ui::path(env.shown(&world.store.path("")));
    let dir = match &broker.name {
        Some(name) => format!("{root}/rabbitmq/{name}"),
        None => format!("{root}/rabbitmq"),
    };
    dir.replace("//", "/")
}

/// Which directories go where on the broker's hosts; without the configuration where it is there already.
pub fn where_files_go(world: &World, broker: &Broker, with_configuration: bool, env: &Env) -> Vec<String> {
    let dir = configuration(world, broker, env);
    let several = broker.certificates.len() > 1;
    let mut lines = Vec::new();
    for certificate in &broker.certificates {
        let from = directory(world, certificate, env);
        let configuration = match with_configuration && !several {
            true => format!(" and {dir}/ to {}", broker.config_dir),
            false => String::new(),
        };
        let host = if several { "its" } else { "the broker's" };
        lines.push(format!("next: {from}/ goes to {}{configuration} on {host} host", broker.certs_dir));
    }
    if several && with_configuration {
        lines.push(format!("and {dir}/ to {} on each of them", broker.config_dir));
    }
    lines
}

/// The first steps, as commands to type.
pub fn first_steps(world: &World, env: &Env) -> Vec<String> {
    let mut lines = Vec::new();
    for broker in world.manifest.brokers() {
        let dir = configuration(world, broker, env);
        lines.extend(where_files_go(world, broker, true, env));
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
