//! `emit compose`: the broker in Docker Compose with a Celery worker beside it, and a service that hands each its keys.
//!
//! Compose ignores owner and mode of secrets that are files, the broker in the image is user 999, and only root may give a file
//! away. So a one-shot service, root in a container without network, copies what each needs into a volume for it alone.

use super::endpoint::{Endpoint, Listener};
use super::rabbitmq::BrokerFacts;
use super::settings::{Setting, Settings};
use super::syntax::yaml::compose as scalar;
use super::syntax::{comment, fill, header, shell};
use super::{Broker, Client, Facts, Holds, Identity, OutputFile, Target, Write};
use crate::error::{Error, Result};
use crate::manifest::Platform;
use crate::store;
use crate::ui;

pub(super) const TARGET: Target = Target {
    name: "compose",
    description: "Docker Compose: the broker, a Celery worker beside it, keys handed to each",
    settings: &[
        Setting::with_default("image", "image of the broker", "rabbitmq:4-management"),
        Setting::with_default("owner", "user and group of the broker in its image, as numbers", "999:999"),
        Setting::of_facts(
            "hostname",
            "host name of the broker, in its certificate; else rabbitmq, else that of its node",
        ),
        Setting::with_default("python", "image that the worker is built on", "python:3.13-slim"),
        Setting::with_default("worker_owner", "user and group of the worker, as numbers", "1000:1000"),
        Setting::with_default("module", "module with the tasks, in app/ beside the file", "tasks"),
    ],
    holds: Holds::Certificates,
    next: |facts, _| next(facts),
    write: Write::Once(emit),
};

const VERSIONS: &str = "Docker Compose 2.20 and later and the image rabbitmq";

/// What the files are about.
struct Project<'f> {
    facts: &'f Facts,
    broker: &'f Broker,
    identity: &'f Identity,
    hostname: String,
    workers: Vec<Worker<'f>>,
    settings: &'f Settings,
}

/// A client that has a service.
struct Worker<'f> {
    client: &'f Client,
    /// The name of its directory.
    directory: String,
    /// The name of its service.
    service: String,
}

fn emit(facts: &Facts, settings: &Settings) -> Result<Vec<OutputFile>> {
    let project = Project::of(facts, settings)?;
    let header = header("#", &TARGET, VERSIONS, "[broker], its node and its clients");
    let anchors = comment("#", &["The authorities that sign for the broker: the health check trusts them."]);
    let mut files = vec![
        OutputFile::open("docker-compose.yml", project.file(&header)?),
        OutputFile::open(
            "install-keys.sh",
            fill(include_str!("texts/install-keys.sh"), &header, &project.installed()?),
        ),
        OutputFile::open("servers_ca.pem", format!("{header}{anchors}{}", facts.bundles.servers)),
    ];
    if !project.workers.is_empty() {
        let python = settings.get("python").unwrap_or_default();
        let image = super::syntax::line::value("a Dockerfile", python)?;
        let dockerfile = format!(
            "{header}# Nothing is copied into it: keys, configuration and tasks are mounted.\n\
             FROM {image}\nRUN pip install --no-cache-dir \"celery>=5.3\"\n\
             ENV PYTHONPATH=/config:/app PYTHONDONTWRITEBYTECODE=1\nWORKDIR /app\n"
        );
        files.push(OutputFile::open("Dockerfile", dockerfile));
        files.push(OutputFile::open(
            ".dockerignore",
            format!("{header}# No key ever gets into a layer of an image.\n*\n"),
        ));
        files.push(OutputFile::open("app/tasks.py", fill(include_str!("texts/tasks.py"), &header, "")));
    }
    Ok(files)
}

impl<'f> Project<'f> {
    fn of(facts: &'f Facts, settings: &'f Settings) -> Result<Self> {
        let broker = facts.broker()?;
        let own = broker.host()?;
        let hostname = match settings.get("hostname") {
            None if broker.covers("rabbitmq") => "rabbitmq".to_owned(),
            None => own,
            Some(said) if broker.covers(said) => said.to_owned(),
            Some(said) => return Err(broker.lacks(said)),
        };
        let config = &broker.config;
        if config.platform != Platform::Unix || !config.certs_dir.starts_with(&format!("{}/", directory(config))) {
            return Err(Error::failed("the broker's certificates are not below its configuration, and one volume holds both")
                .hint("set certs_dir = \"/etc/rabbitmq/certs\" and config_dir = \"/etc/rabbitmq\" in [broker] of certgen.toml"));
        }
        for key in ["owner", "worker_owner"] {
            let said = settings.get(key).unwrap_or_default();
            let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            if !said.split_once(':').is_some_and(|(user, group)| is_number(user) && is_number(group)) {
                return Err(Error::usage(format!("--set {key}={}: it is USER:GROUP, as numbers", ui::quote(said))));
            }
        }
        let covering = broker.identities.iter().find(|i| i.names.iter().any(|name| name.covers_host(&hostname)));
        // Those that send tasks have the same access as those that run them: the first is the worker.
        let workers: Vec<&Client> = match facts.narrowed {
            true => facts.clients.iter().collect(),
            false => facts.clients.iter().find(|client| client.has_tasks()).into_iter().collect(),
        };
        let workers = named(workers)?;
        Ok(Self { facts, broker, identity: covering.expect("one covers its host"), hostname, workers, settings })
    }

    fn file(&self, header: &str) -> Result<String> {
        let mut out = header.to_owned();
        out.push_str(&comment(
            "#",
            &[
                "",
                "docker compose up -d --build --wait",
                "After a renewal, the same files for whoever reads them, and the broker told to look at once:",
                "docker compose run --rm keys && docker compose exec rabbitmq rabbitmqctl eval 'ssl:clear_pem_cache().'",
                "After other changes: docker compose run --rm keys && docker compose restart rabbitmq",
            ],
        ));
        out.push_str(&format!("name: {}\n\nservices:\n", scalar(&self.name()?)));
        out.push_str(&self.keys()?);
        out.push_str(&self.rabbitmq()?);
        for worker in &self.workers {
            out.push_str(&self.worker(worker)?);
        }
        out.push_str("\nvolumes:\n  broker_config:\n  broker_data:\n");
        for worker in &self.workers {
            out.push_str(&format!("  {}:\n", scalar(&worker.volume())));
        }
        Ok(out)
    }

    /// The one-shot service.
    fn keys(&self) -> Result<String> {
        let image = scalar(self.get("image"));
        let mut out = format!(
            "  # Hands out keys and configuration, then ends.\n  keys:\n    image: {image}\n    user: \"0:0\"\n    network_mode: none\n    \
             entrypoint: [sh, /install-keys.sh]\n    volumes:\n"
        );
        out.push_str(&bind("./install-keys.sh", "/install-keys.sh"));
        out.push_str(&bind("./servers_ca.pem", "/servers_ca.pem"));
        out.push_str(&bind(&self.identity.directory, "/pki/broker"));
        out.push_str(&bind(&self.broker.directory, "/pki/rabbitmq"));
        if let Some(other) = &self.broker.management {
            out.push_str(&bind(&other.directory, "/pki/management"));
        }
        for worker in &self.workers {
            let name = &worker.directory;
            out.push_str(&bind(&worker.client.identity.directory, &format!("/pki/client/{name}")));
            out.push_str(&mounted(&worker.volume(), &format!("/keys/{name}"), false));
        }
        // At the same place as in the broker: an empty volume begins with what the image has there.
        out.push_str(&mounted("broker_config", directory(&self.broker.config), false));
        Ok(out)
    }

    fn rabbitmq(&self) -> Result<String> {
        let config = &self.broker.config;
        let anchors = shell::word(&format!("{}/servers_ca.pem", config.certs_dir.trim_end_matches('/')))?;
        let host = self.broker.management.as_ref().and_then(Identity::host).unwrap_or_else(|| self.hostname.clone());
        let host = shell::word(&host)?;
        // The listener of AMQP logs an alert for everybody who shows no certificate; the UI asks for none.
        let (about, check) = match config.management.enabled {
            true => (
                "A handshake with the management UI, which asks for no certificate, with its own certificate and its name checked.",
                format!(
                    "openssl s_client -connect localhost:{} -servername {host} -verify_hostname {host} -CAfile {anchors} \
                     </dev/null 2>&1 | grep -q 'Verify return code: 0 (ok)'",
                    config.management.port
                ),
            ),
            false => (
                "Whether the listener is open: without the management UI, a handshake would need a client's certificate.",
                format!("rabbitmq-diagnostics -q check_port_listener {}", config.ports.amqp),
            ),
        };
        let mut ports = vec![config.ports.amqp];
        let has = |name: &str| config.plugins.iter().any(|plugin| plugin == name);
        ports.extend(has("rabbitmq_mqtt").then_some(config.ports.mqtt));
        ports.extend(has("rabbitmq_stream").then_some(config.ports.stream));
        ports.extend(config.management.enabled.then_some(config.management.port));
        let ports: Vec<String> = ports.iter().map(|port| format!("\"{port}:{port}\"")).collect();
        let hostname = scalar(&self.hostname);
        let mut out = format!(
            "\n  rabbitmq:\n    image: {}\n    # The node is named after it, and keeps its data under that name.\n    hostname: {hostname}\n    \
             networks:\n      default:\n        aliases: [{hostname}]\n    \
             depends_on:\n      keys:\n        condition: service_completed_successfully\n    ports: [{}]\n    \
             restart: unless-stopped\n    volumes:\n",
            scalar(self.get("image")),
            ports.join(", ")
        );
        out.push_str(&mounted("broker_config", directory(config), true));
        out.push_str(&mounted("broker_data", "/var/lib/rabbitmq", false));
        out.push_str(&format!(
            "    # {about}\n    healthcheck:\n      test: [CMD-SHELL, {}]\n      \
             interval: 10s\n      timeout: 10s\n      retries: 12\n      start_period: 60s\n",
            scalar(&check)
        ));
        Ok(out)
    }

    fn worker(&self, worker: &Worker<'_>) -> Result<String> {
        let Worker { client, directory, service } = worker;
        let mut endpoint =
            Endpoint::of(self.facts, client, self.settings, Listener::Amqp)?.without_password("Celery")?;
        endpoint.host.clone_from(&self.hostname);
        endpoint.find_files_in(client, "/keys");
        let command =
            ["celery", "-A", self.get("module"), "worker", "-E", "-l", "INFO", "-Q", &client.task_queues().join(",")];
        let command: Vec<String> = command.iter().map(|word| scalar(word)).collect();
        let mut out = format!(
            "\n  {}:\n    build: .\n    user: {}\n    command: [{}]\n    \
             depends_on:\n      keys:\n        condition: service_completed_successfully\n      rabbitmq:\n        condition: service_healthy\n    \
             restart: unless-stopped\n    environment:\n",
            scalar(service),
            scalar(self.get("worker_owner")),
            command.join(", ")
        );
        for (variable, value) in endpoint.variables() {
            out.push_str(&format!("      {variable}: {}\n", scalar(&value)));
        }
        out.push_str("    volumes:\n");
        out.push_str(&mounted(&worker.volume(), "/keys", true));
        // The files of `emit celery` lie beside these, wherever both were written to.
        let beside = match (self.facts.one_of_several, &self.broker.config.name) {
            (true, Some(name)) => format!("../../celery/{}", store::directory_name(name)?),
            _ => "../celery".to_owned(),
        };
        out.push_str(&bind(&format!("{beside}/{directory}"), "/config"));
        out.push_str(&bind("./app", "/app"));
        Ok(out)
    }

    /// What install-keys.sh knows.
    fn installed(&self) -> Result<String> {
        let config = &self.broker.config;
        let all = [
            ("broker_owner", self.get("owner")),
            ("worker_owner", self.get("worker_owner")),
            ("config", directory(config)),
            ("certs", config.certs_dir.trim_end_matches('/')),
        ];
        all.iter().map(|(name, value)| Ok(format!("{name}={}\n", shell::word(value)?))).collect()
    }

    /// The project's name, to which its containers and volumes belong: lower-case letters, digits, `-` and `_`.
    fn name(&self) -> Result<String> {
        let Some(broker) = self.broker.config.name.as_ref().filter(|_| self.facts.one_of_several) else {
            return Ok("certgen".to_owned());
        };
        let harmless = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c.to_ascii_lowercase() } else { '_' };
        let own: String = store::directory_name(broker)?.chars().map(harmless).collect();
        Ok(format!("certgen-{own}"))
    }

    fn get(&self, key: &str) -> &str {
        self.settings.get(key).unwrap_or_default()
    }
}

fn directory(config: &BrokerFacts) -> &str {
    config.config_dir.trim_end_matches('/')
}

/// Gives each worker a service of its own. Names of services and volumes are letters, digits, `.`, `_` and `-`; what is none
/// of these in the name of a directory is an `@` or a `%XX`.
fn named(clients: Vec<&Client>) -> Result<Vec<Worker<'_>>> {
    let mut workers: Vec<Worker<'_>> = Vec::new();
    for client in clients {
        let directory = store::directory_name(&client.identity.name)?;
        let mut service = directory.replace(['%', '@'], "_");
        while ["keys", "rabbitmq"].contains(&&*service) || workers.iter().any(|known| known.service == service) {
            service.push('_');
        }
        workers.push(Worker { client, directory, service });
    }
    Ok(workers)
}

impl Worker<'_> {
    /// The name of the volume with its keys.
    fn volume(&self) -> String {
        format!("{}_keys", self.service)
    }
}

/// A file or a directory of this machine, which must be there, to be read alone.
fn bind(source: &str, target: &str) -> String {
    format!(
        "      - type: bind\n        source: {}\n        target: {}\n        read_only: true\n        bind:\n          create_host_path: false\n",
        scalar(source),
        scalar(target)
    )
}

fn mounted(volume: &str, target: &str, read_only: bool) -> String {
    let read_only = if read_only { "        read_only: true\n" } else { "" };
    format!("      - type: volume\n        source: {}\n        target: {}\n{read_only}", scalar(volume), scalar(target))
}

fn next(facts: &Facts) -> Vec<String> {
    let mut lines = Vec::new();
    if facts.clients.iter().any(Client::has_tasks) {
        let named =
            facts.brokers.iter().filter(|_| facts.one_of_several).find_map(|broker| broker.config.name.as_ref());
        let named = named.map(|name| format!(" --broker {}", ui::shell(name))).unwrap_or_default();
        lines.push(format!("the worker reads the files of celery beside these: certgen emit compose celery{named}"));
    }
    lines.push("then, in the directory of docker-compose.yml: docker compose up -d --build --wait".to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn written(facts: &Facts, set: &[(&str, &str)]) -> Result<String> {
        let said: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let files = emit(facts, &Settings::of(&TARGET, &said)?)?;
        Ok(files.into_iter().map(|file| String::from_utf8(file.bytes).unwrap()).collect())
    }

    #[test]
    fn what_is_set_stays_a_scalar_or_is_refused() {
        let text =
            written(&sample::facts(), &[("image", "r: ${X} #"), ("module", "a: b"), ("hostname", "rabbit")]).unwrap();
        assert!(text.contains(r#"image: "r: $${X} #""#) && text.contains(r#"celery, "-A", "a: b", worker"#), "{text}");
        for (key, value) in [
            ("owner", "rabbitmq"),
            ("owner", "1:$(id)"),
            ("worker_owner", "0"),
            ("hostname", "elsewhere"),
            ("python", "x\nRUN id"),
        ] {
            assert!(written(&sample::facts(), &[(key, value)]).is_err(), "{key}={value}");
        }
    }

    #[test]
    fn no_key_is_in_the_files_and_none_gets_into_an_image() {
        let text = written(&sample::kubernetes(), &[]).unwrap();
        assert!(!text.contains("PRIVATE KEY") && !text.contains("COPY") && !text.contains("ADD "), "{text}");
        assert!(text.contains("layer of an image.\n*\n"), "{text}");
    }

    #[test]
    fn workers_are_called_like_nothing_else() {
        let mut facts = sample::facts();
        facts.narrowed = true;
        for (client, name) in facts.clients.iter_mut().zip(["rabbitmq", "a@b", "a_b"]) {
            client.identity.name = name.into();
            client.access = vec!["celery".parse().unwrap()];
        }
        facts.clients.truncate(3);
        facts.clients[2].identity.key_password_file = None;
        let text = written(&facts, &[]).unwrap();
        for line in ["  rabbitmq_:\n", "  a_b:\n", "  a_b_:\n", "source: rabbitmq__keys\n"] {
            assert!(text.contains(line), "{line}{text}");
        }
    }

    #[test]
    fn a_broker_without_workers_stands_alone() {
        let mut facts = sample::facts();
        facts.clients.truncate(0);
        let text = written(&facts, &[]).unwrap();
        assert!(!text.contains("celery") && text.contains("  rabbitmq:\n"), "{text}");
        facts.brokers[0].config.certs_dir = "/certs".into();
        assert!(written(&facts, &[]).is_err());
    }
}
