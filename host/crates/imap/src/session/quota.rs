//! GETQUOTA and GETQUOTAROOT (RFC 9208 §4.1). There is one root, the person's own, with an empty
//! name; what a group or the domain uses is not for its people to know.

use mail::words;

use super::job::{Context, Finish, Job, Single};
use crate::MailboxName;
use crate::ask::{Answer, Ask, QuotaStatus};
use crate::output::Output;

pub(super) fn of_root(root: String) -> Box<dyn Job> {
    let ask = Ask::Quota { name: None };
    Box::new(Single::new(
        ask,
        move |answer, context: &mut Context<'_>| match answer {
            Answer::Quota(Some(status)) if root.is_empty() => {
                write(&status, context.out);
                Finish::done("GETQUOTA")
            }
            Answer::Quota(_) => Finish::word(&words::IMAP_NO_QUOTA_ROOT),
            other => Finish::of_wrong_answer(&other, context.config),
        },
    ))
}

pub(super) fn of_mailbox(name: MailboxName) -> Box<dyn Job> {
    let ask = Ask::Quota {
        name: Some(name.clone()),
    };
    Box::new(Single::new(
        ask,
        move |answer, context: &mut Context<'_>| match answer {
            Answer::Quota(status) => {
                context.out.text("* QUOTAROOT ");
                context.out.mailbox(&name);
                if status.is_some() {
                    context.out.text(" \"\"");
                }
                context.out.end();
                if let Some(status) = status {
                    write(&status, context.out);
                }
                Finish::done("GETQUOTAROOT")
            }
            other => Finish::of_wrong_answer(&other, context.config),
        },
    ))
}

/// `* QUOTA "" (STORAGE 10 512 MESSAGE 3 100)`: only what has a limit is told; STORAGE counts
/// 1,024 bytes (RFC 9208 §5.1).
fn write(status: &QuotaStatus, out: &mut Output) {
    let storage = status
        .bytes_limit
        .map(|limit| ("STORAGE", status.bytes.div_ceil(1024), limit / 1024));
    let messages = status
        .messages_limit
        .map(|limit| ("MESSAGE", status.messages, limit));
    let resources: Vec<String> = [storage, messages]
        .into_iter()
        .flatten()
        .map(|(name, used, limit)| format!("{name} {used} {limit}"))
        .collect();
    out.untagged(&format!("QUOTA \"\" ({})", resources.join(" ")));
}
