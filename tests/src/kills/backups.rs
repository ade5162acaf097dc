//! `postroom backup` into one folder, again and again. What a backup that ended well was made of
//! is in it: all that was acknowledged before it began. Now and then one is restored and read.

use super::Report;
use super::commands::Commands;
use super::shared::{Shared, Taken, Task};
use super::stored::{by_id, read};
use crate::{Server, ServerOptions};

/// People whose mail is never deleted.
const READ: [&str; 2] = ["ann@abc.test", "eve@def.test"];
/// Every so many backups one is restored, and the last one.
const RESTORED: u64 = 6;

/// A message that a backup has more than once: whoever knows what was in flight says whether that
/// may be.
#[derive(Debug)]
pub(super) struct Repeated {
    pub(super) user: &'static str,
    pub(super) id: String,
    pub(super) count: u64,
}

/// Makes one whenever it is wanted, and a last one.
pub(super) fn backups(shared: &Shared, options: &ServerOptions) -> (Report, Vec<Repeated>) {
    let home = shared.config.with_file_name("");
    let folder = home.join("backup");
    let name = folder.display().to_string();
    let mut commands = Commands::new(shared, Task::Backup);
    let mut repeated = Vec::new();
    for number in 1.. {
        let is_last = !shared.is_wanted(Task::Backup);
        // A later run goes on with an earlier one's files, but it is of a later moment.
        let before = shared.taken();
        if commands.run(&["backup", &name], |_| false).is_none() {
            break;
        }
        if is_last || number % RESTORED == 0 {
            let server = Server::restored(options.clone(), &folder, &home.join("data.keys"));
            check(&server, &before, &mut commands, &mut repeated);
        }
        if is_last {
            break;
        }
    }
    shared.has_ended(Task::Backup);
    (commands.report, repeated)
}

fn check(
    server: &Server,
    before: &[Taken],
    commands: &mut Commands<'_>,
    repeated: &mut Vec<Repeated>,
) {
    commands.count("restored");
    for user in READ {
        let found = by_id(read(&server.port("imaps"), user));
        for taken in before.iter().filter(|taken| taken.to.contains(&user)) {
            let copies = found.get(&taken.id).map_or(&[][..], Vec::as_slice);
            if copies.is_empty() {
                commands.fail(format!("{} of {user} is not in it", taken.id));
            }
            if copies.iter().any(|copy| *copy != taken.hash) {
                commands.fail(format!("{} of {user} is not what was sent", taken.id));
            }
            commands.count("messages read from a restored one");
        }
        repeated.extend(
            found
                .into_iter()
                .filter(|(_, copies)| copies.len() > 1)
                .map(|(id, copies)| Repeated {
                    user,
                    id,
                    count: copies.len() as u64,
                }),
        );
    }
}
