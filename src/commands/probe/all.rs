//! `--all HOST`: the standard ports of a broker's host, at the same time.

use super::{ProbeArgs, asked::Asked, facts, places};
use crate::commands::Answer;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::probe::{Observation, ProbeError, Target, Verdict, judge, observe};
use crate::ui;

/// With and without TLS: AMQP, MQTT, management, STOMP, streams, distribution, Prometheus.
const PORTS: [u16; 11] = [5671, 5672, 8883, 1883, 15671, 15672, 61614, 5551, 25672, 15691, 15692];

pub(super) fn run(host: &str, args: &ProbeArgs, env: &mut Env) -> Result<Answer> {
    let bracketed = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    let targets = PORTS.iter().map(|port| format!("{bracketed}:{port}").parse());
    let targets: Vec<Target> = targets.collect::<Result<_>>()?;
    let asked = Asked::of(args, env)?;
    let questions = targets.iter().map(|target| asked.question(target, env.now)).collect::<Result<Vec<_>>>()?;
    let seen: Vec<Result<(Observation, Verdict), ProbeError>> = std::thread::scope(|scope| {
        let asking = questions.iter().map(|question| {
            scope.spawn(move || {
                let seen = observe(question)?;
                let verdict = judge(question, &seen);
                Ok((seen, verdict))
            })
        });
        let asking: Vec<_> = asking.collect();
        let heard = asking.into_iter().map(|one| one.join());
        heard
            .map(|heard| heard.unwrap_or_else(|_| Err(ProbeError::Handshake("the examination failed".into()))))
            .collect()
    });
    if !seen.iter().any(Result::is_ok) {
        let why = seen.iter().find_map(|seen| seen.as_ref().err()).map(ToString::to_string).unwrap_or_default();
        return Err(Error::failed(format!(
            "looking at {}: none of its standard ports answers: {why}",
            ui::quote(host)
        ))
        .hint("rabbitmq-diagnostics listeners, on the broker, says what listens where"));
    }
    let good =
        |seen: &Result<(Observation, Verdict), _>| seen.as_ref().map_or(true, |(seen, v)| v.good || is_plain(seen));
    let answer = if seen.iter().all(good) { Answer::Yes } else { Answer::No };
    if env.json {
        let places: Vec<_> = targets
            .iter()
            .zip(&seen)
            .map(|(target, seen)| {
                seen.as_ref().map(|(seen, v)| places::of(v, seen, &asked, target, env)).unwrap_or_default()
            })
            .collect();
        let items: Vec<_> = targets
            .iter()
            .zip(seen.iter().zip(&places))
            .map(|(target, (seen, places))| match seen {
                Ok((seen, verdict)) => facts::of(target, seen, verdict, places),
                Err(error) => facts::unreached(target, &error.to_string()),
            })
            .collect();
        ui::items(env, &items)?;
        return Ok(answer);
    }
    let mut table = ui::Table::new(&["PORT", "ANSWER", "WHAT"]);
    for (target, seen) in targets.iter().zip(&seen) {
        let (answer, what) = match seen {
            Ok((seen, _)) if is_plain(seen) => ("plain".to_owned(), plain_text(seen)),
            Ok((_, verdict)) if verdict.good => (env.colour.calm("OK"), ui::sentence(&verdict.sentence)),
            Ok((_, verdict)) => (env.colour.alarming("NO"), ui::sentence(&verdict.sentence)),
            Err(ProbeError::NotConnected(..)) => ("closed".to_owned(), String::new()),
            Err(error) => ("silent".to_owned(), ui::sentence(&error.to_string())),
        };
        table.row([target.port().to_string(), answer, what]);
    }
    table.print(env)?;
    Ok(answer)
}

/// A port without TLS is worth knowing, and refuses nobody who looks at all ports.
fn is_plain(seen: &Observation) -> bool {
    matches!(seen.end, crate::probe::End::Plain(_))
}

fn plain_text(seen: &Observation) -> String {
    match seen.end {
        crate::probe::End::Plain(plain) => plain.title().to_owned(),
        _ => String::new(),
    }
}
