//! The page that goes with a client's pair to whoever runs it: what the files are, and where the broker is.

use super::endpoint::{Endpoint, HOST, Listener, PORT, VHOST};
use super::facts::{Client, Facts};
use super::settings::{Setting, Settings};
use super::syntax::comment;
use super::{OutputFile, no_broker};
use crate::error::{Error, Result};
use crate::manifest::Consumer;
use crate::profile::Role;
use crate::ui;

/// What can be set about it.
pub const LETTER_SETTINGS: &[Setting] = &[HOST, PORT, VHOST];

/// What is handed over, beside the facts.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'l> {
    /// The client.
    pub name: &'l str,
    /// The broker, where it is a user of several.
    pub broker: Option<&'l str>,
    /// The day on which its certificate ends.
    pub until: &'l str,
    /// Configuration of programs that goes with it.
    pub snippets: &'l [Snippet],
    /// What was set; what is not of the letter is passed over.
    pub settings: &'l [(String, String)],
}

/// The files of one target in a directory of its own.
#[derive(Debug, Clone, Copy)]
pub struct Snippet {
    /// The directory.
    pub directory: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// There is a module of Python in it.
    pub is_python: bool,
}

impl Letter<'_> {
    /// README.txt and, for a client that has a broker, connection.env. Paths begin in the directory that is handed over.
    ///
    /// # Errors
    /// The client is a user of several brokers and none was named, or it has no virtual host, or several.
    pub fn write(&self, facts: &Facts) -> Result<Vec<OutputFile>> {
        let doing = |e: Error| e.context(format!("client {}", ui::quote(self.name)));
        let is_user = facts.clients.iter().any(|client| client.identity.name == self.name);
        if !is_user {
            return match self.broker {
                Some(broker) => Err(doing(no_broker(broker, std::iter::empty()))),
                None => Ok(vec![OutputFile::open("README.txt", self.page(None, None))]),
            };
        }
        let consumer = Consumer {
            clients: vec![self.name.to_owned()],
            broker: self.broker.map(str::to_owned),
            ..Consumer::default()
        };
        let facts = facts.narrowed(&consumer)?;
        if facts.undecided.contains(self.name) {
            let names = facts.brokers.iter().filter_map(|broker| broker.config.name.as_deref()).map(ui::shell);
            return Err(doing(
                Error::failed("it is a user of more than one broker")
                    .hint(format!("name one with --broker: {}", names.collect::<Vec<_>>().join(", "))),
            ));
        }
        let Some(client) = facts.clients.first() else { return Ok(Vec::new()) };
        let settings = Settings::among(LETTER_SETTINGS, self.settings);
        let listener = if client.speaks_amqp() { Listener::Amqp } else { Listener::Mqtt };
        let mut endpoint = Endpoint::of(&facts, client, &settings, listener).map_err(doing)?;
        endpoint.find_files_in(client, ".");
        if endpoint.key_password_file.is_some() {
            endpoint.key_password_file = Some("key_password.txt".to_owned());
        }
        let header = comment("#", &["Where the broker is, and the files of this client. Written by certgen export."]);
        Ok(vec![
            OutputFile::open("README.txt", self.page(Some(client), Some(&endpoint))),
            OutputFile::open("connection.env", endpoint.env_file(&header)?),
        ])
    }

    fn page(&self, client: Option<&Client>, endpoint: Option<&Endpoint>) -> String {
        let role = Role::Client;
        let mut text = format!("{}: a client certificate for RabbitMQ\n\n", ui::plain(self.name));
        text += &format!(
            "{:24} who this client is, until {}\n{:24} its private key: for the account alone that the client runs as\n\
             {:24} whom the client trusts\n",
            role.certificate_file(),
            self.until,
            role.key_file(),
            role.bundle_file()
        );
        if endpoint.is_some() {
            text += &format!("{:24} what stands below, as variables\n", "connection.env");
        }
        for Snippet { directory, description, .. } in self.snippets {
            text += &format!("{:24} {description}\n", format!("{directory}/"));
        }
        if let (Some(client), Some(endpoint)) = (client, endpoint) {
            text += &connection(client, endpoint);
        }
        text +=
            "\nPaths in these files begin in this directory: start the program in it, or write where it is instead.\n";
        for Snippet { directory, .. } in self.snippets.iter().filter(|snippet| snippet.is_python) {
            let program = if *directory == "celery" { "celery -A APP worker" } else { "python APP.py" };
            text += &format!("Python finds {directory}/ so: PYTHONPATH={directory} {program}\n");
        }
        text += "The key is a secret. Keep its mode 0600, and keep it out of version control, chat and images.\n\
                 It need not have been sent: with `certgen request` the next one is made where it is used.\n";
        text
    }
}

fn connection(client: &Client, endpoint: &Endpoint) -> String {
    let mut text = format!("\nhost     {}\nport     {}, with TLS\n", endpoint.host, endpoint.port);
    text += &format!("vhost    {}\n", ui::plain(&endpoint.vhost));
    text += &format!("user     {}, which the broker reads from the certificate\n", ui::plain(&endpoint.user));
    text += if client.speaks_amqp() {
        "login    EXTERNAL, without a password\n"
    } else {
        "login    by the certificate, without a user name and a password\n"
    };
    if endpoint.key_password_file.is_some() {
        text +=
            "\nThe key is encrypted. Its password comes another way: put it into key_password.txt, with mode 0600.\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn letter(facts: &Facts, name: &str, settings: &[(&str, &str)]) -> Result<Vec<OutputFile>> {
        let settings: Vec<_> = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let snippets = [Snippet { directory: "celery", description: "Python, Celery", is_python: true }];
        Letter { name, broker: None, until: "2027-03-01", snippets: &snippets, settings: &settings }.write(facts)
    }

    fn text(files: &[OutputFile], path: &str) -> String {
        let file = files.iter().find(|file| file.path == path).expect("it is written");
        String::from_utf8(file.bytes.clone()).unwrap()
    }

    #[test]
    fn it_says_where_the_broker_is() {
        let files = letter(&sample::facts(), "celery_worker", &[]).unwrap();
        let page = text(&files, "README.txt");
        for line in [
            "PYTHONPATH=celery celery -A APP worker\n",
            "host     rabbit.example.com\n",
            "port     5671, with TLS\n",
            "vhost    my_vhost\n",
            "2027-03-01",
        ] {
            assert!(page.contains(line), "{page}");
        }
        let variables = text(&files, "connection.env");
        assert!(variables.contains("AMQPS_KEY_FILE=./client_key.pem\n"), "{variables}");
        let files = letter(&sample::facts(), "sensor-1", &[]).unwrap();
        assert!(text(&files, "README.txt").contains("port     8883"));
        assert!(text(&files, "connection.env").contains("MQTTS_PORT=8883"));
        let files = letter(&sample::facts(), "reporting", &[("host", "rabbit"), ("queue", "x")]).unwrap();
        let page = text(&files, "README.txt");
        assert!(page.contains("host     rabbit\n") && page.contains("key_password.txt"), "{page}");
        assert!(text(&files, "connection.env").contains("KEY_PASSWORD_FILE=key_password.txt"));
    }

    #[test]
    fn without_a_broker_it_says_what_the_files_are() {
        let files = letter(&sample::bare(), "stranger", &[]).unwrap();
        assert_eq!(files.len(), 1);
        assert!(!text(&files, "README.txt").contains("host"));
    }

    #[test]
    fn hostile_names_stay_on_their_line() {
        let facts = sample::hostile();
        let name = facts.clients[0].identity.name.clone();
        let page = text(&letter(&facts, &name, &[]).unwrap(), "README.txt");
        assert!(page.contains("vhost    it's \"a\" ${HOME}"), "{page}");
        assert!(letter(&facts, "celery_worker", &[("port", "0")]).is_ok(), "no user, nothing to connect to");
        assert!(letter(&facts, &name, &[("port", "0")]).is_err());
    }
}
