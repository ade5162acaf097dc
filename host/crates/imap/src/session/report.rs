//! Telling what others did: at the end of commands, and while IDLE (RFC 2177) waits.

use mail::words;

use super::job::Look;
use super::{Advance, ImapSession, Phase, Work};
use crate::ask::{Answer, Ask};
use crate::frame::Framed;
use crate::view::{Expunges, Updates};

/// Finds out what is new, tells it, and goes on.
pub(super) struct Reporting {
    then: Then,
    expunges: Expunges,
    look: Look,
    stage: Stage,
}

enum Stage {
    Begin,
    Asked,
    Telling(Updates),
}

enum Then {
    Complete { tag: String, line: String },
    Idle(Idling),
}

/// IDLE waits for DONE.
pub(super) struct Idling {
    tag: String,
}

impl Reporting {
    /// Before the status response `line`.
    pub(super) const fn at_the_end(
        tag: String,
        line: String,
        expunges: Expunges,
        look: Look,
    ) -> Self {
        Self {
            then: Then::Complete { tag, line },
            expunges,
            look,
            stage: Stage::Begin,
        }
    }

    const fn while_idle(state: Idling) -> Self {
        Self {
            then: Then::Idle(state),
            expunges: Expunges::Told,
            look: Look::Always,
            stage: Stage::Begin,
        }
    }
}

impl ImapSession {
    pub(super) fn report(&mut self, mut state: Reporting) -> Advance {
        let Phase::Selected(view) = &mut self.phase else {
            return self.reported(state.then);
        };
        match state.stage {
            Stage::Begin if state.look == Look::Always || self.changed => {
                self.changed = false;
                let ask = Ask::Changes {
                    mailbox: view.mailbox,
                    since: view.modseq,
                };
                state.stage = Stage::Asked;
                self.ask(ask, Work::Reporting(state))
            }
            Stage::Begin | Stage::Asked => {
                state.stage = Stage::Telling(view.updates(state.expunges));
                self.work = Work::Reporting(state);
                Advance::Again
            }
            Stage::Telling(ref mut updates) => {
                if updates.write(view, &mut self.out) {
                    return self.reported(state.then);
                }
                self.work = Work::Reporting(state);
                let written = self.out.take();
                Advance::Step(mail::Step::Write(written))
            }
        }
    }

    pub(super) fn report_answered(&mut self, state: Reporting, answer: Answer) {
        if let (Phase::Selected(view), Answer::Changes(changes)) = (&mut self.phase, answer) {
            if changes.gone {
                // RFC 2180 §3: nothing better can be said of a mailbox that is gone.
                self.ending = Some(&words::IMAP_MAILBOX_GONE);
            }
            view.apply(changes);
        } else {
            // Not possible now: what there is to tell is told another time.
            self.changed = true;
        }
        self.work = Work::Reporting(state);
    }

    fn reported(&mut self, then: Then) -> Advance {
        match then {
            Then::Complete { tag, line } => self.complete(&tag, &line),
            Then::Idle(state) => {
                self.work = Work::Idling(state);
                Advance::Again
            }
        }
    }

    pub(super) fn begin_idle(&mut self, tag: String) -> Advance {
        self.out.line(&words::IMAP_IDLING.line());
        self.work = Work::Reporting(Reporting::while_idle(Idling { tag }));
        Advance::Again
    }

    pub(super) fn idle(&mut self, state: Idling) -> Advance {
        if self.changed && matches!(self.phase, Phase::Selected(_)) {
            self.work = Work::Reporting(Reporting::while_idle(state));
            return Advance::Again;
        }
        match self.framer.poll(self.frame_limits()) {
            Framed::NeedMore => self.wait(Work::Idling(state)),
            Framed::Command => {
                let line = self.framer.take();
                let word = if line.eq_ignore_ascii_case(b"DONE") {
                    words::IMAP_DONE.line_with(&[("command", "IDLE")])
                } else {
                    words::IMAP_SYNTAX.line_with(&[("detail", "DONE was expected")])
                };
                self.complete(&state.tag, &word)
            }
            Framed::Literal { .. } | Framed::TooLong | Framed::BareLineFeed => {
                let line = words::IMAP_SYNTAX.line_with(&[("detail", "DONE was expected")]);
                self.out.tagged(&state.tag, &line);
                self.say_goodbye(&words::IMAP_CANNOT_GO_ON)
            }
        }
    }
}
