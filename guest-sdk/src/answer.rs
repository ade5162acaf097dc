//! What a hook answers: plain values, compared and printed in tests, handed to the host at the end
//! of the call.

/// What a policy hook wants to happen.
///
/// The host checks it: `reject` and `disconnect` take codes 500 to 599 and status `5.x.x`, `defer`
/// takes 400 to 499 and `4.x.x`; a text is one line of 1 to 400 bytes without control characters.
/// An answer that breaks this counts as a failed call.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Verdict {
    decision: Decision,
    explanations: Vec<String>,
}

/// The kinds of [`Verdict`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Decision {
    /// Nothing against it.
    Proceed,
    /// Accepted as far as this level goes.
    Settle,
    /// Refused for good.
    Reject {
        /// Reply code, 500 to 599.
        code: u16,
        /// Enhanced status, `5.x.x`.
        status: String,
        /// One line.
        text: String,
    },
    /// Refused for now.
    Defer {
        /// Reply code, 400 to 499.
        code: u16,
        /// Enhanced status, `4.x.x`.
        status: String,
        /// One line.
        text: String,
    },
    /// Accepted and thrown away.
    Discard,
    /// Accepted and kept aside.
    Quarantine {
        /// Why, for people.
        reason: String,
    },
    /// Answered later.
    Delay {
        /// By so many milliseconds.
        ms: u32,
    },
    /// Points for or against.
    Score {
        /// Name of the finding.
        symbol: String,
        /// How much; negative is in favour.
        points: f64,
        /// Why, for people.
        reason: String,
    },
    /// Refused for good, and the client should go.
    Disconnect {
        /// Reply code, 500 to 599.
        code: u16,
        /// Enhanced status, `5.x.x`.
        status: String,
        /// One line.
        text: String,
    },
}

impl Verdict {
    const fn new(decision: Decision) -> Self {
        Self {
            decision,
            explanations: Vec::new(),
        }
    }

    /// Nothing against it: the next plugin is asked.
    pub const fn proceed() -> Self {
        Self::new(Decision::Proceed)
    }

    /// Accepted as far as this level goes: the rest of its plugins is not asked.
    pub const fn settle() -> Self {
        Self::new(Decision::Settle)
    }

    /// Refused for good: `reject(550, "5.7.1", "..")`.
    pub fn reject(code: u16, status: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Decision::Reject {
            code,
            status: status.into(),
            text: text.into(),
        })
    }

    /// Refused for now: `defer(451, "4.7.1", "..")`.
    pub fn defer(code: u16, status: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Decision::Defer {
            code,
            status: status.into(),
            text: text.into(),
        })
    }

    /// Accepted and thrown away.
    pub const fn discard() -> Self {
        Self::new(Decision::Discard)
    }

    /// Accepted, but kept aside in the domain for people to look at.
    pub fn quarantine(reason: impl Into<String>) -> Self {
        Self::new(Decision::Quarantine {
            reason: reason.into(),
        })
    }

    /// Nothing against it, but answered `ms` milliseconds later.
    pub const fn delay(ms: u32) -> Self {
        Self::new(Decision::Delay { ms })
    }

    /// Nothing final: adds points to the score of the message.
    pub fn score(symbol: impl Into<String>, points: f64, reason: impl Into<String>) -> Self {
        Self::new(Decision::Score {
            symbol: symbol.into(),
            points,
            reason: reason.into(),
        })
    }

    /// Refused for good, and this client should go. From the plugin of a domain it refuses the
    /// recipients of that domain only.
    pub fn disconnect(code: u16, status: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Decision::Disconnect {
            code,
            status: status.into(),
            text: text.into(),
        })
    }

    /// Adds one sentence for people to the trace of the message.
    pub fn explain(mut self, sentence: impl Into<String>) -> Self {
        self.explanations.push(sentence.into());
        self
    }

    /// The kind.
    pub const fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The sentences.
    pub fn explanations(&self) -> &[String] {
        &self.explanations
    }

    /// Is it `reject`, `defer` or `disconnect`?
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self.decision,
            Decision::Reject { .. } | Decision::Defer { .. } | Decision::Disconnect { .. }
        )
    }
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Outcome {
    settlement: Settlement,
    explanations: Vec<String>,
}

/// The kinds of [`Outcome`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settlement {
    /// The message is where it should be.
    Done {
        /// For the trace.
        text: String,
    },
    /// Not now, try again.
    Deferred {
        /// Enhanced status, `4.x.x`.
        status: String,
        /// One line.
        text: String,
    },
    /// Never.
    Failed {
        /// Enhanced status, `5.x.x`.
        status: String,
        /// One line.
        text: String,
    },
    /// This plugin is not responsible for the recipient.
    NotMine,
}

impl Outcome {
    const fn new(settlement: Settlement) -> Self {
        Self {
            settlement,
            explanations: Vec::new(),
        }
    }

    /// The message is where it should be; the text is for the trace.
    pub fn done(text: impl Into<String>) -> Self {
        Self::new(Settlement::Done { text: text.into() })
    }

    /// Not now, try again: `deferred("4.3.0", "..")`.
    pub fn deferred(status: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Settlement::Deferred {
            status: status.into(),
            text: text.into(),
        })
    }

    /// Never: `failed("5.3.0", "..")`. The sender gets a report where one is due.
    pub fn failed(status: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Settlement::Failed {
            status: status.into(),
            text: text.into(),
        })
    }

    /// This plugin is not responsible for the recipient.
    pub const fn not_mine() -> Self {
        Self::new(Settlement::NotMine)
    }

    /// Adds one sentence for people to the trace of the message.
    pub fn explain(mut self, sentence: impl Into<String>) -> Self {
        self.explanations.push(sentence.into());
        self
    }

    /// The kind.
    pub const fn settlement(&self) -> &Settlement {
        &self.settlement
    }

    /// The sentences.
    pub fn explanations(&self) -> &[String] {
        &self.explanations
    }

    /// Is it `done`?
    pub const fn is_done(&self) -> bool {
        matches!(self.settlement, Settlement::Done { .. })
    }
}
