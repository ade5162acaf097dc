//! System programs, and how they come onto the machine.

use std::process::Command;

use anyhow::{Result, bail};

use crate::say;

/// A program and the Debian package that brings it.
#[derive(Debug)]
pub(crate) struct Program {
    /// As in PATH, or `perl:Module` for a module of Perl.
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
    pub(crate) what_for: &'static str,
}

/// What the tests run against the server. Nothing here is needed to build or to serve.
pub(crate) const TEST_PROGRAMS: &[Program] = &[
    Program {
        name: "swaks",
        package: "swaks",
        what_for: "SMTP client",
    },
    Program {
        name: "perl:Net::SSLeay",
        package: "libnet-ssleay-perl",
        what_for: "TLS of swaks, which only recommends it",
    },
    Program {
        name: "mbsync",
        package: "isync",
        what_for: "IMAP client",
    },
    Program {
        name: "fetchmail",
        package: "fetchmail",
        what_for: "POP3 and IMAP client",
    },
    Program {
        name: "offlineimap",
        package: "offlineimap3",
        what_for: "IMAP client",
    },
    Program {
        name: "mutt",
        package: "mutt",
        what_for: "IMAP client",
    },
    Program {
        name: "node",
        package: "nodejs",
        what_for: "imapflow, an IMAP client",
    },
    Program {
        name: "npm",
        package: "npm",
        what_for: "installs imapflow",
    },
    Program {
        name: "pip3",
        package: "python3-pip",
        what_for: "installs IMAPClient, an IMAP client",
    },
    Program {
        name: "curl",
        package: "curl",
        what_for: "SMTP, IMAP and POP3 client",
    },
    Program {
        name: "python3",
        package: "python3",
        what_for: "smtplib, imaplib, poplib, mailbox",
    },
    Program {
        name: "slapd",
        package: "slapd",
        what_for: "LDAP server",
    },
    Program {
        name: "ldapmodify",
        package: "ldap-utils",
        what_for: "LDAP client",
    },
    Program {
        name: "strace",
        package: "strace",
        what_for: "order of syncs and replies",
    },
    Program {
        name: "openssl",
        package: "openssl",
        what_for: "TLS client",
    },
    Program {
        name: "update-ca-certificates",
        package: "ca-certificates",
        what_for: "TLS roots of the clients",
    },
    Program {
        name: "postfix",
        package: "postfix",
        what_for: "the next server on the way of mail",
    },
    Program {
        name: "faketime",
        package: "faketime",
        what_for: "a clock that jumps",
    },
    Program {
        name: "doveadm",
        package: "dovecot-imapd",
        what_for: "Maildirs of another server",
    },
    Program {
        name: "setpriv",
        package: "util-linux",
        what_for: "programs under another user",
    },
];

/// What Cargo needs to link and to compile the C of dependencies.
pub(crate) const BUILD_PROGRAMS: &[Program] = &[Program {
    name: "cc",
    package: "gcc libc6-dev",
    what_for: "linker, and the C of the cryptography",
}];

/// Installs what is missing. Not root: an error that is the command to type.
pub(crate) fn install(programs: &[Program]) -> Result<()> {
    let missing: Vec<&Program> = programs
        .iter()
        .filter(|program| !is_present(program.name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    for program in &missing {
        say::note(&format!(
            "missing: {} ({}), package {}",
            program.name, program.what_for, program.package
        ));
    }
    let packages: Vec<&str> = missing
        .iter()
        .flat_map(|program| program.package.split(' '))
        .collect();
    apt_install(&packages)?;
    match missing.iter().find(|program| !is_present(program.name)) {
        None => Ok(()),
        Some(program) => bail!(
            "package {} is installed but '{}' cannot be found",
            program.package,
            program.name
        ),
    }
}

/// Installs Debian packages as root; otherwise says how to.
pub(crate) fn apt_install(packages: &[&str]) -> Result<()> {
    let line = format!(
        "apt-get update && apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    );
    if !is_present("apt-get") {
        bail!(
            "there is no apt-get here; install what these Debian packages hold: {}",
            packages.join(" ")
        );
    }
    if !is_root() {
        bail!("not root, so nothing was installed. Run: sudo sh -c '{line}'");
    }
    say::step(&format!("install {} by apt", packages.join(" ")), || {
        say::run(apt().args(["update", "-qq"]))?;
        say::run(
            apt()
                .args(["install", "-y", "-qq", "--no-install-recommends"])
                .args(packages),
        )
    })
}

/// Is a program of this name in PATH, or where system programs lie; or this module of Perl?
pub(crate) fn is_present(name: &str) -> bool {
    if let Some(module) = name.strip_prefix("perl:") {
        let load = format!("-M{module}");
        return say::capture(Command::new("perl").args([load.as_str(), "-e", "1"])).is_ok();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path)
        .chain(system)
        .any(|folder| folder.join(name).is_file())
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_root() -> bool {
    say::capture(Command::new("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0")
}
