//! What to do with a PKI that was just made.

use crate::apply::World;
use crate::env::Env;
use crate::ui;

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
                let from = format!("{root}/{certificate}").replace("//", "/");
                lines.push(format!("next: {}/ goes to {} on its host", ui::plain(&from), broker.certs_dir));
            }
            lines.push(format!("and {dir}/ to {} on each of them", broker.config_dir));
        } else if let Some(certificate) = broker.certificates.first() {
            lines.push(format!(
                "next: {}/ goes to {} and {dir}/ to {} on the broker's host",
                ui::plain(&format!("{root}/{certificate}")).replace("//", "/"),
                broker.certs_dir,
                broker.config_dir
            ));
        }
        if broker.revocation {
            lines.push(format!(
                "the lists in {dir}/crls/ lapse after 30 days, and then everybody is refused: run certgen crl --due every day"
            ));
        }
        if let Some(administrator) = &broker.administrator {
            lines.push(format!("the password of {} is in {dir}/administrator.password", ui::quote(administrator)));
        }
    }
    lines
}
