//! Which entries of the queue are meant.

use mail::{Access, Domain, Mailbox, Timestamp};
use serde::Deserialize;
use store::{ParkedReason, QueueFilter, QueueRow, QueueState};

use super::super::{Api, ApiError};
use crate::site;

/// Rows that are looked at together.
const STEP: usize = 1000;

/// Filters, as in a query or a body. All of them must fit. A name that is not known is an error:
/// a filter that is ignored would remove what nobody meant.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Filter {
    /// Of this domain.
    pub(super) domain: Option<String>,
    /// The channel, or the stage: `smtp`, `deliver:autoreply`.
    channel: Option<String>,
    /// The recipient's address or domain.
    to: Option<String>,
    /// The sender's address or domain; `<>` for none.
    from: Option<String>,
    /// `waiting`, `working`, `parked`, or why it is parked.
    state: Option<String>,
    /// At least so old: `90s`, `15m`, `2h`, `7d`.
    older: Option<String>,
    /// Of this message.
    message: Option<String>,
    /// Only behind this one.
    after: Option<String>,
    /// At most so many.
    pub(super) limit: Option<usize>,
}

/// Filters that make sense.
pub(super) struct Meant {
    rows: QueueFilter,
    to: Option<Side>,
    from: Option<Side>,
    state: Option<State>,
    before: Option<Timestamp>,
    limit: usize,
}

/// One side of a message.
enum Side {
    Nobody,
    Address(String),
    Domain(Domain),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Working,
    Parked,
    For(ParkedReason),
}

impl Filter {
    /// Reads the values.
    pub(super) fn read(&self, most: usize) -> Result<Meant, ApiError> {
        let mut rows = QueueFilter {
            channel: self.channel.clone(),
            max: STEP,
            ..QueueFilter::default()
        };
        if let Some(message) = &self.message {
            let id = message.parse();
            rows.envelope = Some(id.map_err(|_| invalid("message", message, "like q1f"))?);
        }
        if let Some(after) = &self.after {
            rows.after = Some(super::parse(after)?);
        }
        let state = self.state.as_deref().map(State::parse).transpose()?;
        rows.parked = match state {
            Some(State::Parked | State::For(_)) => Some(true),
            Some(State::Waiting) => Some(false),
            Some(State::Working) | None => None,
        };
        let before = match &self.older {
            Some(text) => Some(site::now().plus_seconds(-age(text)?)),
            None => None,
        };
        Ok(Meant {
            rows,
            to: self
                .to
                .as_deref()
                .map(|to| Side::parse("to", to))
                .transpose()?,
            from: self
                .from
                .as_deref()
                .map(|from| Side::parse("from", from))
                .transpose()?,
            state,
            before,
            limit: self.limit.unwrap_or(most).min(most),
        })
    }
}

impl Meant {
    /// Those that fit, ascending by id, up to the limit.
    pub(super) fn find(&self, api: &Api, access: &Access) -> Result<Vec<QueueRow>, ApiError> {
        let mut filter = self.rows.clone();
        let mut found = Vec::new();
        while found.len() < self.limit {
            let rows = api.site.store.queue(access, &filter)?;
            let Some(last) = rows.last() else { break };
            filter.after = Some(last.id);
            let is_all = rows.len() < STEP;
            found.extend(rows.into_iter().filter(|row| self.fits(row)));
            if is_all {
                break;
            }
        }
        found.truncate(self.limit);
        Ok(found)
    }

    /// The same with room for what others found already.
    pub(super) fn less(&mut self, found: usize) {
        self.limit = self.limit.saturating_sub(found);
    }

    fn fits(&self, row: &QueueRow) -> bool {
        let to = [Some(&row.address)].into_iter();
        let original = Mailbox::parse(&row.original).ok();
        let mut to = to.chain([original.as_ref()]);
        let from = row.envelope.reverse_path.mailbox();
        self.to
            .as_ref()
            .is_none_or(|side| to.any(|address| side.fits(address)))
            && self.from.as_ref().is_none_or(|side| side.fits(from))
            && self.state.is_none_or(|state| state.fits(row.state))
            && self.before.is_none_or(|before| row.created <= before)
    }
}

impl Side {
    fn parse(name: &str, text: &str) -> Result<Self, ApiError> {
        let bare = text.trim_start_matches('<').trim_end_matches('>');
        if bare.is_empty() {
            return Ok(Self::Nobody);
        }
        if let Ok(address) = Mailbox::parse(bare) {
            return Ok(Self::Address(address.key()));
        }
        let domain = Domain::parse(bare.trim_start_matches('@'));
        let domain = domain.map_err(|_| invalid(name, text, "an address or a domain"))?;
        Ok(Self::Domain(domain))
    }

    fn fits(&self, address: Option<&Mailbox>) -> bool {
        match (self, address) {
            (Self::Nobody, None) => true,
            (Self::Address(key), Some(address)) => address.key() == *key,
            (Self::Domain(domain), Some(address)) => address.domain() == domain,
            _ => false,
        }
    }
}

impl State {
    fn parse(text: &str) -> Result<Self, ApiError> {
        let reason = ParkedReason::ALL
            .into_iter()
            .find(|reason| reason.name() == text);
        Ok(match (text, reason) {
            ("waiting", _) => Self::Waiting,
            ("working", _) => Self::Working,
            ("parked", _) => Self::Parked,
            (_, Some(reason)) => Self::For(reason),
            _ => {
                let reasons = ParkedReason::ALL.map(ParkedReason::name).join(", ");
                let known = format!("waiting, working, parked, or why it is parked: {reasons}");
                return Err(invalid("state", text, &known));
            }
        })
    }

    fn fits(self, state: QueueState) -> bool {
        match (self, state) {
            (Self::Waiting, QueueState::Ready)
            | (Self::Working, QueueState::Leased)
            | (Self::Parked, QueueState::Parked(_)) => true,
            (Self::For(meant), QueueState::Parked(reason)) => meant == reason,
            _ => false,
        }
    }
}

/// Seconds.
fn age(text: &str) -> Result<i64, ApiError> {
    let wrong = || invalid("older", text, "a number with s, m, h or d, as in 15m or 7d");
    let (number, unit) = match text.char_indices().last() {
        Some((at, unit)) if unit.is_ascii_alphabetic() => (&text[..at], unit),
        _ => (text, 's'),
    };
    let unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(i64::from(number) * unit)
}

fn invalid(name: &str, value: &str, what: &str) -> ApiError {
    ApiError::invalid(format!("{name}: '{value}' is not {what}"))
}

#[cfg(test)]
mod tests {
    use super::{Filter, Side, State, age};
    use mail::Mailbox;
    use store::{ParkedReason, QueueId, QueueState};

    #[test]
    fn ages_have_a_unit() {
        for (text, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("15m", 900),
            ("2h", 7200),
            ("7d", 604_800),
        ] {
            assert_eq!(age(text).expect("an age"), seconds, "{text}");
        }
        for text in ["", "h", "-1h", "1w", "1.5h", "99999999999d", "é"] {
            assert!(age(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_side_is_an_address_a_domain_or_nobody() {
        let ann = Mailbox::parse("Ann@ABC.test").expect("an address");
        for (text, fits) in [
            ("ann@abc.test", true),
            ("abc.test", true),
            ("@abc.test", true),
            ("bob@abc.test", false),
            ("xabc.test", false),
            ("<>", false),
        ] {
            let side = Side::parse("to", text).expect("a side");
            assert_eq!(side.fits(Some(&ann)), fits, "{text}");
            assert_eq!(side.fits(None), text == "<>", "{text}");
        }
        assert!(Side::parse("to", "a b").is_err());
    }

    #[test]
    fn states_are_words() {
        for reason in ParkedReason::ALL {
            let state = State::parse(reason.name()).expect("a reason is a state");
            for other in ParkedReason::ALL {
                assert_eq!(state.fits(QueueState::Parked(other)), reason == other);
            }
            let parked = State::parse("parked").expect("a state");
            assert!(parked.fits(QueueState::Parked(reason)));
        }
        assert!(
            State::parse("waiting")
                .expect("a state")
                .fits(QueueState::Ready)
        );
        assert!(
            State::parse("working")
                .expect("a state")
                .fits(QueueState::Leased)
        );
        assert!(State::parse("Parked").is_err());
    }

    #[test]
    fn what_is_not_a_filter_is_refused() {
        let unknown: Result<Filter, _> = serde_json::from_str(r#"{"sate": "parked"}"#);
        assert!(unknown.is_err());
        let filter = Filter {
            after: Some(QueueId(5).to_string()),
            ..Filter::default()
        };
        assert!(filter.read(9).is_ok());
        for filter in [
            Filter {
                message: Some("w1".to_owned()),
                ..Filter::default()
            },
            Filter {
                after: Some("q1".to_owned()),
                ..Filter::default()
            },
        ] {
            assert!(filter.read(9).is_err(), "{filter:?}");
        }
    }
}
