//! The request of somebody whose key is elsewhere.

use std::path::Path;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::profile::Role;
use crate::store;
use crate::ui;
use crate::x509::Csr;

/// The names that a request asks for, said aloud.
pub(super) fn names_of_request(csr: &Csr, role: Role, env: &mut Env) -> Vec<String> {
    let names = names_in_request(csr, role);
    if !names.is_empty() {
        env.say(format!("names from the request: {}", names.join(", ")));
    }
    names
}

/// The names that a request asks for. A client's own name as a host name is dropped: it is a user, not a host.
pub(super) fn names_in_request(csr: &Csr, role: Role) -> Vec<String> {
    let own = csr.subject().common_name().map(|name| format!("dns:{name}"));
    let is_own = |name: &String| role == Role::Client && own.as_ref().is_some_and(|own| name.eq_ignore_ascii_case(own));
    csr.subject_alt_names().iter().map(ToString::to_string).filter(|name| !is_own(name)).collect()
}

pub(super) fn read_csr(path: Option<&Path>, names: &[String], env: &Env) -> Result<Option<Csr>> {
    let Some(path) = path else { return Ok(None) };
    let [name] = names else {
        return Err(Error::usage("--csr goes with exactly one NAME"));
    };
    let file = if path == Path::new("-") { path.to_owned() } else { env.cwd.join(path) };
    let csr = read_request(&store::read_limited(&file, store::INPUT_LIMIT)?, name);
    csr.map(Some).map_err(|e| e.context(format!("the request {}", ui::path(path))))
}

/// Reads a request for `name`. One that asks to be an authority, or for somebody else, is refused.
pub(super) fn read_request(bytes: &[u8], name: &str) -> Result<Csr> {
    let csr = Csr::from_bytes(bytes)?;
    if csr.wants_ca() {
        return Err(
            Error::failed("it asks to be an authority").hint("make the request without CA:TRUE; certgen request does")
        );
    }
    let common_names = csr.subject().common_names();
    if common_names.iter().any(|cn| *cn != name) {
        let found: Vec<String> = common_names.iter().map(|cn| ui::quote(cn)).collect();
        return Err(Error::failed(format!("it is for {}, not for {}", found.join(" and "), ui::quote(name)))
            .hint("issue it under its own name, or have it made anew"));
    }
    Ok(csr)
}
