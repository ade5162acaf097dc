//! Answers of plugins, and the check that makes them safe to use.

use mail::{Class, EnhancedStatus, Outcome, Reply};
use serde::{Deserialize, Serialize};

/// Longest text of a reply in bytes.
const TEXT_BYTES: usize = 400;
/// Longest reason or explanation in bytes.
const REASON_BYTES: usize = 1000;
/// Sentences of explanation that one answer may have.
const EXPLANATIONS: usize = 8;
/// Longest wait that one verdict may ask for, in ms.
pub(crate) const DELAY_MS: u32 = 10_000;

/// What a plugin, or all plugins of a domain together, want to happen. Everything in it was
/// checked: codes fit their class, texts are one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Verdict {
    /// Nothing against it.
    Proceed,
    /// Accepted as far as this level goes.
    Settle,
    /// Refused for good.
    Reject(Reply),
    /// Refused for now.
    Defer(Reply),
    /// Accepted and thrown away.
    Discard,
    /// Accepted and kept aside.
    Quarantine {
        /// Why.
        reason: String,
    },
    /// Accepted after a while.
    Delay {
        /// How long, in ms.
        ms: u32,
    },
    /// Points for or against.
    Score {
        /// Name of the finding.
        symbol: String,
        /// How much.
        points: f64,
        /// Why.
        reason: String,
    },
    /// Refused for good, and the client should go.
    Disconnect(Reply),
}

impl Verdict {
    /// Does it end the questions of its level?
    pub const fn is_final(&self) -> bool {
        !matches!(
            self,
            Self::Proceed | Self::Delay { .. } | Self::Score { .. }
        )
    }

    /// The reply of a refusal.
    pub const fn refusal(&self) -> Option<&Reply> {
        match self {
            Self::Reject(reply) | Self::Defer(reply) | Self::Disconnect(reply) => Some(reply),
            _ => None,
        }
    }

    /// How hard it is on the message: a later level may only go up.
    pub(crate) const fn severity(&self) -> u8 {
        match self {
            Self::Proceed | Self::Settle | Self::Delay { .. } | Self::Score { .. } => 0,
            Self::Quarantine { .. } => 1,
            Self::Discard => 2,
            Self::Defer(_) => 3,
            Self::Reject(_) => 4,
            Self::Disconnect(_) => 5,
        }
    }

    /// The word for the trace.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Proceed => "proceed",
            Self::Settle => "settle",
            Self::Reject(_) => "reject",
            Self::Defer(_) => "defer",
            Self::Discard => "discard",
            Self::Quarantine { .. } => "quarantine",
            Self::Delay { .. } => "delay",
            Self::Score { .. } => "score",
            Self::Disconnect(_) => "disconnect",
        }
    }
}

/// A verdict as the plugin made it, unchecked.
#[derive(Debug, Clone)]
#[allow(unreachable_pub)] // see handles.rs
pub struct RawVerdict {
    pub(crate) kind: RawKind,
    pub(crate) explanations: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum RawKind {
    Proceed,
    Settle,
    Reject(u16, String, String),
    Defer(u16, String, String),
    Discard,
    Quarantine(String),
    Delay(u32),
    Score(String, f64, String),
    Disconnect(u16, String, String),
}

impl RawVerdict {
    /// The verdict and its explanations, or what is wrong with it.
    pub(crate) fn check(self) -> Result<(Verdict, Vec<String>), String> {
        let verdict = match self.kind {
            RawKind::Proceed => Verdict::Proceed,
            RawKind::Settle => Verdict::Settle,
            RawKind::Reject(code, status, text) => {
                Verdict::Reject(reply(Class::Permanent, code, &status, text)?)
            }
            RawKind::Defer(code, status, text) => {
                Verdict::Defer(reply(Class::Transient, code, &status, text)?)
            }
            RawKind::Discard => Verdict::Discard,
            RawKind::Quarantine(reason) => Verdict::Quarantine {
                reason: line("reason", reason, REASON_BYTES)?,
            },
            RawKind::Delay(ms) => Verdict::Delay {
                ms: ms.min(DELAY_MS),
            },
            RawKind::Score(symbol, points, reason) => Verdict::Score {
                symbol: line("symbol", symbol, TEXT_BYTES)?,
                points: if points.is_finite() {
                    points
                } else {
                    return Err("the points are not a number".to_owned());
                },
                reason: line("reason", reason, REASON_BYTES)?,
            },
            RawKind::Disconnect(code, status, text) => {
                Verdict::Disconnect(reply(Class::Permanent, code, &status, text)?)
            }
        };
        Ok((verdict, explanations(self.explanations)?))
    }
}

/// An outcome as the plugin made it, unchecked.
#[derive(Debug, Clone)]
#[allow(unreachable_pub)] // see handles.rs
pub struct RawOutcome {
    pub(crate) kind: RawSettlement,
    pub(crate) explanations: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum RawSettlement {
    Done(String),
    Deferred(String, String),
    Failed(String, String),
    NotMine,
}

impl RawOutcome {
    /// The outcome and its explanations, or what is wrong with it.
    pub(crate) fn check(self) -> Result<(Outcome, Vec<String>), String> {
        let outcome = match self.kind {
            RawSettlement::Done(text) => Outcome::Done {
                text: line("text", text, TEXT_BYTES)?,
            },
            RawSettlement::Deferred(code, text) => Outcome::Deferred {
                status: status(Class::Transient, &code)?,
                text: line("text", text, TEXT_BYTES)?,
            },
            RawSettlement::Failed(code, text) => Outcome::Failed {
                status: status(Class::Permanent, &code)?,
                text: line("text", text, TEXT_BYTES)?,
            },
            RawSettlement::NotMine => Outcome::NotMine,
        };
        Ok((outcome, explanations(self.explanations)?))
    }
}

fn reply(class: Class, code: u16, code_text: &str, text: String) -> Result<Reply, String> {
    if code / 100 != u16::from(class.digit()) {
        return Err(format!("code {code} is not of class {}", class.digit()));
    }
    Ok(Reply::new(
        code,
        status(class, code_text)?,
        line("text", text, TEXT_BYTES)?,
    ))
}

fn status(class: Class, text: &str) -> Result<EnhancedStatus, String> {
    let status: EnhancedStatus = text
        .parse()
        .map_err(|_| format!("{} is no enhanced status", escaped(text, 40)))?;
    if status.class() == class {
        Ok(status)
    } else {
        Err(format!("status {status} is not of class {}", class.digit()))
    }
}

/// One line: nobody can forge another one with it, in a reply, a report, a header or a log.
fn line(what: &str, text: String, bytes: usize) -> Result<String, String> {
    if text.is_empty() || text.len() > bytes {
        return Err(format!(
            "the {what} has {} bytes, not 1 to {bytes}",
            text.len()
        ));
    }
    if text.contains(breaks_lines) {
        return Err(format!(
            "the {what} has control characters: {}",
            escaped(&text, 80)
        ));
    }
    Ok(text)
}

fn explanations(sentences: Vec<String>) -> Result<Vec<String>, String> {
    if sentences.len() > EXPLANATIONS {
        return Err(format!(
            "it has {} explanations, more than {EXPLANATIONS}",
            sentences.len()
        ));
    }
    sentences
        .into_iter()
        .map(|sentence| line("explanation", sentence, REASON_BYTES))
        .collect()
}

/// Control characters and the line separators of Unicode.
pub(crate) fn breaks_lines(c: char) -> bool {
    c.is_control() || c == '\u{2028}' || c == '\u{2029}'
}

/// A text of a plugin for a log or an error: one line, at most `bytes` long.
pub(crate) fn escaped(text: &str, bytes: usize) -> String {
    let mut line = String::with_capacity(text.len().min(bytes));
    for c in text.chars() {
        if breaks_lines(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
        if line.len() >= bytes {
            line.push('…');
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests;
