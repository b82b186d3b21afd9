//! Settings that RabbitMQ does not have, and values that they do not take: with either it does not start.

use super::broker::{Broker, Line};
use super::settings::{self, Known};
use crate::diagnosis::CauseId;
use crate::doctor::syntax::conf::Setting;
use crate::doctor::{Case, Finding, Severity, Target};
use crate::profile::nearest;
use crate::ui;

/// Everything about the lines of rabbitmq.conf, each for itself.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    let release = match case.target {
        Some(Target::RabbitMq(major, minor)) => Some((major, minor)),
        _ => None,
    };
    for broker in Broker::all(case) {
        for line in broker.lines() {
            findings.extend(name(line, release).or_else(|| value(line)).or_else(|| old_name(line)));
            findings.extend(password(line));
        }
        twice(&broker, findings);
        stray(&broker, findings);
    }
}

fn name(line: Line<'_>, release: Option<settings::Release>) -> Option<Finding> {
    let key = line.key();
    let shown = ui::plain(key);
    let effect =
        format!("RabbitMQ does not start: \"You've tried to set {shown}, but there is no setting with that name.\"");
    let finding = |code, problem: String| {
        line.finding(Severity::Error, code, problem).cause(CauseId::SettingUnknown).effect(effect.clone())
    };
    let Some(known) = settings::find(key) else {
        let found = finding("setting-unknown", format!("RabbitMQ has no setting {shown}"));
        return Some(meant(line.setting).into_iter().fold(found, Finding::remedy));
    };
    let release = release.filter(|release| !known.is_in(*release))?;
    let (major, minor) = release;
    let bounds = match release < known.since {
        true => format!("it came with {}.{}", known.since.0, known.since.1),
        false => format!("{}.{} was the last release that had it", known.until.0, known.until.1),
    };
    let problem = format!("RabbitMQ {major}.{minor} has no setting {shown}: {bounds}");
    Some(finding("setting-of-another-release", problem).remedy(format!("take the line with {shown} out")))
}

/// What to write in place of a name that does not exist.
fn meant(setting: &Setting) -> Vec<String> {
    let write = |name: &str| format!("write {name} = {}", ui::plain(&setting.value));
    if let Some(real) = settings::real_name(&setting.key) {
        return match real {
            "" => vec!["take the line out: no setting does this".to_owned()],
            real if real.contains(' ') => vec![format!("take the line out; this is said in {real}")],
            real => vec![write(real)],
        };
    }
    let last = setting.key.rsplit('.').next().unwrap_or_default();
    let like: Vec<&str> = settings::all().map(|known| known.name).filter(|name| !name.contains('$')).collect();
    match nearest(&setting.key, like.iter().copied()) {
        Some(near) if near.ends_with(last) || near.len().abs_diff(setting.key.len()) < 3 => vec![write(near)],
        _ => vec!["take the line out, or look the name up: rabbitmq.com/docs/configure".to_owned()],
    }
}

fn value(line: Line<'_>) -> Option<Finding> {
    let known: &Known = settings::find(line.key())?;
    let value = line.value();
    if known.takes(value) || is_from_elsewhere(value) {
        return None;
    }
    let shown = ui::quote(value);
    let words = known.values.join(", ").replace("INTEGER", "a whole number");
    let words = words.replace("NUMBER", "a number").replace("ADDRESS", "a port, or an address, a colon and a port");
    let problem = format!("{} cannot be {shown}", ui::plain(line.key()));
    let finding = line
        .finding(Severity::Error, "setting-value", problem)
        .effect(format!("RabbitMQ does not start: \"Error transforming datatype for: {}\"", ui::plain(line.key())));
    Some(match settings::real_name(line.key()) {
        Some(real) if !real.is_empty() => finding.remedy(format!("write {real} = {}", ui::plain(value))),
        _ => finding.remedy(format!("write one of: {words}")),
    })
}

/// `$(other.key)`, `${VARIABLE}`, a quoted text: what RabbitMQ reads stands elsewhere, or its readers differ.
fn is_from_elsewhere(value: &str) -> bool {
    value.contains("$(") || value.contains("${") || value.starts_with(['\'', '"'])
}

/// Names that still work and are no longer written.
fn old_name(line: Line<'_>) -> Option<Finding> {
    let rest = line.key().strip_prefix("management.listener.")?;
    let new = match rest.strip_prefix("ssl_opts.") {
        Some(option) => format!("management.ssl.{option}"),
        None if rest == "port" => "management.ssl.port (with TLS) or management.tcp.port".to_owned(),
        None => return None,
    };
    let problem = format!("{} is an old name", ui::plain(line.key()));
    Some(
        line.finding(Severity::Note, "setting-old-name", problem)
            .effect("it still works from 3.10 to 4.3")
            .remedy(format!("write {new}")),
    )
}

/// A password that the file cannot carry (measured on 3.10, 4.0 and 4.3).
fn password(line: Line<'_>) -> Option<Finding> {
    let is_password = line.key().ends_with(".password") || line.key().ends_with("_pass");
    let Setting { value, cut, .. } = line.setting;
    let why = match (value, cut) {
        (_, Some(_)) => "a # in it begins a comment, so RabbitMQ takes only what stands before",
        (value, _) if !value.is_ascii() => "it has characters beyond ASCII, with which RabbitMQ does not start",
        (value, _) if value.len() > 1 && value.starts_with('\'') && value.ends_with('\'') => {
            "the quotation marks around it belong to it on 3.10 and not on 4.x"
        }
        _ => return None,
    };
    is_password.then(|| {
        let problem = format!("the password in {} cannot stand in this file: {why}", ui::plain(line.key()));
        line.finding(Severity::Error, "password-cut", problem)
            .cause(CauseId::KeyPasswordWrong)
            .effect("the broker starts, and every TLS connection is reset without a word in the log (4.3: the listener is missing)")
            .remedy("choose a password of letters and digits, and encrypt the key with it anew")
    })
}

/// Of two lines with one name the last one counts.
fn twice(broker: &Broker<'_>, findings: &mut Vec<Finding>) {
    for line in broker.lines() {
        let Some(last) = broker.get(line.key()).filter(|last| last.value() != line.value()) else { continue };
        let same_file = last.exhibit.path == line.exhibit.path;
        // A file of conf.d is there to change what stands before it.
        if !same_file {
            continue;
        }
        let secret = line.key().contains("pass") || line.key().contains("secret");
        let value = if secret { String::new() } else { format!(" = {}", ui::plain(last.value())) };
        let problem = format!("{} is set again on line {}{value}", ui::plain(line.key()), last.setting.line);
        findings.push(
            line.finding(Severity::Warning, "setting-twice", problem)
                .effect("RabbitMQ takes the last line and says nothing")
                .remedy("leave one of the two lines"),
        );
    }
}

/// Lines that are no settings: RabbitMQ stops at the first.
fn stray(broker: &Broker<'_>, findings: &mut Vec<Finding>) {
    for (exhibit, file) in &broker.confs {
        if let Some(line) = file.stray.first() {
            findings.push(
                Finding::new(
                    Severity::Error,
                    "setting-syntax",
                    &exhibit.path,
                    "this line is neither a setting nor a comment",
                )
                .line(*line)
                .effect("RabbitMQ does not start: \"Syntax error in ... parsing incomplete\"")
                .remedy("write key = value, or begin the line with #"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, target: Option<&str>) -> Vec<(usize, &'static str, String)> {
        let mut case = Case::of(&[("etc/rabbitmq.conf", text)]);
        case.target = target.map(|target| target.parse().unwrap());
        let mut findings = Vec::new();
        check(&case, &mut findings);
        let tell = |f: &Finding| (f.line.unwrap(), f.code, f.remedy.first().cloned().unwrap_or_default());
        findings.iter().map(tell).collect()
    }

    #[test]
    fn published_inventions_get_the_real_name_beside_them() {
        let text =
            "ssl_listeners.tcp.high_water_mark = 1\nssl_certfile = /x\nssl_verify = verify_peer\nssl_ca_file = /y\n";
        let found = found(text, None);
        assert_eq!(found.iter().map(|f| f.1).collect::<Vec<_>>(), ["setting-unknown"; 4]);
        assert_eq!(found[0].2, "take the line out: no setting does this");
        assert_eq!(found[1].2, "write ssl_options.certfile = /x");
        assert_eq!(found[3].2, "write ssl_options.cacertfile = /y");
    }

    #[test]
    fn a_mistyped_name_is_put_right() {
        let found = found("ssl_options.cacertfile = /x\nssl_options.certfle = /y\n", None);
        assert_eq!(found, [(2, "setting-unknown", "write ssl_options.certfile = /y".to_owned())]);
    }

    #[test]
    fn values_are_those_that_the_broker_takes() {
        let text = "ssl_options.verify = verify_pear\nlisteners.ssl = 5671\nssl_options.depth = two\nheartbeat = 60\n";
        let found = found(text, None);
        let told: Vec<_> = found.iter().map(|f| (f.0, f.1)).collect();
        assert_eq!(told, [(1, "setting-value"), (2, "setting-value"), (3, "setting-value")]);
        assert_eq!(found[1].2, "write listeners.ssl.default = 5671");
    }

    #[test]
    fn what_another_release_has_is_told_where_one_is_meant() {
        let text = "anonymous_login_user = none\nmqtt.default_user = x\nlisteners.tcp = none\n";
        assert_eq!(found(text, None), []);
        let of = |target| found(text, Some(target)).iter().map(|f| (f.0, f.1)).collect::<Vec<_>>();
        assert_eq!(of("rabbitmq-3.10"), [(1, "setting-of-another-release")]);
        assert_eq!(of("rabbitmq-4.0"), [(2, "setting-of-another-release")]);
        assert_eq!(of("otp-27"), []);
    }

    #[test]
    fn passwords_that_the_file_cannot_carry_are_told_without_being_shown() {
        for (value, bad) in
            [("a#b", true), ("пароль", true), ("'sq'", true), ("s3cret", false), ("pw with space", false)]
        {
            let text = format!("ssl_options.password = {value}\n");
            let case = Case::of(&[("rabbitmq.conf", &text)]);
            let mut findings = Vec::new();
            check(&case, &mut findings);
            assert_eq!(findings.iter().any(|f| f.code == "password-cut"), bad, "{value}");
            assert!(!format!("{findings:?}").contains(value), "{findings:?}");
        }
    }

    #[test]
    fn of_two_lines_the_last_counts_and_a_stray_one_stops_the_broker() {
        let text = "ssl_options.depth = 1\nssl_options.depth = 2\nnonsense\n";
        let told: Vec<_> = found(text, None).iter().map(|f| (f.0, f.1)).collect();
        assert_eq!(told, [(1, "setting-twice"), (3, "setting-syntax")]);
    }
}
