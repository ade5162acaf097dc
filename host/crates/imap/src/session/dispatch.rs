//! From a framed command to what is done about it.

use mail::limits::Limits;
use mail::words;
use mail::{Step, limits};

use super::job::{Context, Finish, Job, Next, Single, plain};
use super::{Advance, ImapSession, Phase, Work};
use super::{copy, fetch, list, quota, search, select, store};
use crate::MailboxName;
use crate::ask::{Answer, Ask, Mode};
use crate::command::Command;
use crate::config::StartTls;
use crate::frame::{Framed, LiteralForm};
use crate::parse::{AppendPrefix, Stage, parse_append, parse_command, split_tag};

/// Announced in every state: clients such as Python's imaplib ask only once, before sign-in.
const EXTENSIONS: &str = "IMAP4rev1 LITERAL- SASL-IR ID ENABLE NAMESPACE UIDPLUS IDLE UNSELECT \
                          CHILDREN MOVE SPECIAL-USE LIST-EXTENDED LIST-STATUS STATUS=SIZE ESEARCH \
                          CONDSTORE UTF8=ACCEPT QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE OBJECTID";

/// What is announced whatever the state.
pub(super) fn extensions(limits: &Limits) -> String {
    // RFC 7889 §5: what is larger need not be sent.
    format!("{EXTENSIONS} APPENDLIMIT={}", limits.message_bytes)
}

impl ImapSession {
    pub(super) fn capability(&self) -> String {
        let more = match (&self.phase, self.encrypted, self.config.starttls) {
            (Phase::NotAuthenticated, true, _) => " AUTH=PLAIN",
            (Phase::NotAuthenticated, false, StartTls::Offered) => " STARTTLS LOGINDISABLED",
            (Phase::NotAuthenticated, false, StartTls::Absent) => " LOGINDISABLED",
            _ => "",
        };
        format!("{}{more}", extensions(&self.config.limits))
    }

    pub(super) fn expect_command(&mut self) -> Advance {
        match self.framer.poll(self.frame_limits()) {
            Framed::NeedMore => self.wait(Work::ExpectCommand),
            Framed::Command => {
                let frame = self.framer.take();
                self.command(&frame)
            }
            Framed::Literal { size, form } => self.literal(size, form),
            Framed::TooLong => {
                self.out.untagged(&words::IMAP_LINE_TOO_LONG.line());
                self.say_goodbye(&words::IMAP_CANNOT_GO_ON)
            }
            Framed::BareLineFeed => {
                self.out.untagged(
                    &words::IMAP_SYNTAX.line_with(&[("detail", "a line ends in LF alone")]),
                );
                self.say_goodbye(&words::IMAP_CANNOT_GO_ON)
            }
        }
    }

    /// A literal was announced: the message of an APPEND, or a string of any command.
    fn literal(&mut self, size: u64, form: LiteralForm) -> Advance {
        // RFC 7888 §5: LITERAL- allows no larger ones. What follows cannot be told apart from
        // commands, so the connection ends (I03).
        if form == LiteralForm::AtOnce && size > limits::IMAP_NON_SYNC_LITERAL as u64 {
            return self.refuse_literal_and_close();
        }
        if self.stage() >= Stage::Authenticated
            && let AppendPrefix::Message { tag, command } =
                parse_append(self.framer.so_far(), self.out.names())
        {
            return self.begin_append(tag, command, size, form);
        }
        if !self.framer.fits(size, self.frame_limits()) {
            if form == LiteralForm::AtOnce {
                return self.refuse_literal_and_close();
            }
            // The client waits for leave; without it neither literal nor rest of line come.
            let refused = self.framer.take();
            let tag = tag_of(&refused);
            return self.complete(&tag, &words::IMAP_LITERAL_TOO_BIG.line());
        }
        self.framer.accept(size);
        if form == LiteralForm::Waiting {
            self.out.line(&words::IMAP_SEND_LITERAL.line());
        }
        Advance::Again
    }

    fn refuse_literal_and_close(&mut self) -> Advance {
        let refused = self.framer.take();
        let tag = tag_of(&refused);
        self.out.tagged(&tag, &words::IMAP_LITERAL_TOO_BIG.line());
        self.say_goodbye(&words::IMAP_CANNOT_GO_ON)
    }

    fn command(&mut self, frame: &[u8]) -> Advance {
        let Some((tag, rest)) = split_tag(frame) else {
            let line = words::IMAP_SYNTAX.line_with(&[("detail", "a tag was expected")]);
            return self.complete("*", &line);
        };
        match parse_command(rest, self.stage(), self.out.names()) {
            Ok(command) => self.carry_out(tag, command),
            // Only what is BAD says nothing of changes.
            Err(error) if error.is_bad() => self.complete(&tag, &error.line()),
            Err(error) => self.finish(tag, Finish::line(error.line())),
        }
    }

    fn carry_out(&mut self, tag: String, command: Command) -> Advance {
        if command.enables_condstore() {
            self.enable_condstore(&command);
        }
        match command {
            Command::Capability => {
                let capability = self.capability();
                self.out.untagged(&format!("CAPABILITY {capability}"));
                self.done(tag, "CAPABILITY")
            }
            Command::Noop => self.finish(tag, Finish::done("NOOP").looking()),
            Command::Check => self.finish(tag, Finish::done("CHECK").looking()),
            Command::Logout => {
                self.out
                    .untagged(&words::IMAP_LOGOUT.line_with(&[("host", &self.config.host)]));
                self.out
                    .tagged(&tag, &words::IMAP_DONE.line_with(&[("command", "LOGOUT")]));
                self.work = Work::Closed;
                Advance::Again
            }
            Command::Id => {
                self.out.untagged("ID (\"name\" \"Postroom\")");
                self.done(tag, "ID")
            }
            Command::StartTls => self.start_tls(tag),
            Command::Login { login, password } => self.login(tag, login, password),
            Command::Authenticate { mechanism, initial } => {
                self.authenticate(tag, &mechanism, initial.as_deref())
            }
            Command::Enable(extensions) => self.enable(tag, &extensions),
            Command::Namespace => {
                let shared = crate::SHARED;
                self.out.untagged(&format!(
                    "NAMESPACE ((\"\" \"/\")) NIL ((\"{shared}/\" \"/\"))"
                ));
                self.done(tag, "NAMESPACE")
            }
            Command::Idle => self.begin_idle(tag),
            other => self.mailbox_command(tag, other),
        }
    }

    /// Commands that ask the host.
    fn mailbox_command(&mut self, tag: String, command: Command) -> Advance {
        match command {
            Command::Create(name) if name.is_inbox() => {
                self.finish(tag, Finish::word(&words::IMAP_MAILBOX_EXISTS))
            }
            Command::Create(name) => self.start(tag, create(name)),
            Command::Delete(name) if name.is_inbox() => {
                self.finish(tag, Finish::word(&words::IMAP_INBOX_STAYS))
            }
            Command::Delete(name) => self.start(tag, plain(Ask::Delete { name }, "DELETE")),
            Command::Rename { from, to } => {
                self.start(tag, plain(Ask::Rename { from, to }, "RENAME"))
            }
            Command::Subscribe { name, subscription } => {
                let command = match subscription {
                    crate::ask::Subscription::On => "SUBSCRIBE",
                    crate::ask::Subscription::Off => "UNSUBSCRIBE",
                };
                self.start(tag, plain(Ask::Subscribe { name, subscription }, command))
            }
            Command::List(query) => {
                let job = list::job(query);
                self.start(tag, job)
            }
            Command::GetQuota(root) => self.start(tag, quota::of_root(root)),
            Command::GetQuotaRoot(name) => self.start(tag, quota::of_mailbox(name)),
            Command::Status { name, items } => self.start(tag, list::status(name, items)),
            Command::Select { name, mode, .. } => self.start(tag, select::job(name, mode)),
            other => self.message_command(tag, other),
        }
    }

    /// Commands of the selected state.
    fn message_command(&mut self, tag: String, command: Command) -> Advance {
        let Phase::Selected(view) = &self.phase else {
            // The parser lets none of these through in another state.
            return self.finish(tag, Finish::word(&words::IMAP_WRONG_STATE));
        };
        let writable = view.mode == Mode::ReadWrite;
        let job = match command {
            Command::Close if writable => select::expunge_and_close(view.mailbox),
            Command::Close => deselect("CLOSE"),
            Command::Unselect => deselect("UNSELECT"),
            Command::Fetch {
                numbering,
                set,
                items,
                changed_since,
            } => fetch::job(view, numbering, &set, items, changed_since),
            Command::Search { numbering, query } => search::job(&tag, view, numbering, query),
            Command::Copy {
                numbering,
                set,
                target,
                mode,
            } => copy::job(view, numbering, &set, target, mode),
            Command::Store {
                numbering,
                set,
                change,
            } => store::job(view, numbering, &set, change),
            Command::Expunge { within } => store::expunge(view, within),
            // All others were taken before.
            _ => Err(Finish::word(&words::IMAP_SERVER_TROUBLE)),
        };
        match job {
            Ok(job) => self.start(tag, job),
            Err(finish) => self.finish(tag, finish),
        }
    }

    fn done(&mut self, tag: String, command: &str) -> Advance {
        self.finish(tag, Finish::done(command))
    }

    fn start_tls(&mut self, tag: String) -> Advance {
        if self.encrypted || self.config.starttls == StartTls::Absent {
            return self.complete(&tag, &words::IMAP_TLS_NOT_OFFERED.line());
        }
        self.out.tagged(&tag, &words::IMAP_TLS_READY.line());
        self.work = Work::Handshaking;
        // I01: what stands behind the command in plaintext ends the connection.
        Advance::Step(Step::StartTls {
            residue: self.framer.has_input(),
        })
    }
}

/// The tag of a command that goes no further.
fn tag_of(frame: &[u8]) -> String {
    split_tag(frame).map_or_else(|| "*".to_owned(), |(tag, _)| tag)
}

/// CREATE tells the id of what it made (RFC 8474 §4.1).
fn create(name: MailboxName) -> Box<dyn Job> {
    Box::new(Single::new(
        Ask::Create { name },
        |answer: Answer, context: &mut Context<'_>| match answer {
            Answer::Created(id) => Finish::done_with_code("CREATE", &format!("MAILBOXID ({id})")),
            other => Finish::of_wrong_answer(&other, context.config),
        },
    ))
}

type Started = Result<Box<dyn Job>, Finish>;

fn deselect(command: &'static str) -> Started {
    Ok(Box::new(Single::new(
        Ask::Deselect,
        move |answer: Answer, context: &mut Context<'_>| {
            let finish = match answer {
                Answer::Done => Finish::done(command),
                other => Finish::of_wrong_answer(&other, context.config),
            };
            finish.then(Next::Deselect)
        },
    )))
}
