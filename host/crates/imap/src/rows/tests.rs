use mail::{EmailId, ModSeq, Timestamp};

use super::*;
use crate::ask::InternalDate;
use crate::{Flags, Keywords};

fn row(uid: u32) -> Row {
    Row {
        uid: Uid(uid),
        modseq: ModSeq(1),
        email: EmailId(u64::from(uid)),
        size: 100,
        date: InternalDate {
            at: Timestamp(0),
            offset_minutes: 0,
        },
        flags: Flags::NONE,
        keywords: Keywords::NONE,
    }
}

/// Rows behave as a plain vector of their UIDs does.
fn check(rows: &Rows, model: &[u32]) {
    let uids: Vec<u32> = rows.iter().map(|row| row.uid.0).collect();
    assert_eq!(uids, model);
    assert_eq!(rows.len(), model.len());
    assert_eq!(rows.last().map(|row| row.uid.0), model.last().copied());
    let highest = model.last().copied().unwrap_or(0) + 2;
    for uid in (0..highest)
        .step_by(97)
        .chain(model.iter().copied().step_by(61))
    {
        let below = model.partition_point(|known| *known < uid);
        assert_eq!(rows.first_not_below(uid), below, "below {uid}");
        let position = model.binary_search(&uid).ok();
        assert_eq!(rows.position(Uid(uid)), position, "position of {uid}");
        if let Some(position) = position {
            assert_eq!(rows[position].uid.0, uid);
        }
    }
}

#[test]
fn rows_are_as_a_vector_whatever_leaves() {
    let count = 3 * CHUNK as u32 + 5;
    let mut model: Vec<u32> = (1..=count).map(|uid| uid * 3).collect();
    let mut rows = Rows::new(model.iter().rev().map(|uid| row(*uid)).collect());
    check(&rows, &model);
    let whole_chunk: Vec<usize> = (CHUNK..2 * CHUNK).collect();
    let every_seventh: Vec<usize> = (0..2 * CHUNK).step_by(7).collect();
    let leaving: [&[usize]; 5] = [
        &[0],
        &[CHUNK - 2, CHUNK - 1, CHUNK],
        &whole_chunk,
        &every_seventh,
        &[],
    ];
    for positions in leaving {
        rows.remove(positions);
        for position in positions.iter().rev() {
            model.remove(*position);
        }
        check(&rows, &model);
        let next = model.last().map_or(1, |last| last + 1);
        rows.push(row(next));
        model.push(next);
        check(&rows, &model);
    }
    let all: Vec<usize> = (0..rows.len()).collect();
    rows.remove(&all);
    check(&rows, &[]);
    rows.push(row(7));
    check(&rows, &[7]);
}

#[test]
fn a_row_is_changed_where_it_is() {
    let mut rows = Rows::new((1..=CHUNK as u32 + 3).map(row).collect());
    rows.at_mut(CHUNK).flags = Flags::SEEN;
    let seen: Vec<usize> = (0..rows.len())
        .filter(|at| rows[*at].flags == Flags::SEEN)
        .collect();
    assert_eq!(seen, [CHUNK]);
}
