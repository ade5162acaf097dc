//! A command that is being carried out.

use mail::words::{self, Word};

use crate::ask::{Answer, Ask, Refusal, SendMessage};
use crate::config::Config;
use crate::output::Output;
use crate::view::{Expunges, View};

/// What a job can reach.
pub(super) struct Context<'a> {
    pub(super) out: &'a mut Output,
    pub(super) view: Option<&'a mut View>,
    pub(super) config: &'a Config,
}

/// A command that is being carried out, piece by piece. After `Ask` only `answer` is called,
/// then `poll` again.
pub(super) trait Job: Send {
    /// Goes on until something is needed.
    fn poll(&mut self, context: &mut Context<'_>) -> Progress;

    /// The answer to the last ask. A refusal comes here too.
    fn answer(&mut self, answer: Answer, context: &mut Context<'_>) -> Result<(), Finish>;
}

/// What a job needs.
pub(super) enum Progress {
    /// That the output is taken.
    Full,
    /// An answer.
    Ask(Ask),
    /// That bytes of a message are written behind what is in the output.
    Send(SendMessage),
    /// Nothing more.
    Finish(Finish),
}

/// How a command ends.
#[derive(Debug)]
pub(super) struct Finish {
    /// The status response without its tag.
    pub(super) line: String,
    /// May EXPUNGE be told before it?
    pub(super) expunges: Expunges,
    /// Are changes looked for before it?
    pub(super) look: Look,
    /// What it does to the session.
    pub(super) next: Next,
}

/// Are changes looked for at the end of a command?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Yes.
    Always,
    /// If an event said so.
    AfterEvent,
}

/// What a command does to the session.
#[derive(Debug)]
pub(super) enum Next {
    Stay,
    SignedIn,
    /// Counts towards [`mail::limits::LOGIN_FAILURES`].
    SignInFailed,
    Select(Box<View>),
    Deselect,
}

impl Finish {
    /// With this status response; EXPUNGE may be told.
    pub(super) fn line(line: String) -> Self {
        Self {
            line,
            expunges: Expunges::Told,
            look: Look::AfterEvent,
            next: Next::Stay,
        }
    }

    pub(super) fn word(word: &Word) -> Self {
        Self::line(word.line())
    }

    /// `BAD`, with what is wrong.
    pub(super) fn syntax(detail: &'static str) -> Self {
        Self::line(words::IMAP_SYNTAX.line_with(&[("detail", detail)]))
    }

    /// `OK COMMAND done`
    pub(super) fn done(command: &str) -> Self {
        Self::line(words::IMAP_DONE.line_with(&[("command", command)]))
    }

    /// `OK [CODE] COMMAND done`
    pub(super) fn done_with_code(command: &str, code: &str) -> Self {
        Self::line(format!(
            "OK [{code}] {}",
            words::IMAP_DONE.text_with(&[("command", command)])
        ))
    }

    pub(super) fn refused(refusal: Refusal, config: &Config) -> Self {
        if refusal == Refusal::TooLarge {
            let bytes = config.limits.message_bytes.to_string();
            return Self::line(words::IMAP_TOO_BIG.line_with(&[("bytes", &bytes)]));
        }
        Self::word(refusal_word(refusal))
    }

    /// An answer of the wrong kind: our bug.
    pub(super) fn of_wrong_answer(answer: &Answer, config: &Config) -> Self {
        match answer {
            Answer::Refused(refusal) => Self::refused(*refusal, config),
            _ => {
                debug_assert!(false, "an answer of the wrong kind: {answer:?}");
                Self::word(&words::IMAP_SERVER_TROUBLE)
            }
        }
    }

    pub(super) const fn withholding(mut self) -> Self {
        self.expunges = Expunges::Withheld;
        self
    }

    pub(super) const fn looking(mut self) -> Self {
        self.look = Look::Always;
        self
    }

    pub(super) fn then(mut self, next: Next) -> Self {
        self.next = next;
        self
    }
}

const fn refusal_word(refusal: Refusal) -> &'static Word {
    match refusal {
        Refusal::NoSuchMailbox => &words::IMAP_MAILBOX_MISSING,
        Refusal::NoPermission => &words::IMAP_NO_PERMISSION,
        Refusal::AlreadyExists => &words::IMAP_MAILBOX_EXISTS,
        Refusal::HasChildren => &words::IMAP_HAS_CHILDREN,
        Refusal::NotSelectable => &words::IMAP_NOT_SELECTABLE,
        Refusal::Cannot => &words::IMAP_MAILBOX_NAME,
        Refusal::OverQuota => &words::IMAP_OVER_QUOTA,
        Refusal::TooLarge => &words::IMAP_TOO_BIG,
        Refusal::Limit => &words::IMAP_LIMIT,
        Refusal::Unavailable => &words::IMAP_UNAVAILABLE,
        Refusal::ServerBug => &words::IMAP_SERVER_TROUBLE,
    }
}

/// A command that is one ask and one answer.
pub(super) struct Single<F> {
    ask: Option<Ask>,
    finish: F,
    finished: Option<Finish>,
}

impl<F> Single<F>
where
    F: FnMut(Answer, &mut Context<'_>) -> Finish + Send,
{
    pub(super) const fn new(ask: Ask, finish: F) -> Self {
        Self {
            ask: Some(ask),
            finish,
            finished: None,
        }
    }
}

impl<F> Job for Single<F>
where
    F: FnMut(Answer, &mut Context<'_>) -> Finish + Send,
{
    fn poll(&mut self, _: &mut Context<'_>) -> Progress {
        match (self.ask.take(), self.finished.take()) {
            (Some(ask), _) => Progress::Ask(ask),
            (None, Some(finish)) => Progress::Finish(finish),
            // Polled before its answer is there, which the session never does.
            (None, None) => Progress::Finish(Finish::word(&words::IMAP_SERVER_TROUBLE)),
        }
    }

    fn answer(&mut self, answer: Answer, context: &mut Context<'_>) -> Result<(), Finish> {
        self.finished = Some((self.finish)(answer, context));
        Ok(())
    }
}

/// A command that is done when `answer` is [`Answer::Done`].
pub(super) fn plain(ask: Ask, command: &'static str) -> Box<dyn Job> {
    Box::new(Single::new(ask, move |answer, context| match answer {
        Answer::Done => Finish::done(command),
        other => Finish::of_wrong_answer(&other, context.config),
    }))
}
