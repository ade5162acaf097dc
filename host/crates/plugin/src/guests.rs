//! The threads on which guests run, and the clocks that stop them.
//!
//! ```text
//! caller (any runtime) ── one poll here ── not done ──> guest threads: half the cores, at least 1
//!                          └ done: most calls             poll ─ wasm ─ 2 ms: epoch ─ CPU used up? ─ no: yield, next guest
//!                                                                                                   └ yes: the call fails
//! ```
//!
//! Most calls take some microseconds, and two switches of threads cost more than that: so a call
//! begins where it is asked, and moves to the guest threads when it waits or when its first slice
//! of the epoch is over. A guest that spins costs its asker that slice, no more.
//!
//! CPU is the thread's CPU time summed over the polls of one call, so a guest that waits for its
//! turn pays nothing; a poll of less than a millisecond pays its time. The epoch only says when to look. Wall time is a timer around the whole call.
//! The ticker sleeps once no guest has run for a while.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep_until};
use wasmtime::{Engine, EngineWeak};

use crate::error::{CallFailure, RuntimeError};

/// How often guests are asked to yield.
const TICK: Duration = Duration::from_millis(2);
/// Ticks without a guest after which the ticker sleeps: under load it is not woken for every call.
const LINGER: u32 = 10;

/// The threads of the guests.
pub(crate) struct GuestThreads {
    /// Always there but in `drop`.
    runtime: Option<Runtime>,
    ticker: Arc<Ticker>,
}

impl GuestThreads {
    pub(crate) fn start(engine: &Engine, threads: Option<usize>) -> Result<Self, RuntimeError> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let trouble = |error: std::io::Error| RuntimeError::Engine(error.to_string());
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.unwrap_or(cores / 2).max(1))
            .thread_name("guest")
            .enable_all()
            .build()
            .map_err(trouble)?;
        Ok(Self {
            runtime: Some(runtime),
            ticker: Ticker::start(engine.weak()).map_err(trouble)?,
        })
    }

    /// Runs a call: from here as far as it comes, then on the guest threads. When it is dropped a
    /// call that moved there goes on; its limits end it. The error is why there is no answer.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, String> {
        let ticking = Ticking::new(Arc::clone(&self.ticker));
        let mut call = Box::pin(async move {
            let answer = call.await;
            drop(ticking);
            answer
        });
        let first = poll_fn(|context| {
            // A bug of ours in one call must not end the session that asks.
            let poll = || call.as_mut().poll(context);
            Poll::Ready(catch_unwind(AssertUnwindSafe(poll)))
        });
        match first.await {
            Ok(Poll::Ready(answer)) => return Ok(answer),
            Ok(Poll::Pending) => {}
            Err(_) => return Err("a call panicked: see the log".to_owned()),
        }
        let Some(runtime) = &self.runtime else {
            return Err("the guest threads have ended".to_owned());
        };
        runtime.spawn(call).await.map_err(|error| error.to_string())
    }

    /// Runs a call on the guest threads. Dropping the handle does not end it; its limits do.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Option<JoinHandle<T>> {
        let ticking = Ticking::new(Arc::clone(&self.ticker));
        let call = async move {
            let answer = call.await;
            drop(ticking);
            answer
        };
        self.runtime.as_ref().map(|runtime| runtime.spawn(call))
    }
}

impl Drop for GuestThreads {
    fn drop(&mut self) {
        self.ticker.stop();
        if let Some(runtime) = self.runtime.take() {
            // Guests may be dropped from within another runtime, where waiting is not allowed.
            runtime.shutdown_background();
        }
    }
}

/// Counts up the epoch of the engine while guests run.
#[derive(Default)]
struct Ticker {
    running: AtomicUsize,
    stopped: AtomicBool,
    /// Its thread, to be woken; set once, when it is started.
    thread: OnceLock<Thread>,
}

impl Ticker {
    fn start(engine: EngineWeak) -> std::io::Result<Arc<Self>> {
        let ticker = Arc::new(Self::default());
        let own = Arc::clone(&ticker);
        let handle = thread::Builder::new()
            .name("guest-ticker".to_owned())
            .spawn(move || own.run(&engine))?;
        ticker.thread.get_or_init(|| handle.thread().clone());
        Ok(ticker)
    }

    fn run(&self, engine: &EngineWeak) {
        let mut idle_ticks = 0;
        while !self.stopped.load(Ordering::SeqCst) {
            match self.running.load(Ordering::SeqCst) {
                0 => idle_ticks += 1,
                _ => idle_ticks = 0,
            }
            if idle_ticks > LINGER {
                // Who begins after the look above has left a token, and this returns at once.
                thread::park();
                idle_ticks = 0;
                continue;
            }
            thread::sleep(TICK);
            let Some(engine) = engine.upgrade() else {
                return;
            };
            engine.increment_epoch();
        }
    }

    /// The first guest of all wakes it; this costs a call of the system only where it sleeps.
    fn begin(&self) {
        if self.running.fetch_add(1, Ordering::SeqCst) == 0 {
            self.wake();
        }
    }

    fn end(&self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// While one is held, the epoch is counted.
struct Ticking(Arc<Ticker>);

impl Ticking {
    fn new(ticker: Arc<Ticker>) -> Self {
        ticker.begin();
        Self(ticker)
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The clocks of one call.
pub(crate) struct CallClock {
    cpu_limit_ms: u64,
    spent_ns: AtomicU64,
    /// Where the poll began that goes on: on the thread's CPU clock, and after `started`.
    poll_began_cpu_ns: AtomicU64,
    poll_began_ns: AtomicU64,
    started: Instant,
    wall_limit_ms: u64,
    deadline: Mutex<Instant>,
}

impl CallClock {
    pub(crate) fn start(cpu_limit_ms: u64, wall_limit_ms: u64) -> Self {
        let started = Instant::now();
        Self {
            cpu_limit_ms,
            spent_ns: AtomicU64::new(0),
            poll_began_cpu_ns: AtomicU64::new(0),
            poll_began_ns: AtomicU64::new(0),
            started,
            wall_limit_ms,
            deadline: Mutex::new(started + Duration::from_millis(wall_limit_ms)),
        }
    }

    /// Is there CPU time left? To be asked on the thread and inside a poll of the call.
    pub(crate) fn check_cpu(&self) -> Result<(), CallFailure> {
        let limit = self.cpu_limit_ms.saturating_mul(1_000_000);
        let used = |this_poll: u64| self.spent_ns.load(Ordering::Relaxed) + this_poll;
        // No more CPU than time: most looks need not ask the system.
        let time = self.poll_time_ns();
        if used(time) <= limit || used(self.poll_cpu_ns().min(time)) <= limit {
            return Ok(());
        }
        Err(CallFailure::Cpu(self.cpu_limit_ms))
    }

    fn begin_poll(&self) {
        let cpu = recent_thread_cpu_ns();
        self.poll_began_cpu_ns.store(cpu, Ordering::Relaxed);
        self.poll_began_ns
            .store(self.elapsed_ns(), Ordering::Relaxed);
    }

    /// A short poll is billed with its time, which costs less to know.
    fn end_poll(&self) {
        let time = self.poll_time_ns();
        let spent = if time < READING_NS {
            time
        } else {
            self.poll_cpu_ns().min(time)
        };
        self.spent_ns.fetch_add(spent, Ordering::Relaxed);
    }

    fn poll_time_ns(&self) -> u64 {
        let began = self.poll_began_ns.load(Ordering::Relaxed);
        self.elapsed_ns().saturating_sub(began)
    }

    fn poll_cpu_ns(&self) -> u64 {
        let began = self.poll_began_cpu_ns.load(Ordering::Relaxed);
        thread_cpu_ns().saturating_sub(began)
    }

    fn elapsed_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// CPU time of all polls so far.
    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_nanos(self.spent_ns.load(Ordering::Relaxed))
    }

    pub(crate) fn wall(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) const fn started(&self) -> Instant {
        self.started
    }

    /// Time that does not count: the deadline moves by `time`.
    pub(crate) fn move_deadline(&self, time: Duration) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }

    /// The deadline moves back.
    pub(crate) fn move_deadline_back(&self, time: Duration) {
        let mut deadline = self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        *deadline = deadline.checked_sub(time).unwrap_or(*deadline);
    }

    fn deadline(&self) -> Instant {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `call` with its CPU counted, until it is done or its wall time is over. Then it is dropped,
/// wherever it stands.
pub(crate) async fn within<T>(
    clock: Arc<CallClock>,
    call: impl Future<Output = Result<T, CallFailure>>,
) -> Result<T, CallFailure> {
    let mut metered = pin!(Metered {
        clock: &clock,
        call: pin!(call),
    });
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|context| {
        if let Poll::Ready(answer) = metered.as_mut().poll(context) {
            return Poll::Ready(answer);
        }
        // Most calls end at their first poll, and need no timer. From the first wait on there is
        // one: the host may be waited for without another poll of the call.
        let deadline = || clock.deadline().into();
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline())));
        while timer.as_mut().poll(context).is_ready() {
            if clock.deadline() <= Instant::now() {
                return Poll::Ready(Err(CallFailure::Wall(clock.wall_limit_ms)));
            }
            timer.as_mut().reset(deadline());
        }
        Poll::Pending
    })
    .await
}

/// A call whose polls are measured.
struct Metered<'a, F> {
    clock: &'a CallClock,
    call: Pin<&'a mut F>,
}

impl<F: Future> Future for Metered<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.clock.begin_poll();
        let poll = self.call.as_mut().poll(context);
        self.clock.end_poll();
        poll
    }
}

/// How old a reading of the thread's CPU clock may be that a poll begins with. To ask the system costs
/// as much as a good part of a call; what a poll is billed is wrong by at most so much.
const READING_NS: u64 = 1_000_000;

thread_local! {
    /// The last reading, and when it was.
    static READING: Cell<Option<(Instant, u64)>> = const { Cell::new(None) };
}

/// CPU time of the thread as it was not long ago.
fn recent_thread_cpu_ns() -> u64 {
    match READING.get() {
        Some((read, cpu)) if read.elapsed().as_nanos() < u128::from(READING_NS) => cpu,
        _ => thread_cpu_ns(),
    }
}

/// CPU time of the thread in nanoseconds.
fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanos = time
        .tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(time.tv_nsec);
    let nanos = u64::try_from(nanos).unwrap_or(0);
    READING.set(Some((Instant::now(), nanos)));
    nanos
}
