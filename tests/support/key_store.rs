//! Key stores for tests, written as `certgen` writes them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use certgen::keystore::{Entry, Pkcs12Form, Store, write_jks, write_pkcs12};
use certgen::x509::{Certificate, PrivateKey, fill_random};

use super::World;

/// The certificates of `client/NAME` with a root behind them, and its key.
pub(crate) fn pair(world: &World, name: &str, alias: Option<&str>) -> Entry {
    let file = |file: &str| fs::read(world.pki(format!("client/{name}/{file}"))).expect("it was made");
    let mut chain = Certificate::all_from_pem(&file("client_certificate.pem")).expect("certificates");
    chain.push(root(world));
    let key = PrivateKey::from_pem(&file("client_key.pem"), None).expect("a key");
    Entry::Pair { alias: alias.map(str::to_owned), key: key.pkcs8_der().to_vec().into(), chain }
}

pub(crate) fn root(world: &World) -> Certificate {
    let pem = fs::read(world.pki("ca/root/ca_certificate.pem")).expect("it was made");
    Certificate::from_pem(&pem).expect("a certificate")
}

/// A file of that name that its owner alone reads; `.jks` is Java's own.
pub(crate) fn write(world: &World, file: &str, password: &str, entries: Vec<Entry>) {
    let store = Store { entries };
    let bytes = if file.ends_with(".jks") {
        write_jks(&store, password, time::OffsetDateTime::UNIX_EPOCH, &mut fill_random)
    } else {
        write_pkcs12(&store, password, Pkcs12Form::Modern { iterations: 2048 }, &mut fill_random)
    };
    let path = world.write(file, bytes.expect("it can be written"));
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is ours");
}
