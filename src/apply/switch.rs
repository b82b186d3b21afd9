//! TLS between the nodes of a cluster, brought in where they talked plain: with all of them stopped.

use super::guide::directory;
use crate::apply::World;
use crate::emit::rabbitmq::talks_tls;
use crate::env::Env;
use crate::manifest::{Broker, InterNodeTls, Platform};
use crate::store::layout;
use crate::ui;

/// What to do on the hosts when `old`, the environment that was there, is replaced by what the manifest says now; nothing
/// where that switches nothing on, or where there is no other node to lose.
///
/// The environment goes out between stop and start: with it, the tools that stop a node no longer reach one without it. The
/// node that stopped last starts first, because it alone knows that it has everything; it may wait for a majority of the
/// others, so that nobody may wait for it.
pub fn order(world: &World, broker: &Broker, old: Option<&str>, env: &Env) -> Option<String> {
    let was = old.is_none_or(talks_tls);
    if was || broker.inter_node_tls == InterNodeTls::Off {
        return None;
    }
    let hosts: Vec<&str> = match broker.nodes.is_empty() {
        true => broker.certificates.iter().map(|certificate| certificate.name.as_str()).collect(),
        false => broker.nodes.iter().map(|node| node.split_once('@').map_or(node.as_str(), |(_, host)| host)).collect(),
    };
    // One certificate may serve every pod, however many there are.
    let known = hosts.len() > 1;
    if !known && !broker.nodes.is_empty() {
        return None;
    }
    let list = |hosts: Vec<&str>| hosts.into_iter().map(ui::plain).collect::<Vec<_>>().join(", ");
    let (stop, start) = match known {
        true => (list(hosts.iter().rev().copied().collect()), list(hosts)),
        false => ("one after another".to_owned(), "the one that stopped last first".to_owned()),
    };
    let (stopping, starting, environment) = match broker.platform {
        Platform::Unix => ("systemctl stop rabbitmq-server", "systemctl start rabbitmq-server", "rabbitmq-env.conf"),
        Platform::Windows => ("rabbitmq-service stop", "rabbitmq-service start", "rabbitmq-env-conf.bat"),
    };
    let mut lines = vec![
        "nodes talk TLS to each other from now on, and that cannot be brought in node by node: one that does and one that \
         does not never meet. All of them stop, and start again:"
            .to_owned(),
    ];
    let from = layout::rabbitmq_dir(broker.name.as_deref()).map(|dir| world.store.path(dir)).unwrap_or_default();
    let from = ui::path(env.shown(&from));
    for certificate in &broker.certificates {
        lines.push(format!(
            "  while they run: {}/ to {} on its host",
            directory(world, certificate, env),
            broker.certs_dir
        ));
    }
    lines.extend([
        format!("  stop all: {stop} ({stopping})"),
        format!("  then, on every host: {from}/inter_node_tls.config and {environment} to {}", broker.config_dir),
        format!("  start all, without waiting for one another: {start} ({starting})"),
    ]);
    Some(lines.join("\n"))
}
