//! A result that is still to come, without any runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::{Error, Result};

/// The answer of a durable operation: await it, or block in [`Pending::wait`].
///
/// Dropping it does not cancel the operation.
#[derive(Debug)]
#[must_use = "the operation is durable only once this has answered"]
pub struct Pending<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    done: Condvar,
}

#[derive(Debug)]
struct State<T> {
    answer: Option<Result<T>>,
    waker: Option<Waker>,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // The lock is held only for moves of whole values: a panic cannot leave half a state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Pending<T> {
    /// One that is answered already.
    pub fn ready(answer: Result<T>) -> Self {
        let state = State {
            answer: Some(answer),
            waker: None,
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            done: Condvar::new(),
        }))
    }

    pub(crate) fn channel() -> (Completer<T>, Self) {
        let state = State {
            answer: None,
            waker: None,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            done: Condvar::new(),
        });
        (Completer(Some(Arc::clone(&shared))), Self(shared))
    }

    /// Blocks the thread until the answer is there.
    pub fn wait(self) -> Result<T> {
        let mut state = self.0.lock();
        loop {
            if let Some(answer) = state.answer.take() {
                return answer;
            }
            state = self
                .0
                .done
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let mut state = self.0.lock();
        match state.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// The other end. Dropped without an answer it answers [`Error::Closed`].
#[derive(Debug)]
pub(crate) struct Completer<T>(Option<Arc<Shared<T>>>);

impl<T> Completer<T> {
    pub(crate) fn complete(mut self, answer: Result<T>) {
        self.answer(answer);
    }

    fn answer(&mut self, answer: Result<T>) {
        let Some(shared) = self.0.take() else { return };
        let waker = {
            let mut state = shared.lock();
            state.answer = Some(answer);
            state.waker.take()
        };
        shared.done.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Completer<T> {
    fn drop(&mut self) {
        self.answer(Err(Error::Closed));
    }
}
