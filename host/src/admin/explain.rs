//! `/v1/explain/ADDRESS`: the intake's own steps in a dry run. `/v1/explain-login/NAME`: the login
//! way without the password.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use directory::{LoginOutcome, LoginStep, LoginTrial, ServiceAccess};
use mail::trace::Hop;
use mail::{
    Body, Direction, Domain, Envelope, ForwardPath, Mailbox, ReversePath, Secret, Service, Tenant,
    Transport,
};
use routing::{Sender, Target};
use serde::Deserialize;
use serde_json::{Value, json};

use super::users::parse;
use super::{Api, ApiError, Caller};
use crate::intake::{Fate, Mode, RecipientContext, StepSentence, Transaction, run_recipient};
use crate::listen::SignIn;
use crate::site;

/// From the documentation range (RFC 5737): nobody's.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

#[derive(Deserialize)]
pub(super) struct About {
    from: Option<String>,
    authenticated: Option<String>,
}

pub(super) async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
    Query(about): Query<About>,
) -> Result<Json<Value>, ApiError> {
    let recipient = parse(&address)?;
    caller.ask_about(&api, &recipient).await?;
    let (sender, submitter) = match &about.authenticated {
        Some(person) => {
            let person = parse(person)?;
            let (reach, entry) = caller.person(&api, &person).await?;
            (
                Sender::Authenticated(entry.id),
                Some((reach.tenant(), person)),
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
        targets.extend(taken.targets.iter().cloned());
    }
    let targets = own_part(&api, &caller, &mut sentences, targets).await?;
    let steps: Vec<_> = sentences
        .iter()
        .map(|s| json!({ "step": s.step, "text": s.text }))
        .collect();
    Ok(Json(json!({
        "recipient": recipient, "answer": reply.to_string(), "by": step, "targets": targets, "steps": steps,
    })))
}

/// Where the way leads into a domain that is not the caller's, what happens there is not told.
async fn own_part(
    api: &Api,
    caller: &Caller,
    sentences: &mut Vec<StepSentence>,
    targets: Vec<Target>,
) -> Result<Vec<String>, ApiError> {
    // What another domain's plugins say of the recipient is that domain's.
    let mut foreign = BTreeSet::new();
    for id in sentences.iter().filter_map(|sentence| sentence.of) {
        if let Some(domain) = api.site.directory.known_domain(id)
            && caller.is_foreign(api, &domain.name).await?
        {
            foreign.insert(id);
        }
    }
    sentences.retain(|sentence| sentence.of.is_none_or(|id| !foreign.contains(&id)));
    let mut leads_away = false;
    for sentence in sentences.iter().filter(|s| s.step == ENTERS) {
        let name = sentence.text.split(' ').next().unwrap_or_default();
        if let Ok(name) = Domain::parse(name) {
            leads_away |= caller.is_foreign(api, &name).await?;
        }
    }
    if !leads_away {
        return Ok(targets.iter().map(ToString::to_string).collect());
    }
    let mut entered = 0;
    sentences.retain(|sentence| {
        entered += usize::from(sentence.step == ENTERS);
        entered < 2 || !sentence.step.starts_with("route.")
    });
    sentences.push(StepSentence::new(
        "route",
        "it goes on into another domain, whose decisions are not shown".to_owned(),
    ));
    let mut shown = Vec::new();
    for target in &targets {
        let (Target::Mailbox { address, .. } | Target::Option { address, .. }) = target else {
            continue;
        };
        if !caller.is_foreign(api, address.domain()).await? {
            shown.push(target.to_string());
        }
    }
    shown.push("what another domain does".to_owned());
    Ok(shown)
}

/// The step with which routing enters the domain of an address.
const ENTERS: &str = "route.domain";

#[derive(Deserialize)]
pub(super) struct LoginQuestion {
    service: Option<Service>,
    client: Option<IpAddr>,
}

pub(super) async fn login(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
    Query(question): Query<LoginQuestion>,
) -> Result<Json<Value>, ApiError> {
    let service = question.service.unwrap_or(Service::Imaps);
    let peer = question.client.unwrap_or(STRANGER);
    let transport = Transport {
        peer,
        peer_port: 0,
        encrypted: true,
        server_name: None,
    };
    let sign_in = SignIn {
        service,
        login: &login,
        password: &Secret::new(String::new()),
        transport: &transport,
    };
    let trial = sign_in.try_out(&api.site).await;
    if !caller.is_site() {
        let missing = || caller.hidden(format!("login {login}"));
        let domain = trial.domain.as_ref().ok_or_else(missing)?;
        if caller.is_foreign(&api, &domain.name).await? {
            return Err(missing());
        }
        caller.administer(&api, &domain.name).await?;
    }
    if let LoginOutcome::Unavailable(cause) = trial.outcome {
        return Err(ApiError::unavailable(cause));
    }
    let mut steps = login_steps(&login, service, peer, &trial);
    let mut answer = match &trial.outcome {
        LoginOutcome::Refused { step, .. } => format!("refused at {}", step.name()),
        _ => "let in, if the password is right".to_owned(),
    };
    if api.site.login.is_pausing(peer, &login, site::now()) {
        answer = "refused: too many wrong passwords lately".to_owned();
        steps.push(json!({ "step": LoginStep::Throttle.name(), "text": "the password is not looked at for some minutes" }));
    }
    Ok(Json(json!({
        "login": login, "service": service.name(), "client": peer.to_string(), "answer": answer,
        "steps": steps,
    })))
}

/// One line a step, up to the one that refused.
fn login_steps(login: &str, service: Service, peer: IpAddr, trial: &LoginTrial) -> Vec<Value> {
    let refused = match &trial.outcome {
        LoginOutcome::Refused { step, .. } => Some(*step),
        _ => None,
    };
    let rules = |access: &ServiceAccess| match Option::<String>::from(access.clone()) {
        Some(rules) => format!("{} from {peer}, by the rules {rules}", service.name()),
        None => "every service is allowed".to_owned(),
    };
    let text = |step: LoginStep| match (step, &trial.domain, &trial.person) {
        (LoginStep::Domain, Some(domain), _) => format!("the domain is {}", domain.name),
        (LoginStep::Domain, None, _) => {
            format!("no domain here is meant by '{login}': it stands behind the last '@'")
        }
        (LoginStep::DomainState, Some(domain), _) => {
            format!(
                "domain is {}, its mail is {}",
                domain.status, domain.mail_status
            )
        }
        (LoginStep::DomainServices, Some(domain), _) => rules(&domain.services),
        (LoginStep::Person, _, Some(person)) => format!("the person is {}", person.mail),
        (LoginStep::Person, Some(domain), None) => {
            format!(
                "nobody: `postroom user list {}` shows who is there",
                domain.name
            )
        }
        (LoginStep::PersonServices, _, Some(person)) => rules(&person.services),
        (LoginStep::PersonState, _, Some(person)) => {
            format!(
                "person is {}, mail is {}",
                person.status, person.mail_status
            )
        }
        (LoginStep::Password, ..) => "not looked at".to_owned(),
        _ => String::new(),
    };
    let mut steps = Vec::new();
    for step in [
        LoginStep::Domain,
        LoginStep::DomainState,
        LoginStep::DomainServices,
        LoginStep::Person,
        LoginStep::PersonServices,
        LoginStep::PersonState,
        LoginStep::Password,
    ] {
        let is_refused = refused == Some(step);
        let mark = if is_refused { "refused: " } else { "" };
        steps.push(json!({ "step": step.name(), "text": format!("{mark}{}", text(step)) }));
        if is_refused {
            break;
        }
    }
    steps
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
            peer: Some(STRANGER),
            helo: "explain.invalid".to_owned(),
            encrypted: false,
            received: site::now(),
            body: Body::SevenBit,
            utf8: false,
            envid: None,
        },
        sender,
        hop: Hop::Esmtp,
        submitter,
        declared_size: None,
        mode: Mode::Dry,
        recipients: Vec::new(),
        hooks: BTreeMap::new(),
        group: None,
    }
}
