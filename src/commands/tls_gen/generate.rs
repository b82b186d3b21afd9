//! The targets that write: `gen`, `regen`, `gen-client`, `gen-server`, `alias-leaf-artifacts`, `clean`, `gen-crl`.

use std::path::{Path, PathBuf};

use time::Duration;

use super::Run;
use super::place::{Moved, State};
use crate::commands::shared;
use crate::error::{Context, Error, Result};
use crate::plan::BACKDATED;
use crate::profile::Role;
use crate::tls_gen::{self, Authorities, CommonName, File, NewAuthorities, NewPair, Pair};
use crate::ui;
use crate::x509::{Certificate, Crl, CrlTemplate, RevokedCertificate};

/// As long as the lists of `certgen crl`.
const LIST_LIFETIME: Duration = Duration::days(30);

impl Run<'_> {
    /// The authorities that are there sign new pairs; where there are none, everything is made.
    pub(super) fn generate(&mut self) -> Result<()> {
        if self.force || self.place.state()? != State::Tree {
            return self.regenerate();
        }
        self.env
            .say(format!("{} holds an authority already: it signs", ui::path(self.env.shown(&self.place.results()))));
        self.add(|_| true)
    }

    /// Everything anew.
    pub(super) fn regenerate(&mut self) -> Result<()> {
        let state = self.place.state()?;
        if state == State::Other {
            self.refuse_taken()?;
        }
        if self.force {
            self.place.refuse_foreign_previous()?;
        }
        let new = Authorities::make(self.profile, &self.settings, &self.publication, self.env.now, BACKDATED)?;
        let NewAuthorities { authorities, mut results, beside } = new;
        results.extend(self.pairs(&authorities, |_| true)?);
        let written = match state {
            State::Tree if self.force => {
                let written = self.place.put(&results, &beside, self.modes, true)?;
                self.tell_dropped(&self.place.results());
                written
            }
            State::Absent | State::Tree => {
                self.refuse_moving_where_we_are()?;
                let (written, moved) = self.place.create(&results, &beside, self.modes).map_err(Self::if_mounted)?;
                self.tell_moved(&moved);
                written
            }
            State::Other => self.place.put(&results, &beside, self.modes, false)?,
        };
        self.drop_previous()?;
        self.tell_signed(&written)
    }

    /// Some pairs more, from the authorities that are there.
    pub(super) fn add(&mut self, wanted: impl Fn(&Pair) -> bool) -> Result<()> {
        let authorities = self.authorities()?;
        let files = self.pairs(&authorities, wanted)?;
        let written = self.place.put(&files, &[], self.modes, false)?;
        self.tell_signed(&written)
    }

    /// `gen-client` and `gen-server`
    pub(super) fn add_role(&mut self, role: Role) -> Result<()> {
        self.add(|pair| pair.role == role)
    }

    fn pairs(&mut self, authorities: &Authorities, wanted: impl Fn(&Pair) -> bool) -> Result<Vec<File>> {
        let mut files = Vec::new();
        for pair in self.profile.pairs().iter().filter(|pair| wanted(pair)) {
            let made = NewPair::make(*pair, authorities, &self.settings, self.env.now, BACKDATED)?;
            made.notes.iter().for_each(|note| self.env.say(note));
            files.extend(made.files(self.profile, &self.settings, self.aliases)?);
        }
        Ok(files)
    }

    fn authorities(&self) -> Result<Authorities> {
        if self.place.state()? != State::Tree {
            let shown = ui::path(self.env.shown(&self.place.results()));
            return Err(Error::failed(format!("there is no authority in {shown} that could sign"))
                .hint(format!("make one first: certgen tls-gen {} gen", self.profile)));
        }
        let password = self.settings.password.as_ref().map(|password| password.as_str());
        let (result, beside) = (|name: &str| self.place.read(name), |name: &str| self.place.read_beside(name));
        Authorities::read(self.profile, password, &self.publication, &result, &beside)
    }

    /// Copies without the common name in their names.
    pub(super) fn alias(&mut self) -> Result<()> {
        let mut files = Vec::new();
        for pair in self.profile.pairs() {
            let Some([certificate, key]) = pair.aliases(self.profile) else { continue };
            let Some(cn) = self.newest(pair)? else { continue };
            let from = pair.files(self.profile, &cn);
            files.push(File::public(certificate, self.place.read(&from.certificate)?.to_vec()));
            files.push(File::secret(key, self.place.read(&from.key)?));
        }
        if !self.profile.names_files_by_common_name() {
            self.env.say(format!("{} has no host in the names of its files: there is nothing to copy", self.profile));
            return Ok(());
        }
        if files.is_empty() {
            return Err(self.no_pair());
        }
        let (same, files): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|file| self.place.has_already(file, self.modes));
        let written = self.place.put(&files, &[], self.modes, false)?;
        self.tell_written(&written)?;
        same.iter().try_for_each(|file| self.tell("unchanged", &self.place.results().join(&file.path)))
    }

    /// The name that was given; without one, the machine's, or that of the pair made last.
    fn newest(&self, pair: &Pair) -> Result<Option<CommonName>> {
        let mut dated = Vec::new();
        for cn in self.common_names(pair)? {
            let bytes = self.place.read(&pair.files(self.profile, &cn).certificate)?;
            let made = Certificate::from_pem(&bytes).map(|certificate| certificate.validity().not_before).ok();
            dated.push((made, cn));
        }
        // Of several made in one second the last by name: the answer depends on nothing else.
        Ok(dated
            .into_iter()
            .max_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.as_str().cmp(b.1.as_str())))
            .map(|(_, cn)| cn))
    }

    /// The common names of which there is a pair: the one that was given or is the machine's, else all.
    pub(super) fn common_names(&self, pair: &Pair) -> Result<Vec<CommonName>> {
        let names = self.place.names()?;
        let own = pair.files(self.profile, &self.settings.cn).certificate;
        if names.contains(&own) {
            return Ok(vec![self.settings.cn.clone()]);
        }
        let all = tls_gen::common_names(pair.stem, names.iter().map(String::as_str));
        Ok(if self.settings.cn_is_given { Vec::new() } else { all })
    }

    pub(super) fn no_pair(&self) -> Error {
        let shown = ui::path(self.env.shown(&self.place.results()));
        let whose = match self.settings.cn_is_given {
            true => format!(" for CN {}", ui::quote(self.settings.cn.as_str())),
            false => String::new(),
        };
        Error::failed(format!("there is no pair in {shown}{whose}"))
            .hint(format!("make one: certgen tls-gen {} gen", self.profile))
    }

    /// Takes the tree away.
    pub(super) fn clean(&mut self) -> Result<()> {
        let state = self.place.state()?;
        if self.force {
            self.place.refuse_foreign_previous()?;
        }
        if state == State::Tree && !self.force {
            self.refuse_moving_where_we_are()?;
            let moved = self.place.move_away().map_err(Self::if_mounted)?;
            self.tell_moved(&moved);
            return Ok(());
        }
        // Without an authority nothing is lost but what can be made again.
        for gone in self.place.strip()? {
            self.tell("removed", &gone)?;
        }
        self.drop_previous()
    }

    /// A list for each authority. What an older one has revoked stays.
    pub(super) fn generate_lists(&mut self) -> Result<()> {
        let authorities = self.authorities()?;
        let mut files = Vec::new();
        for (issuer, name) in authorities.with_lists() {
            let pem = format!("{name}.crl.pem");
            let old = self.place.names()?.contains(&pem).then(|| self.place.read(&pem)).transpose()?;
            let (number, revoked) =
                old.map_or(Ok((1, Vec::new())), |old| carried_over(&old, &pem, issuer.certificate()))?;
            let (this_update, next_update) = (self.env.now, self.env.now + LIST_LIFETIME);
            let list = CrlTemplate { this_update, next_update, number, revoked }.sign(&issuer.signer()?)?;
            files.push(File::public(format!("{name}.crl"), list.der().to_vec()));
            files.push(File::public(pem, list.pem().into_bytes()));
        }
        let written = self.place.put(&files, &[], self.modes, false)?;
        self.tell_signed(&written)
    }

    /// The system says no more about it than that it is busy.
    fn if_mounted(error: Error) -> Error {
        if !error.message().contains("busy") {
            return error;
        }
        error.hint("a directory that is mounted cannot be moved: --force drops the tree in it and makes the next there")
    }

    fn tell_signed(&mut self, written: &[PathBuf]) -> Result<()> {
        self.tell_written(written)?;
        shared::tell_clock(self.env);
        Ok(())
    }

    fn refuse_moving_where_we_are(&self) -> Result<()> {
        if !self.place.is_where_we_are() {
            return Ok(());
        }
        Err(Error::failed("the tree in the working directory was not replaced: that directory cannot be moved")
            .hint("run the command above it, or drop the tree with --force"))
    }

    /// Somebody's files are not written over, be it an authority that lost its root.
    fn refuse_taken(&self) -> Result<()> {
        let Some(taken) = self.place.taken()?.filter(|_| !self.force) else { return Ok(()) };
        let (shown, results) = (ui::path(self.env.shown(&taken)), self.place.results());
        let results = ui::path(self.env.shown(&results));
        Err(Error::failed(format!("{shown} exists, and there is no root in {results}: it may be of another tool"))
            .hint("name another directory with --out DIR, or write over it with --force"))
    }

    fn drop_previous(&mut self) -> Result<()> {
        if self.force && self.place.drop_previous()? {
            self.tell_dropped(&self.place.previous());
        }
        Ok(())
    }

    fn tell_moved(&mut self, moved: &Moved) {
        if moved.dropped {
            self.tell_dropped(&self.place.previous());
        }
        for (from, to) in &moved.paths {
            let (from, to) = (self.env.shown(from), self.env.shown(to));
            self.env.say(format!("moved {} to {}", ui::path(from), ui::path(to)));
            let (from, to) = (from.display().to_string(), to.display().to_string());
            self.items.push(serde_json::json!({"action": "moved", "path": from, "to": to}));
        }
    }

    fn tell_dropped(&mut self, path: &Path) {
        let shown = self.env.shown(path);
        self.env.say(format!("dropped the older tree in {}", ui::path(shown)));
        self.items.push(serde_json::json!({"action": "dropped", "path": shown.display().to_string()}));
    }
}

/// Number and entries of the next list.
fn carried_over(old: &[u8], name: &str, authority: &Certificate) -> Result<(u128, Vec<RevokedCertificate>)> {
    let list = Crl::from_pem(old).context(|| format!("reading {}", ui::quote(name)))?;
    if !list.is_signed_by(authority) {
        return Err(Error::failed(format!("{name} is a list of another authority")).hint("move it away"));
    }
    Ok((list.number().map_or(1, |number| number.saturating_add(1)), list.revoked().collect()))
}
