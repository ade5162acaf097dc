//! Time: peers that dribble, and sessions that do not end.

use std::time::Duration;

use mail::Session as _;

use super::check;
use super::harness::Harness;
use super::transcript::{Event, config};

const SECOND: Duration = Duration::from_secs(1);

/// Sends `bytes` one by one with `pause` between them, as long as the session lives. Returns
/// how long that was.
fn dribble(harness: &mut Harness, bytes: impl Iterator<Item = u8>, pause: Duration) -> Duration {
    let start = harness.now;
    for byte in bytes {
        harness.now += pause;
        if harness
            .server
            .poll_timeout()
            .is_some_and(|due| due <= harness.now)
        {
            harness.server.handle_timeout(harness.now);
            let events = harness.drain();
            let idle = Event::Write("421 4.4.2 Nothing came for too long\r\n".into());
            assert!(events.contains(&idle), "{events:?}");
            assert_eq!(events.last(), Some(&Event::Close));
            return harness.now - start;
        }
        harness.input(&[byte]);
    }
    panic!("the session is still there after {:?}", harness.now - start);
}

#[test]
fn s18_one_byte_in_ten_seconds_ends_in_every_phase() {
    let endless = || b"x".iter().copied().cycle().take(100_000);
    // Instead of EHLO, between commands, inside a text, inside a chunk, inside a refused text.
    let mut phases = vec![
        Harness::new(config()),
        Harness::greeted(),
        Harness::in_transaction(config()),
    ];
    let openings: [&[u8]; 3] = [b"DATA\r\n", b"BDAT 1000000 LAST\r\n", b"DATA\r\n\0"];
    for opening in openings {
        let mut harness = Harness::in_transaction(config());
        harness.input(opening);
        phases.push(harness);
    }
    for mut harness in phases {
        let lived = dribble(&mut harness, endless(), 10 * SECOND);
        assert!(lived <= 320 * SECOND, "{lived:?}");
    }
}

/// A slow line that keeps the minimum rate gets its large message through.
#[test]
fn s18_a_slow_honest_peer_is_served() {
    let mut harness = Harness::in_transaction(config());
    harness.input(b"DATA\r\nA: b\r\n\r\n");
    let line = format!("{}\r\n", "x".repeat(998));
    for _ in 0..360 {
        harness.now += 9 * SECOND;
        assert!(
            harness
                .server
                .poll_timeout()
                .is_some_and(|due| due > harness.now)
        );
        assert_eq!(harness.input(line.as_bytes()).len(), 1);
    }
    assert!(harness.replies(b".\r\n").starts_with("250"));
}

/// Commands without end, each in time.
#[test]
fn s18_no_session_lives_for_ever() {
    let mut settings = config();
    settings.session_life = 3600 * SECOND;
    let mut harness = Harness::greeted_with(settings);
    let lived = dribble(
        &mut harness,
        b"NOOP\r\n".iter().copied().cycle().take(10_000),
        SECOND,
    );
    assert_eq!(lived, 3600 * SECOND);
}

/// Time in which the host thinks is not the peer's.
#[test]
fn no_timeout_while_the_host_thinks() {
    let now = std::time::Instant::now();
    let mut server = crate::server::Server::new(
        std::sync::Arc::new(config()),
        super::transcript::transport(false),
        now,
    );
    assert!(matches!(server.poll_step(), mail::Step::Ask(_)));
    assert_eq!(server.poll_timeout(), None);
    let later = now + 3000 * SECOND;
    server.handle_timeout(later);
    server.handle_answer(crate::server::Answer::Accept, later);
    assert!(matches!(server.poll_step(), mail::Step::Write(_)));
    assert_eq!(server.poll_timeout(), Some(later + 300 * SECOND));
}

#[test]
fn timeouts_and_shutdown_by_transcript() {
    for name in [
        "idle.txt",
        "shutdown_between_commands.txt",
        "shutdown_in_text.txt",
        "shutdown_in_chunks.txt",
        "broken_in_text.txt",
    ] {
        check(name);
    }
}
