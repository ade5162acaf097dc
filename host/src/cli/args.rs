//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config::Config;

/// A mail platform that hosts many virtual domains on one server.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "postroom",
    version,
    after_help = "Examples:\n  postroom serve --port-offset 10000        a server without root, SMTP on 10025\n  postroom domain add abc.test              a virtual domain\n  postroom user add ann@abc.test            a person; the password is shown once\n  postroom explain ann@abc.test             what would happen to mail for her\n\nExit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 not found, 4 conflict, 5 no server answers."
)]
pub struct Arguments {
    /// Configuration file, before the command [default: postroom.toml, else
    /// /etc/postroom/postroom.toml, if there is one].
    // Not global: `plugin bind` and `plugin test` have a `--config` of their own.
    #[arg(long, env = "POSTROOM_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data directory, instead of the configured one.
    #[arg(long, global = true, env = "POSTROOM_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Answers as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// A server elsewhere.
    #[command(flatten)]
    pub remote: Remote,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How a server elsewhere is reached. Without a URL it is the one of the data directory.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "A server elsewhere")]
pub struct Remote {
    /// Its API, as `https://mail.abc.test:8443`.
    #[arg(long, global = true, env = "POSTROOM_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// Who signs in: a login name, most often an address.
    #[arg(
        id = "as",
        long = "as",
        global = true,
        env = "POSTROOM_AS",
        value_name = "ADDRESS"
    )]
    pub login: Option<String>,
    /// The authority that vouches for its certificate, or the certificate itself, in PEM
    /// [default: those of this machine].
    #[arg(long, global = true, env = "POSTROOM_CAFILE", value_name = "FILE")]
    pub cafile: Option<PathBuf>,
    /// Take any certificate: only for a trial.
    #[arg(long, global = true, conflicts_with = "cafile")]
    pub insecure: bool,
    /// File whose first line is the password [default: it is asked for].
    #[arg(
        long,
        global = true,
        env = "POSTROOM_PASSWORD_FILE",
        value_name = "FILE"
    )]
    pub password_file: Option<PathBuf>,
}

impl Arguments {
    /// What was typed. Run by the name `sendmail` the command is that one, whatever is behind it.
    pub fn read() -> Self {
        let mut typed = std::env::args_os();
        let program = typed.next().unwrap_or_default();
        let name = std::path::Path::new(&program).file_name();
        if name.is_none_or(|name| name != "sendmail") {
            return Self::parse();
        }
        let command = ["postroom", "sendmail", "--"].map(Into::into);
        Self::parse_from(command.into_iter().chain(typed))
    }

    /// The configuration, with what the command line overrides.
    pub fn load_config(&self) -> anyhow::Result<Config> {
        let file = match &self.command {
            Command::Serve {
                config: Some(file), ..
            } => Some(file),
            _ => self.config.as_ref(),
        };
        let mut config = Config::load(file.map(PathBuf::as_path))?;
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run the server.
    Serve {
        /// Configuration file [default: postroom.toml, else /etc/postroom/postroom.toml, if there
        /// is one].
        #[arg(id = "serve-config", long = "config", value_name = "FILE")]
        config: Option<PathBuf>,
        /// Add this to every port, so that no root is needed for a trial.
        #[arg(long, value_name = "N")]
        port_offset: Option<u16>,
        /// Log as JSON lines.
        #[arg(long)]
        log_json: bool,
    },
    /// Write a postroom.toml that names every setting in a comment.
    #[command(
        after_help = "Examples:\n  postroom init --hostname mail.example.org\n  postroom --config /etc/postroom/postroom.toml --data /var/lib/postroom init --hostname mail.example.org"
    )]
    Init {
        /// The full name of this server, as other servers see it.
        #[arg(long, value_name = "NAME")]
        hostname: Option<String>,
        /// Replace a file that is there.
        #[arg(long)]
        force: bool,
    },
    /// Try the configuration: file, ports, certificate, DNS, disk. Changes nothing.
    #[command(
        after_help = "Each line that is not 'ok' names the next command. Exit code 1 if anything failed.\n\nExample:\n  postroom --config /etc/postroom/postroom.toml check"
    )]
    Check,
    /// Copy everything into a folder while the server runs: the first time all, then what changed.
    #[command(
        after_help = "The folder may be on another file system. An interrupted backup goes on with the same command, and the one before stays valid until the new one is whole. Keys that lie outside of the data directory are not copied.\n\nExample:\n  postroom backup /mnt/backup/postroom"
    )]
    Backup {
        /// An empty or new folder, or that of the backup before.
        folder: PathBuf,
    },
    /// Make a data directory of a backup, with the server stopped.
    #[command(
        after_help = "Every UIDVALIDITY moves on, and queued mail waits for `postroom queue release`. An interrupted restore goes on with the same command.\n\nExamples:\n  postroom --data /var/lib/postroom restore /mnt/backup/postroom\n  postroom restore --accept-older      serve an older copy of the store that was put in place"
    )]
    Restore {
        /// The folder of the backup.
        #[arg(required_unless_present = "accept_older")]
        folder: Option<PathBuf>,
        /// Accept the store that is there although it is older than the one served last.
        #[arg(long, conflicts_with = "folder")]
        accept_older: bool,
    },
    /// Write the manual pages into a folder.
    #[command(after_help = "Example:\n  postroom man /usr/local/share/man/man1")]
    Man {
        /// Where to.
        folder: PathBuf,
    },
    /// Print the completions of a shell.
    #[command(
        after_help = "Example:\n  postroom completions bash > /etc/bash_completion.d/postroom"
    )]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Show the main job on real sockets: two domains, plugins, a swap while mail flows.
    Demo {
        /// End when everything was shown.
        #[arg(long)]
        exit: bool,
        /// Add this to every port of the demo's server.
        #[arg(long, default_value_t = 10_000)]
        port_offset: u16,
    },
    /// Virtual domains.
    Domain {
        /// What to do.
        #[command(subcommand)]
        command: DomainCommand,
    },
    /// People.
    User {
        /// What to do.
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Groups: distribution lists and shared mailboxes.
    Group {
        /// What to do.
        #[command(subcommand)]
        command: GroupCommand,
    },
    /// Aliases: addresses that stand for others.
    Alias {
        /// What to do.
        #[command(subcommand)]
        command: AliasCommand,
    },
    /// Plugins of a domain, and tools for their authors.
    Plugin {
        /// What to do.
        #[command(subcommand)]
        command: PluginCommand,
    },
    /// Mail that waits.
    Queue {
        /// What to do.
        #[command(subcommand)]
        command: QueueCommand,
    },
    /// The mail store: what it has, whether it fits, giving room back. For the operator.
    #[command(
        after_help = "With the server running it is asked; without one the commands open the store themselves.\nExit code 1 where `check` or `repair` find problems.\n\nExamples:\n  postroom store stats\n  postroom store check --deep"
    )]
    Store {
        /// What to do.
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Show what became of a message, a line for each step, for 14 days.
    #[command(
        after_help = "Administrators of a domain and its postmaster see what concerns that domain.\n\nExamples:\n  postroom trace ann@abc.test                 the last messages from and to her\n  postroom trace '<20261129.1@example.org>'   by Message-ID\n  postroom trace q1f                          by the id in Received, logs and reports\n  postroom trace w20                          by entry of the queue"
    )]
    Trace {
        /// Queue id, envelope id, Message-ID, or address of sender or recipient.
        #[arg(value_name = "ID|MESSAGE-ID|ADDRESS")]
        what: String,
        /// Only what this domain knows.
        #[arg(long, value_name = "NAME")]
        domain: Option<String>,
        /// At most so many messages, the newest [default: 20].
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// Show what would happen to mail for an address, step by step.
    #[command(
        after_help = "Examples:\n  postroom explain ann@abc.test --from bob@xyz.test\n  postroom explain --login ann@abc.test --service imap      why somebody is not let in"
    )]
    Explain {
        /// The recipient.
        #[arg(required_unless_present = "login")]
        address: Option<String>,
        /// Show how far this login name would come instead, the password aside.
        #[arg(long, value_name = "NAME", conflicts_with_all = ["address", "from", "authenticated"])]
        login: Option<String>,
        /// With --login: mx, smtp, smtps, imap, imaps, pop3, pop3s or http [default: imaps].
        #[arg(long, requires = "login")]
        service: Option<String>,
        /// With --login: the client's address [default: one of nobody].
        #[arg(long, requires = "login", value_name = "IP")]
        client: Option<std::net::IpAddr>,
        /// The sender's address [default: an outside one].
        #[arg(long, value_name = "ADDRESS")]
        from: Option<String>,
        /// The sender is this person, logged in.
        #[arg(long, value_name = "ADDRESS")]
        authenticated: Option<String>,
    },
    /// Sign in to a server elsewhere and stay so, until `logout` or until it ends.
    #[command(
        after_help = "Example:\n  postroom --server https://mail.abc.test:8443 --as ann@abc.test login"
    )]
    Login {
        /// Read the password from the first line of standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Sign out of a server elsewhere.
    Logout,
    /// Hand in a message from standard input, as `sendmail` does.
    #[command(
        after_help = "Options:\n  -t            recipients are those of To, Cc and Bcc as well; Bcc is taken out\n  -i, -oi       a line with a single dot is text, not the end\n  -f ADDRESS    envelope sender; <> for none [default: your login name]\n  -F NAME       name in a From that is added\n\nFrom, Date and Message-ID are added where they are missing. An address without a domain gets the server's name.\nRun by the name `sendmail` (a link to `postroom`) it does the same. -o…, -B, -N, -R, -V are taken and mean nothing here.\n\nExit codes (sysexits.h): 0 taken, 64 usage, 65 bad data, 67 no such user, 69 refused, 75 try again later, 77 not allowed.\n\nExample:\n  printf 'To: ann@abc.test\\nSubject: hello\\n\\nhello\\n' | postroom sendmail -t"
    )]
    Sendmail {
        /// Options and recipients.
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "OPTION|ADDRESS"
        )]
        arguments: Vec<std::ffi::OsString>,
    },
    /// The running server: addresses, version, who one is.
    Status,
    /// Stop the running server after open sessions have ended.
    Stop,
    /// Print all settings as Markdown.
    #[command(hide = true)]
    Configuration,
    /// Print the table of replies as Markdown.
    #[command(hide = true)]
    Replies,
    /// Limits itself and compiles a component.
    #[command(hide = true, disable_help_flag = true)]
    CompileHelper {
        /// Passed on as they are.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Limits itself and runs a program of the approved list.
    #[command(hide = true, disable_help_flag = true)]
    ExecHelper {
        /// Passed on as they are.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
}

/// `postroom domain …`
#[derive(Debug, Clone, Subcommand)]
pub enum DomainCommand {
    /// Add a domain.
    #[command(
        after_help = "Example:\n  postroom domain add abc.test --postmaster ann@abc.test --services '+imaps:ALL$+smtps:ALL'"
    )]
    Add {
        /// Its name.
        name: String,
        /// Where mail for postmaster@ goes.
        #[arg(long, value_name = "ADDRESS")]
        postmaster: Option<String>,
        /// People who administer it, by address; may be given more than once.
        #[arg(long, value_name = "ADDRESS")]
        admin: Vec<String>,
        /// Allowed services, as `+imap:ALL$+smtp:ALL` [default: all].
        #[arg(long, value_name = "RULES")]
        services: Option<String>,
        /// State [default: active].
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        /// Other names of the domain; may be given more than once.
        #[arg(long, value_name = "NAME")]
        alias: Vec<String>,
    },
    /// List all domains.
    List,
    /// Show one domain.
    Show {
        /// Its name.
        name: String,
    },
    /// Change a domain.
    #[command(
        after_help = "Attributes: state, mail-state, services, postmaster, administrators, aliases, catch-all, smart-host, service-names, disabled-text, people-may-file, quota-bytes, quota-messages, quota-people.\nAn empty value removes an attribute; lists are separated by commas.\n\nExamples:\n  postroom domain set abc.test state=inactive\n  postroom domain set abc.test services='+imaps:ALL' postmaster=ann@abc.test"
    )]
    Set {
        /// Its name.
        name: String,
        /// ATTRIBUTE=VALUE.
        #[arg(required = true, value_name = "ATTRIBUTE=VALUE")]
        attributes: Vec<String>,
    },
    /// Who changed, or tried to change, what in a domain; the newest first.
    Audit {
        /// Its name.
        name: String,
        /// So many.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Say whose mail a name gets that came back in the LDAP directory as another entry: that of
    /// the entry which had it before.
    #[command(
        after_help = "Without --only the domain itself and everybody in it continue.\n\nExamples:\n  postroom domain adopt abc.test\n  postroom domain adopt abc.test --only ann@abc.test --as-new"
    )]
    Adopt {
        /// Its name.
        name: String,
        /// This person or group alone.
        #[arg(long, value_name = "ADDRESS")]
        only: Option<String>,
        /// It is somebody new and gets no old mail.
        #[arg(long)]
        as_new: bool,
    },
    /// Write a domain into one file: people with passwords, groups, aliases, mail, queue, plugins.
    #[command(
        after_help = "What changes meanwhile is in it or not: for good, set the domain inactive first. What is written is read again before it counts. An interrupted export leaves FILE.partial, and the same command goes on behind what is whole of it.\n\nExample:\n  postroom domain export abc.test abc.test.archive"
    )]
    Export {
        /// Its name.
        name: String,
        /// A new file.
        file: PathBuf,
    },
    /// Make a domain of a file that `domain export` wrote.
    #[command(
        after_help = "The domain is inactive until all of it is there; an interrupted import goes on with the same command. UIDs stay, and queued mail waits for `postroom queue release`.\n\nExample:\n  postroom domain import abc.test.archive"
    )]
    Import {
        /// The file.
        file: PathBuf,
    },
    /// Set a domain to 'deleted': mail for it is refused for good, nothing is erased yet.
    Remove {
        /// Its name.
        name: String,
    },
    /// Erase a deleted domain: people, mail and keys, so that no backup of them can be read either.
    Purge {
        /// Its name.
        name: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// `postroom user …`
#[derive(Debug, Clone, Subcommand)]
pub enum UserCommand {
    /// Add a person. Without a password option a password is made and shown once.
    #[command(
        after_help = "Examples:\n  postroom user add ann@abc.test\n  echo secret | postroom user add bob@abc.test --password-stdin\n  postroom user add cat@abc.test --option mailbox --option forward --attribute forward-to=dan@xyz.test"
    )]
    Add {
        /// The person's address.
        address: String,
        /// Read the password from the first line of standard input.
        #[arg(long)]
        password_stdin: bool,
        /// More addresses; may be given more than once.
        #[arg(long, value_name = "ADDRESS")]
        alternate: Vec<String>,
        /// Delivery options: mailbox, autoreply, program, forward, file, shared.
        #[arg(long, value_name = "OPTION")]
        option: Vec<String>,
        /// Other attributes, as for `user set`.
        #[arg(long, value_name = "ATTRIBUTE=VALUE")]
        attribute: Vec<String>,
    },
    /// List the people of a domain.
    List {
        /// The domain.
        domain: String,
    },
    /// Show a person.
    Show {
        /// The person's address.
        address: String,
    },
    /// Change a person.
    #[command(
        after_help = "Attributes: state, mail-state, services, alternates, options, forward-to, program, file, shared, autoreply-mode, autoreply-text, autoreply-text-internal, autoreply-subject, autoreply-timeout-hours, autoreply-start, autoreply-end, routing-address, quota-bytes, quota-messages, uid, name, language, roles.\nAn empty value removes an attribute; lists are separated by commas.\n\nExample:\n  postroom user set ann@abc.test options=mailbox,autoreply autoreply-text='I am away.'"
    )]
    Set {
        /// The person's address.
        address: String,
        /// ATTRIBUTE=VALUE.
        #[arg(required = true, value_name = "ATTRIBUTE=VALUE")]
        attributes: Vec<String>,
    },
    /// Give a new password. Without an option it is made and shown once.
    Passwd {
        /// The person's address.
        address: String,
        /// Read the password from the first line of standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Put the mail of a Maildir or an mbox into a person's mailboxes.
    #[command(
        after_help = "A second run imports nothing twice. What cannot be read is named, and the rest is imported.\n\nExamples:\n  postroom user import ann@abc.test --maildir Maildir\n  postroom user import ann@abc.test --mbox old.mbox --mailbox Old"
    )]
    Import {
        /// The person's address.
        address: String,
        /// Where the mail is.
        #[command(flatten)]
        files: MailFiles,
    },
    /// Write a person's mail into a new Maildir or mbox.
    #[command(
        after_help = "Examples:\n  postroom user export ann@abc.test --maildir ann-mail\n  postroom user export ann@abc.test --mbox sent.mbox --mailbox Sent"
    )]
    Export {
        /// The person's address.
        address: String,
        /// Where it goes.
        #[command(flatten)]
        files: MailFiles,
    },
    /// Remove a person and the mail.
    Remove {
        /// The person's address.
        address: String,
    },
    /// Remove a person and the mail, and destroy the key, so that no backup of the mailboxes can be
    /// read either. Old backups of the queue stay readable with the key of the domain or the host.
    Erase {
        /// The person's address.
        address: String,
        /// Somebody of that domain who is not in the directory any more, by the number that
        /// `user remove` or `user show --json` said. For the operator.
        #[arg(long)]
        id: Option<u64>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// Mail in the files of other programs.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct MailFiles {
    /// A Maildir with its folders (Maildir++ and Dovecot's).
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "mbox",
        conflicts_with = "mbox"
    )]
    pub maildir: Option<PathBuf>,
    /// An mbox file.
    #[arg(long, value_name = "FILE")]
    pub mbox: Option<PathBuf>,
    /// The mailbox; with a Maildir its top, and folders go below it [default: INBOX, and with
    /// `export --maildir` all].
    #[arg(long, value_name = "NAME")]
    pub mailbox: Option<String>,
}

impl MailFiles {
    /// The one that is named.
    pub(crate) fn place(&self) -> &std::path::Path {
        let named = self.maildir.as_ref().or(self.mbox.as_ref());
        named.map_or_else(|| std::path::Path::new(""), |path| path.as_path())
    }
}

/// `postroom group …`
#[derive(Debug, Clone, Subcommand)]
pub enum GroupCommand {
    /// Add a group.
    #[command(
        after_help = "Examples:\n  postroom group add team@abc.test --member ann@abc.test --member bob@abc.test\n  postroom group add office@abc.test --shared office --member ann@abc.test"
    )]
    Add {
        /// The group's address.
        address: String,
        /// A member's address; may be given more than once.
        #[arg(long, value_name = "ADDRESS")]
        member: Vec<String>,
        /// Make the mailbox `Shared Folders/NAME` with rights for the members.
        #[arg(long, value_name = "NAME")]
        shared: Option<String>,
        /// Delivery options: members, shared, program, file, forward.
        #[arg(long, value_name = "OPTION")]
        option: Vec<String>,
        /// Other attributes, as for `group set`.
        #[arg(long, value_name = "ATTRIBUTE=VALUE")]
        attribute: Vec<String>,
    },
    /// List the groups of a domain.
    List {
        /// The domain.
        domain: String,
    },
    /// Show a group.
    Show {
        /// The group's address.
        address: String,
    },
    /// Change a group.
    #[command(
        after_help = "Attributes: state, members, options, shared, forward-to, program, file, alternates, name.\n\nExample:\n  postroom group set team@abc.test members=ann@abc.test,bob@abc.test"
    )]
    Set {
        /// The group's address.
        address: String,
        /// ATTRIBUTE=VALUE.
        #[arg(required = true, value_name = "ATTRIBUTE=VALUE")]
        attributes: Vec<String>,
    },
    /// Remove a group.
    Remove {
        /// The group's address.
        address: String,
    },
}

/// `postroom alias …`
#[derive(Debug, Clone, Subcommand)]
pub enum AliasCommand {
    /// Add an alias.
    #[command(
        after_help = "Example:\n  postroom alias add sales@abc.test ann@abc.test bob@abc.test"
    )]
    Add {
        /// The address.
        address: String,
        /// What it stands for.
        #[arg(required = true)]
        targets: Vec<String>,
    },
    /// List the aliases of a domain.
    List {
        /// The domain.
        domain: String,
    },
    /// Remove an alias.
    Remove {
        /// The address.
        address: String,
    },
}

/// `postroom plugin …`
#[derive(Debug, Clone, Subcommand)]
pub enum PluginCommand {
    /// Check a component and keep it on the server: the operator's for all domains, or for one.
    #[command(
        after_help = "Examples:\n  postroom plugin install target/greeter.wasm\n  postroom plugin install target/greeter.wasm --domain abc.test"
    )]
    Install {
        /// The `.wasm` file.
        file: PathBuf,
        /// For this domain alone [default: all; for an administrator the own one].
        #[arg(long)]
        domain: Option<String>,
    },
    /// Take away a component that was installed, unless a domain runs it, waits for it, or would
    /// go back to it.
    #[command(
        after_help = "Examples:\n  postroom plugin remove greeter@0.1.0\n  postroom plugin remove greeter --domain abc.test"
    )]
    Remove {
        /// The plugin's name (its newest version), or NAME@VERSION.
        plugin: String,
        /// What this domain brought [default: the operator's; for an administrator the own one].
        #[arg(long)]
        domain: Option<String>,
    },
    /// Bind a plugin to a domain. It runs from the next `deploy` on.
    #[command(
        after_help = "Example:\n  postroom plugin bind abc.test domain-policy --config '{\"denied_senders\":[\"@spam.test\"]}'"
    )]
    Bind {
        /// The domain.
        domain: String,
        /// The plugin's name, or NAME@VERSION.
        plugin: String,
        /// Place in the chain, low first [default: as it is bound now, else 50].
        #[arg(long)]
        order: Option<i32>,
        /// Configuration as JSON, or @FILE.
        #[arg(id = "binding-config", long = "config", value_name = "JSON")]
        config: Option<String>,
        /// Capabilities granted [default: what the manifest asks for].
        #[arg(long, value_name = "CAPABILITY")]
        grant: Vec<String>,
        /// What a failure of the plugin means: tempfail, proceed or quarantine.
        #[arg(long, value_name = "POLICY")]
        on_failure: Option<String>,
        /// Mail it is asked about: inbound, submission, internal; may be given more than once
        /// [default: inbound].
        #[arg(long, value_name = "DIRECTION")]
        direction: Vec<String>,
        /// Keep instances between transactions, if the manifest asks for it.
        #[arg(long)]
        reuse: bool,
    },
    /// Take a plugin off a domain at the next `deploy`.
    Unbind {
        /// The domain.
        domain: String,
        /// The plugin's name.
        plugin: String,
    },
    /// Make the bindings of a domain effective, all at once.
    #[command(
        after_help = "Examples:\n  postroom plugin deploy abc.test\n  postroom plugin deploy abc.test domain-policy@0.2.0    bind that version and deploy"
    )]
    Deploy {
        /// The domain.
        domain: String,
        /// Bind this version first.
        plugin: Option<String>,
    },
    /// Go back to the chain before.
    Rollback {
        /// The domain.
        domain: String,
    },
    /// List installed plugins, or the chain of a domain.
    List {
        /// The domain whose chain it is.
        domain: Option<String>,
        /// List what this domain can bind.
        #[arg(long = "for", value_name = "DOMAIN", conflicts_with = "domain")]
        of: Option<String>,
    },
    /// Start a plugin project in a new folder.
    #[command(
        after_help = "Example:\n  postroom plugin new greeter && cd greeter && postroom plugin build"
    )]
    New {
        /// Name of plugin and folder.
        name: String,
        /// Language of the template; only Rust now.
        #[arg(long, default_value = "rust")]
        lang: String,
        /// Where postroom-sdk is, instead of the copy that comes with this program.
        #[arg(long, value_name = "DIR")]
        sdk: Option<PathBuf>,
    },
    /// Build the plugin project in this folder to one `.wasm` component.
    Build {
        /// The project's folder.
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Run a plugin against mail files, without a server.
    #[command(after_help = "Example:\n  postroom plugin test target/greeter.wasm tests/*.eml")]
    Test {
        /// The `.wasm` file.
        component: PathBuf,
        /// Messages; without any, a small built-in one.
        messages: Vec<PathBuf>,
        /// Envelope sender.
        #[arg(long, default_value = "sender@example.org")]
        from: String,
        /// Envelope recipient.
        #[arg(long, default_value = "recipient@example.net")]
        to: String,
        /// Configuration as JSON.
        #[arg(
            id = "test-config",
            long = "config",
            value_name = "JSON",
            default_value = "{}"
        )]
        config: String,
    },
}

/// `postroom queue …`
#[derive(Debug, Clone, Subcommand)]
pub enum QueueCommand {
    /// List what waits.
    #[command(
        after_help = "Examples:\n  postroom queue list --domain abc.test --state quarantine\n  postroom queue list --to example.org --older 2h\n  postroom queue list --channel deliver:autoreply"
    )]
    List {
        /// Which entries.
        #[command(flatten)]
        which: Which,
        /// At most so many [default: 1000].
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Only those behind this entry.
        #[arg(long, value_name = "ID")]
        after: Option<String>,
    },
    /// Show one entry with its attempts.
    Show {
        /// Its id, from `queue list`.
        id: String,
    },
    /// Try now.
    #[command(
        after_help = "Examples:\n  postroom queue retry w1f\n  postroom queue retry --to example.org\n  postroom queue retry all"
    )]
    Retry(Entries),
    /// Keep aside until it is released.
    #[command(
        after_help = "Examples:\n  postroom queue hold w1f\n  postroom queue hold --from spam.test --dry-run"
    )]
    Hold(Entries),
    /// Let go on what was kept aside, behind the step that kept it: no plugin is asked again.
    #[command(
        after_help = "Examples:\n  postroom queue release w1f\n  postroom queue release --state quarantine --domain abc.test --dry-run"
    )]
    Release(Entries),
    /// Remove for good; nobody is told.
    #[command(
        after_help = "Examples:\n  postroom queue remove w1f\n  postroom queue remove --state quarantine --older 7d"
    )]
    Remove(Entries),
    /// Write messages into files, one for each message. They stay in the queue.
    #[command(
        after_help = "With --remove each entry is held, written, and removed when its file is safe on the disk. If that is cut short the entry is still there, held.\n\nExamples:\n  postroom queue export w1f\n  postroom queue export --channel smtp --folder /var/tmp/queue --remove"
    )]
    Export {
        /// Which entries.
        #[command(flatten)]
        entries: Entries,
        /// Where the files go.
        #[arg(long, value_name = "FOLDER", default_value = ".")]
        folder: PathBuf,
        /// Take out of the queue what is safely written.
        #[arg(long, conflicts_with = "dry_run")]
        remove: bool,
    },
    /// Queue the messages of such files. A file that was imported before queues nothing again.
    #[command(after_help = "Example:\n  postroom queue import q1f-w20.mail")]
    Import {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// `postroom store …`
#[derive(Debug, Clone, Subcommand)]
pub enum StoreCommand {
    /// Count messages, rows and bodies, and what they take on the disk.
    Stats,
    /// Compare rows with each other, with their counters, and with the bodies they name. Changes
    /// nothing.
    Check {
        /// Read every body, too.
        #[arg(long)]
        deep: bool,
    },
    /// Make the index again from the journal, and check it. The one that was is put aside. The
    /// server must be stopped.
    Repair,
    /// Collect at once what nobody names any more; on a stopped server the index becomes smaller,
    /// too.
    Compact,
}

/// Entries by id, or by filters.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Entries {
    /// Their ids, or `all` within reach.
    #[arg(required_unless_present_any = FILTERS, conflicts_with_all = FILTERS)]
    pub ids: Vec<String>,
    /// Which entries, instead of ids.
    #[command(flatten)]
    pub which: Which,
    /// Only say which.
    #[arg(long)]
    pub dry_run: bool,
}

/// The options that filter.
const FILTERS: [&str; 7] = [
    "domain", "channel", "to", "from", "state", "older", "message",
];

/// Filters; all of them must fit.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Which entries")]
pub struct Which {
    /// Of this domain.
    #[arg(long, value_name = "NAME")]
    pub domain: Option<String>,
    /// By this channel or stage: smtp, deliver:autoreply, route.
    #[arg(long, value_name = "CHANNEL")]
    pub channel: Option<String>,
    /// For this address or domain.
    #[arg(long, value_name = "ADDRESS|DOMAIN")]
    pub to: Option<String>,
    /// From this address or domain; `<>` for mail without a sender.
    #[arg(long, value_name = "ADDRESS|DOMAIN")]
    pub from: Option<String>,
    /// waiting, working, parked, or why it is parked: quarantine, moderation, hold, circuit,
    /// restored.
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    /// At least so old: 90s, 15m, 2h, 7d.
    #[arg(long, value_name = "AGE")]
    pub older: Option<String>,
    /// Of this message.
    #[arg(long, value_name = "ID")]
    pub message: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::{Arguments, Command, PluginCommand};

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_can_be_said_to_a_server_elsewhere() {
        let line = "postroom --server https://mail.abc.test user list abc.test --as ann@abc.test";
        let arguments = Arguments::try_parse_from(line.split(' ')).expect("it is valid");
        let remote = arguments.remote;
        assert_eq!(remote.server.as_deref(), Some("https://mail.abc.test"));
        assert_eq!(remote.login.as_deref(), Some("ann@abc.test"));
    }

    #[test]
    fn entries_are_named_by_id_or_by_filter() {
        let queue = |rest: &str| {
            let line = format!("postroom queue {rest}");
            Arguments::try_parse_from(line.split(' ')).is_ok()
        };
        for good in [
            "list",
            "list --state parked --older 2h",
            "release w1 w2",
            "release --state quarantine --dry-run",
            "retry all",
            "export --channel smtp --folder /tmp --remove",
            "import a b",
        ] {
            assert!(queue(good), "{good}");
        }
        for bad in [
            "release",
            "remove --dry-run",
            "remove w1 --state parked",
            "export --remove",
            "export w1 --remove --dry-run",
            "import",
        ] {
            assert!(!queue(bad), "{bad}");
        }
    }

    // `--config` was one argument of two types: binding a plugin with a configuration panicked.
    #[test]
    fn a_binding_has_a_configuration_of_its_own() {
        let line = "postroom --config site.toml plugin bind abc.test greeter --config {}";
        let arguments = Arguments::try_parse_from(line.split(' ')).expect("it is valid");
        assert_eq!(
            arguments.config.as_deref(),
            Some(std::path::Path::new("site.toml"))
        );
        let Command::Plugin {
            command: PluginCommand::Bind { config, .. },
        } = arguments.command
        else {
            panic!("it is a binding");
        };
        assert_eq!(config.as_deref(), Some("{}"));
    }
}
