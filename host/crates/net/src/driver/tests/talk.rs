//! Reading, writing, asking, waiting, ending.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::script::{Desk, Script, time_passes, transport};
use crate::{DriveOptions, Ended, Shutdown, Stream, drive, shutdown};

struct Running {
    peer: DuplexStream,
    task: JoinHandle<(Ended, Script, Desk)>,
}

/// What a test sets; the rest is as usual.
struct Setting {
    script: Script,
    desk: Desk,
    options: DriveOptions,
    shutdown: Shutdown,
    pipe: usize,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            script: Script::default(),
            desk: Desk::default(),
            options: DriveOptions::default(),
            shutdown: Shutdown::never(),
            pipe: 1 << 20,
        }
    }
}

fn start(setting: Setting) -> Running {
    let Setting {
        mut script,
        mut desk,
        options,
        shutdown,
        pipe,
    } = setting;
    let (peer, ours) = duplex(pipe);
    let task = tokio::spawn(async move {
        let stream = Stream::Plain(ours);
        let ended = drive(
            stream,
            transport(),
            &mut script,
            &mut desk,
            &options,
            shutdown,
        )
        .await;
        (ended, script, desk)
    });
    Running { peer, task }
}

async fn everything(peer: &mut DuplexStream) -> String {
    let mut all = Vec::new();
    peer.read_to_end(&mut all).await.expect("in memory");
    String::from_utf8(all).expect("ASCII")
}

async fn some(peer: &mut DuplexStream) -> String {
    let mut piece = vec![0; 1 << 16];
    let length = peer.read(&mut piece).await.expect("in memory");
    String::from_utf8_lossy(&piece[..length]).into_owned()
}

#[tokio::test(start_paused = true)]
async fn any_chunking_gives_the_same_bytes() {
    let input = b"echo one\r\nask two\r\nbody 5\r\nhellosend 3\r\nslow four\r\nquit\r\n";
    let expected = "one\r\nanswer to ask two\r\nstored\r\nxxx\r\nanswer to slow four\r\nbye\r\n";
    for split in 1..input.len() {
        let mut running = start(Setting::default());
        for piece in [&input[..split], &input[split..]] {
            running.peer.write_all(piece).await.expect("in memory");
            time_passes(Duration::from_millis(1)).await;
        }
        assert_eq!(
            everything(&mut running.peer).await,
            expected,
            "split at {split}"
        );
        let (ended, _, desk) = running.task.await.expect("no panic");
        assert_eq!((ended, desk.body), (Ended::Closed, 5));
    }
}

#[tokio::test(start_paused = true)]
async fn replies_to_pipelined_commands_leave_together() {
    let mut running = start(Setting::default());
    running
        .peer
        .write_all(b"echo a\r\nask b\r\necho c\r\n")
        .await
        .expect("in memory");
    assert_eq!(
        some(&mut running.peer).await,
        "a\r\nanswer to ask b\r\nc\r\n"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_is_written_while_an_answer_is_slow() {
    let mut running = start(Setting::default());
    running
        .peer
        .write_all(b"echo a\r\nslow b\r\n")
        .await
        .expect("in memory");
    let first = timeout(Duration::from_secs(1), some(&mut running.peer)).await;
    assert_eq!(first.expect("not held back"), "a\r\n");
    assert_eq!(some(&mut running.peer).await, "answer to slow b\r\n");
}

#[tokio::test(start_paused = true)]
async fn i06_a_peer_that_never_reads_parks_the_task_and_is_closed() {
    let desk = Desk::default();
    let produced = desk.produced.clone();
    let mut running = start(Setting {
        desk,
        pipe: 4096,
        ..Setting::default()
    });
    running
        .peer
        .write_all(b"send 100000000\r\n")
        .await
        .expect("in memory");
    time_passes(Duration::from_secs(60)).await;
    let ahead = *produced.lock().expect("no panic");
    assert!(ahead <= 128 * 1024, "{ahead} bytes were made for nobody");
    let (ended, script, _) = running.task.await.expect("no panic");
    assert_eq!(ended, Ended::TooSlow);
    assert_eq!(script.log, ["Broken"]);
}

#[tokio::test(start_paused = true)]
async fn i06_many_small_writes_are_bounded_too() {
    let mut running = start(Setting {
        pipe: 64,
        ..Setting::default()
    });
    let flood = "echo 0123456789\r\n".repeat(40_000);
    let taken = timeout(
        Duration::from_secs(60),
        running.peer.write_all(flood.as_bytes()),
    )
    .await;
    assert!(
        taken.is_err(),
        "input was taken though nobody reads the output"
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_but_steady_reader_gets_everything() {
    let mut running = start(Setting {
        pipe: 4096,
        ..Setting::default()
    });
    running
        .peer
        .write_all(b"send 300000\r\nquit\r\n")
        .await
        .expect("in memory");
    let mut length = 0;
    let mut piece = [0; 1000];
    loop {
        time_passes(Duration::from_secs(1)).await;
        match running.peer.read(&mut piece).await.expect("in memory") {
            0 => break,
            more => length += more,
        }
    }
    assert_eq!(length, 300_000 + "\r\nbye\r\n".len());
    assert_eq!(running.task.await.expect("no panic").0, Ended::Closed);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_cannot_be_had_close_the_connection() {
    let desk = Desk {
        broken_at: Some(5000),
        ..Desk::default()
    };
    let mut running = start(Setting {
        desk,
        ..Setting::default()
    });
    running
        .peer
        .write_all(b"send 9000\r\necho never\r\n")
        .await
        .expect("in memory");
    assert!(!everything(&mut running.peer).await.contains("never"));
    assert_eq!(running.task.await.expect("no panic").0, Ended::SourceFailed);
}

#[tokio::test(start_paused = true)]
async fn the_session_s_time_out_comes_on_time() {
    let before = Instant::now();
    let deadline = Some((before + Duration::from_secs(600)).into_std());
    let mut script = Script::default();
    script.deadline = deadline;
    let mut running = start(Setting {
        script,
        ..Setting::default()
    });
    assert_eq!(everything(&mut running.peer).await, "too slow\r\n");
    assert_eq!(before.elapsed().as_secs(), 600);
    assert_eq!(running.task.await.expect("no panic").0, Ended::Closed);
}

/// A large message took longer than the idle time; the next command came at once and found the
/// connection closed.
#[tokio::test(start_paused = true)]
async fn time_spent_sending_is_not_idle_time() {
    let mut script = Script::default();
    script.deadline = Some((Instant::now() + Duration::from_secs(60)).into_std());
    let mut running = start(Setting {
        script,
        pipe: 4096,
        ..Setting::default()
    });
    running
        .peer
        .write_all(b"send 200000\r\n")
        .await
        .expect("in memory");
    let mut message = vec![0; 200_002];
    for piece in message.chunks_mut(1000) {
        time_passes(Duration::from_secs(1)).await;
        running.peer.read_exact(piece).await.expect("in memory");
    }
    time_passes(Duration::from_secs(1)).await;
    running
        .peer
        .write_all(b"echo there\r\n")
        .await
        .expect("in memory");
    assert_eq!(some(&mut running.peer).await, "there\r\n");
    assert_eq!(everything(&mut running.peer).await, "too slow\r\n");
}

#[tokio::test(start_paused = true)]
async fn s18_the_session_cap_ends_a_connection_that_is_never_idle() {
    let options = DriveOptions {
        session_cap: Some(Duration::from_secs(30)),
        ..DriveOptions::default()
    };
    let mut running = start(Setting {
        options,
        ..Setting::default()
    });
    for _ in 0..29 {
        running
            .peer
            .write_all(b"echo still here\r\n")
            .await
            .expect("in memory");
        time_passes(Duration::from_secs(1)).await;
    }
    assert!(
        everything(&mut running.peer)
            .await
            .ends_with("still here\r\nstopping\r\n")
    );
    assert_eq!(running.task.await.expect("no panic").0, Ended::Stopped);
}

#[tokio::test(start_paused = true)]
async fn shutdown_lets_the_session_say_good_bye() {
    let (trigger, shutdown) = shutdown();
    let mut running = start(Setting {
        shutdown,
        ..Setting::default()
    });
    running
        .peer
        .write_all(b"body 100\r\nabc")
        .await
        .expect("in memory");
    time_passes(Duration::from_millis(10)).await;
    trigger.stop();
    assert_eq!(everything(&mut running.peer).await, "stopping\r\n");
    let (ended, script, desk) = running.task.await.expect("no panic");
    assert_eq!(ended, Ended::Stopped);
    assert_eq!(script.log, ["Shutdown"]);
    assert!(desk.discarded);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_closes_in_mid_body_leaves_nothing() {
    let mut running = start(Setting::default());
    running
        .peer
        .write_all(b"body 100\r\nabc")
        .await
        .expect("in memory");
    drop(running.peer);
    let (ended, script, desk) = running.task.await.expect("no panic");
    assert_eq!(ended, Ended::PeerClosed);
    assert_eq!(script.log, ["PeerClosed"]);
    assert_eq!((desk.discarded, desk.body), (true, 0));
}

#[tokio::test(start_paused = true)]
async fn events_reach_an_idle_session() {
    let (sender, receiver) = mpsc::unbounded_channel();
    let desk = Desk {
        events: Some(receiver),
        ..Desk::default()
    };
    let mut running = start(Setting {
        desk,
        ..Setting::default()
    });
    sender
        .send("new mail".to_owned())
        .expect("the handler waits");
    assert_eq!(some(&mut running.peer).await, "* new mail\r\n");
    running
        .peer
        .write_all(b"echo still here\r\n")
        .await
        .expect("in memory");
    assert_eq!(some(&mut running.peer).await, "still here\r\n");
}

/// The bound for one idle connection is 8 KiB with task, session and handler; the loop itself
/// must stay far below.
#[tokio::test]
async fn an_idle_connection_is_small() {
    let (_, ours) = duplex(16);
    let (mut script, mut desk) = (Script::default(), Desk::default());
    let options = DriveOptions::default();
    let stream = Stream::Plain(ours);
    let future = drive(
        stream,
        transport(),
        &mut script,
        &mut desk,
        &options,
        Shutdown::never(),
    );
    let size = size_of_val(&future);
    assert!(size <= 3 * 1024, "{size} bytes");
}
