//! Who a process would be: a user's number with the groups that it has.

use crate::error::{Error, Result};
use crate::ui;

use super::owner::number;
use super::platform;

/// Number and groups of the user `USER` or `USER:GROUP`, names or numbers. A number that this machine does not know has no
/// group but the one that is named.
///
/// # Errors
/// There is no such user or group on this machine.
pub fn account(text: &str) -> Result<(u32, Vec<u32>)> {
    let unknown = |what: &str, name: &str| {
        Error::failed(format!("there is no {what} {} on this machine", ui::quote(name)))
            .hint("write the numbers of another machine, such as 999:999 for RabbitMQ's container image")
    };
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    if user.is_empty() || group == Some("") {
        return Err(Error::usage(format!("{} names no user", ui::quote(text))).hint("write USER, or USER:GROUP"));
    }
    let (uid, mut groups) = match number(user) {
        Some(uid) => (uid, platform::groups_of(uid)),
        None => {
            let (uid, _) = platform::user(user).ok_or_else(|| unknown("user", user))?;
            (uid, platform::groups_of(uid))
        }
    };
    if let Some(group) = group {
        let gid = number(group).or_else(|| platform::group(group)).ok_or_else(|| unknown("group", group))?;
        groups.retain(|known| *known != gid);
        groups.insert(0, gid);
    }
    Ok((uid, groups))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_accounts() {
        assert_eq!(account("root").unwrap().0, 0);
        assert_eq!(account("0").unwrap().1, account("root").unwrap().1);
        assert_eq!(account("4000000000:7").unwrap(), (4_000_000_000, vec![7]));
        assert_eq!(account("4000000000").unwrap(), (4_000_000_000, vec![]));
        for wrong in ["", ":7", "7:", "no-such-user-here", "0:no-such-group-here", "a\0b"] {
            assert!(account(wrong).is_err(), "{wrong:?}");
        }
    }
}
