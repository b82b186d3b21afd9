//! RabbitMQ's own files: what the broker, its plugins and its CLI tools read.
//!
//! Everything here is accepted by RabbitMQ 3.10 to 4.3 on Erlang/OTP 25 to 29, and was seen to work there: a key that one
//! version does not know keeps it from booting, an option that Erlang does not know breaks links without a word. So there is
//! one form for all versions, and nothing is written that was not measured. One file for each syntax (`conf`, `erlang`, `env`,
//! `bat`, `plugins`, `definitions`), one for each subject (`listeners`, `inter_node`, `access`), and two that bring new text
//! into files that are already there (`merge` for definitions.json, `into` for a whole /etc/rabbitmq).

mod access;
mod bat;
mod conf;
mod connections;
mod ctl;
mod definitions;
mod env;
mod erlang;
mod existing;
mod facts;
mod inter_node;
mod into;
mod listeners;
mod merge;
mod operator;
mod plain;
mod plugins;
mod proxied;
mod reload;

pub(super) use access::escape;
pub use access::{Permissions, permissions};
pub use conf::unfit;
pub use connections::{Connection, list_commands, read_connections};
pub use ctl::ctl_words;
pub use definitions::{Definitions, Permission, TopicPermission, User, password_hash};
pub use existing::{ExistingUser, ListedUser, existing_users, existing_vhosts, listed_users};
pub use facts::{
    Administrator, BrokerFacts, CertificateFiles, CliFacts, Management, Naming, Proxy, Revocation, RevocationList,
    TopicFacts, UserFacts, Version,
};
pub use inter_node::talks_tls;
pub use into::{Change, Contradiction, IntoPlan, plan_into};
pub use merge::{Conflict, Merged, merge_definitions};
pub use operator::{Operator, operator};
pub use reload::reload_commands;

use super::OutputFile;
use crate::error::Result;
use crate::manifest::Platform;
use crate::store::layout::user_definitions_file;

/// Every file that the broker needs, with paths relative to `rabbitmq/`.
///
/// definitions.json holds only what certgen is responsible for: the caller merges it with one that is there, by
/// [`merge_definitions`].
pub fn emit(facts: &BrokerFacts) -> Result<Vec<OutputFile>> {
    inter_node::check(facts)?;
    let secret_key = facts.key_password.is_some();
    let conf = listeners::conf(facts, &header(facts, "rabbitmq.conf: listeners, TLS and who may log in."))?;
    let (environment, variables) = inter_node::environment(facts)?;
    let mut files = vec![OutputFile::secret_if("rabbitmq.conf", secret_key, conf.text())];
    files.extend(listeners::advanced(facts).map(|text| OutputFile::secret_if("advanced.config", secret_key, text)));
    files.push(OutputFile::secret_if("inter_node_tls.config", secret_key, inter_node::option_file(facts)));
    files.push(OutputFile::open(environment, variables));
    files.push(OutputFile::open("enabled_plugins", plugins_file(facts)?));
    files.push(OutputFile::secret_if("definitions.json", true, Definitions::of_broker(facts)?.to_json()));
    for user in &facts.users {
        let path = format!("definitions.d/{}", user_definitions_file(&user.name)?);
        files.push(OutputFile::secret_if(&path, true, Definitions::of_user(user)?.to_json()));
    }
    for list in facts.revocation.iter().flat_map(|revocation| &revocation.lists) {
        files.push(OutputFile::open(&format!("crls/{}", list.file), list.pem.clone()));
    }
    Ok(files)
}

/// What a broker needs that no manifest describes, because its certificates are made for tests. `remake` says how they are
/// made again.
pub fn for_tests(facts: &BrokerFacts, remake: &str) -> Result<Vec<OutputFile>> {
    let head = |file: &str| {
        vec![
            format!("{file}: a broker for tests."),
            format!("Written by certgen for {}.\nTo change it make the fixtures again: {remake}", versions(facts)),
        ]
    };
    Ok(vec![
        OutputFile::open("rabbitmq.conf", listeners::conf(facts, &head("rabbitmq.conf"))?.text()),
        OutputFile::open("enabled_plugins", plugins::write(&head("enabled_plugins"), &facts.all_plugins())?),
        OutputFile::secret_if("definitions.json", true, Definitions::of_broker(facts)?.to_json()),
    ])
}

/// rabbitmq.conf and enabled_plugins as another target wants them, in the place of those in `rabbitmq/`. `title` says what
/// is special about them.
pub(super) fn variant(facts: &BrokerFacts, target: &str, title: &str) -> Result<Vec<OutputFile>> {
    let head = |file: &str| header_of(facts, &format!("{file}: {title}"), target);
    let conf = listeners::conf(facts, &head("rabbitmq.conf"))?;
    let plugins = plugins::write(&head("enabled_plugins"), &facts.all_plugins())?;
    let secret = facts.key_password.is_some();
    Ok(vec![OutputFile::secret_if("rabbitmq.conf", secret, conf.text()), OutputFile::open("enabled_plugins", plugins)])
}

/// The files of a host that only runs CLI tools.
pub fn cli_host(facts: &CliFacts) -> Result<Vec<OutputFile>> {
    let (environment, variables) = inter_node::cli_environment(facts)?;
    let options = inter_node::cli_option_file(facts);
    Ok(vec![
        OutputFile::secret_if("inter_node_tls.config", facts.key_password.is_some(), options),
        OutputFile::open(environment, variables),
    ])
}

/// The line that brings one user's file into a running broker, to be typed on its host: `from` is the file as it can be
/// reached from there, `config_dir` the broker's directory, `new_vhosts` those that the broker does not have yet.
///
/// The file goes to the broker's directory first: Debian's rabbitmqctl becomes the user rabbitmq, in another directory, and
/// who that is may not read ours. Reading standard input instead hangs for ever on RabbitMQ 4.0 with Erlang/OTP 27, which
/// runs the tools with `-noinput`.
pub fn import_line(platform: Platform, from: &str, config_dir: &str, new_vhosts: &[String]) -> String {
    let mut commands: Vec<String> = new_vhosts.iter().map(|vhost| typed(&ctl_words(["add_vhost", vhost]))).collect();
    match platform {
        Platform::Unix => {
            let name = from.rsplit('/').next().unwrap_or(from);
            let to = format!("{config_dir}/definitions.d/{name}");
            commands.push(format!("install -D -o rabbitmq -m 0600 {} {}", env::word(from), env::word(&to)));
            commands.push(typed(&ctl_words(["import_definitions", &to])));
        }
        Platform::Windows => commands.push(format!("rabbitmqctl import_definitions \"{from}\"")),
    }
    commands.join(" && ")
}

/// Words as somebody types them into a shell.
fn typed(words: &[String]) -> String {
    words.iter().map(|word| env::word(word)).collect::<Vec<_>>().join(" ")
}

fn plugins_file(facts: &BrokerFacts) -> Result<String> {
    let comments = header(facts, "enabled_plugins: RabbitMQ rewrites this file at every `rabbitmq-plugins enable`.");
    plugins::write(&comments, &facts.all_plugins())
}

/// What made a file, for which versions, and what to change where.
fn header(facts: &BrokerFacts, title: &str) -> Vec<String> {
    let target = match facts.naming {
        Naming::Pki => "rabbitmq",
        Naming::Kubernetes => "kubernetes",
    };
    header_of(facts, title, target)
}

/// The same for a file that another target writes.
fn header_of(facts: &BrokerFacts, title: &str, target: &str) -> Vec<String> {
    let versions = versions(facts);
    let table = match &facts.name {
        None => "[broker]".into(),
        Some(name) => format!("[broker.{name}]"),
    };
    vec![
        title.to_owned(),
        format!(
            "Written by certgen for {versions}.\nTo change it edit {table} in certgen.toml and run `certgen emit {target}`."
        ),
    ]
}

/// For whom the files are.
fn versions(facts: &BrokerFacts) -> String {
    match facts.version {
        None => "RabbitMQ 3.10 to 4.3 (Erlang/OTP 25 to 29)".into(),
        Some(Version { major, minor }) => format!("RabbitMQ {major}.{minor}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn celery() -> BrokerFacts {
        let mut facts = BrokerFacts::single("/etc/rabbitmq/certs", "/etc/rabbitmq");
        facts.administrator = Some(Administrator { name: "administrator".into(), password_hash: "HASH".into() });
        let permissions = permissions(&crate::manifest::Access::Celery { queues: vec![] });
        facts.users = vec![UserFacts {
            name: "celery_worker".into(),
            vhosts: vec!["celery".into()],
            configure: permissions.configure,
            write: permissions.write,
            read: permissions.read,
            ..UserFacts::default()
        }];
        facts
    }

    #[test]
    fn a_broker_gets_its_files_and_only_the_hashes_are_secret() {
        let files = emit(&celery()).unwrap();
        let listed: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.secret)).collect();
        assert_eq!(
            listed,
            [
                ("rabbitmq.conf", false),
                ("inter_node_tls.config", false),
                ("rabbitmq-env.conf", false),
                ("enabled_plugins", false),
                ("definitions.json", true),
                ("definitions.d/celery_worker.json", true),
            ]
        );
        for file in files.iter().filter(|file| !file.path.ends_with(".json")) {
            assert!(file.bytes.starts_with(b"#") || file.bytes.starts_with(b"%%"), "{}", file.path);
            assert!(String::from_utf8_lossy(&file.bytes).contains("Written by certgen for RabbitMQ 3.10 to 4.3"));
        }
        assert!(!format!("{files:?}").contains("HASH"));
    }

    #[test]
    fn a_key_password_makes_configuration_secret() {
        let mut facts = celery();
        facts.key_password = Some(String::from("Secret1").into());
        facts.revocation = Some(Revocation { crls_dir: "/etc/rabbitmq/crls".into(), lists: Vec::new() });
        for file in emit(&facts).unwrap() {
            let holds = String::from_utf8_lossy(&file.bytes).contains("Secret1");
            assert!(!holds || file.secret, "{}", file.path);
        }
    }

    #[test]
    fn the_same_facts_give_the_same_bytes() {
        assert_eq!(emit(&celery()).unwrap(), emit(&celery()).unwrap());
    }

    #[test]
    fn a_hostile_broker_name_stays_in_its_comment() {
        let mut facts = celery();
        facts.name = Some("x]\nlisteners.tcp = 1\r\n[evil].".into());
        for file in emit(&facts).unwrap().iter().filter(|file| !file.path.ends_with(".json")) {
            let text = String::from_utf8_lossy(&file.bytes).into_owned();
            assert!(
                !text.lines().any(|line| line.starts_with("listeners.tcp = 1") || line.starts_with("[evil]")),
                "{text}"
            );
        }
    }

    #[test]
    fn a_line_to_type_survives_a_shell() {
        assert_eq!(
            import_line(Platform::Unix, "pki/rabbitmq/definitions.d/a.json", "/etc/rabbitmq", &[]),
            "install -D -o rabbitmq -m 0600 pki/rabbitmq/definitions.d/a.json /etc/rabbitmq/definitions.d/a.json && \
             rabbitmqctl import_definitions /etc/rabbitmq/definitions.d/a.json"
        );
        let line = import_line(Platform::Unix, "x y.json", "/etc/rabbitmq", &["it's $HOME".into()]);
        assert!(
            line.starts_with(
                "runuser -u rabbitmq -- rabbitmqctl add_vhost 'it'\\''s $HOME' && \
                 install -D -o rabbitmq -m 0600 'x y.json' '"
            ),
            "{line}"
        );
    }
}
