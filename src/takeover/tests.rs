use std::path::Path;

use time::macros::datetime;

use super::*;
use crate::x509::sample::{Draft, algorithm};
use crate::x509::test_support::{authority, issued, key, leaf, self_signed};
use crate::x509::{CrlTemplate, ExtendedKeyUsage, GeneralName, KeyType, RevocationReason, Signer, oid};

const AT: OffsetDateTime = datetime!(2026-11-28 12:00 UTC);

/// A certificate with its key, as text.
#[derive(Clone)]
struct Made {
    certificate: Certificate,
    key: &'static PrivateKey,
}

impl Made {
    fn pem(&self) -> String {
        self.certificate.pem()
    }

    fn key_pem(&self) -> String {
        self.key.to_pem().to_string()
    }
}

/// One key of the pool for each number.
fn p256(number: usize) -> &'static PrivateKey {
    key(KeyType::EcdsaP256, number)
}

fn root(name: &str, number: usize) -> Made {
    let key = p256(number);
    Made { certificate: self_signed(&authority(name, key), key), key }
}

fn below(issuer: &Made, name: &str, number: usize) -> Made {
    let template = authority(name, p256(number));
    Made { certificate: issued(&template, issuer.key, &issuer.certificate), key: p256(number) }
}

fn end(issuer: &Made, name: &str, usages: &[ExtendedKeyUsage], names: &[&str], number: usize) -> Made {
    let mut template = leaf(name, p256(number));
    template.extended_key_usage = usages.to_vec();
    template.subject_alt_names = names.iter().map(|name| GeneralName::parse(name).unwrap()).collect();
    Made { certificate: issued(&template, issuer.key, &issuer.certificate), key: p256(number) }
}

fn server(issuer: &Made, name: &str, number: usize) -> Made {
    end(issuer, name, &[ExtendedKeyUsage::ServerAuth], &[name], number)
}

fn client(issuer: &Made, name: &str, number: usize) -> Made {
    end(issuer, name, &[ExtendedKeyUsage::ClientAuth], &[], number)
}

/// A draft with a signature of its issuer.
fn signed(draft: Draft, issuer: &PrivateKey) -> Certificate {
    let signature = issuer.sign(draft.certificate().tbs()).unwrap();
    Draft { signature, ..draft }.certificate()
}

fn version_1(certificate: &Certificate, issuer: &PrivateKey) -> Certificate {
    signed(Draft { version: Vec::new(), extensions: Vec::new(), ..Draft::of(certificate) }, issuer)
}

fn tree<B: AsRef<[u8]>>(files: &[(&str, B)]) -> Tree {
    let files = files.iter().map(|(path, bytes)| (PathBuf::from(path), bytes.as_ref().to_vec())).collect();
    Tree { files, unread: Vec::new() }
}

fn taken_with<B: AsRef<[u8]>>(files: &[(&str, B)], passwords: &[&[u8]]) -> Taken {
    take(&tree(files), &Asked { passwords, role: None, at: AT })
}

fn taken<B: AsRef<[u8]>>(files: &[(&str, B)]) -> Taken {
    taken_with(files, &[])
}

/// `ROLE/NAME by AUTHORITY`, with what is missing.
fn told(taken: &Taken) -> Vec<String> {
    let authority = |place: Option<usize>| place.map_or("-", |place| taken.authorities[place].name.as_str());
    let key = |key: &Option<PrivateKey>| if key.is_some() { "" } else { ", no key" };
    let authorities = taken.authorities.iter().map(|found| {
        let replace = found.replace_only.as_ref().map(|why| format!(", replace: {why}")).unwrap_or_default();
        format!("{} by {}{}{replace}", found.name, authority(found.issuer), key(&found.key))
    });
    let pairs = taken.pairs.iter().map(|pair| {
        let revoked = if pair.revoked.is_some() { ", revoked" } else { "" };
        format!("{}/{} by {}{}{revoked}", pair.role, pair.name, authority(pair.issuer), key(&pair.key))
    });
    authorities.chain(pairs).collect()
}

/// The reasons for which something was left, with the file's name in front.
fn left_of(taken: &Taken) -> Vec<String> {
    taken.left.iter().map(|left| format!("{}: {}", left.path.display(), left.why)).collect()
}

#[test]
fn each_tree_is_known_and_its_things_have_names() {
    let ca = root("Example CA", 0);
    let (host, user) = (server(&ca, "rabbit.example.com", 1), client(&ca, "worker", 2));
    let node = end(
        &ca,
        "server.dc1.consul",
        &[ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth],
        &["server.dc1.consul", "localhost"],
        3,
    );
    let (ca_pem, ca_key, host_pem, host_key) = (ca.pem(), ca.key_pem(), host.pem(), host.key_pem());
    let (user_pem, user_key) = (user.pem(), user.key_pem());
    let both = ["root by -", "server/rabbit.example.com by root", "client/worker by root"];
    let json = serde_json::json!({"cert": host_pem, "key": host_key, "csr": ""}).to_string();
    let vault = serde_json::json!({"data": {"certificate": user_pem, "issuing_ca": ca_pem, "ca_chain": [ca_pem],
        "private_key": user_key, "private_key_type": "ec"}})
    .to_string();
    let index = format!("V\t491231235959Z\t\t{}\tunknown\t/CN=rabbit.example.com\n", host.certificate.serial());
    for (maker, files, wanted) in [
        (
            Maker::TlsGen,
            vec![
                ("result/ca_certificate.pem", &ca_pem),
                ("result/ca_key.pem", &ca_key),
                ("result/server_certificate.pem", &host_pem),
                ("result/server_localhost_certificate.pem", &host_pem),
                ("result/server_key.pem", &host_key),
                ("result/client_certificate.pem", &user_pem),
                ("result/client_key.pem", &user_key),
            ],
            &both[..],
        ),
        (
            Maker::EasyRsa,
            vec![
                ("ca.crt", &ca_pem),
                ("private/ca.key", &ca_key),
                ("issued/rabbit.example.com.crt", &host_pem),
                ("private/rabbit.example.com.key", &host_key),
                ("issued/worker.crt", &user_pem),
                ("private/worker.key", &user_key),
                ("index.txt", &index),
            ],
            &both[..],
        ),
        (
            Maker::Mkcert,
            vec![
                ("rootCA.pem", &ca_pem),
                ("rootCA-key.pem", &ca_key),
                ("rabbit.example.com+1.pem", &host_pem),
                ("rabbit.example.com+1-key.pem", &host_key),
            ],
            &both[..2],
        ),
        (
            Maker::Minica,
            vec![
                ("minica.pem", &ca_pem),
                ("minica-key.pem", &ca_key),
                ("rabbit.example.com/cert.pem", &host_pem),
                ("rabbit.example.com/key.pem", &host_key),
            ],
            &both[..2],
        ),
        (
            Maker::Cfssl,
            vec![
                ("ca.pem", &ca_pem),
                ("ca-key.pem", &ca_key),
                ("server.json", &json),
                ("worker.pem", &user_pem),
                ("worker-key.pem", &user_key),
            ],
            &both[..],
        ),
        (
            Maker::OpenSslCa,
            vec![
                ("cacert.pem", &ca_pem),
                ("private/cakey.pem", &ca_key),
                ("newcerts/0A.pem", &host_pem),
                ("index.txt", &index),
            ],
            &["root by -", "server/rabbit.example.com by root, no key"][..],
        ),
        (Maker::Vault, vec![("issued.json", &vault)], &["root by -, no key", "client/worker by root"][..]),
        (
            Maker::Consul,
            vec![
                ("consul-agent-ca.pem", &ca_pem),
                ("consul-agent-ca-key.pem", &ca_key),
                ("dc1-server-consul-0.pem", &node.pem()),
                ("dc1-server-consul-0-key.pem", &node.key_pem()),
            ],
            &["root by -", "node/dc1-server-consul-0 by root"][..],
        ),
    ] {
        let taken = taken(&files);
        assert_eq!(told(&taken), wanted, "{maker:?}");
        assert_eq!(taken.left, [], "{maker:?}");
        let makers: Vec<Maker> = taken.kinds.iter().map(|kind| kind.maker).collect();
        assert!(makers.contains(&maker), "{maker:?}: {makers:?}");
    }
}

#[test]
fn keys_and_issuers_are_found_by_what_they_are_and_not_by_their_names() {
    let (first, second) = (root("Same Name", 0), root("Same Name", 1));
    let (a, b) = (client(&first, "a", 2), client(&second, "b", 3));
    let taken = taken(&[
        ("one.pem", [first.pem(), b.key_pem()].concat()),
        ("a.pem", second.key_pem()),
        ("b_key.pem", [a.pem(), a.key_pem()].concat()),
        ("zz/README", [second.pem(), b.pem()].concat()),
    ]);
    assert_eq!(taken.left, []);
    let [one, two] = taken.authorities.as_slice() else { panic!("{taken:?}") };
    assert_eq!((one.name.as_str(), one.key.is_some()), ("same-name", false));
    assert_eq!(two.name, format!("same-name-{}", two.certificate.public_key().mark()));
    for (pair, issuer) in [(&taken.pairs[0], &first), (&taken.pairs[1], &second)] {
        assert_eq!(taken.authorities[pair.issuer.unwrap()].certificate, issuer.certificate);
        assert_eq!(pair.key.as_ref().unwrap().public_key(), pair.certificate.public_key());
    }
}

#[test]
fn keys_that_belong_to_nothing_are_left() {
    let ca = root("CA", 0);
    let host = server(&ca, "rabbit.example.com", 1);
    let taken = taken(&[
        ("ca.pem", ca.pem()),
        ("server.pem", host.pem()),
        ("server_key.pem", p256(5).to_pem().to_string()),
        ("two.pem", [p256(6).to_pem().as_str(), p256(7).to_pem().as_str()].concat()),
    ]);
    assert_eq!(told(&taken), ["root by -, no key", "server/rabbit.example.com by root, no key"]);
    let stray = "the private key in it (ecdsa-p256) belongs to no certificate here";
    assert_eq!(left_of(&taken), [format!("server_key.pem: {stray}"), format!("two.pem: {stray}")]);
}

#[test]
fn an_intermediate_comes_after_its_issuer_and_chains_are_whole() {
    let ca = root("CA", 0);
    let upper = below(&ca, "Upper", 1);
    let lower = below(&upper, "Lower", 2);
    let host = server(&lower, "rabbit.example.com", 3);
    let whole = taken(&[
        ("a.pem", host.pem()),
        ("b.pem", lower.pem()),
        ("c.pem", upper.pem()),
        ("d.pem", ca.pem()),
        ("k.pem", [ca.key_pem(), upper.key_pem(), lower.key_pem()].concat()),
    ]);
    assert_eq!(told(&whole)[..3], ["root by -", "upper by root", "lower by upper"]);
    assert_eq!(whole.authorities[2].chain.len(), 3);
    let chain = [host.certificate, lower.certificate, upper.certificate];
    assert_eq!(whole.pairs[0].chain, chain);
    let alone = taken(&[("a.pem", chain[0].pem()), ("b.pem", chain[1].pem())]);
    assert_eq!(told(&alone), ["lower by -, no key", "server/rabbit.example.com by lower, no key"]);
    assert!(alone.authorities[0].notes.iter().any(|note| note.contains("\"CN=Upper\" is not in these files")));
}

#[test]
fn roles_are_those_of_the_extended_key_usage_unless_one_is_asked_for() {
    let ca = root("CA", 0);
    let mail = ExtendedKeyUsage::Other("1.3.6.1.5.5.7.3.4".into());
    let cases = [
        (vec![ExtendedKeyUsage::ServerAuth], "server/x.example.com"),
        (vec![ExtendedKeyUsage::ClientAuth], "client/cn"),
        (vec![ExtendedKeyUsage::ClientAuth, ExtendedKeyUsage::ServerAuth], "node/x.example.com"),
        (vec![], "server/x.example.com"),
        (vec![ExtendedKeyUsage::Any], "server/x.example.com"),
        (vec![mail], ""),
    ];
    for (usages, wanted) in cases {
        let made = end(&ca, "cn", &usages, &["x.example.com"], 1);
        let files = [("ca.pem", ca.pem()), ("leaf.pem", made.pem())];
        let taken = taken(&files);
        let found: Vec<String> = taken.pairs.iter().map(|pair| format!("{}/{}", pair.role, pair.name)).collect();
        assert_eq!(found.concat(), wanted, "{usages:?}");
        assert_eq!(taken.left.is_empty(), !wanted.is_empty(), "{usages:?}");
        let asked = Asked { passwords: &[], role: Some(Role::Client), at: AT };
        assert_eq!(take(&tree(&files), &asked).pairs[0].role, Role::Client, "{usages:?}");
    }
    let guess = |path: &str| taken(&[("ca.pem", ca.pem()), (path, end(&ca, "cn", &[], &[], 1).pem())]).pairs[0].role;
    assert_eq!(
        (guess("server_cert.pem"), guess("worker_cert.pem"), guess("x.pem")),
        (Role::Server, Role::Client, Role::Client)
    );
}

#[test]
fn of_one_name_the_newest_counts() {
    let ca = root("CA", 0);
    let old = client(&ca, "worker", 1);
    let mut template = leaf("worker", p256(2));
    template.extended_key_usage = vec![ExtendedKeyUsage::ClientAuth];
    template.subject_alt_names = Vec::new();
    template.validity.not_after = datetime!(2047-01-01 00:00 UTC);
    let new = Made { certificate: issued(&template, ca.key, &ca.certificate), key: p256(2) };
    let files = |with: &[(&'static str, String)]| {
        let mut files = vec![("ca.pem", ca.pem()), ("ca.key", ca.key_pem())];
        files.extend_from_slice(with);
        taken(&files)
    };
    // The one with a key counts more than the one that lasts longer.
    let one_key = files(&[("old.pem", old.pem()), ("new.pem", new.pem()), ("new.key", new.key_pem())]);
    assert_eq!(told(&one_key), ["root by -", "client/worker by root"]);
    assert_eq!(one_key.pairs[0].certificate, new.certificate);
    assert_eq!(one_key.pairs[0].former, [(old.certificate.clone(), Some(0))]);
    let both =
        files(&[("old.pem", [old.pem(), old.key_pem()].concat()), ("new.pem", [new.pem(), new.key_pem()].concat())]);
    assert_eq!(both.pairs[0].certificate, old.certificate, "it lasts longer");
    assert!(both.pairs[0].notes[0].starts_with("new.pem holds another valid certificate"), "{both:?}");
    assert_eq!(both.left, []);
}

#[test]
fn servers_that_share_a_name_are_called_after_their_files() {
    let ca = root("CA", 0);
    let (one, two) = (server(&ca, "localhost", 1), server(&ca, "localhost", 2));
    let taken = taken(&[
        ("ca.pem", ca.pem()),
        ("server_certificate.pem", one.pem()),
        ("server_key.pem", one.key_pem()),
        ("server_direct/cert.pem", two.pem()),
        ("server_direct/key.pem", two.key_pem()),
    ]);
    assert_eq!(told(&taken)[1..], ["server/localhost by root", "server/server_direct by root"]);
    assert_eq!(taken.pairs[0].certificate, one.certificate);
}

#[test]
fn files_of_two_trees_that_are_called_alike_are_two_identities() {
    let ca = root("Test Root", 0);
    let made: Vec<Made> = (1..5).map(|key| server(&ca, if key < 3 { "a.test" } else { "b.test" }, key)).collect();
    let mut files = vec![("a/ca.pem", ca.pem())];
    let names = ["a/server", "a/server_direct", "b/server", "b/server_direct"];
    let paths: Vec<[String; 2]> = names.iter().map(|name| [format!("{name}.pem"), format!("{name}_key.pem")]).collect();
    for (made, [certificate, key]) in made.iter().zip(&paths) {
        files.extend([(certificate.as_str(), made.pem()), (key, made.key_pem())]);
    }
    let taken = taken(&files);
    let mark = made[3].certificate.public_key().mark();
    let direct = format!("server/server_direct-{mark} by root");
    let wanted = ["server/a.test by root", "server/server_direct by root", "server/b.test by root", &direct];
    assert_eq!(told(&taken)[1..], wanted);
    assert!(taken.pairs.iter().all(|pair| pair.key.is_some() && pair.former.is_empty()));
}

#[test]
fn what_nobody_accepts_is_for_replacement_only() {
    let ca = root("CA", 0);
    let host = server(&ca, "rabbit.example.com", 1);
    let with = |certificate: &Certificate| {
        let files = [("ca.pem", certificate.pem()), ("ca.key", ca.key_pem()), ("server.pem", host.pem())];
        told(&taken(&files))
    };
    assert_eq!(with(&ca.certificate)[0], "root by -");
    let draft = || Draft::of(&ca.certificate);
    let sha1 = algorithm("1.2.840.10045.4.1");
    for (certificate, why) in [
        (version_1(&ca.certificate, ca.key), "it is an X.509 version 1 certificate"),
        (signed(draft().without(oid::BASIC_CONSTRAINTS), ca.key), "its basic constraints do not say CA:TRUE"),
        (
            Draft { inner_algorithm: sha1.clone(), outer_algorithm: sha1, ..draft() }.certificate(),
            "it is signed with SHA-1",
        ),
    ] {
        assert_eq!(with(&certificate)[0], format!("root by -, replace: {why}"));
        assert_eq!(with(&certificate)[1], "server/rabbit.example.com by root, no key", "{why}");
    }
    let mut ended = authority("CA", ca.key);
    ended.validity.not_after = datetime!(2026-01-01 00:00 UTC);
    assert_eq!(with(&self_signed(&ended, ca.key))[0], "root by -, replace: it ended on 2026-01-01 00:00");
}

#[test]
fn an_authority_that_only_the_strict_mind_goes_on_signing() {
    let ca = root("CA", 0);
    let draft = Draft::of(&ca.certificate).without(oid::KEY_USAGE);
    let without = signed(draft, ca.key);
    let taken = taken(&[("ca.pem", without.pem()), ("ca.key", ca.key_pem())]);
    assert_eq!(told(&taken), ["root by -"]);
    let notes = taken.authorities[0].notes.join("\n");
    assert!(
        notes.contains("python refuses what it signs: certificate verify failed: CA cert does not include key usage"),
        "{notes}"
    );
    assert!(notes.contains("key_usage_critical"), "{notes}");
}

/// What mkcert makes: that its authority cannot sign lists is said once, in words.
#[test]
fn an_authority_that_cannot_revoke_is_told_once() {
    let key = p256(0);
    let mut template = authority("mkcert CA", key);
    template.key_usage = crate::x509::KeyUsage::KEY_CERT_SIGN;
    let taken =
        taken(&[("rootCA.pem", self_signed(&template, key).pem()), ("rootCA-key.pem", key.to_pem().to_string())]);
    let notes = taken.authorities[0].notes.join("\n");
    assert!(notes.contains("no cRLSign") && !notes.contains("key_usage_bits"), "{notes}");
}

#[test]
fn the_tree_of_a_published_guide_is_taken_with_the_advice() {
    let ca = root("MyRootCA", 0);
    let (host, user) = (client(&ca, "localhost", 1), client(&ca, "celery_worker", 2));
    let taken = taken(&[
        ("rabbitmq/ca_certificate.pem", ca.pem()),
        ("rabbitmq/server_cert.pem", version_1(&host.certificate, ca.key).pem()),
        ("rabbitmq/server_key.pem", host.key_pem()),
        ("celery-certs/ca_certificate.pem", ca.pem()),
        ("celery-certs/worker_cert.pem", version_1(&user.certificate, ca.key).pem()),
        ("celery-certs/worker_key.pem", user.key_pem()),
    ]);
    assert_eq!(told(&taken), ["root by -, no key", "server/localhost by root", "client/celery_worker by root"]);
    let advice = taken.pairs.iter().map(|pair| pair.reissue.clone().unwrap());
    assert_eq!(
        advice.collect::<Vec<_>>(),
        ["server/localhost", "client/celery_worker"].map(|name| format!(
            "it is an X.509 version 1 certificate, which can name neither hosts nor purposes; certgen renew {name} issues it again"
        ))
    );
}

#[test]
fn revocations_come_from_databases_and_lists() {
    let ca = root("CA", 0);
    let lower = below(&ca, "localhost", 1);
    let (gone, other) = (client(&ca, "gone", 2), client(&lower, "other", 3));
    let list = |number, revoked: Vec<RevokedCertificate>| {
        CrlTemplate { this_update: AT, next_update: AT + time::Duration::DAY, number, revoked }
            .sign(&Signer::authority(ca.key, &ca.certificate).unwrap())
            .unwrap()
    };
    let entry = RevokedCertificate {
        serial: gone.certificate.serial().clone(),
        revocation_time: datetime!(2026-10-01 00:00 UTC),
        reason: None,
        invalidity_date: None,
    };
    let index = format!(
        "R\t491231235959Z\t261001000000Z,keyCompromise\t{}\tunknown\t/CN=gone\n\
         R\t491231235959Z\t261002000000Z\t{}\tunknown\t/CN=other/O=client\n\
         V\t491231235959Z\t\t77\tunknown\t/CN=lost\n",
        gone.certificate.serial(),
        other.certificate.serial()
    );
    let stranger = root("Stranger", 4);
    let strange =
        CrlTemplate { this_update: AT, next_update: AT + time::Duration::DAY, number: 1, revoked: Vec::new() }
            .sign(&Signer::authority(stranger.key, &stranger.certificate).unwrap())
            .unwrap();
    let (newest, older) = (list(9, vec![entry.clone()]), list(8, vec![]));
    let taken = taken(&[
        ("testca/cacert.pem", ca.pem().into_bytes()),
        ("testca/index.txt", index.into_bytes()),
        ("testca/index.txt.old", b"V\t491231235959Z\t\t01\tunknown\t/CN=a\n".to_vec()),
        ("testca/crlnumber", b"0B\n".to_vec()),
        ("testca/serial", b"0B\n".to_vec()),
        ("newest.crl", newest.der().to_vec()),
        ("older.pem", older.pem().into_bytes()),
        ("strange.pem", strange.pem().into_bytes()),
        ("lower.pem", lower.pem().into_bytes()),
        ("gone.pem", gone.pem().into_bytes()),
        ("other.pem", other.pem().into_bytes()),
    ]);
    assert_eq!(
        told(&taken),
        [
            "root by -, no key",
            "localhost by root, no key",
            "client/gone by root, no key, revoked",
            "client/other by localhost, no key, revoked"
        ]
    );
    let [upper, lower] = taken.authorities.as_slice() else { panic!() };
    // The reason stands in the database alone.
    assert_eq!(upper.revoked, [RevokedCertificate { reason: Some(RevocationReason::KeyCompromise), ..entry }]);
    assert_eq!(lower.revoked[0].serial, *other.certificate.serial());
    assert_eq!((upper.crl.as_ref().unwrap().number(), upper.crl_number), (Some(9), Some(10)));
    assert!(upper.notes.iter().any(|note| note.starts_with("testca/index.txt lists 1 certificate of which no file")));
    assert_eq!(
        left_of(&taken),
        [
            "strange.pem: no authority here has signed this revocation list of \"CN=Stranger\"",
            "testca/index.txt.old: it is an earlier copy of a database",
            "testca/serial: it is a counter; serial numbers are random here",
        ]
    );
}

#[test]
fn passwords_are_tried_in_order_and_what_stays_shut_is_told() {
    let ca = root("CA", 0);
    let locked = ca.key.to_encrypted_pem(b"right").unwrap().to_string();
    let files = [("ca.pem", ca.pem()), ("my key.pem", locked.clone()), ("copy.pem", locked)];
    let open = |passwords: &[&[u8]]| taken_with(&files, passwords);
    assert_eq!(told(&open(&[b"wrong", b"right"])), ["root by -"]);
    let opened = open(&[b"wrong", b"right"]);
    assert_eq!((opened.authorities[0].paths.len(), opened.opened, opened.closed.len()), (3, true, 0));
    for (passwords, why) in [
        (&[][..], "the private key in it is encrypted, and no password was given"),
        (&[&b"wrong"[..]], "the password that was given does not open the private key in it"),
        (&[b"wrong", b"\xff"], "none of the 2 passwords that were given opens the private key in it"),
    ] {
        let taken = open(passwords);
        assert_eq!(told(&taken), ["root by -, no key"]);
        assert_eq!(left_of(&taken), [format!("copy.pem: {why}"), format!("my key.pem: {why}")]);
        assert_eq!(taken.left[0].hint.as_deref(), Some("give its password with --key-password-file FILE"));
        assert!(!taken.opened && taken.closed == taken.left, "{:?}", taken.closed);
    }
}

#[test]
fn an_old_encryption_comes_with_the_command_that_converts_it() {
    // EncryptedPrivateKeyInfo with pbeWithMD5AndDES-CBC.
    let der =
        b"\x30\x20\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x03\x30\x0d\x04\x08saltsalt\x02\x01\x10\x04\x02xx";
    let taken = taken(&[("my key.der", &der[..])]);
    assert_eq!(
        left_of(&taken),
        ["my key.der: the private key in it is encrypted with PBES1 (MD5, DES), which is not supported"]
    );
    assert_eq!(
        taken.left[0].hint.as_deref(),
        Some("openssl pkcs8 -topk8 -provider legacy -provider default -in 'my key.der' -out new_key.pem")
    );
    assert_eq!(taken.closed, taken.left);
}

#[test]
fn every_file_that_is_not_taken_has_a_reason() {
    let ca = root("CA", 0);
    let cut = &ca.pem()[..200];
    let damaged = crate::x509::write_pem(&crate::x509::Label::Certificate, b"\x30\x03\x02\x01\x01");
    // PFX with an empty safe, and a MAC of two milliard iterations.
    let pfx = b"\x30\x25\x02\x01\x03\x30\x0f\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x02\x04\x00\x30\x0f\x30\x05\x30\x00\x04\x01x\x04\x00\x02\x04\x7f\xff\xff\xff";
    let large = vec![b'x'; (1 << 20) + 1];
    let files: Vec<(&str, &[u8])> = vec![
        ("ca.pem", cut.as_bytes()),
        ("damaged.pem", damaged.as_bytes()),
        ("empty", b""),
        ("large.txt", &large),
        ("bytes", &[0xff, 0xfe, 0, 1]),
        ("store.p12", pfx),
        ("broken.jks", b"\xfe\xed\xfe\xed\0\0\0\x02\xff\xff\xff\xff"),
        ("notes.txt", b"hello"),
        ("a.json", b"{"),
        ("b.json", b"{\"cert\": 1}"),
        ("c.json", b"{\"cert\": \"-----BEGIN CERTIFICATE-----\\nMAMC\"}"),
        ("id_rsa", b"-----BEGIN OPENSSH PRIVATE KEY-----\nMAA=\n-----END OPENSSH PRIVATE KEY-----\n"),
        ("key.age", b"age-encryption.org/v1\n"),
        ("dh.pem", b"-----BEGIN DH PARAMETERS-----\nMAA=\n-----END DH PARAMETERS-----\n"),
        ("evil\x1b[31m.pem", b"-----BEGIN \x1b[31m-----\nMAA=\n-----END \x1b[31m-----\n"),
    ];
    let taken = taken(&files);
    assert_eq!(told(&taken), Vec::<String>::new());
    let named: std::collections::BTreeSet<&Path> = taken.left.iter().map(|left| left.path.as_path()).collect();
    assert_eq!(named.len(), files.len(), "{:#?}", left_of(&taken));
    let why = |name: &str| left_of(&taken).into_iter().find(|line| line.starts_with(name)).unwrap();
    assert!(why("ca.pem").contains("is missing"), "{}", why("ca.pem"));
    assert!(why("store.p12").contains("too long"), "{}", why("store.p12"));
    assert!(why("large.txt").contains("text without a certificate"), "{}", why("large.txt"));
    assert!(taken.left.iter().all(|left| !left.why.chars().any(char::is_control)));
}

#[test]
fn a_file_of_more_than_64_mib_is_not_looked_into() {
    let bytes = vec![0; (LARGEST_FILE + 1) as usize];
    assert_eq!(left_of(&taken(&[("big", bytes)])), ["big: it is larger than 64 MiB"]);
}

#[test]
fn more_authorities_than_anybody_has_are_left() {
    let bundle: String =
        (0..503).map(|number| self_signed(&authority(&format!("CA {number}"), p256(0)), p256(0)).pem()).collect();
    let taken = taken(&[("bundle.pem", bundle)]);
    assert_eq!((taken.authorities.len(), taken.pairs.len()), (500, 0));
    assert_eq!(left_of(&taken), ["bundle.pem: there are more than 500 authorities in these files"]);
}

#[test]
fn a_ring_of_authorities_that_sign_each_other_has_an_end() {
    let (one, two) = (root("One", 0), root("Two", 1));
    let crossed = |subject: &Made, name: &str, issuer: &Made| Made {
        certificate: issued(&authority(name, subject.key), issuer.key, &issuer.certificate),
        key: subject.key,
    };
    let ring = [crossed(&one, "One", &two).pem(), crossed(&two, "Two", &one).pem()].concat();
    assert_eq!(taken(&[("ring.pem", ring.clone())]).authorities.len(), 2);
    let with_roots = taken(&[("ring.pem", ring), ("roots.pem", [one.pem(), two.pem()].concat())]);
    assert_eq!(told(&with_roots), ["one by -, no key", "two by -, no key"]);
}

#[test]
fn a_certificate_for_a_host_that_signed_itself_is_no_authority() {
    // `openssl req -x509` says CA:TRUE of every certificate that it makes.
    let mut template = authority("localhost", p256(0));
    template.subject_alt_names = vec![GeneralName::parse("localhost").unwrap()];
    let certificate = self_signed(&template, p256(0));
    let taken = taken(&[("server.pem", certificate.pem()), ("server.key", p256(0).to_pem().to_string())]);
    assert_eq!(told(&taken), ["server/localhost by -"]);
    assert!(taken.pairs[0].notes[0].contains("it signed itself"), "{taken:?}");
    assert!(taken.notes[0].contains("no authority"), "{taken:?}");
}

mod hostile {
    use proptest::prelude::*;

    use super::*;

    fn good() -> Vec<(&'static str, Vec<u8>)> {
        let ca = root("CA", 0);
        let user = client(&ca, "a", 1);
        vec![
            ("ca.pem", [ca.pem(), ca.key_pem()].concat().into_bytes()),
            ("a.der", user.certificate.der().to_vec()),
            ("a.key", user.key.to_encrypted_pem(b"p").unwrap().as_bytes().to_vec()),
            ("index.txt", b"R\t491231235959Z\t261001000000Z,keyCompromise\t01\tunknown\t/CN=a\n".to_vec()),
            ("a.json", serde_json::json!({"cert": user.pem(), "key": [user.key_pem()]}).to_string().into_bytes()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn damage_never_panics(file in 0usize..5, cut in 0.0f64..1.0, at in 0.0f64..1.0, byte in any::<u8>()) {
            let mut files = good();
            let bytes = &mut files[file].1;
            let place = |part: f64, bytes: &Vec<u8>| (part * (bytes.len() - 1) as f64) as usize;
            let at = place(at, bytes);
            bytes[at] = byte;
            bytes.truncate(place(cut, bytes) + 1);
            let taken = taken_with(&files, &[b"p"]);
            prop_assert!(taken.left.iter().all(|left| !left.why.chars().any(char::is_control)));
        }

        #[test]
        fn any_bytes_are_left(bytes in proptest::collection::vec(any::<u8>(), 1..200)) {
            let taken = taken(&[("x", bytes)]);
            prop_assert_eq!(taken.left.len(), 1);
        }
    }
}
