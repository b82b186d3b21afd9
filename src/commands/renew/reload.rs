//! `--reload rabbitmq`: what makes a running broker serve what lies on its disk.

use crate::apply::Done;
use crate::emit::rabbitmq::reload_commands;
use crate::env::Env;
use crate::error::{Error, Result, io_reason};
use crate::manifest::Manifest;
use crate::ui;

/// Prints or runs the commands, once for all brokers of the manifest that show something new.
pub(super) fn brokers(done: &Done, manifest: &Manifest, run: bool, env: &mut Env) -> Result<()> {
    let serves = |role: &str| matches!(role, "server" | "node");
    if !done.issued.iter().any(|written| serves(written.role)) {
        return Ok(());
    }
    let mut commands: Vec<Vec<String>> = Vec::new();
    for broker in manifest.brokers() {
        for command in reload_commands(broker.platform, broker.inter_node_tls) {
            if !commands.contains(&command) {
                commands.push(command);
            }
        }
    }
    if run {
        return commands.iter().try_for_each(|command| call(command, env));
    }
    if !commands.is_empty() {
        env.say("when the files are in place, on each broker's host:");
    }
    for command in commands {
        let line: Vec<String> = command.iter().map(|word| ui::shell(word)).collect();
        match env.json {
            true => env.say(line.join(" ")),
            false => writeln!(env.out(), "{}", line.join(" "))?,
        }
    }
    Ok(())
}

fn call(command: &[String], env: &mut Env) -> Result<()> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    env.finish()?;
    let shown = command.iter().map(|word| ui::shell(word)).collect::<Vec<_>>().join(" ");
    match Env::child(program).args(arguments).current_dir(&env.cwd).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Error::failed(format!("{program} failed: {status}"))
            .hint(format!("the certificates are renewed; by hand, on the broker's host: {shown}"))),
        Err(e) => Err(Error::failed(format!("{program} did not start: {}", io_reason(&e)))
            .hint(format!("the certificates are renewed; on the broker's host: {shown}"))),
    }
}
