//! Who can meet whom while files are on their way, and whether they would accept one another.
//!
//! While a phase is delivered, any client that has the files of before may meet any server that has those of after, and the
//! other way round. So every certificate of either time is verified against every bundle of either time: by RFC 5280 as
//! strictly as `openssl verify -x509_strict`, and by what Erlang asks for beyond that.

use crate::apply::{Change, Trust};
use crate::error::{Error, Result};
use crate::profile::Role;
use crate::store::{self, layout};
use crate::ui;
use crate::verify::{self, Purpose, Question};
use crate::x509::Certificate;

/// What an identity shows to others.
pub(super) struct Shown {
    pub(super) role: Role,
    pub(super) name: String,
    pub(super) cli: bool,
    /// Leaf first, as it is sent.
    pub(super) chain: Vec<Certificate>,
}

impl Change<'_> {
    /// Checks every meeting between the files as they lie and as this change makes them; `new` are the certificates that it
    /// issues. What is refused already before the change is no reason against it.
    ///
    /// # Errors
    /// Somebody would be refused.
    pub(super) fn check_meetings(&mut self, new: &[Shown], before: &Trust, after: &Trust) -> Result<()> {
        let mut checked = 0;
        for (role, name) in self.world.directories() {
            let cli = self.world.entry(*role, name).is_some_and(|entry| entry.cli);
            let path = layout::certificate(role.as_str(), name)?;
            let Some(bytes) = self.world.store.read_if_exists(&path, store::INPUT_LIMIT)? else { continue };
            let Ok(chain) = Certificate::all_from_bytes(&bytes) else { continue };
            let old = Shown { role: *role, name: name.clone(), cli, chain };
            // Nobody is to be let in with what was revoked or is on hold.
            let issued = self.world.inventory.current(role.as_str(), name);
            if issued.is_some_and(|issued| issued.revoked.is_some()) {
                continue;
            }
            let works = |shown: &Shown, trust: &Trust| self.refusal(shown, trust).is_none();
            if works(&old, before) && !self.spared.contains(&(*role, name.clone())) {
                checked += self.check(&old, after)?;
            }
        }
        for shown in new {
            checked += self.check(shown, before)? + self.check(shown, after)?;
        }
        self.done.meetings += checked;
        Ok(())
    }

    /// The chain that an identity shows when this change is made.
    pub(super) fn shown_now(&self, role: Role, name: &str, cli: bool) -> Result<Option<Shown>> {
        let path = layout::certificate(role.as_str(), name)?;
        let Some(bytes) = self.read(&path, store::INPUT_LIMIT)? else { return Ok(None) };
        let chain = Certificate::all_from_bytes(&bytes)?;
        Ok(Some(Shown { role, name: name.to_owned(), cli, chain }))
    }

    fn check(&self, shown: &Shown, trust: &Trust) -> Result<usize> {
        match self.refusal(shown, trust) {
            None => Ok(trust.verifiers(shown.role, shown.cli).len()),
            Some((by, why)) => Err(Error::failed(format!(
                "{} would be refused by {by}, so nothing was changed: {why}",
                ui::quote(&format!("{}/{}", shown.role, shown.name))
            ))
            .hint(format!("look at it with certgen verify {}", ui::shell(&format!("{}/{}", shown.role, shown.name))))),
        }
    }

    /// Who would refuse what is shown, and why.
    fn refusal(&self, shown: &Shown, trust: &Trust) -> Option<(&'static str, String)> {
        let leaf = shown.chain.first()?;
        trust.verifiers(shown.role, shown.cli).into_iter().find_map(|(by, purpose, bundle)| {
            let mut question = Question::new(leaf, bundle, self.env.now);
            question.untrusted = &shown.chain[1..];
            question.purpose = Some(purpose);
            let report = verify::verify(&question);
            let strict = report.problems().next().map(verify::Finding::sentence);
            let why = strict.or_else(|| verify::erlang_refuses(&shown.chain, bundle, purpose, self.env.now));
            why.map(|why| (by, why))
        })
    }
}

impl Trust {
    /// Who verifies a certificate of that role: what messages call them, for what, and against which bundle.
    fn verifiers(&self, role: Role, cli: bool) -> Vec<(&'static str, Purpose, &[Certificate])> {
        match role {
            Role::Client if cli => vec![("the nodes", Purpose::Client, &self.peers)],
            Role::Client => vec![("the listeners", Purpose::Client, &self.clients)],
            Role::Server => vec![("clients", Purpose::Server, &self.servers)],
            Role::Node => {
                vec![("clients", Purpose::Server, &self.servers), ("its peers", Purpose::Node, &self.peers)]
            }
        }
    }
}
