//! Files that somebody copies are not removed meanwhile.
//!
//! Whoever removes a file of the store that was ever named by something durable does it here. As
//! long as a [`Pin`] is held such files keep their names; they go when the last pin does. A
//! process that ends with a pin in hand leaves them, and the next start removes them.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Removal = Box<dyn Fn(&str) -> io::Result<()> + Send + Sync>;

/// Who is to be waited for, and what waits.
pub(crate) struct Pins {
    remove: Removal,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: usize,
    waiting: Vec<String>,
}

/// While it is held no segment of the journal, no settled segment and no file of a body is
/// removed, and which segments there are does not change: what the store named when the pin was
/// taken can be copied in peace.
#[must_use = "files may go as soon as it is dropped"]
pub struct Pin(Option<Arc<Pins>>);

impl Pins {
    pub(crate) fn new(remove: impl Fn(&str) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self {
            remove: Box::new(remove),
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each use is one count or one push: a panic cannot leave half of one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps all files from now on.
    pub(crate) fn pin(self: &Arc<Self>) -> Pin {
        self.lock().held += 1;
        Pin(Some(Arc::clone(self)))
    }

    /// Does somebody copy?
    pub(crate) fn is_held(&self) -> bool {
        self.lock().held > 0
    }

    /// Runs `change` while nobody copies and nobody begins to; `None`: somebody does.
    pub(crate) fn unless_held<T>(&self, change: impl FnOnce() -> T) -> Option<T> {
        let state = self.lock();
        (state.held == 0).then(change)
    }

    /// Removes a file, now or when the last pin goes. One that is not there is removed.
    pub(crate) fn remove(&self, path: &str) -> io::Result<()> {
        {
            let mut state = self.lock();
            if state.held > 0 {
                state.waiting.push(path.to_owned());
                return Ok(());
            }
        }
        match (self.remove)(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn unpin(&self) {
        let ready = {
            let mut state = self.lock();
            state.held -= 1;
            if state.held > 0 {
                return;
            }
            std::mem::take(&mut state.waiting)
        };
        for path in ready {
            if let Err(error) = self.remove(&path) {
                tracing::warn!(path, %error, "an unused file cannot be removed; the next start does it");
            }
        }
    }
}

impl Pin {
    /// For a store that has no files.
    pub(crate) fn none() -> Self {
        Self(None)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        if let Some(pins) = &self.0 {
            pins.unpin();
        }
    }
}

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pin(..)")
    }
}
