//! Telling administrators of a plugin that is left alone because it failed too often: a log line,
//! two metrics, and a message to the postmaster of its domain, one for each opening.

use std::sync::Arc;
use std::time::Duration;

use directory::DomainEntry;
use mail::{Body, Localpart, Mailbox, ReversePath, Tenant, words};
use net::Shutdown;
use plugin::{CircuitChange, CircuitNotice, FailurePolicy, Submission};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::intake::internal::{self, Internal};
use crate::intake::{StoredMessage, Vouched};
use crate::site::{self, Site};

/// How often the gauge is brought in line with what runs.
const LOOK: Duration = Duration::from_secs(10);

/// A notice and the domain it is for.
pub(crate) type Told = (Tenant, CircuitNotice);

/// The way from the runtime to [`run`]. Unbounded: a circuit sends two notices in five seconds at
/// most.
pub(super) fn channel() -> (UnboundedSender<Told>, UnboundedReceiver<Told>) {
    unbounded_channel()
}

/// Tells until the server stops.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    let Some(mut notices) = site.plugins.take_notices() else {
        return;
    };
    while !shutdown.is_requested() {
        tokio::select! {
            () = shutdown.requested() => break,
            notice = notices.recv() => match notice {
                Some((tenant, notice)) => tell(&site, tenant, &notice).await,
                None => break,
            },
            () = tokio::time::sleep(LOOK) => {}
        }
        measure(&site);
    }
}

/// Reads the open circuits once. Those of bindings that are gone leave no gauge behind.
fn measure(site: &Site) {
    site.metrics.circuits_open.reset();
    for (domain, circuit) in site.plugins.runtime().open_circuits() {
        if let Some(domain) = site.directory.known_domain(domain) {
            site.metrics
                .circuits_open
                .with_label_values(&[domain.name.as_str(), &circuit.plugin])
                .set(1);
        }
    }
}

async fn tell(site: &Site, tenant: Tenant, notice: &CircuitNotice) {
    let Some(domain) = site.directory.known_domain(tenant.domain()) else {
        return;
    };
    let (name, plugin) = (domain.name.as_str(), &notice.stamp.plugin);
    match &notice.change {
        CircuitChange::Closed => {
            tracing::info!(domain = name, %plugin, "a plugin does well again and is called as before");
        }
        CircuitChange::Opened {
            failures,
            last,
            pause,
        } => {
            tracing::error!(
                domain = name, %plugin, version = notice.stamp.version, failures, %last,
                pause_seconds = pause.as_secs(), on_failure = policy(notice.on_failure),
                "a plugin failed too often and is left alone for a while"
            );
            site.metrics
                .circuits_opened
                .with_label_values(&[name, plugin])
                .inc();
            if let Err(error) = write(site, &domain, notice, last).await {
                tracing::warn!(domain = name, %plugin, %error, "the postmaster could not be told of it");
            }
        }
    }
}

/// The message to the postmaster of the domain.
async fn write(
    site: &Site,
    domain: &DomainEntry,
    notice: &CircuitNotice,
    last: &str,
) -> anyhow::Result<()> {
    let postmaster = Mailbox::new(Localpart::parse("postmaster")?, domain.name.clone());
    let from = internal::postmaster(site);
    let stamp = &notice.stamp;
    let values = [
        ("plugin", stamp.plugin.as_str()),
        ("version", stamp.version.as_str()),
        ("domain", domain.name.as_str()),
        ("detail", last),
        ("policy", meaning(notice.on_failure)),
    ];
    let message = Submission {
        reverse_path: ReversePath::Null,
        recipients: vec![postmaster],
        headers: vec![
            ("To".to_owned(), format!("postmaster@{}", domain.name)),
            (
                "Subject".to_owned(),
                words::CIRCUIT_SUBJECT.text_with(&values),
            ),
        ],
        text: words::CIRCUIT_TEXT.text_with(&values),
        attach: false,
    };
    let message_id = format!("{}.circuit@{}", site.store.envelope_id(), site.hostname);
    let bytes = message
        .render(site::now(), &message_id, &from, b"", "")
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let body = internal::body_of(site, &bytes).await?;
    let kind = if bytes.is_ascii() {
        Body::SevenBit
    } else {
        Body::EightBitMime
    };
    let utf8 = message.recipients.iter().any(Mailbox::is_utf8);
    let mail = Internal {
        envelope: internal::envelope(site, ReversePath::Null, kind, utf8),
        sent_by: Some(domain.id),
        vouched: Vouched::No,
        recipients: message.recipients,
        pieces: vec![body.piece()],
        head: bytes,
        whole: Arc::new(StoredMessage::Arriving(body)),
    };
    let (accept, refused) = internal::plan(site, mail).await;
    if let Some(accept) = accept {
        site.store.accept(accept).await?;
    }
    match refused.first() {
        Some(refused) => anyhow::bail!("{}: {}", refused.address, refused.reply),
        None => Ok(()),
    }
}

const fn policy(policy: FailurePolicy) -> &'static str {
    match policy {
        FailurePolicy::Tempfail => "tempfail",
        FailurePolicy::Proceed => "proceed",
        FailurePolicy::Quarantine => "quarantine",
    }
}

/// What the policy means for mail, as the end of a sentence.
const fn meaning(policy: FailurePolicy) -> &'static str {
    match policy {
        FailurePolicy::Tempfail => "mail that it would be asked about is asked to come again later",
        FailurePolicy::Proceed => "mail goes on as if the plugin were not there",
        FailurePolicy::Quarantine => "mail that it would be asked about is kept in quarantine",
    }
}
