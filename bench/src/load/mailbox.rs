//! Single messages of a mailbox that has many.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::fill::by_smtp;
use super::{Meter, Outcome, Part};
use crate::arguments::{Accept, Mailbox, Sending};
use crate::client::Imap;
use crate::message::{Kind, Messages};

/// What is measured, in the order of [`run`]'s outcomes.
pub(crate) const KINDS: [&str; 4] = ["select", "append", "flag", "expunge"];
/// Connections that fill it.
const FILLING: usize = 64;
/// A server that needs long for one is not asked as often as it should be: each kind ends here.
const AT_MOST: Duration = Duration::from_secs(8);

/// Fills the mailbox by SMTP, then opens it, appends, marks and expunges messages all over it, one
/// by one; one outcome for each of [`KINDS`].
pub(crate) async fn run(options: &Mailbox) -> anyhow::Result<Vec<Outcome>> {
    let (count, times) = (options.messages, options.times);
    ensure!(
        (1..=count).contains(&times),
        "--times must be from 1 to --messages"
    );
    fill(options).await?;
    let mut imap = Imap::connect(options.imaps, &options.user, &options.password).await?;
    let mut outcomes = Vec::new();

    let meter = Meter::start(&options.pid);
    let mut part = Part::default();
    let start = Instant::now();
    let there = imap.select().await?;
    part.latencies.record(start.elapsed());
    part.messages = 1;
    outcomes.push(meter.stop(KINDS[0], part));
    ensure!(
        there == count,
        "{there} messages in the mailbox, not {count}"
    );

    let messages = Messages::new(Kind::Letters, options.size);
    let mut steps = Steps::start(&options.pid);
    for number in 0..times {
        let start = Instant::now();
        imap.append(&messages.of(number)).await?;
        if steps.is_over(start) {
            break;
        }
    }
    let appended = steps.part.messages;
    outcomes.push(steps.stop(KINDS[1]));

    // In a mailbox that was empty, a UID is the number of the message (RFC 3501 §2.3.1.1: they
    // ascend; servers count them from one). That it was so is seen at the end.
    let spread = (0..times).map(|index| 1 + index * count / times);
    let flag = |uid, flag| format!("UID STORE {uid} +FLAGS.SILENT ({flag})");
    let mut steps = Steps::start(&options.pid);
    for uid in spread.clone() {
        let start = Instant::now();
        imap.run(&flag(uid, "\\Flagged")).await?;
        if steps.is_over(start) {
            break;
        }
    }
    outcomes.push(steps.stop(KINDS[2]));

    let mut deleting = Steps::start(&[]);
    for uid in spread.clone() {
        let start = Instant::now();
        imap.run(&flag(uid, "\\Deleted")).await?;
        if deleting.is_over(start) {
            break;
        }
    }
    let mut steps = Steps::start(&options.pid);
    for uid in spread.take(deleting.part.messages) {
        let start = Instant::now();
        imap.run(&format!("UID EXPUNGE {uid}")).await?;
        if steps.is_over(start) {
            break;
        }
    }
    let expunged = steps.part.messages;
    outcomes.push(steps.stop(KINDS[3]));

    let left = imap.select().await?;
    ensure!(
        left + expunged == count + appended,
        "{left} messages are left of {count}, {appended} appended, {expunged} expunged"
    );
    Ok(outcomes)
}

/// One kind of single steps.
struct Steps {
    meter: Meter,
    part: Part,
    start: Instant,
}

impl Steps {
    fn start(pids: &[u32]) -> Self {
        Self {
            meter: Meter::start(pids),
            part: Part::default(),
            start: Instant::now(),
        }
    }

    /// Counts a step that began then; was it the last one that there is time for?
    fn is_over(&mut self, start: Instant) -> bool {
        self.part.done(start);
        self.start.elapsed() > AT_MOST
    }

    fn stop(self, what: &str) -> Outcome {
        self.meter.stop(what, self.part)
    }
}

async fn fill(options: &Mailbox) -> anyhow::Result<()> {
    let sending = Sending {
        smtp: options.smtp,
        to: vec![options.user.clone()],
        size: options.size,
        kind: Kind::Letters,
    };
    let accept = Accept {
        sending,
        connections: FILLING.min(options.messages),
        messages: options.messages,
        seconds: None,
        rate: None,
        recipients: 1,
        pid: Vec::new(),
    };
    by_smtp(&accept).await.map(drop)
}
