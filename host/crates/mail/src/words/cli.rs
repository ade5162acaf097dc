//! Messages of the command line. Exit codes: 1 failed, 2 wrong usage (clap), 3 not found,
//! 4 exists already, 5 not allowed, 6 the server does not answer, 75 try again later.

use super::Codes;
use super::words;

const fn exit(code: u8) -> Codes {
    Codes::Cli(code)
}

words! {
    COMMANDS:
    CLI_NO_SERVER = exit(6), "No server answers at {socket}: {detail}",
        "The command talks to the running server through its admin socket.",
        "Start it with `postroom serve`, or name its socket with --socket.";
    CLI_NOT_FOUND = exit(3), "{what} '{name}' is not here",
        "The object does not exist, or is another domain's.", "`postroom {kind} list` shows what is here.";
    CLI_EXISTS = exit(4), "{what} '{name}' is here already",
        "A name is used once.", "`postroom {kind} show {name}` shows it.";
    CLI_INVALID = exit(1), "'{value}' is not {expected}",
        "A value that cannot be read.", "`postroom help {command}` has examples.";
    CLI_NOT_ALLOWED = exit(5), "You may not do this: {detail}",
        "The right for it is missing.", "Ask an administrator of the domain or the operator of the site.";
    CLI_TRY_AGAIN = exit(75), "Not done: {detail}",
        "Temporary trouble of the server.", "Try again; the log of the server has the cause.";
    CLI_FAILED = exit(1), "Not done: {detail}",
        "Any other failure.", "The log of the server has the cause.";
    CLI_UNKNOWN_KEY = exit(1), "{file}: the key '{key}' is not known",
        "The configuration has a key that means nothing.", "Did you mean '{nearest}'?";
    CLI_BAD_CONFIG = exit(1), "{file}: {detail}",
        "The configuration cannot be read.", "Correct the line, then start again.";
    CLI_DATA_IN_USE = exit(1), "The data directory {directory} is used by another server",
        "One server at a time may use a data directory.", "Stop the other one, or set `data_directory`.";
    CLI_DATA_DAMAGED = exit(1), "The data directory {directory} is damaged: {detail}",
        "A check failed; nothing was changed.", "Keep a copy of the directory, then restore a backup or run `postroom store check`.";
    CLI_DATA_NEWER = exit(1), "The data directory {directory} was written by a newer version (format {format})",
        "An older server cannot read newer data; nothing was changed.", "Start Postroom {version} or newer.";
    CLI_PORT_TAKEN = exit(1), "Cannot listen on {address}: {detail}",
        "The port is taken, or may not be used by this user.", "Choose another port in `[listeners]`, or start with the right to use it.";
    CLI_LAST_ADMINISTRATOR = exit(5), "{name} is the last administrator of {domain}",
        "A domain always has one.", "Make somebody else administrator first.";
    CLI_STATE_NOT_BUILT = exit(1), "The state '{state}' has no effect yet and is not stored",
        "A state is only taken when all its effects are there.", "Use active, inactive, disabled or deleted.";
    CLI_PLUGIN_MISSING_IMPORT = exit(1), "The plugin '{name}' asks for {import}, which is not granted",
        "A component may import only what its binding grants.", "Bind it with `--grant {grant}`, if the domain may have it.";
    CLI_PLUGIN_MISSING_EXPORT = exit(1), "The plugin '{name}' exports no hook",
        "A component without any exported interface of the contract.", "See docs/plugins.md.";
    CLI_PLUGIN_VERSION = exit(1), "The plugin '{name}' is made for {found}, this server offers {offered}",
        "The contract versions do not match.", "Build it against the offered version.";
    CLI_PLUGIN_NOT_COMPONENT = exit(1), "{file} is not a component: {detail}",
        "A core module, another file, or a damaged one.", "`postroom plugin build` makes a component.";
    CLI_PLUGIN_MANIFEST = exit(1), "The manifest of {file} cannot be used: {detail}",
        "plugin.toml is missing from the component or not well formed.", "`postroom plugin build` puts it in.";
    CLI_PLUGIN_CONFIG = exit(1), "The configuration does not fit the plugin '{name}': {detail}",
        "It is checked against the schema in the manifest.", "`postroom plugin show {name}` prints the schema.";
    CLI_UNKNOWN_LABEL = exit(1), "'{label}' is not approved for {domain}",
        "Programs and files are named by labels that the operator approves.", "The operator adds it to `postroom.toml`.";
    CLI_BACKUP_FOREIGN = exit(1), "{folder} is not empty and no backup of postroom: name an empty or a new folder",
        "A backup is not mixed with other files.", "Name another folder.";
    CLI_BACKUP_MISSING = exit(1), "{folder} is no backup of postroom",
        "The file POSTROOM-BACKUP is not there.", "Name the folder that was given to `postroom backup`.";
    CLI_BACKUP_SOURCE_DAMAGED = exit(1), "{file} is damaged: {detail}. The backup before stays as it was",
        "A checksum of the store failed while it was copied.", "Check the disk; run `postroom store check`.";
    CLI_BACKUP_DAMAGED = exit(1), "The backup is damaged at {file}: {detail}",
        "A file of the backup is missing or is not what was written; the restore ends there and may go on later.",
        "Use another copy of the backup.";
    CLI_RESTORE_NOT_EMPTY = exit(1), "{directory} is not empty: '{name}' is in it. Name an empty or a new directory with --data",
        "A restore overwrites nothing.", "Move the old data directory away first.";
    CLI_NAME_TAKEN = exit(4), "'{name}' belongs to another domain",
        "A domain name or alias is used once; case, trailing dots and IDN forms are the same name.", "Choose another name.";
    CLI_SENDMAIL_SENDER = exit(77), "{name} sends as {name}@{hostname} only, not as '{from}'",
        "A user of this machine named somebody else as the sender, in the envelope or in From or Sender.",
        "The operator can put {name} into `any_sender` under [sendmail].";
    CLI_SENDMAIL_MUCH = exit(75), "Too much mail is handed in at the same time",
        "Messages that are handed in on this machine are in memory until they are taken.", "Try again.";

    // Domains and mail as files.
    CLI_HERE_ONLY = exit(1), "This carries more than a call from afar may: run it on the machine of the server, without --server",
        "`domain export|import` and `user export|import` with --server.", "Sign in to the machine itself.";
    CLI_EXPORTED = exit(0), "Wrote {name} to {file} ({kib} KiB): `postroom domain import` makes a domain of it elsewhere",
        "`domain export` has written everything and read it back.", "-";
    CLI_EXPORT_THERE = exit(1), "{file} is there already: name a new file",
        "An export overwrites nothing.", "Name another file, or remove this one.";
    CLI_EXPORT_BROKE = exit(1), "The export to {file} broke off: the same command goes on where it stopped",
        "Server, command or disk stopped in the middle; what is whole is in the file with .partial behind its name.", "Run it again.";
    CLI_EXPORT_OTHER = exit(1), "What was begun is the export of another domain that was called {name}",
        "The domain was removed and made anew since.", "Remove the file with .partial behind its name.";
    CLI_ARCHIVE_NONE = exit(1), "This is no archive of `postroom {kind} export`",
        "It begins in another way, or is empty.", "Name another file.";
    CLI_ARCHIVE_KIND = exit(1), "This is an archive of kind '{found}', and one of kind '{kind}' is wanted",
        "An archive of something else.", "Name another file.";
    CLI_ARCHIVE_NEWER = exit(1), "The archive was made by postroom {version}, which is newer than this one",
        "Its layout is not known here.", "Install that version or a newer one.";
    CLI_ARCHIVE_DAMAGED = exit(1), "The archive is damaged behind item {item}",
        "It is cut short, or not what was written.", "Copy it again; an import goes on behind what is in.";
    CLI_ARCHIVE_DAMAGED_AT = exit(1), "The archive is damaged at '{path}'",
        "The bytes of that item do not fit their hash.", "Copy it again; an import goes on behind what is in.";
    CLI_ARCHIVE_NOT_WHOLE = exit(1), "The archive has not all that belongs to it",
        "Items are missing or were exchanged.", "Make a new one.";
    CLI_ARCHIVE_ITEM = exit(1), "'{path}' has {bytes} bytes, more than the {most} that are taken",
        "Larger than anything that an export writes.", "Make a new archive.";
    CLI_IMPORTED = exit(0), "Imported {name}: {people} people, {mailboxes} mailboxes, {messages} messages",
        "`domain import` has brought everything.", "-";
    CLI_IMPORTED_QUEUE = exit(0), "Imported {name}: {people} people, {mailboxes} mailboxes, {messages} messages; {queued} queued messages wait for `postroom queue release`",
        "`domain import` has brought everything; the server it comes from may send the queued mail too.", "Release it when no other server sends it.";
    CLI_IMPORT_EXISTS = exit(4), "{name} is here already: an archive makes a new domain",
        "Domains are not mixed.", "Remove and purge the one that is here, if it is another one.";
    CLI_IMPORT_OTHER = exit(4), "Another archive is on its way into {name}: go on with that one",
        "An import of that archive was interrupted.", "Run `domain import` with the same file again.";
    CLI_IMPORT_TWICE = exit(4), "Another import of this archive into {name} is under way: wait for it",
        "One at a time brings a domain in.", "Try again.";
    CLI_IMPORT_FOREIGN = exit(1), "{address} is not in {name}: the archive was not made by an export",
        "Nothing of an archive goes beyond its own domain.", "Use an archive of `domain export`.";
    CLI_IMPORT_LATER = exit(1), "{detail}: the same command goes on from there later",
        "The store takes nothing at the moment.", "Run it again when the server is well.";
    CLI_IMPORT_SIZE = exit(1), "it has {bytes} bytes, more than limits.message_bytes",
        "A message of a Maildir or mbox that is larger than this server takes.", "Raise the limit, then import again.";
    CLI_IMPORT_QUOTA = exit(1), "{whose} is over quota at '{label}', after {count} messages",
        "The mailbox is full.", "Raise the quota and run the same command again: it goes on there.";
    CLI_MAIL_EXPORTED = exit(0), "Wrote {count} messages of {address} to {place}",
        "`user export` has written everything.", "-";
    CLI_MAIL_IMPORTED = exit(0), "Imported {count} messages for {address}; {known} were there from before",
        "`user import` has read everything.", "-";
    CLI_MAIL_NOT_IMPORTED = exit(1), "not imported: {file}: {detail}",
        "One message was left out.", "Correct it, then import again: nothing comes twice.";
    CLI_MAIL_SOME_NOT_IMPORTED = exit(1), "{count} messages were not imported; everything else was, and a second run imports nothing twice",
        "Some could not be read, or were refused.", "Each is named above.";
    CLI_MAIL_FILES = exit(1), "Name one of --maildir and --mbox",
        "Mail comes from one place and goes to one.", "Run the command once for each.";
    CLI_MAIL_FILE_EMPTY = exit(1), "it is empty", "A file of a Maildir without a message, or an mbox entry.", "-";
    CLI_MAIL_FILE_LARGE = exit(1), "it is too large", "Larger than any message may be.", "-";
    CLI_MAIL_FILE_GONE = exit(1), "it went away while it was read",
        "Another program uses the Maildir.", "Stop that program, then import again.";
    CLI_MAILDIR_NONE = exit(1), "{folder} is no Maildir: it has no folder 'cur' or 'new'",
        "`user import --maildir` of something else.", "Name the folder that has 'cur' in it.";
    CLI_MAILDIR_LEVELS = exit(1), "{folder} has too many levels of folders",
        "Folders in folders without an end.", "Import the folders one by one, with --mailbox.";
    CLI_MAILDIR_THERE = exit(1), "{folder} is there already and not empty: name a new folder",
        "An export overwrites nothing.", "Name another folder.";
    CLI_MBOX_NONE = exit(1), "{file} is no mbox: it does not begin with a 'From ' line",
        "`user import --mbox` of something else.", "Name an mbox file.";
}
