use super::*;

fn check(addresses: &[&str], delivered_to: &[&str], expected: &Plan) {
    let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let plan = plan(&owned(addresses), "ann@abc.test", &owned(delivered_to), 3);
    let same = match (&plan, expected) {
        (Plan::SendTo(found), Plan::SendTo(expected)) => found == expected,
        (Plan::Loop(_), Plan::Loop(_)) | (Plan::Unset(_), Plan::Unset(_)) => true,
        _ => false,
    };
    assert!(same, "{addresses:?} {delivered_to:?}: {plan:?}");
}

fn to(targets: &[&str]) -> Plan {
    Plan::SendTo(targets.iter().map(|&text| text.to_owned()).collect())
}

#[test]
fn every_address_gets_it_once() {
    check(&["bob@xyz.test"], &[], &to(&["bob@xyz.test"]));
    check(
        &["bob@xyz.test", " carl@x.test ", "BOB@xyz.test"],
        &[],
        &to(&["bob@xyz.test", "carl@x.test"]),
    );
    check(
        &["bob@xyz.test", "ann@ABC.test"],
        &[],
        &to(&["bob@xyz.test"]),
    );
    check(&["bob@xyz.test"], &["carl@x.test"], &to(&["bob@xyz.test"]));
}

#[test]
fn without_an_address_it_waits() {
    check(&[], &[], &Plan::Unset(String::new()));
    check(&["", " "], &[], &Plan::Unset(String::new()));
    check(
        &["a@x.test", "b@x.test", "c@x.test", "d@x.test"],
        &[],
        &Plan::Unset(String::new()),
    );
}

#[test]
fn l10_a_loop_ends() {
    let looping = Plan::Loop(String::new());
    let go_on = to(&["bob@xyz.test"]);
    check(&["ann@abc.test"], &[], &looping);
    check(&["\"Ann\"@abc.test"], &[], &looping);
    // The mark of this very delivery is none of a loop; one below it is.
    check(&["bob@xyz.test"], &["ann@abc.test"], &go_on);
    check(
        &["bob@xyz.test"],
        &["ann@abc.test", "ann@abc.test"],
        &looping,
    );
    check(
        &["bob@xyz.test"],
        &["ann@abc.test", "carl@x.test", " <Ann@ABC.test>"],
        &looping,
    );
    check(
        &["bob@xyz.test"],
        &["carl@x.test", "ann@abc.test"],
        &looping,
    );
}

#[test]
fn l10_a_message_is_sent_on_ten_times_at_most() {
    let hops: Vec<String> = (0..HOPS).map(|hop| format!("{hop}@x.test")).collect();
    let mut hops: Vec<&str> = hops.iter().map(String::as_str).collect();
    check(&["bob@xyz.test"], &hops[1..], &to(&["bob@xyz.test"]));
    check(&["bob@xyz.test"], &hops, &Plan::Loop(String::new()));
    hops.insert(0, "ann@abc.test");
    check(&["bob@xyz.test"], &hops, &Plan::Loop(String::new()));
    check(&["bob@xyz.test"], &hops[..HOPS], &to(&["bob@xyz.test"]));
}
