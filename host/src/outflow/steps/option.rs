//! Step `option`: the domain's plugin for a delivery option, and what it wants to happen.

use std::sync::Arc;

use directory::LookupError;
use mail::{Mailbox, Outcome, words};
use plugin::{DeliverInput, DeliverReport, Effect};
use routing::{Delivery, Owner as OptionOwner};
use store::{Owner, Place, Work};

use super::{Progress, home};
use crate::intake::{self, OptionWork, STAGE_DELIVER, StoredMessage, observe};
use crate::outflow::attempt::{Attempt, unreadable};
use crate::outflow::{effects, files, settings};

pub(super) async fn run(attempt: &mut Attempt<'_>) -> Progress {
    let Work::Process { stage, context } = &attempt.lease.row.work else {
        return Progress::Next;
    };
    let Some(option) = stage.strip_prefix(STAGE_DELIVER).map(str::to_owned) else {
        return Progress::Next;
    };
    let Ok(work) = serde_json::from_slice::<OptionWork>(context) else {
        return Progress::Ended(deferred(&option, "its queue row cannot be read"));
    };
    let delivery = match delivery_of(attempt, &work, &option).await {
        Ok(delivery) => delivery,
        Err(LookupError::Temporary(_)) => return Progress::Ended(home::unavailable(attempt)),
        Err(LookupError::NotFound(_)) => None,
    };
    let Some(delivery) = delivery else {
        // The person, the group or the option is gone since: nobody is left to deliver to.
        let address = attempt.lease.row.address.to_string();
        let reply = words::UNKNOWN_USER.reply_with(&[("address", &address)]);
        return Progress::Ended(intake::internal::outcome(&reply));
    };
    if let Some(outcome) = files::recover(attempt) {
        return Progress::Ended(outcome);
    }
    let report = match deliver(attempt, &work, &option, &delivery).await {
        Ok(report) => report,
        Err(error) => return Progress::Ended(unreadable(&error)),
    };
    if let Some(call) = &report.call
        && let Some(domain) = &attempt.domain
    {
        observe(attempt.site, domain.tenant(), call);
        let sentence = intake::sentence(call, domain.id);
        attempt.note(&sentence.step, sentence.text);
    }
    Progress::Ended(apply(attempt, &work, report).await)
}

/// The option as the directory has it now.
async fn delivery_of(
    attempt: &Attempt<'_>,
    work: &OptionWork,
    option: &str,
) -> Result<Option<Delivery>, LookupError> {
    let Some(domain) = &attempt.domain else {
        return Ok(None);
    };
    let (directory, tenant) = (&attempt.site.directory, domain.tenant());
    let deliveries = match work.owner {
        OptionOwner::Person(id) => directory.person(tenant, id).await?.deliveries(),
        OptionOwner::Group(id) => directory.group(tenant, id).await?.deliveries(),
    };
    Ok(deliveries
        .into_iter()
        .find(|delivery| delivery.option().name() == option))
}

async fn deliver(
    attempt: &mut Attempt<'_>,
    work: &OptionWork,
    option: &str,
    delivery: &Delivery,
) -> store::Result<DeliverReport> {
    let row = &attempt.lease.row;
    let content = attempt.site.store.leased_content(attempt.lease)?;
    let Some(domain) = &attempt.domain else {
        return Err(store::Error::NotFound);
    };
    let mut settings = settings::of(delivery);
    settings.insert("mail".to_owned(), vec![row.address.to_string()]);
    if let OptionOwner::Person(id) = work.owner
        && let Some(person) = attempt.site.directory.known_person(domain.id, id)
    {
        let others = |addresses: &[Mailbox]| addresses.iter().map(ToString::to_string).collect();
        settings.insert(
            "mailAlternateAddress".to_owned(),
            others(&person.alternate_addresses),
        );
        settings.insert(
            "mailEquivalentAddress".to_owned(),
            others(&person.equivalent_addresses),
        );
    }
    let input = DeliverInput {
        domain: domain.name.clone(),
        aliases: domain.aliases.clone(),
        option: option.to_owned(),
        direction: row.envelope.direction,
        reverse_path: row.envelope.reverse_path.clone(),
        recipient: row.address.clone(),
        settings,
        attempt: row.attempts + 1,
        delivery_id: row.id.to_string(),
        envelope: Some(row.envelope.id),
        message: Arc::new(StoredMessage::Stored(content)),
        auth_results: Vec::new(),
        notes: work.notes.clone(),
    };
    let runtime = attempt.site.plugins.runtime();
    let chain = runtime.pin(domain.tenant());
    let _delivering = attempt
        .site
        .plugins
        .capabilities()
        .delivering(attempt.lease);
    Ok(runtime.deliver(&chain, input).await)
}

/// What the plugin wants to happen joins the settling commit; a file cannot, and is written when
/// everything else is ready. Where one of them fails the others do not happen either: the next
/// attempt asks for them again. `kv` stays, as with every deferral.
async fn apply(attempt: &mut Attempt<'_>, work: &OptionWork, report: DeliverReport) -> Outcome {
    let done = matches!(report.outcome, Outcome::Done { .. });
    attempt
        .effects
        .extend(intake::kv_effects(&report.effects, attempt.now));
    if !done {
        return report.outcome;
    }
    let kept = attempt.effects.len();
    let (files, others): (Vec<_>, Vec<_>) = report
        .effects
        .iter()
        .partition(|effect| matches!(effect, Effect::Append(_)));
    for effect in others.into_iter().chain(files) {
        let applied = match effect {
            Effect::Kv(_) => Ok(()),
            Effect::Submit(submission) => effects::submit(attempt, submission).await,
            Effect::Forward(forward) => effects::forward(attempt, forward).await,
            Effect::File(append) => effects::file(
                attempt,
                place(attempt, work, &append.mailbox),
                &append.flags,
            ),
            Effect::Append(append) => files::append(attempt, append).await,
        };
        if let Err(outcome) = applied {
            attempt.effects.truncate(kept);
            return *outcome;
        }
    }
    report.outcome
}

/// A mailbox named by a plugin: shared ones by their group, others are the recipient's own.
fn place(attempt: &Attempt<'_>, work: &OptionWork, name: &str) -> Option<(Place, Owner)> {
    let owner = match work.owner {
        OptionOwner::Person(id) => Owner::Person(id),
        OptionOwner::Group(id) => Owner::Group(id),
    };
    let access = mail::Access::system(attempt.domain.as_ref()?.tenant());
    let mailbox = attempt
        .site
        .store
        .mailbox_named(&access, owner, name)
        .ok()?;
    Some((Place::Mailbox(mailbox.id), mailbox.owner))
}

fn deferred(option: &str, detail: &str) -> Outcome {
    words::OPTION_DEFERRED.outcome_with(&[("option", option), ("detail", detail)])
}
