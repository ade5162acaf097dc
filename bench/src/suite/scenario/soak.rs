//! Memory over time, while mail comes in and goes out at one pace.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;

use super::super::people::{self, PASSWORD};
use super::super::rounds::Target;
use super::super::table::whole;
use super::Bench;
use super::disk::used;
use super::sending::{SIZE, accept_options, accepted};
use crate::arguments::Accept;
use crate::client::{Imap, Pop3};
use crate::memory::{Resident, resident};

/// Minutes, unless it is said otherwise.
const MINUTES: f64 = 5.0;
const MINUTES_QUICK: f64 = 0.2;
/// Messages a second.
const RATE: f64 = 200.0;
const CONNECTIONS: usize = 16;
/// Looks at memory behind the first one.
const LOOKS: u32 = 10;
const MIB: f64 = 1024.0 * 1024.0;

pub(super) async fn soak(bench: &Bench<'_>) -> anyhow::Result<String> {
    let usual = if bench.options.quick {
        MINUTES_QUICK
    } else {
        MINUTES
    };
    let minutes = bench.options.minutes.unwrap_or(usual);
    let time = Duration::from_secs_f64(minutes * 60.0);
    let people = people::accept();
    let postroom = bench.postroom(&people).await?;
    let target = postroom.target();
    let options = Accept {
        connections: CONNECTIONS,
        messages: usize::MAX,
        seconds: Some(time.as_secs_f64()),
        rate: Some(RATE),
        ..accept_options(&target, &people, SIZE)
    };
    let mut looks = vec![look(postroom.pid())?];
    let mut rooms = vec![used(&postroom.data())];
    let watching = async {
        let mut clock = tokio::time::interval(time / LOOKS);
        clock.tick().await;
        for _ in 0..LOOKS {
            clock.tick().await;
            looks.push(look(postroom.pid())?);
            rooms.push(used(&postroom.data()));
        }
        anyhow::Ok(())
    };
    let load = async {
        tokio::select! {
            outcome = accepted(&target, &options) => outcome,
            failed = take_out(&target, &people) => Err(failed),
        }
    };
    let (outcome, watched) = tokio::join!(load, watching);
    let (outcome, ()) = (outcome?, watched?);
    let mut text = format!(
        "{minutes} minutes (`--minutes 60` for an hour): {RATE} messages of {} KiB a second over {CONNECTIONS} connections, to {} people, whose mail is listed by IMAP and taken out by POP3 all the time. {} messages, {} errors.\n\n| after minutes | resident MiB | of it heap and stacks MiB | data on the disk MiB |\n|---:|---:|---:|---:|\n",
        SIZE / 1024,
        people.len(),
        whole(outcome.messages as f64),
        outcome.errors
    );
    for (index, (resident, room)) in looks.iter().zip(&rooms).enumerate() {
        text.push_str(&format!(
            "| {:.2} | {:.1} | {:.1} | {:.1} |\n",
            minutes * index as f64 / f64::from(LOOKS),
            resident.all as f64 / MIB,
            resident.own as f64 / MIB,
            *room as f64 / MIB
        ));
    }
    Ok(text + &growth(&looks))
}

fn look(pid: u32) -> anyhow::Result<Resident> {
    resident(pid).context("the server is gone")
}

/// What the second half added to the memory.
fn growth(looks: &[Resident]) -> String {
    let (Some(half), Some(end)) = (looks.get(looks.len() / 2), looks.last()) else {
        return String::new();
    };
    let share = (end.all as f64 / half.all.max(1) as f64 - 1.0) * 100.0;
    format!("\nResident at the end to half-way: **{share:+.1} %**\n")
}

/// Lists and empties one maildrop after the other; ends only by an error.
async fn take_out(target: &Target, people: &[String]) -> anyhow::Error {
    loop {
        for person in people {
            if let Err(error) = take_out_one(target.imaps, target.pop3s, person).await {
                return error.context(format!("reading {person}'s mail"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn take_out_one(imaps: SocketAddr, pop3s: SocketAddr, person: &str) -> anyhow::Result<()> {
    let mut imap = Imap::connect(imaps, person, PASSWORD).await?;
    if imap.select().await? > 0 {
        imap.run("FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE)").await?;
    }
    imap.run("LOGOUT").await?;
    let mut pop3 = Pop3::connect(pop3s, person, PASSWORD).await?;
    for number in 1..=pop3.count().await? {
        pop3.retrieve(number).await?;
        pop3.delete(number).await?;
    }
    pop3.quit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_from_half_way_on() {
        let look = |mib: u64| Resident {
            all: mib * 1024 * 1024,
            own: 0,
        };
        let text = growth(&[look(10), look(100), look(110)]);
        assert!(text.contains("+10.0 %"), "{text}");
        assert_eq!(growth(&[]), "");
    }
}
