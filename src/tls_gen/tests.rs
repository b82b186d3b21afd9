//! What is made, as a whole.

use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::*;
use crate::issuer::Publication;
use crate::profile::Role;
use crate::x509::{Certificate, KeyUsage};

const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

fn settings(variables: &[(&str, &str)]) -> Settings {
    let mut all = Variables::default();
    // Elliptic curves are quicker to make.
    all.set("USE_ECC", "true").unwrap();
    variables.iter().for_each(|(name, value)| all.set(name, value).unwrap());
    Settings::new(&all, "build-host").unwrap()
}

fn made(profile: Profile, settings: &Settings) -> (NewAuthorities, Vec<NewPair>) {
    let new = Authorities::make(profile, settings, &Publication::default(), NOW, Duration::HOUR).unwrap();
    let make = |pair: &Pair| NewPair::make(*pair, &new.authorities, settings, NOW, Duration::HOUR).unwrap();
    let pairs = profile.pairs().iter().map(make).collect();
    (new, pairs)
}

fn names(files: &[File]) -> Vec<&str> {
    files.iter().map(|file| file.path.as_str()).collect()
}

#[test]
fn every_profile_has_the_files_and_subjects_of_tls_gen() {
    for (profile, results, beside) in [
        (Profile::Basic, &["ca_certificate.pem", "ca_key.pem"][..], &[][..]),
        (
            Profile::OneIntermediate,
            &["ca_certificate.pem", "ca_key.pem", "chained_ca_certificate.pem"],
            &["intermediate_ca_1/certs/cacert.pem", "intermediate_ca_1/private/cakey.pem"],
        ),
        (
            Profile::SeparateIntermediates,
            &[
                "ca_certificate.pem",
                "ca_key.pem",
                "chained_server_ca_certificate.pem",
                "chained_client_ca_certificate.pem",
            ],
            &[
                "intermediate_ca_server/certs/cacert.pem",
                "intermediate_ca_server/private/cakey.pem",
                "intermediate_ca_client/certs/cacert.pem",
                "intermediate_ca_client/private/cakey.pem",
            ],
        ),
        (
            Profile::TwoSharedIntermediates,
            &["ca_certificate.pem", "ca_key.pem", "chained_ca_certificate.pem"],
            &[
                "intermediate_ca_1/certs/cacert.pem",
                "intermediate_ca_1/private/cakey.pem",
                "intermediate_ca_2/certs/cacert.pem",
                "intermediate_ca_2/private/cakey.pem",
            ],
        ),
    ] {
        let settings = settings(&[("CN", "localhost")]);
        let (new, pairs) = made(profile, &settings);
        assert_eq!((names(&new.results).as_slice(), names(&new.beside).as_slice()), (results, beside), "{profile}");
        assert!(new.results.iter().chain(&new.beside).all(|file| file.secret == file.path.ends_with("key.pem")));
        let root = Certificate::from_pem(&new.results[0].bytes).unwrap();
        let subject: Vec<_> = root.subject().attributes().map(|a| (&*a.short_name, a.value.as_str())).collect();
        assert!(subject[0].1.starts_with("TLSGenSelfSignedRootCA 2026-03-01T12:00:00 "), "{subject:?}");
        assert_eq!(subject[1], ("L", "$$$$"));
        for pair in &pairs {
            let subject: Vec<_> = pair.certificate.subject().attributes().map(|a| a.value.clone()).collect();
            assert_eq!(subject, ["localhost", pair.pair.stem]);
            assert!(pair.certificate.is_signed_by(&pair.issuer) && pair.notes.is_empty());
        }
    }
}

#[test]
fn chain_files_lead_from_the_nearest_authority_to_the_root() {
    let (new, pairs) = made(Profile::TwoSharedIntermediates, &settings(&[]));
    let chain = Certificate::all_from_pem(&new.results[2].bytes).unwrap();
    let organizations: Vec<_> = chain.iter().map(|c| c.subject().attributes().last().unwrap().value.clone()).collect();
    assert_eq!(organizations, ["Intermediate CA 2", "Intermediate CA 1", "$$$$"]);
    assert_eq!(pairs[0].issuer, chain[0]);
    let lengths: Vec<_> = chain.iter().map(|c| c.basic_constraints().unwrap().path_length).collect();
    assert_eq!(lengths, [Some(0), Some(1), None]);
}

#[test]
fn what_was_written_is_read_again_with_its_password_and_no_other() {
    let settings = settings(&[("PASSWORD", "b u'n\"n$ies")]);
    let (new, _) = made(Profile::OneIntermediate, &settings);
    let read = |password: Option<&str>| {
        let find = |files: &[File], name: &str| {
            let file = files.iter().find(|file| file.path == name).expect("all were written");
            Ok(file.bytes.clone())
        };
        let (results, beside) = (|name: &str| find(&new.results, name), |name: &str| find(&new.beside, name));
        Authorities::read(Profile::OneIntermediate, password, &Publication::default(), &results, &beside)
    };
    assert!(new.results[1].bytes.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let again = read(settings.password.as_ref().map(|password| password.as_str())).unwrap();
    assert_eq!(again.issuer(Some(0)).certificate(), new.authorities.issuer(Some(0)).certificate());
    for (password, says) in [(None, "is encrypted"), (Some("other"), "PASSWORD does not open")] {
        let error = read(password).map(drop).unwrap_err();
        assert!(error.message().contains(says), "{error}");
    }
}

#[test]
fn a_long_host_is_in_the_names_alone_and_a_long_user_is_shortened() {
    let host = format!("{}.{}.example.com", "a".repeat(40), "b".repeat(22));
    assert_eq!(host.len(), 75);
    let (_, pairs) = made(Profile::Basic, &settings(&[("CN", &host)]));
    let subjects: Vec<_> = pairs.iter().map(|pair| pair.certificate.subject().common_name()).collect();
    assert_eq!(subjects[0], None);
    assert_eq!(subjects[1].unwrap().len(), 64);
    for pair in &pairs {
        assert!(pair.certificate.subject_alt_names().unwrap().iter().any(|name| name.covers_host(&host)));
        assert!(pair.notes[0].contains("75 characters"), "{:?}", pair.notes);
    }
    let (_, pairs) = made(Profile::Basic, &settings(&[("CN", &"x".repeat(75))]));
    assert!(pairs.iter().all(|pair| pair.certificate.subject().common_name().unwrap().len() == 64));
}

#[test]
fn a_pair_ends_with_its_authority_at_the_latest() {
    let (new, _) = made(Profile::Basic, &settings(&[("DAYS_OF_VALIDITY", "30")]));
    let longer = settings(&[]);
    let pair = Profile::Basic.pairs()[0];
    let later = NOW + Duration::DAY;
    let made = NewPair::make(pair, &new.authorities, &longer, later, Duration::HOUR).unwrap();
    assert_eq!(made.certificate.validity().not_after, NOW + Duration::days(30));
    assert!(made.notes[0].contains("when its authority does"));
    let error = NewPair::make(pair, &new.authorities, &longer, NOW + Duration::days(31), Duration::HOUR);
    assert!(error.map(drop).unwrap_err().message().contains("its authority is valid from"));
}

#[test]
fn rsa_is_the_default_and_only_servers_encipher() {
    let mut variables = Variables::default();
    variables.set("CN", "localhost").unwrap();
    let (_, pairs) = made(Profile::Basic, &Settings::new(&variables, "host").unwrap());
    for pair in &pairs {
        assert_eq!(pair.certificate.public_key().bits(), 2048);
        let usage = pair.certificate.key_usage().unwrap();
        assert_eq!(usage.contains(KeyUsage::KEY_ENCIPHERMENT), pair.pair.role == Role::Server);
    }
}

#[test]
fn results_are_known_by_their_names() {
    for name in
        ["ca_key.pem", "server_a_b_certificate.pem", "client_key.pem", "client_x.p12", "basic.crl", "basic.crl.pem"]
    {
        assert!(is_result(Profile::Basic, name), "{name}");
    }
    for name in ["README", "server.key", "chained_ca_certificate.pem", "server_x.txt", "other.crl"] {
        assert!(!is_result(Profile::Basic, name), "{name}");
    }
    assert!(is_result(Profile::OneIntermediate, "intermediate_ca_1.crl.pem"));
    assert!(is_result(Profile::OneIntermediate, "server_direct_key.pem"));
    let found =
        common_names("server", ["server_b_certificate.pem", "server_a%2Fc_certificate.pem", "server_certificate.pem"]);
    assert_eq!(found.iter().map(CommonName::as_str).collect::<Vec<_>>(), ["a/c", "b"]);
}
