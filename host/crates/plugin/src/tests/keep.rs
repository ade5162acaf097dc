//! What session hooks write is kept call by call, and a call that lost is run again.

use std::sync::{Arc, Mutex};

use mail::Tenant;

use super::stage::{ABC, Stage, address, refusal};
use crate::{Effect, KeepError, Keeper, KvWrite, Pace, Unavailable, Verdict, Waiting};

/// Loses, then keeps; a faster call has written its value each time.
struct Table {
    stage: Arc<super::stage::World>,
    /// What is answered, in order; then it keeps.
    answers: Mutex<Vec<KeepError>>,
    kept: Mutex<Vec<(Vec<KvWrite>, Pace)>>,
    asked: Mutex<usize>,
    /// Is the value there by then?
    writes_first: bool,
}

impl Keeper for Table {
    fn keep<'a>(
        &'a self,
        tenant: Tenant,
        writes: Vec<KvWrite>,
        pace: Pace,
    ) -> Waiting<'a, Result<(), KeepError>> {
        assert_eq!(tenant, ABC);
        *self.asked.lock().unwrap() += 1;
        let mut answers = self.answers.lock().unwrap();
        if answers.is_empty() {
            self.kept.lock().unwrap().push((writes, pace));
            return Box::pin(async { Ok(()) });
        }
        if self.writes_first {
            let key = (
                tenant.domain(),
                writes[0].plugin.clone(),
                writes[0].key.clone(),
            );
            self.stage.kv.lock().unwrap().insert(key, b"1".to_vec());
        }
        let answer = answers.remove(0);
        Box::pin(async move { Err(answer) })
    }
}

async fn stage(answers: Vec<KeepError>, writes_first: bool) -> (Stage, Arc<Table>) {
    let stage = Stage::new().await;
    stage.publish(vec![stage.binding("a")]).await;
    let table = Arc::new(Table {
        stage: Arc::clone(&stage.world),
        answers: Mutex::new(answers),
        kept: Mutex::default(),
        asked: Mutex::default(),
        writes_first,
    });
    (stage, table)
}

#[tokio::test]
async fn a_call_that_lost_is_run_again_on_the_new_state() {
    let (stage, table) = stage(vec![KeepError::Conflict], true).await;
    let mut transaction = stage.begin().keeping(Arc::clone(&table) as Arc<dyn Keeper>);
    let report = transaction.rcpt(&address("greylist")).await;
    // It would have said "Come again"; by now the other call has said so.
    assert_eq!(report.verdict, Verdict::Proceed);
    assert_eq!(*table.asked.lock().unwrap(), 1);
    assert!(table.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn writes_are_kept_with_the_reply_and_not_handed_out() {
    let (stage, table) = stage(vec![KeepError::Conflict; 3], false).await;
    let mut transaction = stage.begin().keeping(Arc::clone(&table) as Arc<dyn Keeper>);
    let report = transaction.rcpt(&address("greylist")).await;
    assert_eq!(refusal(&report), "451 4.7.1 Come again");
    assert!(
        !report
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Kv(_)))
    );
    let kept = table.kept.lock().unwrap();
    let [(writes, pace)] = kept.as_slice() else {
        panic!("{kept:?}")
    };
    assert_eq!(writes[0].expected, Some(None));
    // It depends on a comparison, so it waits although it refuses.
    assert_eq!(*pace, Pace::Durable);
}

/// After the fourth time, or where the table is away, it is a failed call like any other.
#[tokio::test]
async fn a_call_that_always_loses_has_failed() {
    for (answers, asked) in [
        (vec![KeepError::Conflict; 4], 4),
        (
            vec![KeepError::Unavailable(Unavailable("away".to_owned()))],
            1,
        ),
    ] {
        let (stage, table) = stage(answers, false).await;
        let mut transaction = stage.begin().keeping(Arc::clone(&table) as Arc<dyn Keeper>);
        let report = transaction.rcpt(&address("greylist")).await;
        assert!(refusal(&report).starts_with("451 4.3.0 "), "{report:?}");
        assert!(report.effects.is_empty());
        assert_eq!(*table.asked.lock().unwrap(), asked);
        assert!(table.kept.lock().unwrap().is_empty());
    }
}
