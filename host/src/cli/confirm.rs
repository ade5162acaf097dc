//! Asking before what nobody can take back.

use std::io::BufRead;

use anyhow::bail;

/// Goes on if `yes` was given, or if the name is typed again.
pub(super) fn erasing(name: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    eprintln!(
        "This removes {name} with all mail and destroys the keys. Nothing brings it back, no backup of the mailboxes either.\nType {name} to go on:"
    );
    answered(name, std::io::stdin().lock())
}

fn answered(name: &str, mut input: impl BufRead) -> anyhow::Result<()> {
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    if answer.trim() != name {
        bail!("nothing was erased: type the name to confirm, or give --yes");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::answered;

    #[test]
    fn only_the_name_itself_goes_on() {
        answered("ann@abc.test", &b"ann@abc.test\n"[..]).expect("that is it");
        for other in ["", "\n", "y\n", "yes\n", "ann@abc.tes\n", "Ann@abc.test\n"] {
            answered("ann@abc.test", other.as_bytes()).expect_err(other);
        }
    }
}
