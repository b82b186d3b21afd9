//! What differs between the manifest and what exists, as an ordered list of steps.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::apply::{Change, NameRefusals, Order, World};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::{Authority, Entry};
use crate::plan::{self, Act, Reason, Step, Thing};
use crate::profile::Role;
use crate::store::layout::{self, Generation};
use crate::store::{self, Location, OutputFile, Owner};
use crate::ui;

use super::AuthorityState;

/// What may be planned beyond the ordinary.
#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    /// What once stood in the manifest and does no longer is revoked and taken out.
    pub prune: bool,
    /// Authorities that may be made although there is a PKI already.
    pub create: Vec<String>,
}

/// What is to be done, in order.
#[derive(Default)]
pub struct Plan {
    /// Every step, those that are left to somebody's decision last.
    pub steps: Vec<Step>,
    pub(super) authorities: Vec<Authority>,
    pub(super) orders: Vec<Order>,
    pub(super) insecure: Vec<Entry>,
    pub(super) insecure_keys: Vec<PathBuf>,
    pub(super) lists: Vec<(String, Generation)>,
    pub(super) unwanted: Vec<(Role, String)>,
    /// Authorities that somebody has to ask for.
    pub(super) missing: Vec<String>,
}

impl Plan {
    /// The steps that change something.
    pub fn to_do(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.act != Act::Leave)
    }

    /// What somebody has to decide: these steps change nothing.
    pub fn left(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.act == Act::Leave)
    }

    /// Whether everything is as the manifest says, as far as that is certgen's to decide.
    pub fn is_done(&self) -> bool {
        self.missing.is_empty() && self.to_do().next().is_none()
    }

    /// The identities that are taken out.
    pub fn unwanted(&self) -> &[(Role, String)] {
        &self.unwanted
    }

    /// What stays as it is comes last.
    fn order(&mut self) {
        self.steps.sort_by_key(|step| step.act == Act::Leave);
    }
}

impl World {
    /// Compares the manifest with what exists. Files that follow from certificates and manifest are compared by
    /// [`Change::plan_files`].
    ///
    /// # Errors
    /// The manifest asks for what is refused before anything is signed, or a file cannot be read.
    pub fn plan(&self, options: &PlanOptions, env: &Env) -> Result<Plan> {
        let mut plan = Plan::default();
        self.refuse_unknown_authorities(&options.create)?;
        self.plan_authorities(&mut plan, options, env)?;
        let mut refusals = NameRefusals::new(self);
        for entry in self.manifest.entries() {
            refusals.privileged_user(entry)?;
            refusals.case_twin(entry)?;
            self.plan_identity(&mut plan, entry, env)?;
        }
        self.plan_unwanted(&mut plan, options);
        self.plan_lists(&mut plan, env)?;
        plan.order();
        Ok(plan)
    }

    fn refuse_unknown_authorities(&self, names: &[String]) -> Result<()> {
        for name in names {
            if self.manifest.authority(name).is_none() {
                let known: Vec<&str> = self.manifest.authorities().iter().map(|a| a.name.as_str()).collect();
                let error = Error::failed(format!("certgen.toml has no authority {}", ui::quote(name)));
                return Err(match crate::profile::nearest(name, known.iter().copied()) {
                    Some(near) => error.hint(format!("did you mean {near}?")),
                    None => error.hint(format!("it has {}", known.join(", "))),
                });
            }
        }
        Ok(())
    }

    /// No certificate lies here and none was ever issued.
    fn is_bare(&self) -> bool {
        self.authorities.is_empty() && self.directories().is_empty() && self.identities().next().is_none()
    }

    fn plan_authorities(&self, plan: &mut Plan, options: &PlanOptions, env: &Env) -> Result<()> {
        let is_bare = self.is_bare();
        for authority in self.authorities_in_order() {
            let name = authority.name.clone();
            let thing = Thing::Authority(name.clone());
            if self.authority(&name).is_none() {
                let missing = Step::new(Act::Create, thing.clone(), Reason::Missing);
                let may = is_bare || options.create.contains(&name);
                match self.refuse_existing_authority(&name) {
                    Err(e) => {
                        plan.steps.push(left(thing, &e));
                        plan.missing.push(name);
                    }
                    Ok(()) if !may => {
                        plan.steps.push(Step { act: Act::Leave, ..missing }.hint(how_to_create(&name)));
                        plan.missing.push(name);
                    }
                    Ok(()) => {
                        plan.steps.push(missing);
                        plan.authorities.push(authority);
                    }
                }
                continue;
            }
            let reasons = self.authority_reasons(&authority);
            if !reasons.is_empty() {
                let reasons = reasons.iter().map(ToString::to_string).collect();
                let replace = format!("an authority is replaced, not changed: {}", self.how_to_replace(&name, env));
                let step = Step { act: Act::Leave, thing: thing.clone(), reasons, hints: Vec::new() };
                plan.steps.push(step.hint(replace));
            }
            let key = layout::ca_key(&name)?;
            let is_open = |facts: store::FileFacts| facts.is_wider_than(layout::PRIVATE_FILE);
            if self.authority_state(&name) == AuthorityState::Here
                && store::facts(&self.store.path(&key)).is_some_and(is_open)
            {
                plan.steps.push(Step::new(Act::Secure, thing, "others may read its key"));
                plan.insecure_keys.push(key);
            }
        }
        Ok(())
    }

    fn plan_identity(&self, plan: &mut Plan, entry: &Entry, env: &Env) -> Result<()> {
        let thing = Thing::Identity(entry.role, entry.name.clone());
        let (reasons, current) = self.judge(entry, env)?;
        if self.is_withdrawn(entry) || reasons.contains(&Reason::Revoked) {
            let again = format!("certgen issue {} {} --force", entry.role, ui::shell(&entry.name));
            plan.steps.push(
                Step::new(Act::Leave, thing, Reason::Revoked)
                    .hint(format!("take it out of certgen.toml, or issue it again: {again}")),
            );
            return Ok(());
        }
        if reasons.is_empty() {
            let mut wrong = self.access_reasons(entry)?;
            wrong.extend(self.combined_fault(entry.role, &entry.name)?.map(|(fault, _)| fault));
            if !wrong.is_empty() {
                plan.steps.push(Step { act: Act::Secure, thing, reasons: wrong, hints: Vec::new() });
                plan.insecure.push(entry.clone());
            }
            return Ok(());
        }
        let stays = self
            .refuse_key_elsewhere(entry)
            .and_then(|()| self.refuse_pair_elsewhere(entry))
            .and_then(|()| self.refuse_leaked(entry, env))
            .and_then(|()| self.refuse_missing_issuer(entry, plan))
            .and_then(|()| self.refuse_unfit_authority(&entry.issuer));
        if let Err(e) = stays {
            plan.steps.push(left(thing, &e));
            return Ok(());
        }
        let act = if reasons.contains(&Reason::Missing) { Act::Issue } else { Act::Reissue };
        let reasons = reasons.iter().map(ToString::to_string).collect();
        plan.steps.push(Step { act, thing, reasons, hints: Vec::new() });
        plan.orders.push(Order { replaces: current.filter(|_| act == Act::Reissue), ..Order::new(entry.clone()) });
        Ok(())
    }

    /// What was written to another place is written there again by whoever knows the place.
    fn refuse_pair_elsewhere(&self, entry: &Entry) -> Result<()> {
        let current = self.inventory.current(entry.role.as_str(), &entry.name);
        if current.is_none_or(|issued| !matches!(issued.location, Location::Out | Location::Archive)) {
            return Ok(());
        }
        Err(Error::failed(format!(
            "{} {} was not issued: its pair was written to another place",
            entry.role,
            ui::quote(&entry.name)
        ))
        .hint(format!("say where: certgen issue {} {} --out DIR --force", entry.role, ui::shell(&entry.name))))
    }

    /// Nothing is signed by an authority that this plan does not make.
    fn refuse_missing_issuer(&self, entry: &Entry, plan: &Plan) -> Result<()> {
        if plan.authorities.iter().any(|authority| authority.name == entry.issuer) {
            return Ok(());
        }
        self.authority_certificate(&entry.issuer).map(drop)
    }

    /// Modes and owners of a pair that are not those of its entry.
    fn access_reasons(&self, entry: &Entry) -> Result<Vec<String>> {
        let mut reasons = Vec::new();
        let owner = entry.owner.as_deref().map(Owner::parse).transpose()?;
        let Some(wanted) = self.access_of(entry)? else { return Ok(reasons) };
        for (path, mode) in wanted {
            let Some(is) = store::facts(&self.store.path(&path)) else { continue };
            let name = path.file_name().map(|name| ui::path(Path::new(name))).unwrap_or_default();
            if !is.fits(mode, None) {
                reasons.push(format!("mode of {name}: is {:04o}, should be {mode:04o}", is.mode));
            } else if !is.fits(mode, owner.as_ref()) {
                reasons.push(format!("owner of {name}: should be {}", entry.owner.as_deref().unwrap_or_default()));
            }
        }
        Ok(reasons)
    }

    /// The directory of an identity and its files with the modes that they should have; none where its key is not here:
    /// such a directory comes from version control, which knows neither.
    pub(super) fn access_of(&self, entry: &Entry) -> Result<Option<Vec<(PathBuf, u32)>>> {
        let directory = layout::entry_dir(entry.role.as_str(), &entry.name)?;
        if !self.store.holds(directory.join(entry.role.key_file())) {
            return Ok(None);
        }
        let mut wanted = vec![(directory.clone(), layout::entry_dir_mode(entry.key_mode))];
        let secret = [Some(entry.role.key_file()), entry.role.combined_file()].into_iter().flatten();
        wanted.extend(secret.map(|file| (directory.join(file), entry.key_mode)));
        wanted.push((directory.join(entry.role.certificate_file()), layout::PUBLIC_FILE));
        wanted.retain(|(path, _)| self.store.holds(path));
        Ok(Some(wanted))
    }

    fn plan_unwanted(&self, plan: &mut Plan, options: &PlanOptions) {
        for (role, name, issued) in self.identities() {
            if self.manifest.entry(role, &name).is_some() || issued.is_none_or(|issued| !issued.managed) {
                continue;
            }
            let step = Step::new(Act::Prune, Thing::Identity(role, name.clone()), "certgen.toml has it no longer");
            if options.prune {
                plan.steps.push(step);
                plan.unwanted.push((role, name));
            } else {
                plan.steps
                    .push(Step { act: Act::Leave, ..step }.hint("to revoke it and take it out: certgen apply --prune"));
            }
        }
    }

    fn plan_lists(&self, plan: &mut Plan, env: &Env) -> Result<()> {
        if self.authorities.is_empty() {
            return Ok(());
        }
        for ca in self.listed_authorities()? {
            let list = self.revocation_list_of(&ca)?;
            let reason = match &list {
                None => "there is none yet",
                Some(list) if plan::list_is_due(list.this_update(), list.next_update(), env.now) => "it is due",
                Some(_) => continue,
            };
            let step = Step::new(Act::Write, Thing::File(layout::crl(&ca)?), reason);
            if self.authority_state(&ca) == AuthorityState::Elsewhere {
                plan.steps.push(
                    Step { act: Act::Leave, ..step }
                        .hint("run certgen crl where the authority's key is, and certgen import crl.pem here"),
                );
            } else {
                plan.steps.push(step);
                plan.lists.push(ca);
            }
        }
        Ok(())
    }
}

impl Change<'_> {
    /// Adds the files that follow from certificates and manifest and are not as they should be, and those that somebody
    /// edited. To be called on a change that is not committed: it is done by writing all of them.
    ///
    /// # Errors
    /// A fact is missing, or a file cannot be read.
    pub fn plan_files(&mut self, plan: &mut Plan) -> Result<()> {
        if !(plan.authorities.is_empty() && plan.missing.is_empty()) || self.world.authorities().next().is_none() {
            // Everything follows: there is nothing to compare yet.
            return Ok(());
        }
        let trust = self.trust()?;
        self.refresh(&trust)?;
        self.plan_written(plan);
        for edited in &self.done.edited {
            let path = edited.file.strip_prefix(self.world.store.root()).unwrap_or(&edited.file).to_owned();
            let step = Step::new(Act::Leave, Thing::File(path), "somebody edited it");
            plan.steps.push(
                step.hint(
                    "to see its text and certgen's: certgen apply --diff; to have certgen's: certgen apply --force",
                ),
            );
        }
        plan.order();
        Ok(())
    }

    /// Adds the files that this change writes and takes away, those of new identities aside.
    pub fn plan_written(&self, plan: &mut Plan) {
        let told: BTreeSet<PathBuf> = plan.steps.iter().filter_map(Step::place).collect();
        let is_new =
            |path: &&PathBuf| !path.ancestors().any(|above| told.contains(above)) && !path.starts_with("history");
        for file in self.files.iter().filter(|file| is_new(&&file.path)) {
            let reason = self.why_written(file);
            plan.steps.push(Step::new(Act::Write, Thing::File(file.path.clone()), reason));
        }
        for path in self.removals.iter().filter(is_new) {
            plan.steps.push(Step::new(Act::Remove, Thing::File(path.clone()), "nothing needs it any more"));
        }
        plan.order();
    }

    fn why_written(&self, file: &OutputFile) -> String {
        let is_beside = file.path.extension().is_some_and(|extension| extension == "new");
        match store::facts(&self.world.store.path(&file.path)) {
            _ if is_beside => "the file beside it was edited, and certgen's text for it is another".to_owned(),
            None => "it does not exist".to_owned(),
            Some(_) => match self.world.store.read(&file.path) {
                Ok(old) if *old == *file.bytes => "its mode or owner differs".to_owned(),
                _ => "it is out of date".to_owned(),
            },
        }
    }

    /// What `certgen` would write and what lies there, where the two differ: path, old text, new text. Beside files that
    /// somebody edited, the text that waits in `FILE.new`; no file with secrets.
    pub fn texts(&self) -> Vec<(PathBuf, Option<Vec<u8>>, Vec<u8>)> {
        let root = self.world.store.root();
        let read = |path: &Path| self.world.store.read(path).ok().map(|bytes| bytes.to_vec());
        let beside = |path: &Path| PathBuf::from(format!("{}.new", path.display()));
        let edited: Vec<PathBuf> =
            self.done.edited.iter().map(|e| e.file.strip_prefix(root).unwrap_or(&e.file).to_owned()).collect();
        let is_secret = |file: &OutputFile| file.mode & 0o004 == 0;
        let written =
            self.files.iter().filter(|file| !is_secret(file) && !edited.iter().any(|e| beside(e) == file.path));
        let written = written.map(|file| (file.path.clone(), read(&file.path), file.bytes.to_vec()));
        let waiting = edited.iter().filter_map(|path| {
            let staged = self.files.iter().find(|file| file.path == beside(path));
            let open = store::facts(&self.world.store.path(path)).is_some_and(|is| is.mode & 0o004 != 0);
            let new = staged.map(|file| file.bytes.to_vec()).or_else(|| read(&beside(path)))?;
            open.then(|| (path.clone(), read(path), new))
        });
        written.chain(waiting).collect()
    }
}

impl Step {
    /// Where its files are; of what is left alone, nowhere.
    fn place(&self) -> Option<PathBuf> {
        match &self.thing {
            _ if self.act == Act::Leave => None,
            Thing::Authority(name) => layout::ca_dir(name).ok(),
            Thing::Identity(role, name) => layout::entry_dir(role.as_str(), name).ok(),
            Thing::File(path) => Some(path.clone()),
        }
    }
}

pub(super) fn how_to_create(name: &str) -> String {
    format!("to make it: certgen apply --create-authority {}", ui::shell(name))
}

/// Something that is not done, because it is refused.
fn left(thing: Thing, why: &Error) -> Step {
    let step = Step::new(Act::Leave, thing, why.message());
    why.hints().iter().fold(step, |step, hint| step.hint(hint.clone()))
}
