//! The two lists.

use std::future::Future;
use std::pin::Pin;

use mail::Reply;

use super::context::{Flow, MessageContext, RecipientContext, StepSentence};
use super::{message, recipient, trace};

type StepFuture<'a> = Pin<Box<dyn Future<Output = Flow> + Send + 'a>>;

/// A named step over a context.
struct Step<C: ?Sized> {
    name: &'static str,
    run: C,
}

type RecipientStep = for<'a, 'b> fn(&'a mut RecipientContext<'b>) -> StepFuture<'a>;
type MessageStep = for<'a, 'b> fn(&'a mut MessageContext<'b>) -> StepFuture<'a>;

/// What is asked about a recipient, in order; the first answer ends it.
const RECIPIENT: &[Step<RecipientStep>] = &[
    Step {
        name: "route",
        run: |context| Box::pin(recipient::route::run(context)),
    },
    Step {
        name: "quota",
        run: |context| Box::pin(recipient::quota::run(context)),
    },
    Step {
        name: "group",
        run: |context| Box::pin(recipient::group::run(context)),
    },
    Step {
        name: "rcpt-hook",
        run: |context| Box::pin(recipient::rcpt_hook::run(context)),
    },
    Step {
        name: "take",
        run: |context| Box::pin(recipient::take::run(context)),
    },
];

/// What is asked about a message, in order; the last one commits it.
const MESSAGE: &[Step<MessageStep>] = &[
    Step {
        name: "header",
        run: |context| Box::pin(message::header::run(context)),
    },
    Step {
        name: "loop",
        run: |context| Box::pin(message::looping::run(context)),
    },
    Step {
        name: "data-hooks",
        run: |context| Box::pin(message::data_hooks::run(context)),
    },
    Step {
        name: "commit",
        run: |context| Box::pin(message::commit::run(context)),
    },
];

/// Runs the recipient's list. The name in the answer is the step that gave it.
pub(crate) async fn run_recipient(context: &mut RecipientContext<'_>) -> (&'static str, Reply) {
    for step in RECIPIENT {
        match (step.run)(context).await {
            Flow::Next(text) => note(&mut context.sentences, step.name, text),
            Flow::Answer(reply) => return (step.name, reply),
        }
    }
    ("end", mail::words::TEMPORARY_TROUBLE.reply())
}

/// Runs the message's list. The name in the answer is the step that gave it.
pub(crate) async fn run_message(context: &mut MessageContext<'_>) -> (&'static str, Reply) {
    for step in MESSAGE {
        match (step.run)(context).await {
            Flow::Next(text) => note(&mut context.sentences, step.name, text),
            Flow::Answer(reply) => {
                if !reply.code().is_positive() {
                    trace::refused(context, step.name, &reply);
                }
                return (step.name, reply);
            }
        }
    }
    ("end", mail::words::TEMPORARY_TROUBLE.reply())
}

fn note(sentences: &mut Vec<StepSentence>, step: &str, text: String) {
    if !text.is_empty() {
        sentences.push(StepSentence::new(step, text));
    }
}
