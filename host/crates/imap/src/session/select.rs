//! SELECT, EXAMINE, CLOSE (RFC 3501 §6.3.1, §6.3.2, §6.4.2).

use mail::{MailboxId, words};

use super::job::{Context, Finish, Job, Next, Progress, Single};
use crate::ask::{Answer, Ask, Mode, Refusal, Selected};
use crate::output::Output;
use crate::view::View;
use crate::{Flags, MailboxName};

pub(super) fn job(name: MailboxName, mode: Mode) -> Box<dyn Job> {
    Box::new(Single::new(
        Ask::Select { name, mode },
        |answer, context: &mut Context<'_>| match answer {
            Answer::Selected(selected) => selected_now(selected, context),
            // RFC 3501 §6.3.1: after a SELECT that failed, nothing is selected.
            other => Finish::of_wrong_answer(&other, context.config).then(Next::Deselect),
        },
    ))
}

fn selected_now(selected: Selected, context: &mut Context<'_>) -> Finish {
    let (validity, uid_next) = (selected.uid_validity.0, selected.uid_next.0);
    let first_unseen = selected.first_unseen;
    let view = View::new(selected);
    let out = &mut *context.out;
    view.write_known_flags(out);
    out.untagged(&format!("{} EXISTS", view.uids().len()));
    out.untagged("0 RECENT");
    if let Some(position) = first_unseen.and_then(|uid| view.position(uid)) {
        let number = position + 1;
        let text = words::IMAP_FIRST_UNSEEN.text();
        out.untagged(&format!("OK [UNSEEN {number}] {text}"));
    }
    out.text("* OK [PERMANENTFLAGS ");
    let word = match view.mode {
        Mode::ReadWrite => {
            out.flag_list(!Flags::NONE, view.keywords().iter(), "\\*");
            &words::IMAP_SELECTED
        }
        Mode::ReadOnly => {
            out.text("()");
            &words::IMAP_EXAMINED
        }
    };
    out.text("] ");
    out.line(&words::IMAP_FLAGS_KEPT.text());
    let text = words::IMAP_UID_EPOCH.text();
    out.untagged(&format!("OK [UIDVALIDITY {validity}] {text}"));
    let text = words::IMAP_UID_NEXT.text();
    out.untagged(&format!("OK [UIDNEXT {uid_next}] {text}"));
    write_highest_modseq(&view, out);
    // RFC 8474 §4.2
    let text = words::IMAP_MAILBOX_ID.text();
    out.untagged(&format!("OK [MAILBOXID ({})] {text}", view.mailbox));
    Finish::word(word).then(Next::Select(Box::new(view)))
}

/// `* OK [HIGHESTMODSEQ 7] …` (RFC 7162 §3.1.2.1)
pub(super) fn write_highest_modseq(view: &View, out: &mut Output) {
    let text = words::IMAP_HIGHEST_MODSEQ.text();
    out.untagged(&format!("OK [HIGHESTMODSEQ {}] {text}", view.modseq.0));
}

/// CLOSE removes what is marked and tells nothing of it (RFC 3501 §6.4.2).
pub(super) fn expunge_and_close(mailbox: MailboxId) -> Result<Box<dyn Job>, Finish> {
    Ok(Box::new(CloseJob {
        stage: Stage::Expunge(mailbox),
        refusal: None,
    }))
}

struct CloseJob {
    stage: Stage,
    refusal: Option<Refusal>,
}

#[derive(Clone, Copy)]
enum Stage {
    Expunge(MailboxId),
    Deselect,
    Done,
}

impl Job for CloseJob {
    fn poll(&mut self, context: &mut Context<'_>) -> Progress {
        match self.stage {
            Stage::Expunge(mailbox) => {
                self.stage = Stage::Deselect;
                Progress::Ask(Ask::Expunge {
                    mailbox,
                    within: None,
                })
            }
            Stage::Deselect => {
                self.stage = Stage::Done;
                Progress::Ask(Ask::Deselect)
            }
            Stage::Done => {
                let finish = match self.refusal {
                    Some(refusal) => Finish::refused(refusal, context.config),
                    None => Finish::done("CLOSE"),
                };
                Progress::Finish(finish.then(Next::Deselect))
            }
        }
    }

    fn answer(&mut self, answer: Answer, _: &mut Context<'_>) -> Result<(), Finish> {
        if let Answer::Refused(refusal) = answer {
            self.refusal = Some(refusal);
        }
        Ok(())
    }
}
