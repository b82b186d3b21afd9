//! The catalogue: certificates that are right, and certificates with one thing wrong, each as a chain with the bundle and
//! the name that it is judged by.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose as Eku,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose as Usage, NameConstraints, PublicKeyData, RsaKeySize,
    SanType, SubjectPublicKeyInfo,
};
use time::{Duration, OffsetDateTime};

use super::real::Question;
use crate::support::{TempDir, openssl};

/// The name that most cases are asked for.
pub(super) const HOST: &str = "rabbit.example.com";

/// One question to a verifier.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// `server` or `client`.
    pub(super) purpose: &'static str,
    pub(super) host: &'static str,
    pub(super) leaf: String,
    pub(super) untrusted: Vec<String>,
    pub(super) anchors: Vec<String>,
    key: String,
}

impl Case {
    fn new(name: &'static str, ca: &Authority, leaf: CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        Self { key: key.serialize_pem(), ..Self::of(name, ca, ca.sign(&leaf, &key)) }
    }

    fn of(name: &'static str, ca: &Authority, leaf: String) -> Self {
        let (anchors, untrusted) = (vec![ca.root.clone()], ca.between.clone());
        Self { name, purpose: "server", host: HOST, leaf, untrusted, anchors, key: String::new() }
    }

    fn host(mut self, host: &'static str) -> Self {
        self.host = host;
        self
    }

    fn client(mut self) -> Self {
        self.purpose = "client";
        self
    }

    fn anchors(mut self, anchors: &[&str]) -> Self {
        self.anchors = anchors.iter().map(|pem| (*pem).to_owned()).collect();
        self
    }

    /// The directory that the programs read: a list of the cases, and the files of each.
    pub(super) fn write(cases: &[Self], directory: &Path) {
        let mut list = String::new();
        for case in cases {
            case.write_files(&directory.join(case.name));
            list += &case.question().line();
        }
        fs::write(directory.join("cases.tsv"), list).expect("a temporary directory is writable");
    }

    pub(super) fn question(&self) -> Question<'static> {
        let has_untrusted = !self.untrusted.is_empty();
        Question { name: self.name, purpose: self.purpose, host: self.host, about: "chain", has_untrusted }
    }

    fn write_files(&self, directory: &Path) {
        fs::create_dir_all(directory).expect("a temporary directory is writable");
        let untrusted = self.untrusted.concat();
        for (file, text) in [
            ("leaf.pem", &self.leaf),
            ("untrusted.pem", &untrusted),
            ("chain.pem", &(self.leaf.clone() + &untrusted)),
            ("anchors.pem", &self.anchors.concat()),
            ("key.pem", &self.key),
        ] {
            fs::write(directory.join(file), text).expect("a temporary directory is writable");
        }
    }
}

/// Who issues: a root, maybe with authorities below it.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
    root: String,
    between: Vec<String>,
}

impl Authority {
    fn new(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = authority("certgen test root");
        change(&mut params);
        let root = params.self_signed(&key).expect("a root").pem();
        Self { params, key, root, between: Vec::new() }
    }

    fn below(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = authority(name);
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        let mut between = vec![self.sign(&params, &key)];
        between.extend(self.between.iter().cloned());
        Self { params, key, root: self.root.clone(), between }
    }

    fn sign(&self, params: &CertificateParams, key: &impl PublicKeyData) -> String {
        params.signed_by(key, &Issuer::from_params(&self.params, &self.key)).expect("a certificate").pem()
    }
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if !common_name.is_empty() {
        name.push(DnType::CommonName, common_name);
    }
    name
}

fn authority(common_name: &str) -> CertificateParams {
    let now = OffsetDateTime::now_utc();
    let mut params = CertificateParams::default();
    params.distinguished_name = named(common_name);
    (params.not_before, params.not_after) = (now - Duration::days(30), now + Duration::days(300));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![Usage::KeyCertSign, Usage::CrlSign];
    params
}

fn leaf(common_name: &str, names: &[&str]) -> CertificateParams {
    let now = OffsetDateTime::now_utc();
    let mut params = CertificateParams::default();
    params.distinguished_name = named(common_name);
    (params.not_before, params.not_after) = (now - Duration::days(20), now + Duration::days(100));
    params.is_ca = IsCa::ExplicitNoCa;
    params.subject_alt_names = names
        .iter()
        .map(|name| match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName((*name).try_into().expect("ASCII")),
        })
        .collect();
    params.key_usages = vec![Usage::DigitalSignature];
    params.extended_key_usages = vec![Eku::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

/// The plain leaf with one thing changed.
fn changed(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = leaf("server", &[HOST]);
    change(&mut params);
    params
}

fn extension(oid: &[u64], critical: bool, value: &[u8]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, value.to_vec());
    extension.set_criticality(critical);
    extension
}

const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
const SUBJECT_KEY_IDENTIFIER: &[u64] = &[2, 5, 29, 14];

fn only(name: &str) -> Option<NameConstraints> {
    let permitted_subtrees = vec![GeneralSubtree::DnsName(name.to_owned())];
    Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() })
}

/// Everything. A name says what is wrong; `good` is what certgen itself would write.
pub(super) fn all() -> Vec<Case> {
    let plain = Authority::new(|_| {});
    let chained = plain.below("certgen test intermediate", |_| {});
    let mut cases = names(&plain);
    cases.extend(usages(&plain));
    cases.extend(trust(&plain, &chained));
    cases.extend(times(&plain));
    cases.extend(anchors());
    cases.extend(forms(&plain));
    cases.extend(constraints(&plain));
    cases.extend(by_openssl(&plain));
    cases
}

fn names(ca: &Authority) -> Vec<Case> {
    let case = |name, common_name, names: &[&str]| Case::new(name, ca, leaf(common_name, names));
    vec![
        case("good", "server", &[HOST]),
        case("name-other", "server", &["other.example.com"]),
        case("name-in-upper-case", "server", &["RABBIT.example.com"]),
        case("name-only-in-common-name", HOST, &[]),
        case("name-in-common-name-beside-others", HOST, &["other.example.com"]),
        case("name-in-common-name-beside-address", HOST, &["192.0.2.1"]),
        case("wildcard", "server", &["*.example.com"]),
        case("wildcard-in-common-name", "*.example.com", &[]),
        case("wildcard-of-top-level", "server", &["*.local"]).host("rabbit.local"),
        case("wildcard-for-two-labels", "server", &["*.example.com"]).host("a.rabbit.example.com"),
        case("wildcard-in-part-of-label", "server", &["rabbit-*.example.com"]).host("rabbit-1.example.com"),
        case("wildcard-after-letters", "server", &["rabbit*.example.com"]).host("rabbit1.example.com"),
        case("wildcard-for-underscore", "server", &["*.example.com"]).host("rabbit_1.example.com"),
        case("wildcard-in-second-label", "server", &["rabbit.*.example.com"]).host("rabbit.a.example.com"),
        case("address", "server", &["127.0.0.1"]).host("127.0.0.1"),
        case("address-other", "server", &["127.0.0.2"]).host("127.0.0.1"),
        case("address-in-common-name", "127.0.0.1", &[]).host("127.0.0.1"),
        case("name-with-underscore", "server", &["rabbit_1.example.com"]).host("rabbit_1.example.com"),
        case("common-name-of-70-letters", &"n".repeat(70), &[HOST]),
        Case::new("subject-empty", ca, {
            let mut params = leaf("", &[]);
            let name = [&[0x30, 2 + HOST.len() as u8, 0x82, HOST.len() as u8], HOST.as_bytes()].concat();
            params.custom_extensions = vec![extension(&[2, 5, 29, 17], true, &name)];
            params
        }),
        Case::new("address-as-dns-name", ca, {
            let mut params = leaf("server", &[]);
            params.subject_alt_names = vec![SanType::DnsName("127.0.0.1".try_into().expect("ASCII"))];
            params
        })
        .host("127.0.0.1"),
    ]
}

fn usages(ca: &Authority) -> Vec<Case> {
    let usage = |name, usages: &[Eku]| Case::new(name, ca, changed(|p| p.extended_key_usages = usages.to_vec()));
    let key_usage = |name, usages: &[Usage]| Case::new(name, ca, changed(|p| p.key_usages = usages.to_vec()));
    let narrow = ca.below("certgen test narrow", |p| p.extended_key_usages = vec![Eku::ClientAuth]);
    let same = ca.below("certgen test same", |p| p.extended_key_usages = vec![Eku::ServerAuth]);
    let any = ca.below("certgen test any", |p| p.extended_key_usages = vec![Eku::Any]);
    vec![
        usage("usage-client-for-server", &[Eku::ClientAuth]),
        usage("usage-none", &[]),
        usage("usage-any", &[Eku::Any]),
        usage("usage-both", &[Eku::ServerAuth, Eku::ClientAuth]),
        usage("client", &[Eku::ClientAuth]).client(),
        usage("usage-server-for-client", &[Eku::ServerAuth]).client(),
        usage("usage-none-for-client", &[]).client(),
        key_usage("key-usage-none", &[]),
        key_usage("key-usage-without-signature", &[Usage::KeyEncipherment]),
        key_usage("key-usage-with-certificate-signing", &[Usage::DigitalSignature, Usage::KeyCertSign]),
        {
            let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
            let leaf = ca.sign(&changed(|p| p.key_usages = vec![Usage::KeyEncipherment]), &key);
            Case { key: key.serialize_pem(), ..Case::of("rsa-key-usage-without-signature", ca, leaf) }
        },
        Case::new("usage-of-issuer-other", &narrow, changed(|_| {})),
        Case::new("usage-of-issuer-same", &same, changed(|_| {})),
        Case::new("usage-of-issuer-any", &any, changed(|_| {})),
    ]
}

fn trust(plain: &Authority, chained: &Authority) -> Vec<Case> {
    let (stranger, twin) = (Authority::new(|p| p.distinguished_name = named("stranger")), Authority::new(|_| {}));
    let good = |name, ca: &Authority| Case::new(name, ca, changed(|_| {}));
    let key = KeyPair::generate().expect("a key");
    let mut own = leaf(HOST, &[HOST]);
    own.use_authority_key_identifier_extension = false;
    let own = own.self_signed(&key).expect("a certificate").pem();
    let alone = |name| {
        let mut case = Case::of(name, plain, own.clone());
        case.key = key.serialize_pem();
        case
    };
    let mut missing = good("intermediate-missing", chained);
    missing.untrusted.clear();
    let mut pinned = good("leaf-as-anchor", plain);
    pinned.anchors = vec![pinned.leaf.clone()];
    let mut rooted = good("intermediate-and-root-as-anchors", chained);
    rooted.untrusted.clear();
    rooted.anchors.extend(chained.between.iter().cloned());
    let unfit = plain.below("certgen test unfit", |p| p.is_ca = IsCa::ExplicitNoCa);
    let mute = plain.below("certgen test mute", |p| p.key_usages = vec![Usage::DigitalSignature]);
    let mut unknown_root = good("intermediate-of-unknown-root", chained);
    unknown_root.anchors = vec![stranger.root.clone()];
    let mut shown_root = good("root-shown-but-unknown", chained);
    shown_root.anchors = vec![stranger.root.clone()];
    shown_root.untrusted.push(chained.root.clone());
    vec![
        good("intermediate", chained),
        missing,
        pinned,
        rooted,
        unknown_root,
        shown_root,
        good("intermediate-not-an-authority", &unfit),
        good("intermediate-without-certificate-signing", &mute),
        good("authority-unknown", plain).anchors(&[&stranger.root]),
        good("authority-of-same-name", plain).anchors(&[&twin.root]),
        alone("self-signed"),
        alone("self-signed-and-trusted").anchors(&[&own]),
        good("intermediate-as-anchor", chained).anchors(&[&chained.between[0]]),
    ]
}

fn times(plain: &Authority) -> Vec<Case> {
    let now = OffsetDateTime::now_utc();
    let ended = Authority::new(|p| p.not_after = now - Duration::days(1));
    let ended_below = plain.below("certgen test old", |p| p.not_after = now - Duration::days(1));
    vec![
        Case::new("expired", plain, changed(|p| p.not_after = now - Duration::days(1))),
        Case::new("not-yet-valid", plain, changed(|p| p.not_before = now + Duration::hours(1))),
        Case::new("root-expired", &ended, changed(|_| {})),
        Case::new("intermediate-expired", &ended_below, changed(|_| {})),
    ]
}

/// The trust anchor itself is wrong.
fn anchors() -> Vec<Case> {
    let bare = |p: &mut CertificateParams, basic_constraints: Option<(bool, &[u8])>| {
        p.is_ca = IsCa::NoCa;
        let value = basic_constraints.map(|(critical, value)| extension(BASIC_CONSTRAINTS, critical, value));
        p.custom_extensions.extend(value);
    };
    let identified = |p: &mut CertificateParams| {
        p.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![1; 20]);
        let value = [&[4, 20][..], &[1; 20]].concat();
        p.custom_extensions.push(extension(SUBJECT_KEY_IDENTIFIER, false, &value));
    };
    const AUTHORITY: &[u8] = &[0x30, 3, 1, 1, 0xff];
    let root = |name, change: &dyn Fn(&mut CertificateParams)| {
        Case::new(name, &Authority::new(|p| change(p)), changed(|_| {}))
    };
    vec![
        root("root-without-key-usage", &|p| p.key_usages.clear()),
        root("root-without-certificate-signing", &|p| p.key_usages = vec![Usage::DigitalSignature, Usage::CrlSign]),
        root("root-without-key-identifier", &|p| bare(p, Some((true, AUTHORITY)))),
        root("root-without-basic-constraints", &|p| {
            identified(p);
            bare(p, None);
        }),
        root("root-not-an-authority", &|p| {
            identified(p);
            bare(p, Some((true, &[0x30, 0])));
        }),
        root("root-basic-constraints-not-critical", &|p| {
            identified(p);
            bare(p, Some((false, AUTHORITY)));
        }),
        root("root-with-unknown-critical-extension", &|p| {
            p.custom_extensions.push(extension(&[1, 2, 3, 4], true, &[5, 0]));
        }),
    ]
}

fn forms(ca: &Authority) -> Vec<Case> {
    let case = |name, change: &dyn Fn(&mut CertificateParams)| Case::new(name, ca, changed(|p| change(p)));
    vec![
        case("leaf-is-an-authority", &|p| {
            p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            p.key_usages = vec![Usage::DigitalSignature, Usage::KeyCertSign];
        }),
        case("leaf-without-authority-key-identifier", &|p| p.use_authority_key_identifier_extension = false),
        case("leaf-with-other-authority-key-identifier", &|p| {
            p.use_authority_key_identifier_extension = false;
            let value = [&[0x30, 22, 0x80, 20][..], &[7; 20]].concat();
            p.custom_extensions.push(extension(&[2, 5, 29, 35], false, &value));
        }),
        case("leaf-with-unknown-critical-extension", &|p| {
            p.custom_extensions.push(extension(&[1, 2, 3, 4], true, &[5, 0]));
        }),
        case("leaf-with-unknown-extension", &|p| {
            p.custom_extensions.push(extension(&[1, 2, 3, 4], false, &[5, 0]));
        }),
    ]
}

fn constraints(plain: &Authority) -> Vec<Case> {
    let short = Authority::new(|p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let shallow = plain.below("certgen test shallow", |p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let inside = Authority::new(|p| p.name_constraints = only("example.com"));
    let outside = Authority::new(|p| p.name_constraints = only("example.org"));
    let outside_below = plain.below("certgen test elsewhere", |p| p.name_constraints = only("example.org"));
    let dotted_below = plain.below("certgen test dotted", |p| p.name_constraints = only(".example.com"));
    let user = |name, ca: &Authority, common_name: &str| {
        let mut params = leaf(common_name, &[]);
        params.extended_key_usages = vec![Eku::ClientAuth];
        Case::new(name, ca, params).client()
    };
    let good = |name, ca: &Authority| Case::new(name, ca, changed(|_| {}));
    vec![
        good("path-length-of-root-exceeded", &short.below("certgen test intermediate", |_| {})),
        good("path-length-of-intermediate-exceeded", &shallow.below("certgen test deep", |_| {})),
        good("name-constraints-of-root-kept", &inside),
        good("name-constraints-of-root-broken", &outside),
        good("name-constraints-of-intermediate-broken", &outside_below),
        good("name-constraints-with-a-dot-kept", &dotted_below),
        user("name-constraints-and-a-user", &outside, "celery_worker"),
        user("name-constraints-and-a-user-like-a-host", &outside, "worker.example.com"),
    ]
}

/// What no careful library makes: a short RSA key, SHA-1, version 1.
fn by_openssl(ca: &Authority) -> Vec<Case> {
    let directory = TempDir::new();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let run = |args: &[&str]| {
        openssl(args.iter().map(|arg| if arg.contains('.') { path(arg) } else { (*arg).to_owned() })).accepted();
    };
    let read = |name: &str| fs::read_to_string(path(name)).expect("openssl wrote it");
    fs::write(path("ca.pem"), &ca.root).expect("a temporary directory is writable");
    fs::write(path("ca.key"), ca.key.serialize_pem()).expect("a temporary directory is writable");
    let extensions = format!(
        "subjectAltName=DNS:{HOST}\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n\
         extendedKeyUsage=serverAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    );
    fs::write(path("leaf.ext"), &extensions).expect("a temporary directory is writable");
    run(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", "short.key"]);
    run(&["pkey", "-in", "short.key", "-pubout", "-out", "short.pub"]);
    run(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "leaf.key"]);
    run(&["req", "-new", "-key", "leaf.key", "-subj", "/CN=server", "-out", "leaf.csr"]);
    let sign = ["x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "4711"];
    run(&[&sign[..], &["-sha1", "-extfile", "leaf.ext", "-out", "sha1.pem"]].concat());
    fs::write(path("client.ext"), extensions.replace("serverAuth", "clientAuth")).expect("a directory of ours");
    run(&[&sign[..], &["-sha1", "-extfile", "client.ext", "-out", "client.pem"]].concat());
    run(&["req", "-new", "-key", "leaf.key", "-subj", &format!("/CN={}", HOST.replace('.', "-")), "-out", "v1.csr"]);
    run(&[&sign[..], &["-out", "v1.pem"]].concat());
    let short = SubjectPublicKeyInfo::from_pem(&read("short.pub")).expect("openssl wrote a key");
    let with = |name, leaf: String, key: &str| {
        let mut case = Case::of(name, ca, leaf);
        case.key = read(key);
        case
    };
    vec![
        with("rsa-of-1024-bits", ca.sign(&changed(|_| {}), &short), "short.key"),
        with("signed-with-sha-1", read("sha1.pem"), "leaf.key"),
        with("signed-with-sha-1-for-client", read("client.pem"), "leaf.key").client(),
        with("version-1", read("v1.pem"), "leaf.key").host("server"),
    ]
}

/// The pair of the one who judges clients.
pub(in crate::interop) fn judge(directory: &Path) {
    let ca = Authority::new(|_| {});
    Case::new("judge", &ca, leaf("judge", &["judge.example.com"])).write_files(directory);
}
