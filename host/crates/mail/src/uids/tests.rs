use super::*;

fn uids(numbers: &[u32]) -> Uids {
    numbers.iter().map(|number| Uid(*number)).collect()
}

/// They behave as a plain vector does.
fn check(uids: &Uids, model: &[u32]) {
    let all: Vec<u32> = uids.iter().map(|uid| uid.0).collect();
    assert_eq!(all, model);
    assert_eq!(uids.len(), model.len());
    assert_eq!(uids.is_empty(), model.is_empty());
    assert_eq!(uids.last().map(|uid| uid.0), model.last().copied());
    let highest = model.last().copied().unwrap_or(0).saturating_add(2);
    let some = (0..highest.min(1 << 20)).step_by(97);
    for uid in some.chain(model.iter().copied().step_by(61)) {
        let below = model.partition_point(|known| *known < uid);
        assert_eq!(uids.first_not_below(Uid(uid)), below, "below {uid}");
        let position = model.binary_search(&uid).ok();
        assert_eq!(uids.position(Uid(uid)), position, "position of {uid}");
        assert_eq!(uids.contains(Uid(uid)), position.is_some());
        if let Some(position) = position {
            assert_eq!(uids.at(position).0, uid);
        }
    }
}

/// Takes some out of both, and adds one behind.
fn change(uids: &mut Uids, model: &mut Vec<u32>, leaving: &[u32]) {
    let gone: Vec<Uid> = leaving.iter().map(|uid| Uid(*uid)).collect();
    uids.remove(&gone);
    model.retain(|uid| leaving.binary_search(uid).is_err());
    check(uids, model);
    let next = model.last().map_or(1, |last| last + 1);
    uids.push(Uid(next));
    model.push(next);
    check(uids, model);
}

#[test]
fn they_are_as_a_vector_whatever_leaves() {
    let count = 3 * CHUNK as u32 + 5;
    let dense: Vec<u32> = (1..=count).collect();
    let sparse: Vec<u32> = (1..=count).map(|uid| uid * 3).collect();
    let mixed: Vec<u32> = (1..=2 * count).filter(|uid| uid % 7 > 1).collect();
    for mut model in [dense, sparse, mixed] {
        let mut all = uids(&model);
        check(&all, &model);
        let chunk = CHUNK as u32;
        let leaving: [Vec<u32>; 6] = [
            model[..1].to_vec(),
            vec![0, 2, 4, 5, 6],
            (chunk..2 * chunk).collect(),
            model.iter().copied().step_by(7).collect(),
            vec![model[CHUNK], u32::MAX],
            Vec::new(),
        ];
        for leaving in leaving {
            change(&mut all, &mut model, &leaving);
        }
        let rest = model.clone();
        change(&mut all, &mut model, &rest);
        assert_eq!(model, [1]);
    }
}

#[test]
fn what_is_not_above_all_others_is_left_out() {
    let mut all = uids(&[5, 6, 9]);
    all.push(Uid(9));
    all.push(Uid(1));
    all.push_run(Uid(10), 0);
    check(&all, &[5, 6, 9]);
    all.push_run(Uid(10), 2);
    check(&all, &[5, 6, 9, 10, 11]);
}

#[test]
fn the_last_numbers_of_all_are_numbers_as_others() {
    let mut all = uids(&[u32::MAX - 2, u32::MAX - 1, u32::MAX]);
    check(&all, &[u32::MAX - 2, u32::MAX - 1, u32::MAX]);
    all.remove(&[Uid(u32::MAX - 1)]);
    check(&all, &[u32::MAX - 2, u32::MAX]);
    all.remove(&[Uid(u32::MAX)]);
    check(&all, &[u32::MAX - 2]);
}

#[test]
fn a_mailbox_without_gaps_is_one_run() {
    let mut all = Uids::new();
    for first in (1..=1_000_000).step_by(1000) {
        all.push_run(Uid(first), 1000);
    }
    assert_eq!((all.len(), all.chunks.len()), (1_000_000, 1));
    assert_eq!(all.chunks[0].runs.len(), 1);
    assert_eq!(all, (1..=1_000_000).map(Uid).collect());
    assert_ne!(all, (2..=1_000_001).map(Uid).collect());
    assert_eq!(format!("{all:?}"), "Uids(1000000: 1 to 1000000)");
    assert_eq!(format!("{:?}", Uids::new()), "Uids(0)");
}
