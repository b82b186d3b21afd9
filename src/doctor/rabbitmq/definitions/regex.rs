//! Is this text a regular expression for Erlang's `re` (PCRE)? Only what is certainly none is told.

/// Why it is none, in PCRE's words.
pub(super) fn fault(pattern: &str) -> Option<&'static str> {
    // Verbs, and quoting with \Q: left to PCRE.
    if pattern.contains("\\Q")
        || pattern.starts_with("(*") && pattern[2..].starts_with(|c: char| c.is_ascii_uppercase())
    {
        return None;
    }
    let mut open = 0_usize;
    // Whether there is something that a quantifier could repeat.
    let mut repeatable = false;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                None => return Some("\\ at end of pattern"),
                Some(_) => repeatable = true,
            },
            '[' => {
                if !skip_class(&mut chars) {
                    return Some("missing terminating ] for character class");
                }
                repeatable = true;
            }
            '(' => {
                open += 1;
                repeatable = false;
                // What stands behind `(?` has a syntax of its own; a comment may hold anything.
                if chars.next_if_eq(&'?').is_some() {
                    if chars.peek() == Some(&'#') {
                        return None;
                    }
                    repeatable = true;
                }
            }
            ')' if open == 0 => return Some("unmatched parentheses"),
            ')' => {
                open -= 1;
                repeatable = true;
            }
            '|' => repeatable = false,
            '*' | '+' | '?' if !repeatable => return Some("nothing to repeat"),
            _ => repeatable = true,
        }
    }
    (open > 0).then_some("missing )")
}

/// Behind `[`, up to its `]`; `false` where there is none.
fn skip_class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    chars.next_if_eq(&'^');
    chars.next_if_eq(&']');
    while let Some(c) = chars.next() {
        match c {
            ']' => return true,
            '\\' => drop(chars.next()),
            // `[:alpha:]`
            '[' if chars.peek() == Some(&':') => {
                let mut ahead = chars.clone();
                if ahead.by_ref().skip(1).find(|c| !c.is_alphabetic() && *c != '^') == Some(':')
                    && ahead.next() == Some(']')
                {
                    *chars = ahead;
                }
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Erlang/OTP 25 said of each.
    #[test]
    fn erlang_agrees() {
        for good in [
            "",
            ".*",
            "^(amq\\.gen.*|x)$",
            "a++",
            "a*+",
            "[]a]",
            "[^]a]",
            "[[:alpha:]]+",
            "(?i)x",
            "(?<n>x)",
            "(?<=a)x",
            "()",
            "(|a)",
            "x{,3}",
            "\\Q(\\E",
            "^a\\(b",
            "[(*]",
            "(?#x)",
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
        for (bad, why) in [
            ("*", "nothing to repeat"),
            ("+x", "nothing to repeat"),
            ("?", "nothing to repeat"),
            ("a|*", "nothing to repeat"),
            ("(+a)", "nothing to repeat"),
            ("[", "missing terminating ] for character class"),
            ("[]", "missing terminating ] for character class"),
            ("[a\\]", "missing terminating ] for character class"),
            ("(a", "missing )"),
            ("^(amq\\.gen.*$", "missing )"),
            ("a)", "unmatched parentheses"),
            ("a\\", "\\ at end of pattern"),
        ] {
            assert_eq!(fault(bad), Some(why), "{bad}");
        }
    }
}
