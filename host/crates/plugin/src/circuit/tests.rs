use std::time::{Duration, Instant};

use super::{Circuit, CircuitChange, FAILURES, Ticket};
use crate::digest::Digest;
use crate::error::CallFailure;
use crate::hook::Hook;
use crate::report::Stamp;

/// A circuit and the time it is for it.
struct Bench {
    circuit: Circuit,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self {
            circuit: Circuit::default(),
            now: Instant::now(),
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// A call that ends so; `None` where it may not be made.
    fn call(&mut self, failure: Option<CallFailure>) -> Option<Option<CircuitChange>> {
        self.ask(Hook::Rcpt, failure)
    }

    /// The same of some hook.
    fn ask(&mut self, hook: Hook, failure: Option<CallFailure>) -> Option<Option<CircuitChange>> {
        let ticket = self.circuit.admit(hook, self.now).ok()?;
        let failure = failure.as_ref();
        Some(self.circuit.record(ticket, hook, failure, self.now))
    }

    #[track_caller]
    fn well(&mut self) -> Option<CircuitChange> {
        self.call(None).expect("a call may be made")
    }

    #[track_caller]
    fn traps(&mut self) -> Option<CircuitChange> {
        self.call(Some(trap())).expect("a call may be made")
    }

    /// Fails until it opens; for how long.
    #[track_caller]
    fn open(&mut self) -> u64 {
        for _ in 1..FAILURES {
            assert_eq!(self.traps(), None);
        }
        match self.traps() {
            Some(CircuitChange::Opened { pause, .. }) => pause.as_secs(),
            other => panic!("{other:?}"),
        }
    }

    /// Seconds until the next call; `None` while it is closed.
    fn retry(&self) -> Option<u64> {
        let reading = self.circuit.reading(&stamp(), self.now)?;
        Some(reading.retry_seconds)
    }
}

fn trap() -> CallFailure {
    CallFailure::Trap("unreachable".to_owned())
}

fn stamp() -> Stamp {
    Stamp {
        binding: "b".to_owned(),
        plugin: "p".to_owned(),
        version: "1.0.0".to_owned(),
        digest: Digest::of(b""),
        generation: 1,
    }
}

#[test]
fn five_failures_in_a_row_open_it_and_say_so_once() {
    let mut bench = Bench::new();
    for _ in 1..FAILURES {
        assert_eq!(bench.traps(), None);
    }
    assert_eq!(bench.retry(), None);
    let opened = bench.traps();
    let expected = CircuitChange::Opened {
        failures: 5,
        last: "rcpt: it trapped: unreachable".to_owned(),
        pause: Duration::from_secs(5),
    };
    assert_eq!(opened, Some(expected));
    assert_eq!(bench.call(None), None, "no call is made");
    assert_eq!(bench.retry(), Some(5));
}

#[test]
fn one_that_does_well_between_them_keeps_it_closed() {
    let mut bench = Bench::new();
    for _ in 0..10 {
        for _ in 1..FAILURES {
            assert_eq!(bench.traps(), None);
        }
        assert_eq!(bench.well(), None);
    }
    assert_eq!(bench.retry(), None);
}

#[test]
fn it_closes_by_itself_when_the_trial_does_well() {
    let mut bench = Bench::new();
    bench.open();
    bench.pass(4);
    assert_eq!(bench.call(None), None);
    bench.pass(1);
    assert_eq!(bench.well(), Some(CircuitChange::Closed));
    assert_eq!((bench.retry(), bench.well()), (None, None));
    // And counts from the beginning.
    bench.traps();
    assert_eq!(bench.retry(), None);
}

#[test]
fn each_failed_trial_doubles_the_pause_up_to_ten_minutes_and_tells_nobody() {
    let mut bench = Bench::new();
    let mut pause = bench.open();
    for expected in [10, 20, 40, 80, 160, 320, 600, 600, 600] {
        bench.pass(pause);
        assert_eq!(bench.traps(), None);
        pause = bench.retry().unwrap();
        assert_eq!(pause, expected);
    }
    // However long it was: one good call closes it.
    bench.pass(600);
    assert_eq!(bench.well(), Some(CircuitChange::Closed));
}

#[test]
fn one_call_at_a_time_is_the_trial() {
    let mut bench = Bench::new();
    bench.open();
    bench.pass(5);
    assert_eq!(
        bench.circuit.admit(Hook::Rcpt, bench.now),
        Ok(Ticket::Trial)
    );
    assert!(bench.circuit.admit(Hook::Rcpt, bench.now).is_err());
    // A trial that never comes back is not waited for for ever.
    bench.pass(120);
    assert_eq!(
        bench.circuit.admit(Hook::Rcpt, bench.now),
        Ok(Ticket::Trial)
    );
}

#[test]
fn it_that_limps_goes_on_with_the_longer_pauses_until_it_was_steady() {
    let mut bench = Bench::new();
    assert_eq!(bench.open(), 5);
    bench.pass(5);
    bench.well();
    assert_eq!(bench.open(), 10);
    bench.pass(10);
    bench.well();
    bench.pass(599);
    assert_eq!(bench.open(), 20);
    bench.pass(20);
    bench.well();
    bench.pass(600);
    assert_eq!(bench.open(), 5);
}

#[test]
fn calls_that_began_before_it_opened_change_nothing() {
    let mut bench = Bench::new();
    let early = bench.circuit.admit(Hook::Rcpt, bench.now).unwrap();
    bench.open();
    assert_eq!(
        bench.circuit.record(early, Hook::Rcpt, None, bench.now),
        None
    );
    assert_eq!(bench.retry(), Some(5));
    bench.pass(5);
    let trial = bench.circuit.admit(Hook::Rcpt, bench.now).unwrap();
    assert_eq!(
        bench.circuit.record(early, Hook::Rcpt, None, bench.now),
        None
    );
    assert_eq!(
        bench.circuit.record(trial, Hook::Rcpt, None, bench.now),
        Some(CircuitChange::Closed)
    );
}

#[test]
fn trouble_of_the_host_is_not_the_plugins() {
    let host = || Some(CallFailure::Host("the store is away".to_owned()));
    let mut bench = Bench::new();
    for _ in 0..100 {
        assert_eq!(bench.call(host()), Some(None));
        assert_eq!(bench.call(Some(CallFailure::Busy)), Some(None));
    }
    assert_eq!(bench.retry(), None);
    // Nor does it close a circuit, or wear it.
    bench.open();
    bench.pass(5);
    assert_eq!(bench.call(host()), Some(None));
    assert_eq!(bench.retry(), Some(0));
    assert_eq!(bench.well(), Some(CircuitChange::Closed));
}

#[test]
fn a_hook_that_does_well_says_nothing_of_another() {
    let mut bench = Bench::new();
    // Each transaction opens well and fails at the recipient.
    for _ in 1..FAILURES {
        assert_eq!(bench.ask(Hook::Connect, None), Some(None));
        assert_eq!(bench.traps(), None);
    }
    assert_eq!(bench.ask(Hook::Connect, None), Some(None));
    assert!(matches!(bench.traps(), Some(CircuitChange::Opened { .. })));
    assert_eq!(
        bench.ask(Hook::Connect, None),
        None,
        "the whole binding is left alone"
    );
    // On the way to the trial the others are asked, and close nothing.
    bench.pass(5);
    assert_eq!(bench.ask(Hook::Connect, None), Some(None));
    assert_eq!(bench.retry(), Some(0));
    assert_eq!(bench.well(), Some(CircuitChange::Closed));
}

#[test]
fn one_that_fails_before_the_trial_keeps_it_open() {
    let mut bench = Bench::new();
    bench.open();
    bench.pass(5);
    assert_eq!(bench.ask(Hook::Connect, Some(trap())), Some(None));
    assert_eq!(bench.retry(), Some(10));
}
