//! How far a store is, to be noted where the store itself is not.
//!
//! A machine that is set back to an older picture of its disk, or an old copy put in place of the
//! data directory, is a store that works and has forgotten mail. Nothing inside of it can tell. A
//! note outside can: the store at the place of the note was once further.

use std::fmt;
use std::str::FromStr;

/// How far a store is. Everything in it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Which store: copies of it have the same.
    pub store: u128,
    /// Moves on with each restore; a larger one is newer, whatever its sequence.
    pub life: u64,
    /// The last record that is synced. Counts up in one life.
    pub sequence: u64,
    /// Ids below this may have been given out.
    pub ids: u64,
    /// The largest UIDVALIDITY ever given.
    pub uid_validity: u32,
}

impl Head {
    /// Is this the same store as the one noted, and not as far?
    ///
    /// A store that recovers loses no synced record, so one that is where the note was written
    /// is never behind it.
    pub fn is_behind(&self, noted: &Self) -> bool {
        self.store == noted.store && (self.life, self.sequence) < (noted.life, noted.sequence)
    }
}

const TITLE: &str = "postroom head";

/// The text of a note.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{TITLE}")?;
        writeln!(f, "store {:032x}", self.store)?;
        writeln!(f, "life {}", self.life)?;
        writeln!(f, "sequence {}", self.sequence)?;
        writeln!(f, "ids {}", self.ids)?;
        writeln!(f, "uid-validity {}", self.uid_validity)
    }
}

/// Lines that are not known say nothing to this version; those that are known must be there.
impl FromStr for Head {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        if lines.next() != Some(TITLE) {
            return Err(format!("it does not begin with '{TITLE}'"));
        }
        let values: Vec<_> = lines.filter_map(|line| line.split_once(' ')).collect();
        let find = |name: &str| {
            let found = values.iter().find(|(known, _)| *known == name);
            found
                .map(|(_, value)| *value)
                .ok_or_else(|| format!("it has no '{name}'"))
        };
        let number = |name: &str| {
            find(name)?
                .parse::<u64>()
                .map_err(|_| format!("its '{name}' is no number"))
        };
        Ok(Self {
            store: u128::from_str_radix(find("store")?, 16)
                .map_err(|_| "its 'store' is no id".to_owned())?,
            life: number("life")?,
            sequence: number("sequence")?,
            ids: number("ids")?,
            uid_validity: u32::try_from(number("uid-validity")?)
                .map_err(|_| "its 'uid-validity' is too large".to_owned())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Head;

    const HEAD: Head = Head {
        store: 0xabc,
        life: 2,
        sequence: 30,
        ids: 1 << 24,
        uid_validity: 1_800_000_000,
    };

    #[test]
    fn a_note_reads_back() {
        assert_eq!(HEAD.to_string().parse(), Ok(HEAD));
        let newer = format!("{HEAD}colour blue\n");
        assert_eq!(newer.parse(), Ok(HEAD));
        for damaged in ["", "postroom head\n", "something else\nlife 1\n"] {
            assert!(damaged.parse::<Head>().is_err(), "{damaged:?}");
        }
        let text = HEAD.to_string().replace("30", "x");
        assert_eq!(
            text.parse::<Head>(),
            Err("its 'sequence' is no number".to_owned())
        );
    }

    #[test]
    fn only_the_same_store_can_be_behind() {
        let with = |store, life, sequence| Head {
            store,
            life,
            sequence,
            ..HEAD
        };
        for (head, behind) in [
            (with(0xabc, 2, 29), true),
            (with(0xabc, 2, 30), false),
            (with(0xabc, 2, 31), false),
            (with(0xabc, 1, 99), true),
            (with(0xabc, 3, 1), false),
            (with(0xabd, 1, 1), false),
        ] {
            assert_eq!(head.is_behind(&HEAD), behind, "{head:?}");
        }
    }
}
