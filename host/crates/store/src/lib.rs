//! Mailboxes, messages and the queue, durable: one trait, two backends.
