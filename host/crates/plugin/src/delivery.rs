//! A delivery by an option of a domain.

use std::sync::Arc;

use mail::{Class, EnhancedStatus, Outcome, words};

use crate::asking::Ask;
use crate::call_facts::CallFacts;
use crate::chain::Chain;
use crate::facts::DeliverInput;
use crate::hook::Hook;
use crate::live::Question;
use crate::report::{Answer, DeliverReport};
use crate::runtime::Runtime;
use crate::view::MessageView;

impl Runtime {
    /// Delivers a message by an option of `chain`, which the caller pinned for this attempt.
    ///
    /// An option that nobody serves, a plugin that fails, a message that cannot be read: `Deferred`,
    /// never skipped. The failure policy of the binding has no say here: mail that was accepted is
    /// tried again.
    pub async fn deliver(&self, chain: &Chain, input: DeliverInput) -> DeliverReport {
        let Some(binding) = chain.serving(&input.option) else {
            return DeliverReport {
                outcome: deferred(
                    words::OPTION_NOT_LOADED.enhanced(),
                    words::OPTION_NOT_LOADED
                        .text_with(&[("address", &input.recipient.to_string())]),
                ),
                stamp: None,
                call: None,
                effects: Vec::new(),
                notes: input.notes,
            };
        };
        let facts = CallFacts::delivery(&input);
        let mut notes = input.notes;
        let (source, auth_results) = (input.message, input.auth_results);
        let opened =
            tokio::task::spawn_blocking(move || MessageView::open(source, auth_results)).await;
        let view = match opened
            .map_err(|error| error.to_string())
            .and_then(|view| view.map_err(|error| error.to_string()))
        {
            Ok(view) => Arc::new(view),
            Err(error) => {
                tracing::error!(%error, "a message cannot be read for its delivery");
                let outcome = trouble(input.domain.as_str());
                return DeliverReport {
                    outcome,
                    stamp: Some(Arc::clone(binding.stamp())),
                    call: None,
                    effects: Vec::new(),
                    notes,
                };
            }
        };
        let ask = Ask {
            hook: Hook::Deliver,
            facts,
            message: Some(view),
            notes: notes.of(&binding.spec.plugin),
            question: Question::Plain,
            live: None,
        };
        let asked = self.ask(binding, ask).await;
        if let Some(kept) = asked.notes {
            notes.set(&binding.spec.plugin, kept);
        }
        if let Some(live) = asked.live {
            binding.give_back(live);
        }
        let outcome = match &asked.report.answer {
            Ok(Answer::Outcome(outcome)) => outcome.clone(),
            Ok(Answer::Verdict(_)) | Err(_) => trouble(input.domain.as_str()),
        };
        DeliverReport {
            outcome,
            stamp: Some(Arc::clone(binding.stamp())),
            call: Some(asked.report),
            effects: asked.effects,
            notes,
        }
    }
}

fn trouble(domain: &str) -> Outcome {
    deferred(
        words::PLUGIN_TROUBLE.enhanced(),
        words::PLUGIN_TROUBLE.text_with(&[("domain", domain)]),
    )
}

fn deferred(status: Option<EnhancedStatus>, text: String) -> Outcome {
    Outcome::Deferred {
        status: status.unwrap_or(EnhancedStatus::new(Class::Transient, 3, 0)),
        text,
    }
}
