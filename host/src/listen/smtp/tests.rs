//! A store that is behind, in simulated time.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mail::{limits, words};
use store::Space;
use tokio::time::Instant;

use super::{LOOK_AGAIN, trouble};

fn space(behind: bool) -> Space {
    Space {
        free: 2,
        total: 3,
        reserve: 1,
        lag: 0,
        waiting_bytes: 0,
        waiting_ms: 0,
        behind,
        latched: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_behind_is_waited_for_and_then_says_451() {
    let begin = Instant::now();
    let reply = trouble(&|| Ok(space(true))).await;
    assert_eq!(reply, Some(words::STORE_BUSY.reply()));
    let waited = begin.elapsed();
    let most = limits::STORE_PATIENCE + LOOK_AGAIN;
    assert!(
        (limits::STORE_PATIENCE..=most).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_comes_back_in_time_takes_the_mail() {
    let begin = Instant::now();
    let looks = AtomicU32::new(0);
    let space = || {
        let behind = looks.fetch_add(1, Ordering::Relaxed) < 300;
        Ok(space(behind))
    };
    assert_eq!(trouble(&space).await, None);
    assert_eq!(begin.elapsed(), 300 * LOOK_AGAIN);
}

#[tokio::test(start_paused = true)]
async fn what_waiting_does_not_help_is_said_at_once() {
    let begin = Instant::now();
    let full = || {
        Ok(Space {
            free: 1,
            ..space(true)
        })
    };
    assert_eq!(trouble(&full).await, Some(words::DISK_RESERVE.reply()));
    let stopped = || {
        Ok(Space {
            latched: Some("EIO".to_owned()),
            ..space(true)
        })
    };
    let reply = trouble(&stopped).await;
    assert_eq!(reply, Some(words::TEMPORARY_TROUBLE.reply()));
    assert_eq!(begin.elapsed(), Duration::ZERO);
}
