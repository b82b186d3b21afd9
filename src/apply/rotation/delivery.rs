//! What a phase of a rotation puts into files that are used somewhere else, and what of that is known to have arrived.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Phase, Rotation};
use crate::apply::{Change, Trust, World};
use crate::error::{Error, Result};
use crate::profile::{Role, nearest};
use crate::store::layout::{self, Ca, Generation};
use crate::store::{self, Action, Issued, Location, Moment};
use crate::ui;
use crate::x509::Certificate;

/// What the log calls a broker, to whose hosts revocation lists go.
const BROKER: &str = "broker";
/// And a consumer, whose files have a bundle in them.
const CONSUMER: &str = "emit";

/// Files that have to be where they are used before the next phase is safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The role's word, `broker`, or `emit` for a consumer.
    pub role: String,
    /// Its name; of a broker without one `rabbitmq`, of a consumer its target.
    pub name: String,
    /// The files, relative to the PKI; none where the identity was written elsewhere and nothing of it lies here.
    pub files: Vec<PathBuf>,
    /// The key is not here, or the files were written elsewhere.
    pub elsewhere: bool,
    /// Somebody confirmed that they have arrived.
    pub delivered: bool,
}

impl World {
    /// What the present phase of a rotation puts into files.
    ///
    /// # Errors
    /// An authority that the manifest names does not exist, or a name has no directory name.
    pub fn deliveries(&self, rotation: &Rotation) -> Result<Vec<Delivery>> {
        let Some((began, _)) = self.last_event_about(&rotation.authority, rotation.phase.begins_with()) else {
            return self.delivered_since(Moment::default(), rotation, rotation.phase == Phase::Started);
        };
        self.delivered_since(began, rotation, rotation.phase == Phase::Started)
    }

    /// What the end of the last rotation of an authority left to be put into files: bundles with one authority alone, and
    /// what the same command issued, where there was no overlap. Nothing where it never was rotated.
    ///
    /// # Errors
    /// As [`World::deliveries`].
    pub fn deliveries_after(&self, authority: &str) -> Result<Vec<Delivery>> {
        let Some((ended, event)) = self.last_end(authority) else { return Ok(Vec::new()) };
        let mut members = vec![authority.to_owned()];
        members.extend(self.authorities_below(authority));
        let rotation = Rotation {
            authority: authority.to_owned(),
            members,
            phase: Phase::Started,
            since: event.time.into(),
            goes_back: false,
            is_read_by_others: true,
        };
        self.delivered_since(ended, &rotation, true)
    }

    fn delivered_since(&self, began: Moment, rotation: &Rotation, bundles: bool) -> Result<Vec<Delivery>> {
        let trust = Trust::of(self)?;
        let mut all = Vec::new();
        for (role, name, issued) in self.identities() {
            // Nobody is to be let in with it; but a listener goes on letting others in.
            let is_withdrawn = issued.as_ref().is_some_and(|issued| issued.revoked.is_some());
            let mut files = None;
            if bundles && (!is_withdrawn || role.serves()) {
                files = self.bundles_to_deliver(rotation, role, &name, &trust)?;
            }
            if !is_withdrawn && (!bundles || self.is_of_one_command(began, issued.as_ref())) {
                let pair = self.pair_to_deliver(rotation, began, role, &name, issued.as_ref())?;
                files = files.into_iter().chain(pair).reduce(|bundles, pair| [bundles, pair].concat());
            }
            let Some(files) = files else { continue };
            let since = issued.as_ref().map_or(began, |issued| if bundles { began } else { began.max(issued.event) });
            let key = (role.to_string(), name);
            let delivered = self.confirmed_after(&key.0, &key.1, since);
            let elsewhere = issued.is_some_and(|issued| issued.location != Location::Pki);
            all.push(Delivery { role: key.0, name: key.1, files, elsewhere, delivered });
        }
        if rotation.phase == Phase::Started {
            for broker in self.manifest.brokers().iter().filter(|broker| broker.revocation) {
                let name = broker.name.as_deref().unwrap_or("rabbitmq");
                let files = vec![layout::rabbitmq_dir(broker.name.as_deref())?.join("crls")];
                let delivered = self.confirmed_after(BROKER, name, began);
                all.push(Delivery { role: BROKER.into(), name: name.into(), files, elsewhere: false, delivered });
            }
        }
        if bundles {
            for (target, files) in self.consumers_that_hold(rotation)? {
                let delivered = self.confirmed_after(CONSUMER, &target, began);
                all.push(Delivery { role: CONSUMER.into(), name: target, files, elsewhere: false, delivered });
            }
        }
        Ok(all)
    }

    /// The files of consumers, by target, in which the root of a rotation stands.
    fn consumers_that_hold(&self, rotation: &Rotation) -> Result<BTreeMap<String, Vec<PathBuf>>> {
        let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        let Some(root) = self.authority(&rotation.authority).filter(|ca| ca.is_self_issued()) else {
            return Ok(found);
        };
        // A line of its own PEM, however much a syntax indents it.
        let pem = root.pem();
        let Some(mark) = pem.lines().nth(2) else { return Ok(found) };
        for path in self.inventory.emitted.keys() {
            let Some((target, _)) = path.strip_prefix("emit/").and_then(|rest| rest.split_once('/')) else { continue };
            let bytes = self.store.read_if_exists(path, store::INPUT_LIMIT)?;
            if bytes.is_some_and(|bytes| String::from_utf8_lossy(&bytes).contains(mark)) {
                found.entry(target.to_owned()).or_default().push(path.into());
            }
        }
        Ok(found)
    }

    /// Whether the command that wrote the event at `began` issued this, too.
    fn is_of_one_command(&self, began: Moment, issued: Option<&Issued>) -> bool {
        let time = |at: Moment| self.inventory.event(at).map(|event| event.time);
        issued.is_some_and(|issued| issued.event > began && time(issued.event) == time(began))
    }

    /// The bundles of an identity in which the root of a rotation stands; `None` where there is none.
    fn bundles_to_deliver(
        &self,
        rotation: &Rotation,
        role: Role,
        name: &str,
        trust: &Trust,
    ) -> Result<Option<Vec<PathBuf>>> {
        // Whose root stays needs no new bundle.
        let Some(root) = self.authority(&rotation.authority).filter(|ca| ca.is_self_issued()) else { return Ok(None) };
        let cli = self.entry(role, name).is_some_and(|entry| entry.cli);
        let holds = |anchors: &[Certificate]| anchors.contains(root);
        let bundles: Vec<_> = trust.bundles(role, cli).into_iter().filter(|(_, anchors)| holds(anchors)).collect();
        if bundles.is_empty() {
            return Ok(None);
        }
        let directory = layout::entry_dir(role.as_str(), name)?;
        if !self.store.holds(&directory) {
            return Ok(Some(Vec::new()));
        }
        Ok(Some(bundles.into_iter().map(|(file, _)| directory.join(file)).collect()))
    }

    /// The pair of an identity that the successor signed; `None` where it did not.
    fn pair_to_deliver(
        &self,
        rotation: &Rotation,
        began: Moment,
        role: Role,
        name: &str,
        issued: Option<&Issued>,
    ) -> Result<Option<Vec<PathBuf>>> {
        if let Some(Ok(certificate)) = self.pair(role, name)?.map(|pair| pair.certificate) {
            let by = |ca: &Ca<'_>| {
                ca.generation == Generation::Present && rotation.members.iter().any(|member| member == ca.name)
            };
            // After a rotation was given up, what was never issued again is where it always was.
            let is_new = issued.is_none_or(|issued| issued.event > began);
            if !is_new || !self.issuer_of(&certificate).as_ref().is_some_and(by) {
                return Ok(None);
            }
            let directory = layout::entry_dir(role.as_str(), name)?;
            let names = [Some(role.certificate_file()), Some(role.key_file()), role.combined_file()];
            let files = names.into_iter().flatten().map(|file| directory.join(file));
            return Ok(Some(files.filter(|file| self.store.holds(file)).collect()));
        }
        let new = issued.is_some_and(|issued| rotation.members.contains(&issued.issuer) && issued.event > began);
        Ok(new.then(Vec::new))
    }

    /// Somebody has said after `began` that the files of an identity, broker or consumer have arrived.
    fn confirmed_after(&self, role: &str, name: &str, began: Moment) -> bool {
        let delivered = self.inventory.history(role, name).and_then(|history| history.delivered);
        delivered.is_some_and(|at| at > began)
    }
}

impl Change<'_> {
    /// Records that the files which `named` are about have arrived: `ROLE/NAME`, `NAME`, a role for all of it.
    ///
    /// # Errors
    /// A word names nothing that is to be delivered.
    pub fn confirm(&mut self, deliveries: &mut [Delivery], named: &[String]) -> Result<()> {
        for word in named {
            let means = |d: &Delivery| word == &d.role || word == &d.name || *word == format!("{}/{}", d.role, d.name);
            if !deliveries.iter().any(means) {
                let known: Vec<String> = deliveries.iter().map(|d| format!("{}/{}", d.role, d.name)).collect();
                let mut error = Error::failed(format!("--delivered {}: there is no such delivery", ui::quote(word)));
                if let Some(near) = nearest(word, known.iter().map(String::as_str)) {
                    error = error.hint(format!("did you mean {}?", ui::shell(near)));
                }
                return Err(error.hint("see what is to be delivered with certgen rotate status"));
            }
            let mut events = Vec::new();
            for delivery in deliveries.iter_mut().filter(|d| means(d) && !d.delivered) {
                delivery.delivered = true;
                events.push(self.event(Action::Delivered, &delivery.role, &delivery.name)?);
            }
            self.events.extend(events);
        }
        Ok(())
    }
}
