//! Processor time, from the kernel's own books.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// User and system time of the generator itself.
pub(crate) fn own() -> Duration {
    let own = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    Stat::parse(&own).map_or(Duration::ZERO, |stat| stat.own)
}

/// User and system time of processes, all below them, and all below that ended and were waited
/// for. `None` where one of them is gone.
pub(crate) fn of_trees(roots: &[u32]) -> Option<Duration> {
    let all: HashMap<u32, Stat> = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, Stat::parse(&text)?))
        })
        .collect();
    roots
        .iter()
        .all(|root| all.contains_key(root))
        .then(|| below(roots, &all))
}

fn below(roots: &[u32], all: &HashMap<u32, Stat>) -> Duration {
    let of_one = |pid: &u32| {
        all.get(pid)
            .map_or(Duration::ZERO, |stat| stat.own + stat.waited)
    };
    let mut sum = roots.iter().map(of_one).sum();
    let children: Vec<u32> = all
        .iter()
        .filter(|(_, stat)| roots.contains(&stat.parent))
        .map(|(pid, _)| *pid)
        .collect();
    if !children.is_empty() {
        sum += below(&children, all);
    }
    sum
}

/// What of `/proc/PID/stat` counts.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own: Duration,
    /// Of children that ended.
    waited: Duration,
}

impl Stat {
    /// Fields 4 and 14 to 17 of proc_pid_stat(5); the name in field 2 may have blanks and
    /// parentheses of its own.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let per_second = rustix::param::clock_ticks_per_second();
        let time = |ticks: u64| Duration::from_secs_f64(ticks as f64 / per_second as f64);
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: time(ticks(11)? + ticks(12)?),
            waited: time(ticks(13)? + ticks(14)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_is_read() {
        let text = "7 (a) (b) S 3 7 7 0 -1 4194560 1 2 3 4 100 200 30 40 20 0 1 0 5";
        let tick = 1.0 / rustix::param::clock_ticks_per_second() as f64;
        let stat = Stat::parse(text).expect("it is a line of stat");
        assert_eq!(stat.parent, 3);
        assert_eq!(stat.own, Duration::from_secs_f64(300.0 * tick));
        assert_eq!(stat.waited, Duration::from_secs_f64(70.0 * tick));
        assert_eq!(Stat::parse("nonsense"), None);
    }

    #[test]
    fn a_tree_is_all_below_its_root() {
        let stat = |parent, own| Stat {
            parent,
            own: Duration::from_secs(own),
            waited: Duration::from_secs(1),
        };
        let all = HashMap::from([(1, stat(0, 100)), (2, stat(1, 5)), (3, stat(2, 7))]);
        assert_eq!(below(&[2], &all), Duration::from_secs(14));
    }

    #[test]
    fn a_process_that_is_gone_has_no_figure() {
        assert!(of_trees(&[std::process::id()]).is_some());
        assert_eq!(of_trees(&[u32::MAX]), None);
    }
}
