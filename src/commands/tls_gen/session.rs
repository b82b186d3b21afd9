//! The targets `server` and `client`: a pair in use.

use super::Run;
use crate::error::{Context, Error, Result};
use crate::probe::{self, Credentials, Input, Talk, Target};
use crate::profile::Role;
use crate::tls_gen::{self, Pair, ROOT_CERTIFICATE};
use crate::x509::Certificate;

/// Where a server listens: pairs like these are for this machine, unless somebody says otherwise.
const LISTEN: &str = "127.0.0.1";
/// Whom a client looks for.
const HOST: &str = "localhost";

impl Run<'_> {
    /// Serves until the input has ended and was heard.
    pub(super) fn serve(&mut self) -> Result<()> {
        let identity = self.identity(Role::Server)?;
        let host = self.host.clone().unwrap_or_else(|| LISTEN.to_owned());
        let listener = probe::listen(&host, self.port)?;
        let address = listener.local_addr()?;
        self.env.say(format!("listening on {address}; ends with standard input, or with Ctrl-C"));
        let mut input = Input::new(std::io::stdin());
        self.talk(|talk| probe::serve(&listener, &identity, &mut input, talk))
    }

    /// Connects and talks until one side ends.
    pub(super) fn connect(&mut self) -> Result<()> {
        let identity = self.identity(Role::Client)?;
        let anchors = Certificate::all_from_pem(&self.place.read(ROOT_CERTIFICATE)?).context(|| ROOT_CERTIFICATE)?;
        let host = self.host.clone().unwrap_or_else(|| HOST.to_owned());
        let target: Target = format!("{host}:{}", self.port).parse()?;
        // Every server of tls-gen is localhost too; a name that is no host's is in no certificate.
        let name = self.settings.cn.alternative_name().filter(|_| self.settings.cn_is_given);
        let name = match name {
            Some(crate::x509::GeneralName::Dns(name)) if !name.is_wildcard() => name.as_str().to_owned(),
            Some(crate::x509::GeneralName::Ip(address)) => address.to_string(),
            _ => HOST.to_owned(),
        };
        let mut input = Input::new(std::io::stdin());
        self.talk(|talk| probe::connect_to(&target, &name, &anchors, &identity, &mut input, talk))
    }

    /// What is heard goes to standard output at once, what is known to standard error.
    fn talk(&mut self, converse: impl FnOnce(&mut Talk<'_>) -> Result<()>) -> Result<()> {
        let env = std::cell::RefCell::new(&mut *self.env);
        let mut heard = |octets: &[u8]| {
            let mut env = env.borrow_mut();
            env.out().write_all(octets)?;
            env.out().flush().map_err(Error::from)
        };
        let mut note = |sentence: String| env.borrow_mut().say(crate::ui::sentence(&sentence));
        converse(&mut Talk { heard: &mut heard, note: &mut note })
    }

    /// The pair of a role with the intermediates that a peer needs.
    fn identity(&self, role: Role) -> Result<Credentials> {
        let pair = self.profile.pairs().iter().find(|pair| pair.role == role);
        let pair: &Pair = pair.ok_or_else(|| self.no_pair())?;
        let cn = self.common_names(pair)?.into_iter().next().ok_or_else(|| self.no_pair())?;
        let names = pair.files(self.profile, &cn);
        let leaf =
            Certificate::from_pem(&self.place.read(&names.certificate)?).context(|| names.certificate.clone())?;
        let password = self.settings.password.as_ref().map(|password| password.as_str());
        let key = tls_gen::read_key(&self.place.read(&names.key)?, &names.key, password)?;
        let mut chain = vec![leaf];
        if let Some(file) = self.profile.chain_files().iter().find(|file| Some(file.nearest) == pair.issuer) {
            let above = Certificate::all_from_pem(&self.place.read(file.name)?).context(|| file.name)?;
            chain.extend(above.into_iter().filter(|certificate| !certificate.is_self_issued()));
        }
        Credentials::new(chain, &key)
    }
}
