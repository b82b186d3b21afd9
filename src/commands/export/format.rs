//! The containers, and which flags are for which.

use clap::builder::PossibleValue;

use crate::commands::export::ExportArgs;
use crate::commands::export::subject::{Subject, Who};
use crate::error::{Error, Result};
use crate::profile::Role;
use crate::ui;

/// In which container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Pkcs12,
    Pkcs12Legacy,
    Jks,
    TruststorePkcs12,
    TruststoreJks,
    Der,
    Pem,
    Combined,
    KubernetesSecret,
    Tar,
    Age,
}

impl Format {
    const ALL: [Self; 11] = [
        Self::Pkcs12,
        Self::Pkcs12Legacy,
        Self::Jks,
        Self::TruststorePkcs12,
        Self::TruststoreJks,
        Self::Der,
        Self::Pem,
        Self::Combined,
        Self::KubernetesSecret,
        Self::Tar,
        Self::Age,
    ];

    /// Its name, and what it is.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Pkcs12 => ("pkcs12", "key and chain: OpenSSL, .NET, Java since 8u301 and 11.0.12"),
            Self::Pkcs12Legacy => ("pkcs12-legacy", "the same for older Java and Windows, weakly encrypted"),
            Self::Jks => ("jks", "key and chain, Java's old key store"),
            Self::TruststorePkcs12 => ("truststore-pkcs12", "those whom it trusts, for Java since 8u301 and 11.0.12"),
            Self::TruststoreJks => ("truststore-jks", "those whom it trusts, for older Java"),
            Self::Der => ("der", "one certificate or key, binary"),
            Self::Pem => ("pem", "certificates or a key, as text"),
            Self::Combined => ("combined", "certificate, intermediates and key in one PEM file"),
            Self::KubernetesSecret => ("kubernetes-secret", "a Secret, to apply"),
            Self::Tar => ("tar", "the files under the paths that they have on their host"),
            Self::Age => ("age", "a hand-over, or with --all everything, encrypted with age"),
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        self.words().0
    }

    /// Whether it has a password of its own.
    pub(super) const fn is_store(self) -> bool {
        self.is_trust_store() || matches!(self, Self::Pkcs12 | Self::Pkcs12Legacy | Self::Jks)
    }

    const fn is_trust_store(self) -> bool {
        matches!(self, Self::TruststorePkcs12 | Self::TruststoreJks)
    }

    /// One certificate or key as it is, without container.
    const fn is_bare(self) -> bool {
        matches!(self, Self::Der | Self::Pem)
    }
}

impl clap::ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = self.words();
        let value = PossibleValue::new(name).help(help);
        // As the files are called.
        Some(if *self == Self::Pkcs12 { value.alias("p12") } else { value })
    }
}

/// What of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Part {
    /// The certificate alone
    Certificate,
    /// The certificate and the intermediates after it
    Chain,
    /// Those whom it trusts
    Bundle,
    /// The private key, PKCS#8
    Key,
}

/// Under which paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Layout {
    /// Certificates and configuration where rabbitmq.conf names them
    EtcRabbitmq,
    /// One directory of that name
    Directory,
}

/// Whether a private key is in what is asked for.
pub(super) fn holds_secret(args: &ExportArgs) -> bool {
    match args.format {
        Format::Der | Format::Pem => args.part == Some(Part::Key),
        format => !format.is_trust_store(),
    }
}

/// Refuses flags that the container has no use for: who gives one expects something of it.
pub(super) fn check(args: &ExportArgs) -> Result<()> {
    let format = args.format;
    if args.all && format != Format::Age {
        return Err(Error::usage(format!("--all is written as age, not as {}", format.as_str()))
            .hint("certgen export --all --format age --out FILE"));
    }
    let is_age_of_one = format == Format::Age && !args.all;
    let is_key = matches!(args.part, Some(Part::Key));
    let opens_key = !matches!(format, Format::Tar | Format::Age) && holds_secret(args);
    for (flag, is_given, fits, what) in [
        ("--part", args.part.is_some(), format.is_bare(), "pem and der"),
        (
            "--password-file",
            args.password_file.is_some(),
            format.is_store() || format == Format::Combined || (format.is_bare() && is_key),
            "key stores, trust stores, combined and --part key",
        ),
        ("--key-password-file", args.key_password_file.is_some(), opens_key, "what holds a key that is opened"),
        ("--alias", args.alias.is_some(), format.is_store(), "key stores and trust stores"),
        ("--layout", args.layout.is_some(), format == Format::Tar, "tar"),
        ("--owner", args.owner.is_some(), format == Format::Tar, "tar"),
        ("--broker", args.broker.is_some(), format == Format::Tar || is_age_of_one, "tar and age"),
        ("--namespace", args.namespace.is_some(), format == Format::KubernetesSecret, "kubernetes-secret"),
        ("--with", !args.with.is_empty(), is_age_of_one, "age"),
        ("--set", !args.settings.is_empty(), is_age_of_one, "age"),
        ("--recipient", !args.recipient.is_empty(), format == Format::Age, "age"),
        ("--passphrase-file", args.passphrase_file.is_some(), format == Format::Age, "age"),
        ("--force", args.force, !args.all, "one identity, not for --all"),
    ] {
        if is_given && !fits {
            let of = if args.all { "--all" } else { format.as_str() };
            return Err(Error::usage(format!("{flag} is not for {of}")).hint(format!("it is for {what}")));
        }
    }
    Ok(())
}

/// Refuses what this container cannot hold of `subject`.
pub(super) fn check_subject(args: &ExportArgs, subject: &Subject) -> Result<()> {
    let named = format!("{}/{}", subject.role(), subject.name);
    let shown = ui::quote(&named);
    match subject.who {
        Who::Authority if holds_secret(args) => {
            Err(Error::usage(format!("{shown} is an authority, and its key is never exported"))
                .hint("its certificate: --format pem, der or truststore-pkcs12")
                .hint("everything, sealed: certgen export --all --format age"))
        }
        Who::Authority if args.part == Some(Part::Bundle) => {
            Err(Error::usage(format!("{shown} is an authority: others trust it")).hint("leave --part out"))
        }
        Who::External if !is_of_external(args) => Err(Error::usage(format!(
            "{} is not for a pair that somebody else renews, as {shown}",
            args.format.as_str()
        ))
        .hint("a pair from elsewhere goes into pkcs12, pkcs12-legacy, jks, combined, pem or der")),
        Who::Identity(role @ (Role::Server | Role::Node)) if args.format == Format::Age => {
            Err(Error::usage(format!("age is a hand-over to a client, and {shown} is a {role}")).hint(format!(
                "seal its tar file: certgen export {} --format tar | age -r age1... -o FILE",
                ui::shell(&named)
            )))
        }
        _ => Ok(()),
    }
}

/// What holds no more than a pair: whom its owner trusts, and who shows it where, is not known here.
fn is_of_external(args: &ExportArgs) -> bool {
    let is_pair = matches!(
        args.format,
        Format::Pkcs12 | Format::Pkcs12Legacy | Format::Jks | Format::Der | Format::Pem | Format::Combined
    );
    is_pair && args.part != Some(Part::Bundle)
}
