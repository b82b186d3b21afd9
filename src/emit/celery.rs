//! `emit celery`: Celery's configuration as a module, for a worker and for whoever sends tasks.

use super::endpoint::{AMQP_SETTINGS_WITHOUT_PASSWORD, Endpoint, Listener};
use super::syntax::{comment, env_file, fill, python, shell};
use super::{Client, Facts, Holds, OutputFile, Settings, Target, Write};
use crate::error::Result;

pub(super) const TARGET: Target = Target {
    name: "celery",
    description: "Python, Celery: its configuration as a module, and the same as variables",
    settings: AMQP_SETTINGS_WITHOUT_PASSWORD,
    holds: Holds::Paths,
    next: |_, _| Vec::new(),
    write: Write::ForEachClient(Client::has_tasks, emit),
};

const VERSIONS: &str = "Celery 5.3 and later (kombu 5.3, py-amqp 5.1)";

fn emit(facts: &Facts, client: &Client, settings: &Settings) -> Result<Vec<OutputFile>> {
    let endpoint = Endpoint::of(facts, client, settings, Listener::Amqp)?.without_password("Celery")?;
    let queues = client.task_queues();
    let header = client.header("#", &TARGET, VERSIONS);
    let usage = comment(
        "#",
        &[
            "Use it with app.config_from_object(\"celeryconfig\"). A worker is told its queues when it is started:"
                .to_owned(),
            format!("celery -A APP worker -Q {}", shell::word(&queues.join(","))?),
        ],
    );
    let mut constants = python::variables(&endpoint.variables());
    constants.push_str(&format!("\ntask_default_queue = {}\n", python::string(&queues[0])));
    let mut variables = endpoint.env_file(&header)?;
    variables.push_str(&env_file::line("CELERY_CONFIG_MODULE", "celeryconfig")?);
    Ok(vec![
        OutputFile::open("celeryconfig.py", fill(include_str!("texts/celery.py"), &(header + &usage), &constants)),
        OutputFile::open("celery.env", variables),
    ])
}
