//! `domain import` and `user import`: whatever was killed meanwhile, all of it is there once.

use super::Report;
use super::archives::Archives;
use super::commands::Commands;
use super::shared::{Shared, Task};
use super::stored::{Stored, read_again};
use crate::Ran;

/// Imports one domain whenever it is wanted, and a first one. UIDs and flags are those of the
/// archive.
pub(super) fn import_domains(shared: &Shared, archives: &Archives) -> Report {
    let mut commands = Commands::new(shared, Task::DomainImport);
    let mut domains = archives.domains.iter();
    while shared.is_wanted(Task::DomainImport) || domains.len() == archives.domains.len() {
        let Some(archive) = domains.next() else {
            break;
        };
        let is_there = |ran: &Ran| ran.err.contains("is here already");
        let imported = commands.run(&["domain", "import", &archive.path], is_there);
        if imported.is_none() {
            break;
        }
        check(&mut commands, &archive.user, &archive.stored, |stored| {
            stored.clone()
        });
    }
    shared.has_ended(Task::DomainImport);
    commands.report
}

/// Imports the Maildir for one person whenever it is wanted, and for a first one. `people` are
/// there.
pub(super) fn import_people(shared: &Shared, archives: &Archives, people: &[String]) -> Report {
    let mut commands = Commands::new(shared, Task::UserImport);
    let maildir = archives.maildir();
    let mut left = people.iter();
    while shared.is_wanted(Task::UserImport) || left.len() == people.len() {
        let Some(user) = left.next() else {
            break;
        };
        let import = ["user", "import", user, "--maildir", &maildir];
        if commands.run(&import, |_| false).is_none() {
            break;
        }
        // Which commit came first is not said.
        check(&mut commands, user, &archives.maildir, |stored| Stored {
            uid: 0,
            ..stored.clone()
        });
    }
    shared.has_ended(Task::UserImport);
    commands.report
}

/// All of `wanted` is there once, and nothing else, as `seen` sees it.
fn check(
    commands: &mut Commands<'_>,
    user: &str,
    wanted: &[Stored],
    seen: impl Fn(&Stored) -> Stored,
) {
    let found = match read_again(commands.shared, user) {
        Ok(found) => found,
        Err(ran) => return commands.fail(format!("{user} cannot be read: {ran:?}")),
    };
    let sorted = |stored: &[Stored]| {
        let mut stored: Vec<_> = stored.iter().map(&seen).collect();
        stored.sort();
        stored
    };
    let (found, wanted) = (sorted(&found), sorted(wanted));
    for one in wanted.iter().filter(|one| !found.contains(one)).take(5) {
        commands.fail(format!("{user} has not {one:?}"));
    }
    for one in found.iter().filter(|one| !wanted.contains(one)).take(5) {
        commands.fail(format!("{user} has {one:?}"));
    }
    if found.len() != wanted.len() {
        commands.fail(format!(
            "{user} has {} messages, and {} were imported",
            found.len(),
            wanted.len()
        ));
    }
    commands.count("checked");
}
