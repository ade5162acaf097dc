//! APPEND (RFC 3501 §6.3.11, APPENDUID RFC 4315 §3): the message streams through.
//!
//! ```text
//!   AppendBegin ─ Done ─> "+" ─> bytes ─> end of line ─> AppendFinish ─> OK [APPENDUID …]
//!        └ Refused ─> NO; a message that comes at once is read and thrown away first
//! ```

use mail::words::{self, Word};
use mail::{Step, limits};

use super::job::{Finish, Look};
use super::{Advance, ImapSession, Work};
use crate::ask::{Answer, Appended, Ask, Refusal, SendMessage};
use crate::command::{AppendCommand, Wrapping};
use crate::frame::{Framed, LiteralForm};
use crate::name::Names;
use crate::parse::ParseError;

/// An APPEND under way.
pub(super) struct Appending {
    tag: String,
    size: u64,
    form: LiteralForm,
    wrapping: Wrapping,
    stage: Stage,
}

enum Stage {
    /// The host checks whether it may come.
    Checking,
    /// The client may send.
    Admitted,
    /// So many bytes are still to come.
    Receiving { left: u64 },
    /// They come though they are not wanted.
    Discarding { left: u64, finish: Finish },
    /// All bytes are there; the line must end.
    ExpectLineEnd,
    /// The host makes it durable.
    Storing,
    /// It ended.
    Ended(Finish),
}

impl Appending {
    /// What is to be done when the connection ends now.
    pub(super) const fn discard(&self) -> Option<Step<Ask, SendMessage>> {
        match self.stage {
            Stage::Checking | Stage::Admitted | Stage::Receiving { .. } | Stage::ExpectLineEnd => {
                Some(Step::DiscardBody)
            }
            Stage::Discarding { .. } | Stage::Storing | Stage::Ended(_) => None,
        }
    }
}

impl ImapSession {
    /// The message of an APPEND was announced.
    pub(super) fn begin_append(
        &mut self,
        tag: String,
        command: Result<AppendCommand, ParseError>,
        size: u64,
        form: LiteralForm,
    ) -> Advance {
        drop(self.framer.take());
        let wrapping = command
            .as_ref()
            .map_or(Wrapping::Plain, |command| command.wrapping);
        let mut state = Appending {
            tag,
            size,
            form,
            wrapping,
            stage: Stage::Checking,
        };
        match self.check_append(command, size) {
            Ok(ask) => self.ask(ask, Work::Appending(state)),
            Err(finish) => {
                state.refuse(finish);
                self.work = Work::Appending(state);
                Advance::Again
            }
        }
    }

    fn check_append(
        &self,
        command: Result<AppendCommand, ParseError>,
        size: u64,
    ) -> Result<Ask, Finish> {
        let AppendCommand {
            name,
            flags,
            keywords,
            date,
            wrapping,
        } = command.map_err(|error| Finish::line(error.line()))?;
        if wrapping == Wrapping::Utf8 && self.out.names() != Names::Utf8 {
            return Err(Finish::syntax("UTF8=ACCEPT is not enabled"));
        }
        // RFC 3502 §6.3.11: a message of no bytes is no message.
        if size == 0 {
            return Err(Finish::syntax("the message is empty"));
        }
        if size > self.config.limits.message_bytes {
            return Err(Finish::refused(Refusal::TooLarge, &self.config));
        }
        if keywords.len() > limits::IMAP_KEYWORDS {
            return Err(Finish::word(&words::IMAP_LIMIT));
        }
        Ok(Ask::AppendBegin {
            name,
            size,
            flags,
            keywords,
            date,
            utf8: wrapping == Wrapping::Utf8,
        })
    }

    pub(super) fn append(&mut self, mut state: Appending) -> Advance {
        match state.stage {
            // Only an answer ends these; polling meanwhile changes nothing.
            Stage::Checking | Stage::Storing => self.wait(Work::Appending(state)),
            Stage::Admitted => {
                if state.form == LiteralForm::Waiting {
                    self.out.line(&words::IMAP_SEND_LITERAL.line());
                }
                state.stage = Stage::Receiving { left: state.size };
                self.work = Work::Appending(state);
                Advance::Again
            }
            Stage::Receiving { left: 0 } => {
                state.stage = Stage::ExpectLineEnd;
                self.work = Work::Appending(state);
                Advance::Again
            }
            Stage::Receiving { left } => {
                let bytes = self.framer.take_raw(left);
                if bytes.is_empty() {
                    return self.wait(Work::Appending(state));
                }
                state.stage = Stage::Receiving {
                    left: left - bytes.len() as u64,
                };
                self.work = Work::Appending(state);
                Advance::Step(Step::Body(bytes))
            }
            Stage::Discarding { left, finish } => {
                let bytes = self.framer.take_raw(left);
                if bytes.is_empty() && left > 0 {
                    state.stage = Stage::Discarding { left, finish };
                    return self.wait(Work::Appending(state));
                }
                let left = left - bytes.len() as u64;
                state.stage = Stage::Discarding { left, finish };
                if left == 0 {
                    self.end_discarding(state)
                } else {
                    self.again(state)
                }
            }
            Stage::ExpectLineEnd => match self.line_end(state.wrapping) {
                None => self.wait(Work::Appending(state)),
                Some(true) => {
                    state.stage = Stage::Storing;
                    self.ask(Ask::AppendFinish, Work::Appending(state))
                }
                Some(false) => {
                    state.stage =
                        Stage::Ended(Finish::syntax("the line does not end behind the message"));
                    self.work = Work::Appending(state);
                    Advance::Step(Step::DiscardBody)
                }
            },
            Stage::Ended(finish) => self.finish(state.tag, finish),
        }
    }

    fn again(&mut self, state: Appending) -> Advance {
        self.work = Work::Appending(state);
        Advance::Again
    }

    fn end_discarding(&mut self, mut state: Appending) -> Advance {
        let ended = self.line_end(state.wrapping);
        match (state.stage, ended) {
            (Stage::Discarding { finish, .. }, Some(_)) => {
                state.stage = Stage::Ended(finish);
                self.again(state)
            }
            (stage, _) => {
                state.stage = stage;
                self.wait(Work::Appending(state))
            }
        }
    }

    /// Is the rest of the line there, and is it empty? What follows a rest that is not empty
    /// cannot be told apart from commands, so then the connection ends with the command.
    fn line_end(&mut self, wrapping: Wrapping) -> Option<bool> {
        let rest: &[u8] = match wrapping {
            Wrapping::Plain => b"",
            Wrapping::Utf8 => b")",
        };
        match self.framer.poll(self.frame_limits()) {
            Framed::NeedMore => None,
            Framed::Command => Some(self.framer.take() == rest),
            Framed::Literal {
                form: LiteralForm::Waiting,
                ..
            } => {
                drop(self.framer.take());
                Some(false)
            }
            Framed::Literal { .. } | Framed::TooLong | Framed::BareLineFeed => {
                self.ending = Some(&words::IMAP_CANNOT_GO_ON);
                Some(false)
            }
        }
    }

    pub(super) fn append_answered(&mut self, mut state: Appending, answer: Answer) {
        let refused = |answer: Answer, word: &Word| match answer {
            Answer::Refused(Refusal::NoSuchMailbox) => Finish::word(word),
            other => Finish::of_wrong_answer(&other, &self.config),
        };
        match (&state.stage, answer) {
            (Stage::Checking, Answer::Done) => state.stage = Stage::Admitted,
            (Stage::Storing, Answer::Appended(appended)) => {
                state.stage = Stage::Ended(appended_now(appended));
            }
            (Stage::Checking, other) => state.refuse(refused(other, &words::IMAP_TRY_CREATE)),
            (_, other) => state.stage = Stage::Ended(refused(other, &words::IMAP_TRY_CREATE)),
        }
        self.work = Work::Appending(state);
    }
}

impl Appending {
    /// It will not be taken.
    fn refuse(&mut self, finish: Finish) {
        self.stage = match self.form {
            LiteralForm::Waiting => Stage::Ended(finish),
            LiteralForm::AtOnce => Stage::Discarding {
                left: self.size,
                finish,
            },
        };
    }
}

fn appended_now(appended: Appended) -> Finish {
    let code = format!("APPENDUID {} {}", appended.uid_validity.0, appended.uid.0);
    // It may have gone into the mailbox that is selected (RFC 3501 §6.3.11).
    Finish {
        look: Look::Always,
        ..Finish::done_with_code("APPEND", &code)
    }
}
