//! The first phase: the successor is made, and every bundle that holds the authority's root holds the successor's too.

use super::generations::CROSS_CERTIFICATE;
use super::{Phase, Rotation};
use crate::apply::{AuthorityState, Change, Dates, request};
use crate::error::{Error, Result};
use crate::issuer::Issuer;
use crate::manifest::Authority;
use crate::store::layout::{self, Ca, Generation};
use crate::store::{Action, Location, OutputFile};
use crate::ui;
use crate::x509::Certificate;

impl Change<'_> {
    /// Makes successors of `authority` and of every authority below it, and brings the bundles up to date.
    ///
    /// # Errors
    /// It takes part in a rotation already; a key is not here or does not open; our lints refuse a certificate; or somebody
    /// would be refused who is accepted now.
    pub fn start_rotation(&mut self, authority: &str) -> Result<Rotation> {
        let before = self.trust()?;
        let rotation = self.make_successors(authority)?;
        let after = self.trust()?;
        self.check_meetings(&[], &before, &after)?;
        self.refresh(&after)?;
        Ok(rotation)
    }

    /// The successors of an authority and of those below it, each signed by its issuer's.
    pub(super) fn make_successors(&mut self, authority: &str) -> Result<Rotation> {
        self.refuse_second_rotation(authority)?;
        let begins = self.world.authority_certificate(authority)?.validity().not_before;
        if self.env.now < begins {
            return Err(Error::failed(format!(
                "authority {} is valid from {} on, and the clock says {}",
                ui::quote(authority),
                ui::date(begins),
                ui::date(self.env.now)
            ))
            .hint("set the machine's clock, or give the right time with --at TIME"));
        }
        let mut members = vec![authority.to_owned()];
        members.extend(self.world.authorities_below(authority));
        let specs: Vec<Authority> = members.iter().map(|name| self.manifest_authority(name)).collect::<Result<_>>()?;
        self.refuse_keys_elsewhere(authority, &members)?;
        for spec in &specs {
            let to = self.vault.sealed_like(self.world, Ca::from(&spec.name), self.env)?;
            let certificate = self.new_authority(spec, Generation::Successor, Dates::default(), to.as_ref())?;
            let issuer = spec.issuer.clone().unwrap_or_else(|| spec.name.clone());
            let (role, name) = (layout::AUTHORITY, &spec.name);
            self.record(Action::RotationStarted, role, name, &certificate, &issuer, Location::Pki, true)?;
        }
        if specs.first().is_some_and(Authority::is_root) {
            self.cross_certify(&specs[0])?;
        }
        let is_read_by_others = self.world.is_read_by_others(authority);
        let authority = authority.to_owned();
        Ok(Rotation {
            authority,
            members,
            phase: Phase::Started,
            since: self.env.now,
            goes_back: false,
            is_read_by_others,
        })
    }

    /// Successors are made by those who have the keys, and signed by whoever has the key above.
    fn refuse_keys_elsewhere(&self, authority: &str, members: &[String]) -> Result<()> {
        // Nobody else has a PKI in which an authority that was taken over without its key could be rotated.
        let is_elsewhere = |name: &&str| {
            self.world.authority_state(*name) == AuthorityState::Elsewhere && !self.world.is_taken_over(name)
        };
        let missing = |name: &str| Error::failed(format!("the key of authority {} is not here", ui::quote(name)));
        match members.iter().map(String::as_str).find(is_elsewhere) {
            Some(name) if name == authority => return Err(missing(name).hint("run this where the keys are")),
            Some(name) => {
                return Err(missing(name)
                    .hint("run this where the keys are")
                    .hint("where each site has a key of its own: make a second root beside this one, sign the sites' requests \
                           with it, and take this one out of every bundle when all of them use it"));
            }
            None => {}
        }
        let above = self.world.authority_above(authority).filter(is_elsewhere);
        above.map_or(Ok(()), |above| {
            Err(missing(above)
                .context(format!("authority {} cannot get a successor here", ui::quote(authority)))
                .hint(format!("for more time with the same key: {}", self.world.how_to_replace(authority, self.env)))
                .hint(
                    "for a new key: certgen request authority NEWNAME, and then issuer = \"NEWNAME\" in certgen.toml",
                ))
        })
    }

    fn refuse_second_rotation(&self, authority: &str) -> Result<()> {
        self.world.authority_certificate(authority)?;
        let rotated = self.world.rotated();
        let mut related = vec![authority.to_owned()];
        related.extend(self.world.authorities_below(authority));
        for name in &related {
            for generation in [Generation::Successor, Generation::Predecessor] {
                let ca = Ca::new(name, generation);
                let directory = layout::ca_dir(ca)?;
                if self.world.authority(ca).is_none() && self.world.store.holds(&directory) {
                    let shown = ui::path(self.env.shown(&self.world.store.path(directory)));
                    return Err(Error::failed(format!("{shown} is there without its certificate"))
                        .hint("put ca_certificate.pem back into it, from a backup, or take the directory away"));
                }
            }
        }
        let mut above = self.world.authority_above(authority);
        while let Some(name) = above {
            related.push(name.to_owned());
            above = self.world.authority_above(name);
        }
        let Some(busy) = related.iter().find(|name| rotated.contains(name.as_str())) else { return Ok(()) };
        let rotation = self.world.rotation(Some(busy))?;
        let (shown, phase) = (ui::quote(&rotation.authority), rotation.stage());
        let next = match rotation.phase {
            Phase::Started => "switch",
            Phase::Switched => "finish",
        };
        let name = ui::shell(&rotation.authority);
        Err(Error::failed(format!("authority {shown} is being rotated already: the rotation is {phase}"))
            .hint(format!("go on with certgen rotate {next} {name}, or give it up with certgen rotate abort {name}"))
            .hint(format!("see what there is to do with certgen rotate status {name}")))
    }

    /// The successor of a root, signed by the root: for somebody who knows only that one and can be given a longer chain.
    fn cross_certify(&mut self, authority: &Authority) -> Result<()> {
        let [present, successor] = [Generation::Present, Generation::Successor].map(|g| Ca::new(&authority.name, g));
        let key = self.world.authority_certificate(successor)?.public_key().clone();
        let subordinate = self.world.with_path_length(authority);
        let why = match self.world.authority_state(present) {
            AuthorityState::Elsewhere => Some("the key of the former authority is not here".to_owned()),
            _ => self.world.why_unfit(&authority.name, self.world.authority_certificate(present)?),
        };
        if let Some(why) = why {
            self.done.notes.push(format!("there is no cross certificate: {why}"));
            return Ok(());
        }
        let issuer = self.vault.issuer(self.world, present, self.env)?;
        let limits = Dates { not_before: None, not_after: Some(issuer.certificate().validity().not_after) };
        let above = issuer.certificate();
        let asked = request::authority(&subordinate, key, None, Some(above), limits, self.env.now);
        let certified = asked.and_then(|(request, _)| issuer.issue(&request));
        let certificate: Certificate = match certified {
            Ok(issued) => issued.certificate,
            // A root that has ended, or that may have nobody below it: there is a rotation all the same.
            Err(e) => {
                self.done.notes.push(format!("there is no cross certificate: {e}"));
                return Ok(());
            }
        };
        let path = layout::ca_dir(successor)?.join(CROSS_CERTIFICATE);
        self.stage_file(OutputFile::public(path, certificate.pem()));
        let (role, name) = (layout::AUTHORITY, &authority.name);
        self.record(Action::CrossCertified, role, name, &certificate, name, Location::Pki, true)
    }
}
