//! The four profiles: who signs whom, and what the files are called.

use std::fmt;

use super::settings::without_value;
use crate::profile::{Role, nearest};

/// One of tls-gen's directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// A root signs the server and the client.
    Basic,
    /// A root, one intermediate, and pairs below each.
    OneIntermediate,
    /// A root, one intermediate for servers and one for clients.
    SeparateIntermediates,
    /// A root and two intermediates, one below the other.
    TwoSharedIntermediates,
}

/// An authority between the root and the pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intermediate {
    /// What stands in its directory's name and in its subject.
    pub suffix: &'static str,
    /// Position of the intermediate that signs it; the root where there is none.
    pub above: Option<usize>,
    /// How many authorities may stand below it.
    pub path_length: u32,
}

/// A certificate and key of an end entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// What its files begin with; also the organization of its subject.
    pub stem: &'static str,
    /// What it is for.
    pub role: Role,
    /// Position of the intermediate that signs it; the root where there is none.
    pub issuer: Option<usize>,
}

/// A file with an intermediate and all above it, the root included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainFile {
    /// Its name.
    pub name: &'static str,
    /// Position of its first certificate.
    pub nearest: usize,
}

const fn intermediate(suffix: &'static str, above: Option<usize>, path_length: u32) -> Intermediate {
    Intermediate { suffix, above, path_length }
}

const fn pair(stem: &'static str, role: Role, issuer: Option<usize>) -> Pair {
    Pair { stem, role, issuer }
}

const fn chain(name: &'static str, nearest: usize) -> ChainFile {
    ChainFile { name, nearest }
}

impl Profile {
    /// All of them, in the order of tls-gen's README.
    pub const ALL: [Self; 4] =
        [Self::Basic, Self::OneIntermediate, Self::SeparateIntermediates, Self::TwoSharedIntermediates];

    /// The name of tls-gen's directory.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::OneIntermediate => "one_intermediate",
            Self::SeparateIntermediates => "separate_intermediates",
            Self::TwoSharedIntermediates => "two_shared_intermediates",
        }
    }

    /// With dashes or underscores.
    ///
    /// # Errors
    /// There is no such profile; the message names the nearest.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wanted = text.replace('-', "_");
        Self::ALL.into_iter().find(|profile| profile.as_str() == wanted).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str);
            let meant = nearest(text, known).map_or_else(String::new, |name| format!("; did you mean {name}?"));
            format!("{} is no profile: there are {}{meant}", without_value(text), known.join(", "))
        })
    }

    /// The intermediates, each after the one that signs it.
    pub const fn intermediates(self) -> &'static [Intermediate] {
        match self {
            Self::Basic => &[],
            Self::OneIntermediate => const { &[intermediate("1", None, 0)] },
            Self::SeparateIntermediates => {
                const { &[intermediate("server", None, 0), intermediate("client", None, 0)] }
            }
            Self::TwoSharedIntermediates => const { &[intermediate("1", None, 1), intermediate("2", Some(0), 0)] },
        }
    }

    /// The pairs.
    pub const fn pairs(self) -> &'static [Pair] {
        match self {
            Self::Basic => const { &[pair("server", Role::Server, None), pair("client", Role::Client, None)] },
            Self::OneIntermediate => {
                const {
                    &[
                        pair("server", Role::Server, Some(0)),
                        pair("client", Role::Client, Some(0)),
                        pair("server_direct", Role::Server, None),
                        pair("client_direct", Role::Client, None),
                    ]
                }
            }
            Self::SeparateIntermediates => {
                const { &[pair("server", Role::Server, Some(0)), pair("client", Role::Client, Some(1))] }
            }
            Self::TwoSharedIntermediates => {
                const { &[pair("server", Role::Server, Some(1)), pair("client", Role::Client, Some(1))] }
            }
        }
    }

    /// The files with chains of authorities.
    pub const fn chain_files(self) -> &'static [ChainFile] {
        match self {
            Self::Basic => &[],
            Self::OneIntermediate => const { &[chain("chained_ca_certificate.pem", 0)] },
            Self::SeparateIntermediates => {
                const { &[chain("chained_server_ca_certificate.pem", 0), chain("chained_client_ca_certificate.pem", 1)] }
            }
            Self::TwoSharedIntermediates => const { &[chain("chained_ca_certificate.pem", 1)] },
        }
    }

    /// The common name stands in the names of the files of a pair.
    pub const fn names_files_by_common_name(self) -> bool {
        matches!(self, Self::Basic)
    }

    /// The positions of the intermediates from `nearest` up, without the root.
    pub fn upwards(self, nearest: Option<usize>) -> Vec<usize> {
        std::iter::successors(nearest, |at| self.intermediates()[*at].above).collect()
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Intermediate {
    /// The directory beside the results that holds its certificate and key, as tls-gen has it.
    pub fn directory(&self) -> String {
        format!("intermediate_ca_{}", self.suffix)
    }

    /// Its certificate, below the directory of the tree.
    pub fn certificate_file(&self) -> String {
        format!("{}/certs/cacert.pem", self.directory())
    }

    /// Its key, below the directory of the tree.
    pub fn key_file(&self) -> String {
        format!("{}/private/cakey.pem", self.directory())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_name_a_profile_and_a_slip_finds_it() {
        for profile in Profile::ALL {
            assert_eq!(Profile::parse(profile.as_str()), Ok(profile));
            assert_eq!(Profile::parse(&profile.as_str().replace('_', "-")), Ok(profile));
        }
        let wrong = Profile::parse("one-intermediat").unwrap_err();
        assert!(wrong.contains("did you mean one_intermediate?"), "{wrong}");
        assert!(!Profile::parse("x").unwrap_err().contains("did you mean"));
    }

    #[test]
    fn every_position_exists_and_path_lengths_are_what_stands_below() {
        for profile in Profile::ALL {
            let intermediates = profile.intermediates();
            for (at, intermediate) in intermediates.iter().enumerate() {
                assert!(intermediate.above.is_none_or(|above| above < at), "{profile}");
                let depth = (0..intermediates.len()).map(|below| profile.upwards(Some(below)));
                let longest = depth.filter_map(|path| path.iter().position(|step| *step == at)).max();
                assert_eq!(longest, Some(intermediate.path_length as usize), "{profile} {}", intermediate.suffix);
            }
            let issuers = profile.pairs().iter().filter_map(|pair| pair.issuer);
            let nearest = profile.chain_files().iter().map(|file| file.nearest);
            assert!(issuers.chain(nearest).all(|at| at < intermediates.len()), "{profile}");
        }
        assert_eq!(Profile::TwoSharedIntermediates.upwards(Some(1)), [1, 0]);
    }
}
