//! COPY and MOVE (RFC 3501 §6.4.7, RFC 6851), with COPYUID (RFC 4315 §3).

use mail::{Uid, words};

use super::fetch::positions;
use super::job::{Context, Finish, Job, Single};
use crate::MailboxName;
use crate::ask::{Answer, Ask, Copied, CopyMode, Mode, Refusal};
use crate::sequence::{Compressed, Numbering, SequenceSet};
use crate::view::View;

pub(super) fn job(
    view: &View,
    numbering: Numbering,
    set: &SequenceSet,
    target: MailboxName,
    mode: CopyMode,
) -> Result<Box<dyn Job>, Finish> {
    if mode == CopyMode::Move && view.mode == Mode::ReadOnly {
        return Err(Finish::word(&words::IMAP_READ_ONLY));
    }
    let command = match mode {
        CopyMode::Copy => "COPY",
        CopyMode::Move => "MOVE",
    };
    let uids = positions(view, numbering, set)?.map(|position| view.uids().at(position));
    let uids: Vec<Uid> = uids.filter(|&uid| !view.is_gone(uid)).collect();
    if uids.is_empty() {
        return Err(Finish::done(command));
    }
    let ask = Ask::Copy {
        mailbox: view.mailbox,
        uids,
        target,
        mode,
    };
    Ok(Box::new(Single::new(
        ask,
        move |answer, context: &mut Context<'_>| match answer {
            Answer::Copied(copied) => match mode {
                CopyMode::Copy => copied_now(&copied),
                CopyMode::Move => moved_now(&copied, context),
            },
            Answer::Refused(Refusal::NoSuchMailbox) => Finish::word(&words::IMAP_TRY_CREATE),
            other => Finish::of_wrong_answer(&other, context.config),
        },
    )))
}

fn copied_now(copied: &Copied) -> Finish {
    // The target may be the mailbox that is selected.
    match code(copied) {
        Some(code) => Finish::done_with_code("COPY", &code).looking(),
        None => Finish::done("COPY"),
    }
}

/// RFC 6851 §4.3: COPYUID comes in an untagged OK before the EXPUNGEs.
fn moved_now(copied: &Copied, context: &mut Context<'_>) -> Finish {
    if let Some(code) = code(copied) {
        let text = words::IMAP_MOVED.text();
        context.out.untagged(&format!("OK [{code}] {text}"));
    }
    if let Some(view) = context.view.as_deref_mut() {
        let moved: Vec<Uid> = copied.pairs.iter().map(|&(uid, _)| uid).collect();
        view.mark_gone(&moved);
    }
    Finish::done("MOVE").looking()
}

fn code(copied: &Copied) -> Option<String> {
    let from: Vec<u32> = copied.pairs.iter().map(|(uid, _)| uid.0).collect();
    let to: Vec<u32> = copied.pairs.iter().map(|(_, uid)| uid.0).collect();
    let validity = copied.uid_validity.0;
    (!from.is_empty()).then(|| {
        format!(
            "COPYUID {validity} {} {}",
            Compressed(&from),
            Compressed(&to)
        )
    })
}
