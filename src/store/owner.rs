//! `--owner USER[:GROUP]`: who the written files belong to.

use crate::error::{Error, Result};
use crate::ui;

use super::platform;

/// The owner of a file or directory; what is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    user: Option<u32>,
    group: Option<u32>,
    written: String,
}

impl Owner {
    /// Reads `USER`, `USER:GROUP`, `USER:` (with the user's login group) or `:GROUP`, names or numbers as in chown(1).
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::usage(format!("reading the owner {}: {why}", ui::quote(text)))
                .hint("write USER, USER:GROUP or numbers, for example --owner rabbitmq or --owner 999:999")
        };
        if cfg!(windows) {
            return Err(wrong("an owner can only be given on Unix").hint("leave --owner out"));
        }
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        if user.is_empty() && group.is_none_or(str::is_empty) {
            return Err(wrong("neither a user nor a group is named"));
        }
        // Not a slip of the keyboard: the same line works where the user exists.
        let unknown = |what: &str, name: &str| {
            Error::failed(format!(
                "reading the owner {}: there is no {what} {} on this machine",
                ui::quote(text),
                ui::quote(name)
            ))
            .hint("write numbers for a user of another machine, for example --owner 999:999")
        };
        let mut login_group = None;
        let user = match (user.is_empty(), number(user)) {
            (true, _) => None,
            (_, Some(id)) => Some(id),
            _ => {
                let (id, group) = platform::user(user).ok_or_else(|| unknown("user", user))?;
                login_group = Some(group);
                Some(id)
            }
        };
        let group = match group {
            None => None,
            Some("") => Some(login_group.ok_or_else(|| wrong("a number alone has no login group"))?),
            Some(group) => match number(group) {
                Some(id) => Some(id),
                None => Some(platform::group(group).ok_or_else(|| unknown("group", group))?),
            },
        };
        Ok(Self { user, group, written: text.to_owned() })
    }

    /// The owner of something that exists.
    pub(super) fn of(user: u32, group: u32) -> Self {
        Self { user: Some(user), group: Some(group), written: format!("{user}:{group}") }
    }

    /// What belongs to `other` need not be given away.
    pub fn covers(&self, other: &Self) -> bool {
        self.user.is_none_or(|user| other.user == Some(user))
            && self.group.is_none_or(|group| other.group == Some(group))
    }

    /// The user's number, if one was named.
    pub fn user(&self) -> Option<u32> {
        self.user
    }

    /// The group's number, if one was named.
    pub fn group(&self) -> Option<u32> {
        self.group
    }

    /// Fails if this process may not give files to that owner. To be asked before anything is signed.
    pub fn check_permitted(&self) -> Result<()> {
        if platform::may_give_to(self.user, self.group) { Ok(()) } else { Err(self.not_permitted()) }
    }

    pub(super) fn not_permitted(&self) -> Error {
        Error::failed(format!("giving files to {}: only root may do that", ui::quote(&self.written)))
            .hint("run the command with sudo, or leave --owner out and run chown afterwards")
    }
}

/// As typed, so that a manifest keeps the words of its author.
impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.written)
    }
}

/// `u32::MAX` is chown's own word for "leave it", so it is no number here.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|id| digits && *id != u32::MAX)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!(
            Owner::parse("999:998").unwrap(),
            Owner { user: Some(999), group: Some(998), written: "999:998".into() }
        );
        assert_eq!(Owner::parse("7").unwrap().group(), None);
        assert_eq!(Owner::parse(":7").unwrap().user(), None);
        assert_eq!(Owner::parse("root:").unwrap().group(), Some(0));
        assert_eq!(Owner::parse("root").unwrap().user(), Some(0));
    }

    #[test]
    fn what_is_not_an_owner_is_named() {
        for text in
            ["", ":", "no-such-user-here", "root:no-such-group", "-1", "+5:5", "4294967295", "7:", "a:b:c", "ro\0ot"]
        {
            let error = Owner::parse(text).unwrap_err();
            assert!(error.message().starts_with("reading the owner"), "{error}");
            assert!(!error.hints().is_empty());
        }
    }
}
