//! Working on the files of a stopped server as the user they belong to.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, ensure};

/// Refuses to work on a store of another user: files made in it would belong to the caller, and
/// the server could not open them.
pub(super) fn ensure_owner(store: &Path) -> anyhow::Result<()> {
    let mark = store.join("FORMAT");
    let meta = match std::fs::metadata(&mark) {
        // No store yet; whoever opens it says so.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        read => read.with_context(|| format!("cannot read {}", mark.display()))?,
    };
    check(store, meta.uid(), rustix::process::geteuid().as_raw())
}

fn check(store: &Path, owner: u32, caller: u32) -> anyhow::Result<()> {
    ensure!(
        owner == caller,
        "{} belongs to another user (number {owner}): run the same command as that one, `sudo -u '#{owner}' postroom ...`",
        store.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{check, ensure_owner};

    #[test]
    fn only_the_owner_works_on_a_store() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("FORMAT"), "").expect("the folder is ours");
        ensure_owner(folder.path()).expect("it is ours");
        check(folder.path(), 996, 996).expect("it is theirs");
        // Also root: what it made would be root's.
        let refused = check(folder.path(), 996, 0)
            .expect_err("another user")
            .to_string();
        assert!(refused.contains("sudo -u '#996'"), "{refused}");
    }
}
