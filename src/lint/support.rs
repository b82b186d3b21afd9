//! Passing and failing certificates for the tests of this room.

use super::{Context, Lint, Outcome, Purpose};
use crate::x509::Certificate;
use crate::x509::sample::{Draft, HIERARCHY, Hierarchy, element};

type Case<'a> = (&'a Certificate, Option<&'a Certificate>, Purpose);

pub(super) fn cases_of(hierarchy: &Hierarchy) -> [Case<'_>; 5] {
    let Hierarchy { root, intermediate, server, client, node } = hierarchy;
    [
        (root, None, Purpose::RootAuthority),
        (intermediate, Some(root), Purpose::IntermediateAuthority),
        (server, Some(intermediate), Purpose::Server),
        (client, Some(intermediate), Purpose::Client),
        (node, Some(intermediate), Purpose::Node),
    ]
}

pub(super) fn cases() -> [Case<'static>; 5] {
    cases_of(&HIERARCHY)
}

pub(super) fn context(role: Purpose) -> Context<'static> {
    let (certificate, issuer, role) = cases().into_iter().find(|case| case.2 == role).unwrap();
    Context { certificate, issuer, above: &[], role }
}

/// What is issued passes, whatever its role.
pub(super) fn passes(lint: &Lint) {
    for (certificate, issuer, role) in cases() {
        assert_eq!(lint.check(&Context { certificate, issuer, above: &[], role }), Outcome::Pass, "{role:?}");
    }
}

/// The certificate of this role fails once it is changed.
#[track_caller]
pub(super) fn fails(lint: &Lint, role: Purpose, change: impl FnOnce(&mut Draft)) {
    let context = context(role);
    let mut draft = Draft::of(context.certificate);
    change(&mut draft);
    let certificate = draft.certificate();
    assert_fails(lint, &Context { certificate: &certificate, ..context });
}

/// The certificate of this role fails if this is its issuer.
#[track_caller]
pub(super) fn fails_under(lint: &Lint, role: Purpose, issuer: &Certificate) {
    assert_fails(lint, &Context { issuer: Some(issuer), ..context(role) });
}

#[track_caller]
fn assert_fails(lint: &Lint, context: &Context<'_>) {
    match lint.check(context) {
        Outcome::Pass => panic!("{} passes {:?}", lint.name, context.certificate),
        Outcome::Fail(message) => assert!(!message.ends_with('.') && !message.is_empty(), "{message}"),
    }
}

/// The value of a subject alternative name with these tags and contents.
pub(super) fn general_names(names: &[(u8, &[u8])]) -> Vec<u8> {
    element(0x30, &names.iter().flat_map(|(tag, content)| element(*tag, content)).collect::<Vec<_>>())
}

/// An RSA key whose modulus begins with `first` and has so many octets.
pub(super) fn rsa_key(first: u8, octets: usize, exponent: &[u8]) -> Vec<u8> {
    let mut modulus = vec![0x55; octets];
    modulus[0] = first;
    if first >= 0x80 {
        modulus.insert(0, 0);
    }
    let key = element(0x30, &[element(2, &modulus), element(2, exponent)].concat());
    let identifier = element(0x30, &[&element(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1])[..], &[5, 0]].concat());
    element(0x30, &[identifier, element(3, &[&[0], &key[..]].concat())].concat())
}
