//! Commands for a broker's host, as the words of `rabbitmqctl`.

/// The words of `rabbitmqctl` with these arguments, for root.
///
/// Debian's `rabbitmqctl`, started by root, writes its arguments into a command line for `su` between double quotes, where
/// `$(...)`, a backtick and a backslash mean something to the shell (measured with 3.10.8 and 4.0.5): a user called
/// `$(id)` would run `id`. Started by the user rabbitmq it hands them on as they are, so a word with one of these makes
/// the command one of that user.
pub fn ctl_words<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    let means_something = |word: &String| word.contains(['$', '`', '\\']);
    let prefix: &[&str] = match arguments.iter().any(means_something) {
        true => &["runuser", "-u", "rabbitmq", "--", "rabbitmqctl"],
        false => &["rabbitmqctl"],
    };
    prefix.iter().map(|word| (*word).to_owned()).chain(arguments).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_second_shell_would_read_goes_round_it() {
        assert_eq!(ctl_words(["delete_user", "it's \"x\""]), ["rabbitmqctl", "delete_user", "it's \"x\""]);
        for name in ["$(id)", "`id`", r"a\b"] {
            let words = ctl_words(["delete_user", name]);
            assert_eq!(words, ["runuser", "-u", "rabbitmq", "--", "rabbitmqctl", "delete_user", name]);
        }
    }
}
