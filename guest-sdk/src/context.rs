//! What is known about connection, transaction and recipient.

use crate::border;

/// What is known about the connection, the transaction and the recipient. `wit/types.wit` lists
/// the keys and from which hook on each has a value.
#[derive(Debug, Clone, Copy)]
pub struct Context<'call>(pub(crate) border::Context<'call>);

impl Context<'_> {
    /// The value of a fact (`peer`, `sender`, ..); of several the first.
    pub fn get(&self, key: &str) -> Option<String> {
        border::context_all(self.0, key).into_iter().next()
    }

    /// All values of a fact (`recipient` has several), in order.
    pub fn all(&self, key: &str) -> Vec<String> {
        border::context_all(self.0, key)
    }

    /// A setting of the recipient's delivery option, by the name of its directory attribute
    /// (`mailAutoReplyText`), compared without case; of several values the first.
    pub fn setting(&self, name: &str) -> Option<String> {
        border::context_settings(self.0, name).into_iter().next()
    }

    /// All values of a setting (`mailForwardingAddress` has several).
    pub fn settings(&self, name: &str) -> Vec<String> {
        border::context_settings(self.0, name)
    }

    /// Leaves a note for later hooks of this plugin on the same message, `deliver` included. At
    /// most 4 KiB of names and values a plugin and message; more ends the call.
    pub fn remember(&self, name: &str, value: &str) {
        border::context_remember(self.0, name, value);
    }

    /// A note that an earlier call left.
    pub fn recall(&self, name: &str) -> Option<String> {
        border::context_recall(self.0, name)
    }
}
