//! Dockerfiles of brokers: keys in an image, and keys that everybody may read.

use std::path::Path;

use super::at;
use crate::doctor::{Case, Exhibit, Finding, Severity};
use crate::ui;

/// Says what is wrong with images that are made from RabbitMQ's.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    for exhibit in &case.exhibits {
        let Some(lines) = instructions(exhibit) else { continue };
        for (line, words) in lines {
            match words.first().map(|word| word.to_ascii_uppercase()).as_deref() {
                Some("COPY" | "ADD") => findings.extend(key_in_image(case, exhibit, line, &words)),
                Some("RUN") => findings.extend(open_mode(exhibit, line, &words)),
                _ => {}
            }
        }
    }
}

/// The instructions with their lines, if it is made from RabbitMQ's image.
fn instructions(exhibit: &Exhibit) -> Option<Vec<(usize, Vec<&str>)>> {
    let text = std::str::from_utf8(&exhibit.bytes).ok().filter(|text| text.len() < 1 << 16)?;
    let is_base = |line: &str| {
        let image = line.trim().strip_prefix("FROM ").and_then(|rest| rest.split_whitespace().next());
        image.is_some_and(|image| {
            image.rsplit('/').next().is_some_and(|name| name.split([':', '@']).next() == Some("rabbitmq"))
        })
    };
    text.lines().any(is_base).then_some(())?;
    Some(text.lines().enumerate().map(|(at, line)| (at + 1, line.split_whitespace().collect())).collect())
}

fn key_in_image(case: &Case, exhibit: &Exhibit, line: usize, words: &[&str]) -> Option<Finding> {
    let paths: Vec<&&str> = words[1..].iter().filter(|word| !word.starts_with("--")).collect();
    if words.iter().any(|word| word.starts_with("--from")) {
        return None;
    }
    let directory = exhibit.path.parent()?;
    let sources = &paths[..paths.len().checked_sub(1)?];
    let holds = |source: &&&str| {
        let source = directory.join(source.trim_start_matches(['/', '.']));
        let mut inside = case.exhibits.iter().filter(|other| other.path.starts_with(&source));
        inside.find(|other| other.keys().next().is_some())
    };
    let found = sources.iter().find_map(holds)?;
    let problem = format!("{} is copied into the image, and with it the private key", ui::path(&found.path));
    Some(
        at(Severity::Warning, "key-in-image", exhibit, line, problem)
            .effect("whoever can pull the image has the key, also after it was deleted in a later layer; a renewal needs a new image")
            .remedy("mount the directory when the container runs: certgen emit compose")
            .remedy("if it must be: COPY --chown=rabbitmq:rabbitmq --chmod=0400"),
    )
}

fn open_mode(exhibit: &Exhibit, line: usize, words: &[&str]) -> Option<Finding> {
    let at_chmod = words.iter().position(|word| *word == "chmod")?;
    let mut rest = words[at_chmod + 1..].iter().skip_while(|word| word.starts_with('-'));
    let mode = rest.next()?;
    let is_open = u32::from_str_radix(mode, 8).map_or(matches!(*mode, "a+r" | "o+r" | "+r"), |mode| mode & 0o004 != 0);
    let is_secret = |word: &&&str| {
        let name =
            Path::new(word.trim_end_matches(['/', '*'])).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.contains("cert") || name.contains("key") || name.contains("ssl") || name.contains("tls")
    };
    let path = rest.take_while(|word| !["&&", ";", "||"].contains(word)).find(is_secret)?;
    is_open.then(|| {
        let problem =
            format!("mode {} makes {} readable for everybody, private keys too", ui::plain(mode), ui::quote(path));
        at(Severity::Warning, "key-open-to-all", exhibit, line, problem)
            .effect("every process in the container can read the key")
            .remedy("COPY --chown=rabbitmq:rabbitmq --chmod=0400, instead of chmod")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIPYdZyGIBSzdDDRY5oPr3UGJ7Zu4sZNhBmMAlFB2JNGC\n-----END PRIVATE KEY-----\n";

    fn found(text: &str) -> Vec<String> {
        let case = Case::of(&[("p/Dockerfile", text), ("p/rabbitmq/key.pem", KEY), ("p/conf/x", "a\n")]);
        let mut findings = Vec::new();
        check(&case, &mut findings);
        findings.iter().map(|f| format!("{} {}", f.line.unwrap_or_default(), f.code)).collect()
    }

    #[test]
    fn keys_in_images_are_told() {
        let of = |line: &str| found(&format!("FROM rabbitmq:4-management\n{line}\n"));
        assert_eq!(of("COPY /rabbitmq /etc/rabbitmq/certs"), ["2 key-in-image"]);
        assert_eq!(of("COPY --chown=999 ./rabbitmq/key.pem /etc/rabbitmq/certs/"), ["2 key-in-image"]);
        assert_eq!(of("COPY conf /etc/rabbitmq/conf.d"), Vec::<String>::new());
        assert_eq!(of("RUN chmod 644 /etc/rabbitmq/certs/*"), ["2 key-open-to-all"]);
        assert_eq!(of("RUN chmod 600 /etc/rabbitmq/certs/*"), Vec::<String>::new());
        assert_eq!(of("RUN chmod 755 /usr/local/bin/start.sh"), Vec::<String>::new());
        assert_eq!(found("FROM debian\nCOPY rabbitmq /x\n"), Vec::<String>::new());
    }
}
