//! `/v1/trace/WHAT`: what became of a message, a line for each step.
//!
//! What is found depends on who asks: a domain's administrators and its postmaster read the lines
//! of that domain, the operator those of all. Who has no such domain, and whoever asks about
//! something that is not there, gets the same answer.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use mail::{Access, EnvelopeId, Mailbox, Principal, RecipientId, Tenant};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{QueueId, Store, TraceEntry, TraceKey};

use super::{Api, ApiError, Caller};
use crate::intake::trace::RECIPIENT;

/// Messages in one answer where nothing else is said, and at most.
const PAGE: usize = 20;
const MOST: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    domain: Option<String>,
    limit: Option<usize>,
}

/// Where to look: a domain as its administrator sees it, or the host's own part.
struct Place {
    name: String,
    access: Access,
}

pub(super) async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(what): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, ApiError> {
    let limit = page.limit.unwrap_or(PAGE).min(MOST);
    let places = places(&api, &caller, page.domain.as_deref()).await?;
    let asked = Asked::parse(&what);
    let mut messages = BTreeSet::new();
    for place in &places {
        messages.extend(asked.find(&*api.site.store, &place.access, limit)?);
    }
    let mut shown = Vec::new();
    // The newest messages, told in their order.
    let newest: BTreeSet<_> = messages.into_iter().rev().take(limit).collect();
    for envelope in newest {
        shown.extend(tell(&api, &places, envelope)?);
    }
    if shown.is_empty() {
        let missing = format!("trace of {what}");
        return Err(match caller.is_site() {
            true => ApiError::not_found(missing),
            false => caller.hidden(missing),
        });
    }
    Ok(Json(shown.into()))
}

async fn places(api: &Api, caller: &Caller, domain: Option<&str>) -> Result<Vec<Place>, ApiError> {
    let reached = match domain {
        Some(domain) => vec![caller.trace_named(api, domain).await?],
        None => caller.traced_domains(api).await?,
    };
    let mut places: Vec<_> = reached
        .iter()
        .map(|reach| Place {
            name: reach.domain.name.to_string(),
            access: reach.access(),
        })
        .collect();
    if domain.is_none() && caller.is_site() {
        places.push(Place {
            name: String::new(),
            access: Access {
                tenant: Tenant::HOST,
                principal: Principal::Site,
            },
        });
    }
    Ok(places)
}

/// What a text may mean. An address and a Message-ID look alike, so it may be both.
struct Asked {
    envelope: Option<EnvelopeId>,
    keys: Vec<TraceKey>,
}

impl Asked {
    fn parse(text: &str) -> Self {
        let text = text.trim();
        let bare = text.trim_start_matches('<').trim_end_matches('>');
        let mut keys = Vec::new();
        keys.extend(bare.parse::<QueueId>().ok().map(TraceKey::Row));
        keys.extend(Mailbox::parse(bare).ok().map(TraceKey::Address));
        keys.push(TraceKey::MessageId(bare.to_owned()));
        Self {
            envelope: bare.parse().ok(),
            keys,
        }
    }

    fn find(
        &self,
        store: &dyn Store,
        access: &Access,
        limit: usize,
    ) -> store::Result<Vec<EnvelopeId>> {
        let mut found: Vec<_> = self.envelope.into_iter().collect();
        for key in &self.keys {
            found.extend(store.traced(access, key, limit)?);
        }
        Ok(found)
    }
}

/// Every line about a message that the caller may read, in their order.
fn tell(api: &Api, places: &[Place], envelope: EnvelopeId) -> Result<Vec<Value>, ApiError> {
    let mut lines: Vec<(&str, TraceEntry)> = Vec::new();
    for place in places {
        let found = api.site.store.trace(&place.access, envelope)?;
        for entry in found {
            // What the host did is told to the domain that sent, and to the operator once.
            if lines.iter().all(|(_, known)| *known != entry) {
                lines.push((&place.name, entry));
            }
        }
    }
    lines.sort_by_key(|(_, entry)| entry.line.at);
    let names = names(lines.iter().map(|(_, entry)| entry));
    let shown = lines.iter().map(|(domain, TraceEntry { line, .. })| {
        let recipient = line.recipient.and_then(|id| names.get(&id));
        json!({
            "at": line.at.to_string(), "message": envelope.to_string(), "domain": domain,
            "recipient": recipient, "step": line.step, "text": line.text,
        })
    });
    Ok(shown.collect())
}

/// The addresses behind the recipients' ids.
fn names<'t>(entries: impl Iterator<Item = &'t TraceEntry>) -> BTreeMap<RecipientId, &'t str> {
    let named = entries.filter(|entry| entry.line.step == RECIPIENT);
    named
        .filter_map(|entry| {
            let address = entry.line.text.split(", given as ").next()?;
            Some((entry.line.recipient?, address))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Asked;

    #[test]
    fn a_text_is_looked_for_as_whatever_it_may_be() {
        for (text, envelope, keys) in [
            ("q1f", true, 1),
            ("w1f", false, 2),
            ("ann@abc.test", false, 2),
            ("<a.b$c@d.test>", false, 2),
            ("<no at sign>", false, 1),
            ("q1f@x", false, 2),
        ] {
            let asked = Asked::parse(text);
            let found = (asked.envelope.is_some(), asked.keys.len());
            assert_eq!(found, (envelope, keys), "{text}");
        }
    }
}
