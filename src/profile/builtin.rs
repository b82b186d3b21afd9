//! The profiles that come with the program, and those that people bring.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::nearest;
use super::template::{Context, Setting, Template};
use crate::error::{Error, Result};
use crate::ui;
use crate::x509::sha256_hex;

/// A commented manifest from which `init` starts.
#[derive(Debug, Clone)]
pub struct Profile {
    name: String,
    template: Template,
    /// The hash of its text, when somebody wrote it.
    sha256: Option<String>,
}

/// The default first, then by distance from it, then the shapes of tls-gen.
const TEXTS: [(&str, &str); 9] = [
    ("rabbitmq", include_str!("../../profiles/rabbitmq.toml")),
    ("cluster", include_str!("../../profiles/cluster.toml")),
    ("kubernetes", include_str!("../../profiles/kubernetes.toml")),
    ("celery", include_str!("../../profiles/celery.toml")),
    ("mqtt", include_str!("../../profiles/mqtt.toml")),
    ("basic", include_str!("../../profiles/basic.toml")),
    ("one-intermediate", include_str!("../../profiles/one-intermediate.toml")),
    ("separate-intermediates", include_str!("../../profiles/separate-intermediates.toml")),
    ("two-shared-intermediates", include_str!("../../profiles/two-shared-intermediates.toml")),
];

static BUILTIN: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    let read = |(name, text)| Profile::read(name, text).expect("the built-in profiles are read by a test");
    TEXTS.into_iter().map(read).collect()
});

/// The profile that `init` takes where nobody names one.
pub const DEFAULT: &str = "rabbitmq";

/// The profiles that come with the program, the default one first.
pub fn builtin() -> &'static [Profile] {
    &BUILTIN
}

impl Profile {
    /// The built-in profile of that name; a dash may be written as an underscore.
    pub fn find(name: &str) -> Result<&'static Self> {
        let wanted = name.replace('_', "-");
        builtin().iter().find(|profile| profile.name == wanted).ok_or_else(|| {
            let message = format!("there is no profile {}", ui::quote(name));
            let names = builtin().iter().map(|profile| profile.name.as_str());
            let error = match nearest(&wanted, names.clone()) {
                Some(meant) => Error::usage(format!("{message}: did you mean {meant:?}?")),
                None => Error::usage(message),
            };
            error.hint(format!("profiles: {}, or the path of a file", names.collect::<Vec<_>>().join(", ")))
        })
    }

    /// A profile from a file that somebody wrote: any manifest is one, with blanks or without.
    pub fn read(name: &str, text: &str) -> Result<Self> {
        let template = Template::read(text).map_err(|e| e.context(format!("profile {}", ui::quote(name))))?;
        Ok(Self { name: name.to_owned(), template, sha256: None })
    }

    /// The same from a file, which may be another tomorrow and be called by another path.
    pub fn from_file(name: &str, text: &str) -> Result<Self> {
        Ok(Self { sha256: Some(sha256_hex(text.as_bytes())), ..Self::read(name, text)? })
    }

    /// The hash of the text of a profile that somebody wrote: what tells it from others. One that comes with the program
    /// has none and goes by its name.
    pub fn sha256(&self) -> Option<&str> {
        self.sha256.as_deref()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for, in one line.
    pub fn summary(&self) -> &str {
        &self.template.summary
    }

    /// What `--set` can change.
    pub fn settings(&self) -> &[Setting] {
        &self.template.settings
    }

    /// The manifest with its blanks filled. Whether it can be followed is for `manifest` to say.
    pub fn render(&self, given: &BTreeMap<String, String>, context: &Context) -> Result<String> {
        self.template.render(given, context).map_err(|e| e.context(format!("profile {}", ui::quote(&self.name))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{InterNodeTls, Manifest, Role};
    use crate::x509::Duration;

    fn manifest(name: &str, given: &[(&str, &str)]) -> Manifest {
        let given = given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let text = Profile::find(name).unwrap().render(&given, &context()).unwrap();
        Manifest::parse(&text, "certgen.toml").unwrap_or_else(|e| panic!("{name}: {e}\n{text}"))
    }

    fn context() -> Context {
        Context { host_name: "rabbit-1.example.com".into() }
    }

    fn names(manifest: &Manifest, role: Role) -> Vec<&str> {
        manifest.entries().iter().filter(|e| e.role == role).map(|e| e.name.as_str()).collect()
    }

    #[test]
    fn every_profile_is_a_manifest_that_can_be_followed() {
        for profile in builtin() {
            let text = profile.render(&BTreeMap::new(), &context()).unwrap();
            Manifest::parse(&text, "certgen.toml").unwrap_or_else(|e| panic!("{}: {e}\n{text}", profile.name()));
            assert!(!text.contains("{{") && !text.contains("# set:") && !text.contains("# each:"), "{text}");
            assert!(!profile.summary().is_empty() && profile.summary().len() < 100, "{}", profile.name());
            assert!(text.lines().all(|line| line.len() <= 110), "{}", profile.name());
            for setting in profile.settings() {
                assert!(!setting.help.is_empty() && !setting.required, "{} {}", profile.name(), setting.key);
            }
        }
    }

    #[test]
    fn every_profile_works_on_a_host_with_a_short_name_or_none() {
        for profile in builtin() {
            for host in ["localhost", "build"] {
                let text = profile.render(&BTreeMap::new(), &Context { host_name: host.into() }).unwrap();
                Manifest::parse(&text, "certgen.toml")
                    .unwrap_or_else(|e| panic!("{} {host}: {e}\n{text}", profile.name()));
            }
        }
    }

    #[test]
    fn a_profile_begins_with_its_summary_and_its_version() {
        let text = Profile::find("basic").unwrap().render(&BTreeMap::new(), &context()).unwrap();
        let wanted = concat!(
            "# tls-gen's basic shape: one root, one server, one client.\n#\n",
            "# Every key is described in certgen.toml(5).\n\nversion = 1\n\n[authority.root]\n",
            "common_name = \"certgen root\"\n\n[server.\"rabbit-1.example.com\"]\n",
            "san = [\"localhost\", \"127.0.0.1\", \"::1\"]\n\n[client.client]\n",
        );
        assert_eq!(text, wanted);
    }

    #[test]
    fn profiles_are_found_in_either_spelling() {
        assert_eq!(Profile::find("one_intermediate").unwrap().name(), "one-intermediate");
        assert_eq!(builtin()[0].name(), DEFAULT);
        let error = Profile::find("clutser").unwrap_err();
        assert_eq!(error.message(), r#"there is no profile "clutser": did you mean "cluster"?"#);
    }

    #[test]
    fn the_default_is_one_node_on_this_host() {
        let manifest = manifest("rabbitmq", &[]);
        let san: Vec<_> = manifest.entries()[0].san.iter().map(ToString::to_string).collect();
        assert_eq!(san, ["DNS:rabbit-1.example.com", "DNS:rabbit-1", "DNS:localhost", "IP:127.0.0.1", "IP:::1"]);
        assert_eq!((manifest.authorities().len(), manifest.entries().len(), manifest.brokers().len()), (1, 1, 1));
        assert_eq!(manifest.brokers()[0].inter_node_tls, InterNodeTls::Off);
    }

    #[test]
    fn trust_is_split_where_a_listeners_anchor_could_join_the_cluster() {
        for name in ["cluster", "kubernetes", "mqtt"] {
            let manifest = manifest(name, &[]);
            assert_eq!(manifest.default_issuer(Role::Node), Some("nodes"), "{name}");
            assert_eq!(manifest.default_issuer(Role::Client), Some("clients"), "{name}");
            assert!(manifest.authorities().iter().all(|authority| authority.is_root()), "{name}");
        }
        for (name, inter_node) in
            [("cluster", InterNodeTls::File), ("kubernetes", InterNodeTls::File), ("mqtt", InterNodeTls::Off)]
        {
            assert_eq!(manifest(name, &[]).brokers()[0].inter_node_tls, inter_node, "{name}");
        }
    }

    #[test]
    fn a_cluster_has_a_node_for_each_host() {
        let manifest = manifest("cluster", &[("nodes", "a.example, b.example")]);
        assert_eq!(names(&manifest, Role::Node), ["a.example", "b.example"]);
        let broker = &manifest.brokers()[0];
        assert_eq!(broker.nodes, ["rabbit@a.example", "rabbit@b.example"]);
        assert!(broker.longnames && broker.certificates.len() == 2);
    }

    #[test]
    fn a_cluster_on_kubernetes_has_one_certificate_for_all_pods() {
        let given = [
            ("namespace", "rabbitmq"),
            ("cluster", "rabbitmq"),
            ("headless_service", "rabbitmq-nodes-svc"),
            ("replicas", "5"),
        ];
        let manifest = manifest("kubernetes", &given);
        let node = &manifest.entries()[0];
        for host in ["xxx-rabbit-server-0.rabbitmq-nodes-svc.rabbitmq.svc.cluster.local", "rabbitmq.rabbitmq.svc"] {
            assert!(node.covers(host), "{host}");
        }
        assert_eq!(node.kubernetes.as_ref().unwrap().replicas(), Some(5));
    }

    #[test]
    fn celery_has_a_worker_and_a_client_and_the_name_of_the_compose_service() {
        let manifest = manifest("celery", &[]);
        assert_eq!(names(&manifest, Role::Client), ["celery_worker", "celery_client"]);
        assert!(manifest.entries()[0].has_exact_name("rabbitmq"));
        let user = manifest.entry(Role::Client, "celery_worker").unwrap().user.as_ref().unwrap();
        assert!(user.tags.is_empty() && user.vhosts.len() == 1);
    }

    #[test]
    fn devices_outlive_the_usual_authority() {
        let manifest = manifest("mqtt", &[("devices", "thermometer-1,thermometer-2")]);
        assert_eq!(names(&manifest, Role::Client), ["thermometer-1", "thermometer-2"]);
        assert!(manifest.authority("clients").unwrap().validity > Duration::days(3650));
        assert!(manifest.brokers()[0].has_plugin("rabbitmq_mqtt"));
    }

    #[test]
    fn hostile_values_stay_data() {
        for hostile in ["a\"]\n[client.evil]\n#", "a.example\" = 1", "' # \\", "{{host}}", "a\u{202e}b"] {
            for profile in builtin() {
                for setting in profile.settings() {
                    let given = BTreeMap::from([(setting.key.clone(), hostile.to_owned())]);
                    let Ok(text) = profile.render(&given, &context()) else { continue };
                    let table: toml::Table =
                        toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}\n{text}", profile.name()));
                    assert!(table.get("client").is_none_or(|clients| clients.get("evil").is_none()), "{text}");
                }
            }
        }
    }
}
