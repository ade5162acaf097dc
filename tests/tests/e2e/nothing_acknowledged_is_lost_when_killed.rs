//! kill -9 under mixed load, at starts and in recoveries, during backups and imports (`kills` says
//! what runs). A small share
//! here; `cargo xtask crash --kills N` runs more.

use postroom_tests::kills::{Plan, kill};

#[test]
fn nothing_acknowledged_is_lost_when_killed() {
    let plan = Plan::from_environment(60);
    let report = kill(&plan);
    assert!(
        report.failures.is_empty(),
        "{:#?}\n{:#?}",
        report.failures,
        report.counts
    );
    assert_eq!(report.count("kills"), plan.kills);
    // There was load of every kind.
    for what in [
        "SMTP acknowledged",
        "SMTP in flight at a kill",
        "IMAP append",
        "IMAP flag",
        "IMAP move",
        "IMAP expunge",
        "IMAP verified",
        "POP3 delete",
        "queue arrived",
        "plugin deployments acknowledged",
        "kills while starting",
        "kills during a backup",
        "kills during a domain import",
        "kills during a user import",
        "backup finished after kills",
        "backup restored",
        "backup messages read from a restored one",
        "domain import checked",
        "user import checked",
    ] {
        assert!(report.count(what) > 0, "no {what}: {:#?}", report.counts);
    }
}
