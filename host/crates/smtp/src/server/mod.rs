//! The receiving side.

mod ask;
mod config;
mod parameters;

pub use ask::{Answer, Ask};
pub use config::{Config, Mode, Tls};
pub use parameters::{MailParameters, Notify, OriginalRecipient, RecipientParameters, Return};
