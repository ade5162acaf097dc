//! The lives that are crashed: a list of named ones, and any number of random ones.
//!
//! A scenario is a list of steps (`steps.rs`). What a crash may leave of it need not be said:
//! what was seen after each step is kept, and after a crash everything must be as after the last
//! step that was answered, or as after the one that was under way (`life.rs`).

use crate::Result;
use crate::embedded::tests::life::{Life, Lived};
use crate::embedded::tests::steps::*;

/// A life with a name.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) steps: &'static [Step],
}

/// The fixed ones.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "mail of all sizes is accepted for several domains",
        steps: &[
            accept,
            accept_large,
            accept,
            accept,
            accept_large,
            accept,
            accept,
            append,
            accept,
        ],
    },
    Scenario {
        name: "messages are appended, flagged, copied, moved and expunged",
        steps: &[
            append,
            append_several,
            flag,
            append,
            copy,
            flag,
            move_messages,
            expunge,
            append,
            copy,
            expunge_last,
            append,
            move_messages,
            expunge_last,
            append_several,
            expunge,
            flag,
        ],
    },
    Scenario {
        name: "mailboxes are made, renamed, shared and deleted",
        steps: &[
            create_mailbox,
            append_several,
            create_mailbox,
            rename_mailbox,
            share,
            append,
            subscribe,
            rename_mailbox,
            delete_mailbox,
            create_mailbox,
            share,
            delete_mailbox,
            subscribe,
            append,
            create_mailbox,
            rename_mailbox,
        ],
    },
    Scenario {
        name: "queue rows are claimed, settled, parked and released",
        steps: &[
            accept,
            accept,
            accept,
            settle,
            accept,
            settle,
            note_started,
            settle,
            hold,
            release,
            settle,
            retry_now,
            settle,
            accept,
            settle,
            hold,
            remove,
            settle,
            settle,
            accept,
            settle,
        ],
    },
    Scenario {
        name: "values and settings are written and expire",
        steps: &[
            put_values,
            set_settings,
            put_values,
            accept,
            put_values,
            expire,
            set_settings,
            put_values,
            put_values,
            expire,
            set_settings,
        ],
    },
    Scenario {
        name: "a person and a domain are purged",
        steps: &[
            append_several,
            accept,
            create_mailbox,
            share,
            put_values,
            purge,
            append,
            accept,
            set_settings,
            purge,
            append,
            purge,
        ],
    },
    Scenario {
        name: "many small changes fill segments and checkpoints",
        steps: &[
            append_several,
            burst,
            flag,
            burst,
            append_several,
            flag,
            burst,
            append_several,
            burst,
            flag,
            burst,
            expunge,
            burst,
            append_several,
            burst,
            burst,
        ],
    },
    Scenario {
        name: "the disk is full and empty again",
        steps: &[
            append_several,
            accept,
            fill_disk,
            append_several,
            append,
            accept,
            accept,
            expunge,
            expunge,
            accept_large,
            append_several,
            settle,
            empty_disk,
            append,
            accept,
            fill_disk,
            accept,
            burst,
            burst,
            expunge,
            empty_disk,
            append,
        ],
    },
    Scenario {
        name: "mail is collected, compressed and collected again",
        steps: &[
            append_several,
            accept,
            accept,
            collect,
            append_several,
            expunge,
            accept_large,
            collect,
            expunge,
            expunge,
            accept,
            collect,
            reopen,
            collect,
            append,
        ],
    },
    Scenario {
        name: "the store is closed and opened between",
        steps: &[
            append,
            reopen,
            accept,
            reopen,
            expunge_last,
            reopen,
            append,
            settle,
            reopen,
            accept_large,
            reopen,
        ],
    },
];

/// The name of the life of this number.
pub(crate) fn name(number: u64) -> &'static str {
    usize::try_from(number)
        .ok()
        .and_then(|number| SCENARIOS.get(number))
        .map_or("anything in any order", |scenario| scenario.name)
}

/// Lives the life of this number: the fixed ones come first, then random ones without end.
pub(crate) fn live(seed: u64, number: u64) -> Result<Lived> {
    // Even seeds keep step; see `Life`. Fixed lives do, and half of the others.
    let seed = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(number);
    match usize::try_from(number)
        .ok()
        .and_then(|number| SCENARIOS.get(number))
    {
        Some(scenario) => {
            let mut life = Life::begin(seed & !1);
            life.live(scenario.steps)?;
            Ok(life.end())
        }
        None => {
            let mut life = Life::begin(seed);
            let steps = 15 + life.dice.roll(25);
            life.live_any(steps)?;
            Ok(life.end())
        }
    }
}
