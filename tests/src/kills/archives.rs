//! What is imported: a Maildir, and archives of domains that another server made of it.

use std::path::{Path, PathBuf};

use super::MARK;
use super::stored::{Stored, read};
use crate::Server;

/// Messages of each: several commits.
const MESSAGES: usize = 450;
/// Letters of Maildir with what they stand for.
const FLAGS: [(&str, &str); 4] = [
    ("", ""),
    ("S", "\\Seen"),
    ("FS", "\\Flagged,\\Seen"),
    ("RS", "\\Answered,\\Seen"),
];

/// A domain as a file.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) path: String,
    pub(super) user: String,
    /// What its user had.
    pub(super) stored: Vec<Stored>,
}

/// Everything there is to import, for every server of a run.
pub(super) struct Archives {
    server: Server,
    pub(super) domains: Vec<Archive>,
    /// Once each, whatever UID it gets.
    pub(super) maildir: Vec<Stored>,
}

impl Archives {
    /// So many domains.
    pub(super) fn make(count: u64) -> Self {
        let server = Server::start();
        let maildir = write_maildir(&server.path("Maildir"));
        let mut archives = Self {
            server,
            domains: Vec::new(),
            maildir,
        };
        for number in 0..count {
            archives.add(&format!("moved{number}.test"));
        }
        archives
    }

    fn add(&mut self, domain: &str) {
        let user = format!("mia@{domain}");
        let path = self.server.path(domain).display().to_string();
        self.server.domain(domain);
        self.server.user(&user, &[]);
        let maildir = self.maildir();
        self.server
            .ok(&["user", "import", &user, "--maildir", &maildir]);
        self.server.ok(&["domain", "export", domain, &path]);
        let stored = read(&self.server.port("imaps"), &user);
        assert_eq!(stored.len(), MESSAGES, "all of the Maildir is there");
        self.domains.push(Archive { path, user, stored });
    }

    /// Where the Maildir is.
    pub(super) fn maildir(&self) -> String {
        self.path("Maildir").display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.server.path(name)
    }
}

fn write_maildir(folder: &Path) -> Vec<Stored> {
    for kind in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(folder.join(kind)).expect("the folder is ours");
    }
    let one = |number: usize| {
        let id = format!("i{number}@moved.test");
        let line = format!("{number:062}\r\n");
        let text = format!(
            "{MARK}{id}>\r\nSubject: {number}\r\n\r\n{}",
            line.repeat(number % 40)
        );
        let (letters, flags) = FLAGS[number % FLAGS.len()];
        let name = format!("{}.M{number}.moved:2,{letters}", 1_600_000_000 + number);
        std::fs::write(folder.join("cur").join(name), text.replace('\r', ""))
            .expect("the folder is ours");
        Stored::expected(&id, &text, flags)
    };
    (0..MESSAGES).map(one).collect()
}
