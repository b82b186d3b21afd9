//! The revocation lists that a broker reads, and what it needs to read them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::apply::Change;
use crate::apply::broker::emitted_name;
use crate::emit::rabbitmq as facts;
use crate::error::{Error, Result};
use crate::manifest::Broker;
use crate::store::layout::{self, Ca};
use crate::ui;
use crate::x509::Crl;

impl Change<'_> {
    /// What a broker that checks revocation is told: the list of every authority whose clients it accepts. A list that does
    /// not exist yet is made, because without it everybody would be refused.
    pub(super) fn broker_revocation(&mut self, broker: &Broker) -> Result<Option<facts::Revocation>> {
        if !broker.revocation {
            return Ok(None);
        }
        let mut lists = Vec::new();
        let mut taken: BTreeMap<String, usize> = BTreeMap::new();
        for ca in &self.world.authorities_of_clients()? {
            let ca: Ca<'_> = ca.into();
            if self.list_of(ca)?.is_none() {
                self.first_list(ca)?;
            }
            let Some(crl) = self.list_of(ca)? else { continue };
            self.note_lapse(ca.name, &crl);
            for hash in hashes(ca.name, &crl)? {
                let number = taken.entry(hash.clone()).or_default();
                lists.push(facts::RevocationList { file: format!("{hash}.r{number}"), pem: crl.pem() });
                *number += 1;
            }
        }
        self.note_foreign_anchors()?;
        Ok(Some(facts::Revocation { crls_dir: format!("{}/crls", broker.config_dir.trim_end_matches('/')), lists }))
    }

    fn first_list(&mut self, ca: Ca<'_>) -> Result<()> {
        self.write_revocation_list(ca).map_err(|e| {
            e.context(format!("revocation = true needs a revocation list of authority {}", ui::quote(ca.name)))
                .hint("or bring its list from where its key is: certgen import crl.pem")
        })
    }

    /// A list that lapsed is an outage.
    fn note_lapse(&mut self, name: &str, crl: &Crl) {
        if let Some(end) = crl.next_update().filter(|end| *end <= self.env.now) {
            self.done.notes.push(format!(
                "the revocation list of authority {} lapsed on {}: brokers that check it refuse its clients until they have \
                 the next one; certgen crl --due makes it",
                ui::quote(name),
                ui::date(end)
            ));
        }
    }

    /// Whoever has an anchor of somebody else's in the bundle must bring its list too.
    fn note_foreign_anchors(&mut self) -> Result<()> {
        let own: Vec<_> = self.world.authorities().map(|(_, certificate)| certificate.clone()).collect();
        for anchor in self.world.client_anchors()?.iter().filter(|anchor| !own.contains(anchor)) {
            let file = anchor.subject().erlang_hash().unwrap_or_else(|| anchor.subject().openssl_hash());
            let note = format!(
                "the listeners trust {} too: without its revocation list as {file}.r0 in crls/ its clients are refused",
                ui::quote(&anchor.subject().to_string())
            );
            if !self.done.notes.contains(&note) {
                self.done.notes.push(note);
            }
        }
        Ok(())
    }

    /// Writes a list for a broker. Nobody edits a list by hand: it is replaced whenever it differs.
    pub(super) fn put_broker_list(&mut self, path: &Path, bytes: Vec<u8>, access: &super::FileAccess) -> Result<()> {
        if !self.world.inventory.emitted.contains_key(&emitted_name(path)) {
            let event = self.emitted_event(path, crate::x509::sha256_hex(&bytes))?;
            self.events.push(event);
        }
        self.put_if_changed(path, bytes, layout::PUBLIC_FILE, access)
    }

    /// Lists that the broker has no use for any more; those that somebody else put there stay.
    pub(super) fn drop_former_lists(&mut self, dir: &Path, current: &BTreeSet<PathBuf>) -> Result<()> {
        let lists = dir.join("crls");
        for name in self.world.store.file_names(&lists)? {
            let path = lists.join(name);
            if self.world.inventory.emitted.contains_key(&emitted_name(&path)) && !current.contains(&path) {
                self.removals.push(path);
            }
        }
        Ok(())
    }

    /// A broker that was told to check and no longer should needs a file that takes it back: an advanced.config that stays
    /// on its host goes on checking lists that nobody renews.
    pub(super) fn has_checked(&self, dir: &Path) -> bool {
        let path = emitted_name(&dir.join("advanced.config"));
        self.world.inventory.emitted.contains_key(&path)
    }
}

/// The names under which a broker looks for the list; openssl's own, where it differs, for people and other programs.
fn hashes(name: &str, crl: &Crl) -> Result<Vec<String>> {
    let Some(erlang) = crl.issuer().erlang_hash() else {
        return Err(Error::failed(format!(
            "RabbitMQ cannot look up the revocation list of authority {}: its subject {} joins attributes with +, at which \
             Erlang fails",
            ui::quote(name),
            ui::quote(&crl.issuer().to_string())
        ))
        .hint("take revocation = true out, or let clients be issued by an authority with another subject"));
    };
    let openssl = crl.issuer().openssl_hash();
    Ok(if openssl == erlang { vec![erlang] } else { vec![erlang, openssl] })
}
