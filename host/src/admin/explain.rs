//! `/v1/explain/ADDRESS`: the intake's own steps in a dry run.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use axum::Json;
use axum::extract::{Path, Query, State};
use mail::{Body, Direction, Envelope, ForwardPath, Mailbox, ReversePath, Tenant};
use routing::Sender;
use serde::Deserialize;
use serde_json::{Value, json};

use super::users::parse;
use super::{Api, ApiError};
use crate::intake::{Fate, Mode, RecipientContext, Transaction, run_recipient};
use crate::site;

#[derive(Deserialize)]
pub(super) struct About {
    from: Option<String>,
    authenticated: Option<String>,
}

pub(super) async fn show(
    State(api): State<Api>,
    Path(address): Path<String>,
    Query(about): Query<About>,
) -> Result<Json<Value>, ApiError> {
    let recipient = parse(&address)?;
    let (sender, submitter) = match &about.authenticated {
        Some(person) => {
            let person = parse(person)?;
            let domain = api.site.directory.domain(person.domain()).await?;
            let entry = api
                .site
                .directory
                .person_by_address(domain.tenant(), &person)
                .await?;
            (
                Sender::Authenticated(entry.id),
                Some((domain.tenant(), person)),
            )
        }
        None => (Sender::Stranger, None),
    };
    let from = match (&about.from, &submitter) {
        (Some(from), _) => ReversePath::Mailbox(parse(from)?),
        (None, Some((_, person))) => ReversePath::Mailbox(person.clone()),
        (None, None) => ReversePath::Null,
    };
    let mut transaction = dry_transaction(&api, sender, submitter, from);
    let path = ForwardPath::Mailbox(recipient.clone());
    let mut context = RecipientContext {
        site: &api.site,
        transaction: &mut transaction,
        path,
        routed: None,
        fate: Fate::default(),
        sentences: Vec::new(),
    };
    let (step, reply) = run_recipient(&mut context).await;
    let mut sentences = std::mem::take(&mut context.sentences);
    let mut targets = Vec::new();
    for taken in &transaction.recipients {
        sentences.extend(taken.sentences.iter().cloned());
        targets.extend(taken.targets.iter().map(ToString::to_string));
    }
    let steps: Vec<_> = sentences
        .iter()
        .map(|s| json!({ "step": s.step, "text": s.text }))
        .collect();
    Ok(Json(json!({
        "recipient": recipient, "answer": reply.to_string(), "by": step, "targets": targets, "steps": steps,
    })))
}

fn dry_transaction(
    api: &Api,
    sender: Sender,
    submitter: Option<(Tenant, Mailbox)>,
    reverse_path: ReversePath,
) -> Transaction {
    let direction = match sender {
        Sender::Authenticated(_) => Direction::Submission,
        Sender::Internal => Direction::Internal,
        Sender::Stranger | Sender::Trusted => Direction::Inbound,
    };
    let authenticated = match sender {
        Sender::Authenticated(person) => Some(person),
        _ => None,
    };
    Transaction {
        envelope: Envelope {
            id: api.site.store.envelope_id(),
            reverse_path,
            direction,
            authenticated,
            // From the documentation range (RFC 5737): nobody's.
            peer: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
            helo: "explain.invalid".to_owned(),
            encrypted: false,
            received: site::now(),
            body: Body::SevenBit,
            utf8: false,
            envid: None,
        },
        sender,
        submitter,
        declared_size: None,
        mode: Mode::Dry,
        recipients: Vec::new(),
        hooks: BTreeMap::new(),
        group: None,
    }
}
