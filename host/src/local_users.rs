//! The users of this machine, as `/etc/passwd` has them.
//!
//! What it does not know: users of another source (NSS). They are called `uid1000`.

/// The login name of a user.
pub(crate) fn name_of(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    find(&users, uid).unwrap_or_else(|| format!("uid{uid}"))
}

fn find(users: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    let mut entries = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let own = entries.find(|entry| entry.get(2) == Some(&uid.as_str()))?;
    own.first().map(|name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::{find, name_of};

    #[test]
    fn a_user_has_a_name() {
        let users = "root:x:0:0:root:/root:/bin/sh\n\nbroken\nann:x:1000:1000::/srv/ann:\n";
        assert_eq!(find(users, 0).as_deref(), Some("root"));
        assert_eq!(find(users, 1000).as_deref(), Some("ann"));
        assert_eq!(find(users, 1), None);
        assert_eq!(name_of(u32::MAX - 7), "uid4294967288");
    }
}
