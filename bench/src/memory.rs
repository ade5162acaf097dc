//! Memory of a process, from the kernel's own books.

use std::fs;

/// Bytes that a process has in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resident {
    /// Everything, pages of mapped files too.
    pub(crate) all: u64,
    /// What belongs to nobody else: heap and stacks.
    pub(crate) own: u64,
}

/// Of one process; `None` where it is gone.
pub(crate) fn resident(pid: u32) -> Option<Resident> {
    parse(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// `VmRSS` and `RssAnon` of proc_pid_status(5).
fn parse(text: &str) -> Option<Resident> {
    let bytes = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib * 1024)
    };
    Some(Resident {
        all: bytes("VmRSS:")?,
        own: bytes("RssAnon:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_status_are_read() {
        let text = "Name:\tpostroom\nVmRSS:\t    2048 kB\nRssAnon:\t    1024 kB\n";
        let expected = Resident {
            all: 2 * 1024 * 1024,
            own: 1024 * 1024,
        };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn a_process_that_is_gone_has_no_figure() {
        assert!(resident(std::process::id()).is_some_and(|resident| resident.own > 0));
        assert_eq!(resident(u32::MAX), None);
    }
}
