//! What a session needs done that is not pure.

use std::future::{Future, pending, ready};

use mail::{Session, Transport};

use crate::{Outlet, SendError};

/// The impure half of a connection: answers what the session asks, takes message bodies,
/// streams stored bytes, and brings events from the store.
///
/// The driver calls one method at a time, in the order of the session's steps. Dropping the
/// handler ends everything it holds: a body that was not asked about with an `Ask` is gone.
pub trait Handler<S: Session>: Send {
    /// The answer to `Step::Ask`. While it runs, output goes on being written and no input is
    /// read.
    fn answer(&mut self, ask: S::Ask) -> impl Future<Output = S::Answer> + Send;

    /// Bytes of the message coming in (`Step::Body`). Back-pressure: the peer waits while this
    /// waits. A failure is remembered by the handler and given with the answer to the end of
    /// data.
    fn body(&mut self, bytes: Vec<u8>) -> impl Future<Output = ()> + Send {
        drop(bytes);
        ready(())
    }

    /// The message coming in will not be finished (`Step::DiscardBody`).
    fn discard_body(&mut self) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// Streams what the session let send (`Step::Send`) to `outlet`, in pieces, waiting where
    /// the outlet waits.
    ///
    /// # Errors
    /// What the outlet returned, or [`SendError::Source`] where the bytes cannot be had. Both
    /// close the connection: a length already announced cannot be kept.
    fn send(
        &mut self,
        send: S::Send,
        outlet: &mut Outlet<'_>,
    ) -> impl Future<Output = Result<(), SendError>> + Send {
        let _ = (send, outlet);
        ready(Err(SendError::Source(
            "this handler has nothing to send".to_owned(),
        )))
    }

    /// The next event from beside; waits for ever where there is none. The driver drops the
    /// future when something else comes first, so it must lose nothing by that.
    fn next_event(&mut self) -> impl Future<Output = S::Event> + Send {
        pending()
    }

    /// TLS is up after STARTTLS.
    fn transport_changed(&mut self, transport: &Transport) {
        let _ = transport;
    }
}

/// A handler that somebody else keeps.
impl<S: Session, H: Handler<S>> Handler<S> for &mut H {
    fn answer(&mut self, ask: S::Ask) -> impl Future<Output = S::Answer> + Send {
        (**self).answer(ask)
    }

    fn body(&mut self, bytes: Vec<u8>) -> impl Future<Output = ()> + Send {
        (**self).body(bytes)
    }

    fn discard_body(&mut self) -> impl Future<Output = ()> + Send {
        (**self).discard_body()
    }

    fn send(
        &mut self,
        send: S::Send,
        outlet: &mut Outlet<'_>,
    ) -> impl Future<Output = Result<(), SendError>> + Send {
        (**self).send(send, outlet)
    }

    fn next_event(&mut self) -> impl Future<Output = S::Event> + Send {
        (**self).next_event()
    }

    fn transport_changed(&mut self, transport: &Transport) {
        (**self).transport_changed(transport);
    }
}
