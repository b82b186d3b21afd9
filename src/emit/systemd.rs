//! `emit systemd`: a service that renews what is due, and the timer that starts it.

use super::{Facts, Holds, OutputFile, Settings, Target, Write};
use crate::error::{Error, Result};
use crate::ui;

pub(super) const TARGET: Target = Target {
    name: "systemd",
    description: "a timer that renews what is due, and its service",
    settings: &[],
    holds: Holds::Paths,
    next: |facts, _| next(facts),
    write: Write::Once(emit),
};

fn emit(facts: &Facts, _: &Settings) -> Result<Vec<OutputFile>> {
    Ok(vec![
        OutputFile::open("certgen-renew.service", service(facts)?),
        OutputFile::open("certgen-renew.timer", timer()),
    ])
}

fn next(facts: &Facts) -> Vec<String> {
    let mut lines = Vec::new();
    if facts.has_sealed_keys() {
        lines.push(
            "the authority keys are sealed: put their passphrase into /etc/certgen/passphrase, readable by root alone"
                .to_owned(),
        );
    }
    lines.push("copy both to /etc/systemd/system, then: systemctl enable --now certgen-renew.timer".to_owned());
    lines
}

const HEADER: &str =
    "# Written by certgen for systemd 250 and later. To change it use a drop-in: systemctl edit certgen-renew";

fn service(facts: &Facts) -> Result<String> {
    let path = word(&facts.pki)?;
    // Only a command line knows variables.
    let argument = path.replace('$', "$$");
    let program = word(&facts.program)?.replace('$', "$$");
    let mut flags = String::new();
    let mut credential = String::new();
    if facts.has_sealed_keys() {
        flags.push_str(" --passphrase-file %d/passphrase");
        credential.push_str(
            "# The passphrase of the sealed authority keys; `systemd-creds encrypt` and LoadCredentialEncrypted= hide it better.\n\
             LoadCredential=passphrase:/etc/certgen/passphrase\n",
        );
    }
    let reload = match !facts.brokers.is_empty() {
        true => "# For a broker on this host, to serve new certificates at once: add --reload rabbitmq --run\n",
        false => "",
    };
    let lists = match facts.brokers.iter().any(|broker| broker.config.revocation.is_some()) {
        true => format!("ExecStart={program} --pki {argument} --no-input crl --due{flags}\n"),
        false => String::new(),
    };
    Ok(format!(
        "{HEADER}.service\n\
         [Unit]\n\
         Description=Renew the certificates that are due\n\
         Documentation=man:certgen-renew(1)\n\
         ConditionPathExists={bare}/certgen.toml\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         {credential}{reload}\
         {lists}\
         ExecStart={program} --pki {argument} --no-input renew --due{flags}\n\
         UMask=0077\n\
         NoNewPrivileges=true\n\
         PrivateTmp=true\n\
         ProtectHome=read-only\n\
         ProtectSystem=strict\n\
         ReadWritePaths={path}\n",
        bare = specifiers(&facts.pki),
    ))
}

fn timer() -> String {
    format!(
        "{HEADER}.timer\n\
         [Unit]\n\
         Description=Renew the certificates that are due, every hour\n\
         \n\
         [Timer]\n\
         OnCalendar=hourly\n\
         RandomizedDelaySec=10min\n\
         Persistent=true\n\
         \n\
         [Install]\n\
         WantedBy=timers.target\n"
    )
}

/// A word of a command line or of a list of paths (systemd.syntax(7), "Quoting"): in quotes, with the specifiers of
/// systemd.unit(5) written twice.
fn word(text: &str) -> Result<String> {
    if text.chars().any(char::is_control) {
        return Err(Error::failed(format!("{} has a control character, which no unit can carry", ui::quote(text))));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '@' | '+' | ':');
    if text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    Ok(format!("\"{}\"", specifiers(&escaped)))
}

fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::super::rabbitmq::Revocation;
    use super::super::{AuthorityKey, sample};
    use super::*;

    fn units(pki: &str, sealed: bool) -> String {
        let mut facts = Facts { pki: pki.to_owned(), ..sample::facts() };
        if sealed {
            facts.authorities[0].key = AuthorityKey::Sealed;
            let lists = Vec::new();
            facts.brokers[0].config.revocation = Some(Revocation { crls_dir: "/crls".to_owned(), lists });
        }
        let files = emit(&facts, &Settings::default()).unwrap();
        files.into_iter().map(|file| String::from_utf8(file.bytes).unwrap()).collect()
    }

    #[test]
    fn hostile_paths_stay_paths() {
        let text = units("/srv/my \"pki\"/50%/$HOME\\x", false);
        assert!(text.contains(r#"--pki "/srv/my \"pki\"/50%%/$$HOME\\x" --no-input"#), "{text}");
        let hostile = Facts { pki: "/a\nExecStart=/bin/sh".to_owned(), ..sample::facts() };
        assert!(emit(&hostile, &Settings::default()).is_err());
    }

    #[test]
    fn a_sealed_key_needs_its_passphrase() {
        assert!(units("/etc/pki", true).contains("LoadCredential=passphrase:"));
        assert!(!units("/etc/pki", false).contains("passphrase"));
        assert!(units("/etc/pki", true).contains(" crl --due --passphrase-file %d/passphrase\n"));
    }
}
