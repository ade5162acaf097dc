//! Between messages, and the end.

use mail::Reply;

use super::link::Link;
use super::state::State;
use super::transaction;

/// The connection is open and no message is under way.
#[derive(Debug)]
pub(super) struct Ready {
    /// Is a transaction left open at the server, so that RSET must come first?
    is_dirty: bool,
}

impl Ready {
    /// After the opening.
    pub(super) fn first(link: &mut Link) -> State {
        Self { is_dirty: false }.go_on(link)
    }

    /// After a message. `is_dirty` says that its transaction did not come to its end.
    pub(super) fn after_message(is_dirty: bool, link: &mut Link) -> State {
        Self { is_dirty }.go_on(link)
    }

    /// Takes up what waits: a message, or QUIT.
    pub(super) fn go_on(self, link: &mut Link) -> State {
        if let Some(message) = link.pending.take() {
            return transaction::begin(message, self.is_dirty, link);
        }
        if link.is_quitting {
            link.command("QUIT");
            link.wait(link.config.timeouts.quit);
            return State::QuitReply(ExpectQuitReply);
        }
        link.wait_for_nothing();
        State::Ready(self)
    }

    /// A reply without a command: the server is tired of waiting (421), or out of its mind.
    pub(super) fn handle_reply(self, reply: &Reply, link: &mut Link) -> State {
        let outcome = link.session_outcome(reply);
        link.close(&outcome)
    }
}

/// QUIT was sent; whatever comes, the connection ends.
#[derive(Debug)]
pub(super) struct ExpectQuitReply;

impl ExpectQuitReply {
    pub(super) fn handle_reply(self, reply: &Reply, link: &mut Link) -> State {
        let outcome = link.session_outcome(reply);
        link.close(&outcome)
    }
}
