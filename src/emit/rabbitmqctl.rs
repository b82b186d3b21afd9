//! `emit rabbitmqctl`: users, virtual hosts and permissions as commands, for a broker that imports nothing.

use std::collections::BTreeSet;

use super::rabbitmq::UserFacts;
use super::syntax::{comment, header, shell};
use super::{Facts, Holds, OutputFile, Settings, Target, Write};
use crate::error::Result;
use crate::ui;

pub(super) const TARGET: Target = Target {
    name: "rabbitmqctl",
    description: "the users, virtual hosts and permissions of definitions.json as commands",
    settings: &[],
    holds: Holds::Paths,
    next: |_, _| vec!["run it on the broker's host, as root or rabbitmq: sh users.sh".to_owned()],
    write: Write::Once(emit),
};

const VERSIONS: &str = "RabbitMQ 3.10 to 4.3";

fn emit(facts: &Facts, _: &Settings) -> Result<Vec<OutputFile>> {
    let broker = facts.broker()?;
    let mut script = String::from("#!/bin/sh\n");
    script.push_str(&header("#", &TARGET, VERSIONS, "[broker] and the clients"));
    script.push_str(&comment(
        "#",
        &["It can be run again, and takes nothing away: a user that is gone is removed by rabbitmqctl delete_user NAME."],
    ));
    script.push_str("set -eu\n\n");
    script.push_str(FUNCTIONS);
    let chosen: BTreeSet<&str> = facts.clients.iter().map(|client| client.user.name.as_str()).collect();
    let users: Vec<&UserFacts> =
        broker.config.users.iter().filter(|user| !facts.narrowed || chosen.contains(&*user.name)).collect();
    let own = broker.config.vhosts.iter().filter(|_| !facts.narrowed);
    let mut known = BTreeSet::new();
    script.push('\n');
    for vhost in own.chain(users.iter().flat_map(|user| &user.vhosts)).filter(|vhost| known.insert(*vhost)) {
        command(&mut script, &["add_vhost", "--", vhost])?;
    }
    for user in users {
        script.push('\n');
        if user.password_hash.is_some() {
            script.push_str(&without_password(&user.name));
            continue;
        }
        script.push_str(&format!("add_user {}\n", shell::word(&user.name)?));
        let tags = ["set_user_tags", "--", &user.name].into_iter().chain(user.tags.iter().map(String::as_str));
        command(&mut script, &tags.collect::<Vec<_>>())?;
        for vhost in &user.vhosts {
            let all = [&*user.name, &user.configure, &user.write, &user.read];
            command(&mut script, &["set_permissions", "-p", vhost, "--", all[0], all[1], all[2], all[3]])?;
            for topic in &user.topics {
                let all = [&*user.name, &topic.exchange, &topic.write, &topic.read];
                command(&mut script, &["set_topic_permissions", "-p", vhost, "--", all[0], all[1], all[2], all[3]])?;
            }
        }
    }
    if let Some(administrator) = broker.config.administrator.as_ref().filter(|_| !facts.narrowed) {
        script.push('\n');
        script.push_str(&without_password(&administrator.name));
    }
    Ok(vec![OutputFile::open("users.sh", script)])
}

/// Started by root, Debian's `rabbitmqctl` has a second shell read its arguments (see `rabbitmq::ctl_words`), so root hands
/// it to the user rabbitmq where there is one. Who comes with a certificate has no password. `add_user` fails for a user that exists; if it failed for another reason
/// so does the next command.
const FUNCTIONS: &str = "\
# Debian's rabbitmqctl, started by root, has a second shell read its arguments; started by rabbitmq it has not.
if [ \"$(id -u)\" = 0 ] && id rabbitmq >/dev/null 2>&1 && command -v runuser >/dev/null; then
  ctl() { runuser -u rabbitmq -- rabbitmqctl \"$@\"; }
else
  ctl() { rabbitmqctl \"$@\"; }
fi

add_user() {
  ctl add_user -- \"$1\" '' || true
  ctl clear_password -- \"$1\"
}
";

/// A password, or its hash, belongs on no command line.
fn without_password(name: &str) -> String {
    comment("#", &[format!("The user {} has a password, and is in definitions.json alone.", ui::quote(name))])
}

fn command(script: &mut String, words: &[&str]) -> Result<()> {
    script.push_str(&format!("ctl {}\n", shell::words(words.iter().copied())?));
    Ok(())
}
