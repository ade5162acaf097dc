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
}
