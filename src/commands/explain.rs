//! `certgen explain`

mod log;
mod tell;

use std::path::Path;

use crate::commands::Answer;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::explain;
use crate::{store, ui};

/// Tell what an error text or a log line means, and what to do
///
/// TEXT is what a client, a broker, a browser or a tool printed: one line or a whole traceback, with whatever stands
/// around it. The answer has the causes that print it, most likely first, how to tell them apart, and what to type. Some texts
/// mislead; then it says so. The word of a cause, as doctor and probe print it, is explained too.
///
/// With - it reads a log from standard input, of any length: it groups what it knows by cause and by the user, host or
/// setting that is named, counts it, and explains the most frequent.
///
/// A TEXT of which nothing is known is an error (exit code 1): explain could not do its work, and that says nothing about the
/// certificates. A log in which nothing is known to be wrong is not an error.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen explain 'Fatal - Unknown CA'\n  \
                        certgen explain \"EXTERNAL login refused: user 'ghost' - invalid credentials\"\n  \
                        certgen explain server-expired --json\n  certgen explain - < rabbit@host.log")]
pub(crate) struct ExplainArgs {
    /// The text (words are joined; -- before one that begins with a dash), the word of a cause, or - for a log on standard
    /// input
    #[arg(value_name = "TEXT", required = true)]
    text: Vec<String>,
}

pub(crate) fn run(args: &ExplainArgs, env: &mut Env) -> Result<Answer> {
    if args.text == ["-"] {
        if env.interactive {
            env.say("paste the log, then press Ctrl-D");
        }
        let summary = explain::Log::read(store::open_stream(Path::new("-"))?)
            .map_err(|e| Error::io("reading", Path::new("standard input"), &e))?;
        return log::tell(&summary, env);
    }
    let text = args.text.join(" ");
    let matches = explain::explain(&text);
    let harmless = explain::harmless(&text);
    if matches.is_empty() && !harmless.is_empty() {
        tell::harmless(&harmless, env)?;
        return Ok(Answer::Yes);
    }
    if matches.is_empty() {
        if env.json {
            ui::items::<()>(env, &[])?;
        }
        return Err(unknown(&text, &args.text, env));
    }
    tell::causes(&matches, env)?;
    Ok(Answer::Yes)
}

/// What can be done with a text that nobody here has seen before.
fn unknown(text: &str, words: &[String], env: &Env) -> Error {
    let shown: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut error = Error::failed(format!("explaining {}: nothing is known about this text", ui::quote(&shown)));
    if let [word] = words
        && env.cwd.join(word).is_file()
    {
        return error.hint(format!("to read the file as a log: certgen explain - < {}", ui::shell(word)));
    }
    for (cause, nearest) in explain::nearest(text) {
        error = error.hint(format!("the nearest text that is known: {} ({})", ui::quote(nearest), cause.word()));
    }
    error
        .hint("give the whole message, with the lines before and after it: certgen explain - < FILE")
        .hint("ask the server itself: certgen probe HOST:PORT; ask the files: certgen doctor")
}
