//! What a server said it can do.

use mail::Reply;
use sasl::Mechanism;

/// The extensions of an EHLO reply. Nothing after HELO.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Offers {
    pub(super) pipelining: bool,
    pub(super) eight_bit: bool,
    pub(super) utf8: bool,
    pub(super) starttls: bool,
    /// Announced at all?
    pub(super) size: bool,
    /// Largest message, unless the server sets no limit (RFC 1870 §4: 0 or no number).
    pub(super) size_max: Option<u64>,
    pub(super) mechanisms: Vec<Mechanism>,
}

impl Offers {
    /// Reads an EHLO reply; its first line is the greeting.
    pub(super) fn parse(reply: &Reply) -> Self {
        let mut offers = Self::default();
        for line in reply.text().split('\n').skip(1) {
            let mut words = line.split_ascii_whitespace();
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            match keyword.as_str() {
                "PIPELINING" => offers.pipelining = true,
                "8BITMIME" => offers.eight_bit = true,
                "SMTPUTF8" => offers.utf8 = true,
                "STARTTLS" => offers.starttls = true,
                "SIZE" => {
                    offers.size = true;
                    offers.size_max = words
                        .next()
                        .and_then(|size| size.parse().ok())
                        .filter(|&size| size > 0);
                }
                "AUTH" => offers.mechanisms = words.filter_map(Mechanism::parse).collect(),
                _ => {}
            }
        }
        offers
    }

    /// The mechanism to log in by: PLAIN where it is there, for it takes one round trip.
    pub(super) fn mechanism(&self) -> Option<Mechanism> {
        Mechanism::ALL
            .into_iter()
            .find(|mechanism| self.mechanisms.contains(mechanism))
    }
}
