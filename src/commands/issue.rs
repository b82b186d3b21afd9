//! `certgen issue`

mod asked;
mod authorities;
mod bulk;
mod csr;
mod deliver;
mod differences;
mod identities;
mod subordinate;

use std::path::PathBuf;

use self::asked::UserArgs;
use self::authorities::AuthorityArgs;
use crate::apply::{Dates, Unlock};
use crate::commands::Answer;
use crate::commands::shared::{self, KeyArgs, NameArgs};
use crate::env::{Env, parse_time};
use crate::error::Result;
use crate::profile::Role;

/// What messages call the manifest.
const MANIFEST: &str = "certgen.toml";

/// Issue certificates for servers, nodes, clients and authorities
///
/// A new name is added to certgen.toml, gets its key and certificate, and the files in rabbitmq/ follow. A name that
/// exists with the same facts and is not due is left as it is.
#[derive(Debug, clap::Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "EXAMPLES:\n  certgen issue client reporting --like celery_worker\n  \
                  certgen issue server api.example.com --san 10.0.0.7\n  \
                  certgen issue node rabbit-2.example.com --owner 999:999\n  \
                  certgen issue node rabbitmq --kubernetes default/rabbitmq --replicas 5\n  \
                  certgen issue client sensor-17 --csr sensor-17.csr --access mqtt\n  \
                  certgen issue authority devices --issuer root --path-length 0"
)]
pub(crate) struct IssueArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// A server certificate: TLS server authentication
    #[command(after_help = "EXAMPLES:\n  certgen issue server api.example.com --san 10.0.0.7\n  \
                            certgen issue server \"*.example.com\" --key-type rsa-2048")]
    Server(IdentityArgs),
    /// A RabbitMQ node: server of its clients and peers, client of its peers
    #[command(after_help = "EXAMPLES:\n  certgen issue node rabbit-2.example.com --owner 999:999\n  \
                            certgen issue node rabbitmq --kubernetes default/rabbitmq --replicas 5")]
    Node(IdentityArgs),
    /// A client: its name is the common name and so the RabbitMQ user
    #[command(after_help = "EXAMPLES:\n  certgen issue client reporting --like celery_worker\n  \
                            certgen issue client collector --access consume:reports --validity 90d\n  \
                            certgen issue client --from devices.csv --access mqtt --archive fleet.tar --users users.json\n  \
                            certgen issue client reporting --replace\n  \
                            certgen issue client --from swapped.csv --replace --archive swapped.tar\n  \
                            certgen issue client --cli admin.example.com")]
    Client(Box<ClientArgs>),
    /// An authority: a root, or an intermediate with --issuer
    #[command(after_help = "EXAMPLES:\n  certgen issue authority devices --issuer root --path-length 0\n  \
                            certgen issue authority site-a --csr request.pem --issuer root --permit site-a.example.com\n  \
                            certgen issue authority web --permit example.com --validity 5y")]
    Authority(AuthorityArgs),
}

#[derive(Debug, Clone, Default, clap::Args)]
struct IdentityArgs {
    /// The names; flags apply to each
    #[arg(value_name = "NAME", required_unless_present_any = ["from", "csr_dir"])]
    names: Vec<String>,
    #[command(flatten)]
    called: NameArgs,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Clone, Default, clap::Args)]
struct CommonArgs {
    /// How long it is valid: 12h, 90d, 8w, 2y [default: 365d]
    #[arg(long, value_name = "DUR", conflicts_with = "not_after")]
    validity: Option<String>,
    /// Valid from TIME (RFC 3339) [default: an hour ago]
    #[arg(long, value_name = "TIME")]
    not_before: Option<String>,
    /// Valid until TIME (RFC 3339)
    #[arg(long, value_name = "TIME")]
    not_after: Option<String>,
    /// The authority that signs
    #[arg(long, value_name = "AUTHORITY", add = shared::complete_authorities())]
    issuer: Option<String>,
    /// Sign this request; the key stays where it is (one NAME)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with_all = ["from", "key_type", "key_password_file"])]
    csr: Option<PathBuf>,
    /// A list, three names or a million, from FILE or - : CSV with a header of flag names, or one name a line; lists in a cell with ;
    #[arg(long, value_name = "FILE|-", value_hint = clap::ValueHint::FilePath, conflicts_with_all = ["names", "csr_dir"])]
    from: Option<PathBuf>,
    /// Sign every request in DIR; each is called NAME.csr, and the keys stay where they are
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, conflicts_with_all = ["names", "csr", "key_type", "key_password_file"])]
    csr_dir: Option<PathBuf>,
    /// Issue the good rows of a list although others are bad, and end with exit code 1
    #[arg(long)]
    keep_going: bool,
    /// Write the directories into DIR instead of the PKI
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, conflicts_with = "archive")]
    out: Option<PathBuf>,
    /// What --out holds of a list: a directory for each NAME, or NAME.pem and NAME.key side by side
    #[arg(
        long,
        value_name = "LAYOUT",
        default_value = "directories",
        hide_default_value = true,
        requires = "out",
        conflicts_with = "names"
    )]
    layout: Layout,
    /// Write the directories into a tar file (0600) instead of the PKI
    #[arg(long, value_name = "FILE.tar", value_hint = clap::ValueHint::FilePath)]
    archive: Option<PathBuf>,
    /// Do not add it to certgen.toml
    #[arg(long)]
    no_save: bool,
    /// Issue again where facts differ
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    unlock: Unlock,
}

/// How the files of a list lie in a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Layout {
    /// A complete directory for each identity
    #[default]
    Directories,
    /// NAME.pem and NAME.key of all of them side by side, with one bundle
    Flat,
}

#[derive(Debug, Clone, Default, clap::Args)]
struct ClientArgs {
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    user: UserArgs,
    /// The device was swapped: a new certificate, and those it had are revoked as superseded. A list replaces each of its devices
    /// once, however often it is run
    #[arg(long)]
    replace: bool,
    /// Write the users of a list to FILE (0600), to be imported into a broker
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with = "names", help_heading = "RabbitMQ user")]
    users: Option<PathBuf>,
}

pub(crate) fn run(args: IssueArgs, env: &mut Env) -> Result<Answer> {
    match args.what {
        What::Authority(args) => authorities::run(&args, env),
        What::Server(args) => {
            identities::run(Role::Server, &ClientArgs { identity: args, ..ClientArgs::default() }, env)
        }
        What::Node(args) => identities::run(Role::Node, &ClientArgs { identity: args, ..ClientArgs::default() }, env),
        What::Client(args) => identities::run(Role::Client, &args, env),
    }
}

fn dates(not_before: Option<&str>, not_after: Option<&str>) -> Result<Dates> {
    Ok(Dates {
        not_before: not_before.map(|t| parse_time(t, "--not-before")).transpose()?,
        not_after: not_after.map(|t| parse_time(t, "--not-after")).transpose()?,
    })
}
