//! Questions. They are asked on a terminal only, and every one of them can be answered by a flag instead.

use std::sync::atomic::{AtomicBool, Ordering};

use zeroize::Zeroizing;

use crate::env::Env;
use crate::error::{Error, Result, io_reason};

/// A question was asked: the terminal may be in a state of ours.
static ASKING: AtomicBool = AtomicBool::new(false);

/// Asks for a line of text and offers a default.
///
/// # Errors
/// No terminal, or the terminal went away.
pub fn ask(env: &Env, question: &str, default: &str, flag: &str) -> Result<String> {
    need_terminal(env, question, flag)?;
    dialoguer::Input::new()
        .with_prompt(question)
        .default(default.to_owned())
        .interact_text()
        .map_err(|e| failed(question, &e))
}

/// Asks a yes-or-no question; the default is no.
///
/// # Errors
/// No terminal, or the terminal went away.
pub fn confirm(env: &Env, question: &str, flag: &str) -> Result<bool> {
    need_terminal(env, question, flag)?;
    dialoguer::Confirm::new().with_prompt(question).default(false).interact().map_err(|e| failed(question, &e))
}

/// Lets the user choose one of several lines; the first is offered.
///
/// # Errors
/// No terminal, or the terminal went away.
pub fn choose(env: &Env, question: &str, lines: &[String], flag: &str) -> Result<usize> {
    need_terminal(env, question, flag)?;
    dialoguer::Select::new().with_prompt(question).items(lines).default(0).interact().map_err(|e| failed(question, &e))
}

/// Asks for an existing secret, without echo.
///
/// # Errors
/// No terminal, or the terminal went away.
pub fn secret(env: &Env, question: &str, flag: &str) -> Result<Zeroizing<String>> {
    need_terminal(env, question, flag)?;
    dialoguer::Password::new().with_prompt(question).interact().map(Zeroizing::new).map_err(|e| failed(question, &e))
}

/// Asks twice for a new secret, without echo.
///
/// # Errors
/// No terminal, or the terminal went away.
pub fn new_secret(env: &Env, question: &str, flag: &str) -> Result<Zeroizing<String>> {
    need_terminal(env, question, flag)?;
    dialoguer::Password::new()
        .with_prompt(question)
        .with_confirmation("Again", "The two are not the same.")
        .interact()
        .map(Zeroizing::new)
        .map_err(|e| failed(question, &e))
}

/// Shows the cursor again, which a menu hides while it waits. To be called by whoever ends the program meanwhile.
pub fn restore_cursor() {
    if ASKING.load(Ordering::Relaxed) {
        // A terminal that went away needs no cursor.
        let _ = dialoguer::console::Term::stderr().show_cursor();
    }
}

fn need_terminal(env: &Env, question: &str, flag: &str) -> Result<()> {
    if env.interactive {
        ASKING.store(true, Ordering::Relaxed);
        return Ok(());
    }
    Err(Error::failed(format!("cannot ask \"{question}\": there is no terminal to answer from")).hint(flag.to_owned()))
}

fn failed(question: &str, source: &dialoguer::Error) -> Error {
    let dialoguer::Error::IO(reason) = source;
    if reason.kind() == std::io::ErrorKind::Interrupted {
        // Ctrl-C while the terminal hands out single keys arrives as a key and not as a signal.
        restore_cursor();
        return Error::interrupted();
    }
    Error::failed(format!("asking \"{question}\": {}", io_reason(reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The library's own word for it was "IO error: read interrupted", with exit code 1.
    #[test]
    fn breaking_off_at_a_question_is_an_interruption() {
        let interrupted = dialoguer::Error::IO(std::io::ErrorKind::Interrupted.into());
        assert_eq!(failed("Profile", &interrupted).exit_code(), 130);
        let gone = failed("Profile", &dialoguer::Error::IO(std::io::ErrorKind::NotConnected.into()));
        assert!(gone.exit_code() == 1 && !gone.message().contains("IO error"), "{gone}");
    }
}
