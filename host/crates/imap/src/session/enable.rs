//! ENABLE (RFC 5161), and what CONDSTORE (RFC 7162) and UTF8=ACCEPT (RFC 9755) change in a
//! session.

use super::job::Finish;
use super::select::write_highest_modseq;
use super::{Advance, ImapSession, Phase};
use crate::command::{Command, Extension};
use crate::name::Names;

impl ImapSession {
    /// Tells what this command enabled; what was enabled before is not told again.
    pub(super) fn enable(&mut self, tag: String, extensions: &[Extension]) -> Advance {
        let mut told = String::from("ENABLED");
        for (extension, name) in Extension::NAMED {
            let asked = extensions.contains(&extension);
            if asked && !self.is_enabled(extension) {
                told.push(' ');
                told.push_str(name);
                self.switch_on(extension);
            }
        }
        self.out.untagged(&told);
        if told.contains("CONDSTORE") {
            self.tell_highest_modseq();
        }
        self.finish(tag, Finish::done("ENABLE"))
    }

    /// A command other than ENABLE showed that the client knows modification sequences.
    pub(super) fn enable_condstore(&mut self, command: &Command) {
        if matches!(command, Command::Enable(_)) || self.condstore {
            return;
        }
        self.switch_on(Extension::CondStore);
        // SELECT tells that of the new mailbox.
        if !matches!(command, Command::Select { .. }) {
            self.tell_highest_modseq();
        }
    }

    fn is_enabled(&self, extension: Extension) -> bool {
        match extension {
            Extension::CondStore => self.condstore,
            Extension::Utf8Accept => self.out.names() == Names::Utf8,
        }
    }

    fn switch_on(&mut self, extension: Extension) {
        match extension {
            Extension::CondStore => self.condstore = true,
            Extension::Utf8Accept => self.out.set_names(Names::Utf8),
        }
    }

    /// From where a client can go on that selected the mailbox before.
    fn tell_highest_modseq(&mut self) {
        if let Phase::Selected(view) = &mut self.phase {
            view.tell_modseqs();
            write_highest_modseq(view, &mut self.out);
        }
    }
}
