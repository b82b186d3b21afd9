//! The words after the profile: what is to be done.

use super::settings::without_value;
use crate::profile::nearest;

/// What tls-gen's Makefile and its `profile.py` can be told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Make everything anew and verify it.
    All,
    /// Make what is missing: the authorities once, the pairs always.
    Generate,
    /// Make everything anew.
    Regenerate,
    /// Take everything away.
    Clean,
    /// Tell what the certificates say.
    Info,
    /// Verify the certificates.
    Verify,
    /// Open the PKCS#12 files.
    VerifyPkcs12,
    /// Copy the pairs to names without a host.
    Alias,
    /// One more client.
    GenerateClient,
    /// One more server.
    GenerateServer,
    /// Write revocation lists.
    GenerateCrl,
    /// Answer TLS connections with the server's pair.
    Server,
    /// Open a TLS connection with the client's pair.
    Client,
    /// Say which targets and variables there are.
    Help,
}

/// Every word with what it means, in the order of help texts.
const WORDS: [(&str, Target, &str); 18] = [
    ("all", Target::All, "make everything anew and verify it (the default)"),
    ("regen", Target::Regenerate, "make everything anew"),
    ("regenerate", Target::Regenerate, ""),
    ("gen", Target::Generate, "keep the authorities that are there, make the pairs"),
    ("generate", Target::Generate, ""),
    ("gen-server", Target::GenerateServer, "make a server's pair"),
    ("generate-server", Target::GenerateServer, ""),
    ("gen-client", Target::GenerateClient, "make a client's pair"),
    ("generate-client", Target::GenerateClient, ""),
    ("gen-crl", Target::GenerateCrl, "write the revocation list of each authority"),
    ("alias-leaf-artifacts", Target::Alias, "copy the pairs of basic to names without CN"),
    ("verify", Target::Verify, "verify the certificates"),
    ("verify-pkcs12", Target::VerifyPkcs12, "open the PKCS#12 files with PASSWORD"),
    ("info", Target::Info, "tell what the certificates say"),
    ("server", Target::Server, "answer TLS connections with the server's pair"),
    ("client", Target::Client, "connect to that server with the client's pair"),
    ("clean", Target::Clean, "take everything away"),
    ("help", Target::Help, "this text"),
];

impl Target {
    /// A word of tls-gen's Makefile or of its `profile.py`.
    ///
    /// # Errors
    /// There is no such word; the message names the nearest.
    pub fn parse(text: &str) -> Result<Self, String> {
        let known = || WORDS.iter().map(|(word, ..)| *word);
        WORDS.iter().find(|(word, ..)| *word == text).map(|(_, target, _)| *target).ok_or_else(|| {
            let meant = nearest(text, known()).map_or_else(String::new, |word| format!("; did you mean {word}?"));
            format!("{} is no target{meant}", without_value(text))
        })
    }

    /// The words that are offered, each with what it does.
    pub fn described() -> impl Iterator<Item = (&'static str, &'static str)> {
        WORDS.iter().filter(|(.., says)| !says.is_empty()).map(|(word, _, says)| (*word, *says))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_makefile_and_of_profile_py_is_known() {
        let makefile =
            "all gen regen clean info verify alias-leaf-artifacts gen-client gen-server gen-crl server client help";
        let profile = "generate generate-client generate-server regenerate verify-pkcs12";
        for word in makefile.split(' ').chain(profile.split(' ')) {
            assert!(Target::parse(word).is_ok(), "{word}");
        }
        assert!(Target::parse("verfy").unwrap_err().ends_with("did you mean verify?"));
        assert_eq!(Target::parse("x\u{1b}").unwrap_err(), r#""x\u{1b}" is no target"#);
        for word in ["PASSWORD:hunter2x", "PASSWORD hunter2x", "PASSWORD\n=hunter2x"] {
            assert_eq!(Target::parse(word).unwrap_err(), r#""PASSWORD" is no target"#);
        }
    }
}
