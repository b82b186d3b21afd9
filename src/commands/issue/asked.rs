//! What the flags say, as an entry of the manifest says it.

use super::ClientArgs;
use super::csr::names_of_request;
use crate::apply::World;
use crate::commands::shared;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::EntrySpec;
use crate::profile::Role;
use crate::ui;
use crate::x509::Csr;

/// What the flags say, as an entry of the manifest says it.
pub(super) fn spec(
    role: Role,
    args: &ClientArgs,
    csr: Option<&Csr>,
    world: &World,
    env: &mut Env,
) -> Result<EntrySpec> {
    let identity = &args.identity;
    let mut spec = if role == Role::Client { user_spec(&args.user, world)? } else { EntrySpec::default() };
    spec.issuer.clone_from(&identity.common.issuer);
    spec.validity.clone_from(&identity.common.validity);
    identity.called.add_to(&mut spec)?;
    identity.key.add_to(&mut spec, &env.cwd)?;
    if let Some(csr) = csr.filter(|_| identity.called.san.is_empty()) {
        spec.san = shared::list(&names_of_request(csr, role, env));
    }
    Ok(spec)
}

/// What the RabbitMQ user of a client may do.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "RabbitMQ user")]
pub(super) struct UserArgs {
    /// Virtual host (repeatable)
    #[arg(long, value_name = "VHOST")]
    vhost: Vec<String>,
    /// What it does: celery[:QUEUE,...], mqtt, publish:EXCHANGE, consume:QUEUE, monitor, all (repeatable)
    #[arg(long, value_name = "ACCESS", conflicts_with_all = ["configure", "write", "read"])]
    access: Vec<String>,
    /// Regular expression of what it may configure
    #[arg(long, value_name = "RE")]
    configure: Option<String>,
    /// Regular expression of what it may write
    #[arg(long, value_name = "RE")]
    write: Option<String>,
    /// Regular expression of what it may read
    #[arg(long, value_name = "RE")]
    read: Option<String>,
    /// Regular expression of topics it may publish
    #[arg(long, value_name = "RE")]
    topic_write: Option<String>,
    /// Regular expression of topics it may consume
    #[arg(long, value_name = "RE")]
    topic_read: Option<String>,
    /// Tag (repeatable)
    #[arg(long, value_name = "T")]
    tag: Vec<String>,
    /// The same virtual hosts, permissions and tags as client NAME
    #[arg(long, value_name = "NAME", add = shared::complete_names(), conflicts_with_all = ["vhost", "access", "configure", "write", "read", "topic_write", "topic_read", "tag"])]
    like: Option<String>,
    /// The broker whose user it is, where certgen.toml has more than one (repeatable)
    #[arg(long, value_name = "NAME")]
    broker: Vec<String>,
    /// Give the user a generated password too
    #[arg(long)]
    pub(super) with_password: bool,
    /// The host only runs CLI tools: a certificate for inter-node TLS and an option file, no user
    #[arg(long, conflicts_with_all = ["vhost", "access", "configure", "write", "read", "tag", "like", "with_password"])]
    pub(super) cli: bool,
    /// Allow a name that is a user with a password or a tag already
    #[arg(long)]
    existing_user: bool,
}

impl UserArgs {
    /// Something is said about a user.
    pub(super) fn says_something(&self) -> bool {
        let texts = [&self.configure, &self.write, &self.read, &self.topic_write, &self.topic_read, &self.like];
        let lists = [&self.vhost, &self.access, &self.tag, &self.broker];
        texts.iter().any(|text| text.is_some()) || lists.iter().any(|list| !list.is_empty())
    }
}

fn user_spec(user: &UserArgs, world: &World) -> Result<EntrySpec> {
    let mut spec = EntrySpec::default();
    if let Some(like) = &user.like {
        let (_, name) = shared::split_role(like);
        let model = world.entry(Role::Client, name).ok_or_else(|| {
            Error::failed(format!("--like {}: there is no such client", ui::quote(like)))
                .hint("see the clients with certgen list client")
        })?;
        spec = EntrySpec::user_of(&model);
    } else {
        spec.vhost = shared::list(&user.vhost);
        spec.access = shared::list(&user.access);
        spec.configure.clone_from(&user.configure);
        spec.write.clone_from(&user.write);
        spec.read.clone_from(&user.read);
        spec.topic_write.clone_from(&user.topic_write);
        spec.topic_read.clone_from(&user.topic_read);
        spec.tags = shared::list(&user.tag);
        // Whoever says something about the user says all of it: the defaults' permissions do not come on top.
        let says_permissions =
            [&spec.configure, &spec.write, &spec.read].iter().any(|p| p.is_some()) || spec.access.is_some();
        if !says_permissions && spec != EntrySpec::default() {
            (spec.configure, spec.write, spec.read) = (Some(String::new()), Some(String::new()), Some(String::new()));
        }
    }
    spec.broker = shared::list(&user.broker).or(spec.broker);
    spec.password = user.with_password.then_some(true).or(spec.password);
    spec.cli = user.cli.then_some(true);
    spec.existing_user = user.existing_user.then_some(true);
    Ok(spec)
}
