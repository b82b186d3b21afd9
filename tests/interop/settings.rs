//! RabbitMQ's own reader and schemas as judges of what `doctor` knows about rabbitmq.conf. No broker is started: what they
//! refuse here keeps one from starting.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{World, cache};

const TABLE: &str = include_str!("../../src/doctor/rabbitmq/settings.txt");
const SCRIPT: &str = "tests/interop/settings.escript";

/// The releases of the table, oldest first.
const RELEASES: [&str; 8] = ["3.10", "3.11", "3.12", "3.13", "4.0", "4.1", "4.2", "4.3"];

/// An installed RabbitMQ: the root of its file system, its plugins, and a directory that both it and we see.
struct Installed {
    root: PathBuf,
    plugins: &'static str,
    shared: PathBuf,
}

impl Installed {
    fn of_3_10() -> Self {
        let plugins = "/usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/plugins";
        assert!(Path::new(plugins).is_dir(), "rabbitmq-server 3.10.8 is missing: `tests/run --install` brings it");
        Self::at("/".into(), plugins)
    }

    fn of_4_0() -> Self {
        Self::at(cache::need("trixie"), "/usr/lib/rabbitmq/lib/rabbitmq_server-4.0.5/plugins")
    }

    fn at(root: PathBuf, plugins: &'static str) -> Self {
        let shared = root.join("tmp").join(format!("certgen-settings-{}", std::process::id()));
        fs::create_dir(&shared).expect("a directory can be made");
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(SCRIPT), shared.join("settings.escript"))
            .expect("a script");
        Self { root, plugins, shared }
    }

    /// What the script says, line by line.
    #[track_caller]
    fn ask(&self, with_files: bool) -> Vec<String> {
        let inside = Path::new("/").join(self.shared.strip_prefix(&self.root).expect("it is inside"));
        let mut command = Command::new("chroot");
        command.arg(&self.root).arg("escript").arg(inside.join("settings.escript")).arg(self.plugins);
        if with_files {
            command.arg(&inside);
        }
        let said = command.env("HOME", "/tmp").env("LC_ALL", "C.UTF-8").output().expect("escript runs");
        assert!(
            said.status.success(),
            "{}{}",
            String::from_utf8_lossy(&said.stdout),
            String::from_utf8_lossy(&said.stderr)
        );
        String::from_utf8_lossy(&said.stdout).lines().map(str::to_owned).collect()
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.shared);
    }
}

/// The names that the table has for a release.
fn told(release: &str) -> BTreeSet<String> {
    let place = |text: &str, otherwise: usize| match text {
        "" => otherwise,
        text => RELEASES.iter().position(|known| *known == text).expect("a release of the table"),
    };
    let wanted = place(release, 0);
    let mut names = BTreeSet::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let name = words.next().expect("a name");
        let bounds = words.find_map(|word| word.split_once("..")).unwrap_or_default();
        if (place(bounds.0, 0)..=place(bounds.1, RELEASES.len() - 1)).contains(&wanted) {
            names.insert(name.to_owned());
        }
    }
    names
}

#[track_caller]
fn same_names(installed: &Installed, release: &str) {
    let (ours, theirs) = (told(release), installed.ask(false).into_iter().collect::<BTreeSet<_>>());
    let missing: Vec<_> = theirs.difference(&ours).collect();
    let invented: Vec<_> = ours.difference(&theirs).collect();
    assert!(theirs.len() > 500, "{theirs:?}");
    assert!(missing.is_empty() && invented.is_empty(), "{release}: missing {missing:?}, invented {invented:?}");
}

#[test]
#[ignore = "needs rabbitmq-server 3.10 and 4.0"]
fn the_table_of_settings_is_that_of_the_installed_brokers() {
    same_names(&Installed::of_3_10(), "3.10");
    same_names(&Installed::of_4_0(), "4.0");
}

/// Settings that every release takes.
const GOOD: &[&str] = &[
    "heartbeat = 60 # seconds",
    "  heartbeat  =  60\t# seconds\r",
    "heartbeat=60",
    "# пароль\nheartbeat = 60",
    "include other.conf\nheartbeat = 60",
    "listeners.tcp = none",
    "listeners.ssl = none",
    "listeners.ssl.default = 5671",
    "listeners.ssl.a = 127.0.0.1:5671",
    "listeners.ssl.a = ::1:5671",
    "listeners.ssl.default = 5671\nlisteners.ssl.default = 5673",
    "mqtt.listeners.ssl.default = 8883",
    "ssl_options.verify = verify_peer",
    "ssl_options.fail_if_no_peer_cert = true",
    "ssl_options.depth = 2",
    "ssl_options.versions.1 = tlsv1.3",
    "ssl_options.versions.2 = tlsv1.2",
    "ssl_options.crl_check = peer",
    "ssl_options.crl_check = best_effort",
    "ssl_options.password = pw with space",
    "ssl_options.reuse_sessions = false",
    "ssl_cert_login_from = common_name",
    "ssl_cert_login_san_type = dns",
    "auth_mechanisms.1 = EXTERNAL",
    "mqtt.ssl_cert_login = true",
    "management.ssl.port = 15671",
    "management.ssl.verify = verify_none",
    "management.listener.port = 15671",
    "management.listener.ssl = true",
    "management.listener.ssl_opts.verify = verify_none",
    "connection_max = infinity",
    "vm_memory_high_watermark.relative = 0.4",
    "log.file.level = debug",
    "cluster_formation.classic_config.nodes.1 = rabbit@a",
    "default_user = $(default_vhost)\ndefault_vhost = x",
];

/// Settings that keep every release from starting, and what `doctor` calls them.
const BAD: &[(&str, &str)] = &[
    ("ssl_listeners.tcp.high_water_mark = 1", "setting-unknown"),
    ("ssl_listeners.tcp.backlog = 1", "setting-unknown"),
    ("ssl_certfile = /x", "setting-unknown"),
    ("ssl_keyfile = /x", "setting-unknown"),
    ("ssl_ca_file = /x", "setting-unknown"),
    ("ssl_verify = verify_peer", "setting-unknown"),
    ("ssl_fail_if_no_peer_cert = true", "setting-unknown"),
    ("ssl_options.cacert = /x", "setting-unknown"),
    ("ssl_options.versions = tlsv1.3\nheartbeat = 60", "setting-unknown"),
    ("ssl_options.crl_cache = x", "setting-unknown"),
    ("mqtt.ssl_cert_login_from = common_name", "setting-unknown"),
    ("management.ssl.crl_check = peer", "setting-unknown"),
    ("Heartbeat = 60\nlisteners.tcp = none", "setting-unknown"),
    ("ssl_options.verify = verify_pear", "setting-value"),
    ("ssl_options.fail_if_no_peer_cert = yes", "setting-value"),
    ("ssl_options.crl_check = yes", "setting-value"),
    ("ssl_options.depth = two", "setting-value"),
    ("mqtt.ssl_cert_login = True", "setting-value"),
    ("mqtt.ssl_cert_login = 1", "setting-value"),
    ("ssl_cert_login_from = cn", "setting-value"),
    ("heartbeat = 1.5", "setting-value"),
    ("management.ssl.port = https", "setting-value"),
    ("listeners.tcp = 5672", "setting-value"),
    ("listeners.tcp.default = none", "setting-value"),
    ("listeners.ssl.a = 5671x", "setting-value"),
    ("listeners.ssl.a = localhost:5671", "setting-value"),
    ("listeners.ssl.a = [::1]:5671", "setting-value"),
    ("vm_memory_high_watermark.relative = zz", "setting-value"),
    ("log.file.level = loud", "setting-value"),
    ("heartbeat = 60\nnonsense line", "setting-syntax"),
    ("heartbeat = 60\ndefault user = x", "setting-syntax"),
    ("heartbeat = 60\ndefault_user =", "setting-syntax"),
    ("heartbeat = 60\n= x", "setting-syntax"),
    ("heartbeat = 60\ndefault_user: x", "setting-syntax"),
    ("heartbeat = 60\n%% x", "setting-syntax"),
    ("heartbeat = 60\n[rabbit]", "setting-syntax"),
];

/// What `doctor` finds in a file of these lines.
fn doctor(world: &World, lines: &str) -> BTreeSet<String> {
    let file = world.write("rabbitmq.conf", format!("{lines}\n"));
    let said = world.certgen(["doctor", "--json", &file.display().to_string()]).run();
    let json = said.json();
    let items = json["items"].as_array().expect("items").iter();
    items.filter_map(|item| item["code"].as_str()).map(str::to_owned).collect()
}

#[test]
#[ignore = "needs rabbitmq-server 3.10 and 4.0"]
fn what_doctor_says_of_a_setting_is_what_rabbitmq_says() {
    let world = World::new();
    let fatal = ["setting-unknown", "setting-value", "setting-syntax"];
    let mut wrong = String::new();
    let mut cases: BTreeMap<String, (&str, bool)> = BTreeMap::new();
    for (number, lines) in GOOD.iter().enumerate() {
        let codes = doctor(&world, lines);
        if fatal.iter().any(|code| codes.contains(*code)) {
            wrong += &format!("{lines:?} is good, and doctor says {codes:?}\n");
        }
        cases.insert(format!("good-{number}"), (lines, true));
    }
    for (number, (lines, code)) in BAD.iter().enumerate() {
        let codes = doctor(&world, lines);
        if !codes.contains(*code) {
            wrong += &format!("{lines:?} is {code}, and doctor says {codes:?}\n");
        }
        cases.insert(format!("bad-{number}"), (lines, false));
    }
    for installed in [Installed::of_3_10(), Installed::of_4_0()] {
        for (name, (lines, _)) in &cases {
            fs::write(installed.shared.join(format!("{name}.conf")), format!("{lines}\n")).expect("a shared directory");
        }
        let verdicts = installed.ask(true);
        assert_eq!(verdicts.len(), cases.len(), "{verdicts:?}");
        for verdict in verdicts {
            let (name, said) = verdict.split_once(' ').expect("a name and a verdict");
            let (lines, good) = cases[name];
            if (said == "ok") != good {
                wrong += &format!("{}: {lines:?}: {said}\n", installed.plugins);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
