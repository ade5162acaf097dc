//! `/v1/store`: what the store has, whether it fits, and collecting what nobody names.
//!
//! Each takes as long as the store is large. So a call begins a task, one at a time, and
//! `GET /v1/store/task` says how far it is and, in the end, what came out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Checked, Collected, Stats, Step, Store};

use super::{Api, ApiError, Caller};

/// Bytes a second that a task beside a running server reads.
const BYTES_PER_SECOND: u64 = 32 * 1024 * 1024;
/// Pause after each step over rows, so that others come first.
const PAUSE: Duration = Duration::from_millis(1);

/// The task that runs, or the last one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks(Arc<Mutex<Option<Task>>>);

#[derive(Debug, Clone)]
struct Task {
    name: &'static str,
    step: Option<Step>,
    outcome: Option<Result<Value, String>>,
}

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, Option<Task>> {
        // Each use is an assignment: a panic cannot leave half of one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a task on a thread of its own.
    fn begin(
        &self,
        name: &'static str,
        run: impl FnOnce(&mut dyn FnMut(Step)) -> store::Result<Value> + Send + 'static,
    ) -> Result<Value, ApiError> {
        self.enter(name)?;
        let tasks = self.clone();
        tokio::task::spawn_blocking(move || tasks.work(run));
        Ok(self.show())
    }

    /// One at a time.
    fn enter(&self, name: &'static str) -> Result<(), ApiError> {
        let mut task = self.lock();
        if let Some(Task {
            name,
            outcome: None,
            ..
        }) = &*task
        {
            return Err(ApiError::conflict(format!(
                "the store's task '{name}' runs: wait for its end"
            )));
        }
        *task = Some(Task {
            name,
            step: None,
            outcome: None,
        });
        Ok(())
    }

    /// Runs the task that was entered. However it ends, the next one may begin.
    fn work(&self, run: impl FnOnce(&mut dyn FnMut(Step)) -> store::Result<Value>) {
        let mut pace = Pace::new();
        let mut told = |step| {
            if let Some(task) = &mut *self.lock() {
                task.step = Some(step);
            }
            pace.wait(step);
        };
        // What it leaves behind is the store's, which bears a thread that panics.
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&mut told)))
            .map_err(|_| "the task panicked: see the log".to_owned())
            .and_then(|outcome| outcome.map_err(|error| error.to_string()));
        if let Some(task) = &mut *self.lock() {
            task.outcome = Some(outcome);
        }
    }

    fn show(&self) -> Value {
        let Some(task) = self.lock().clone() else {
            return json!({ "state": "none" });
        };
        let mut shown = json!({ "task": task.name, "state": "running" });
        if let Some(step) = task.step {
            shown["what"] = step.what.into();
            shown["done"] = step.done.into();
            shown["total"] = step.total.into();
        }
        match task.outcome {
            None => {}
            Some(Ok(answer)) => {
                shown["state"] = "done".into();
                shown["answer"] = answer;
            }
            Some(Err(error)) => {
                shown["state"] = "failed".into();
                shown["error"] = error.into();
            }
        }
        shown
    }
}

/// Slows a task down beside others.
struct Pace {
    since: Instant,
    first: Option<u64>,
}

impl Pace {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            first: None,
        }
    }

    fn wait(&mut self, step: Step) {
        if step.what != "bytes" {
            return std::thread::sleep(PAUSE);
        }
        let first = *self.first.get_or_insert(step.done);
        let due = (step.done - first) as f64 / BYTES_PER_SECOND as f64;
        let due = self.since + Duration::from_secs_f64(due);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// How far the task is, or what came out.
pub(super) async fn task(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, ApiError> {
    caller.operate("look into the store")?;
    Ok(Json(api.tasks.show()))
}

pub(super) async fn stats(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, ApiError> {
    caller.operate("look into the store")?;
    let store = Arc::clone(&api.site.store);
    let begun = api
        .tasks
        .begin("stats", move |told| Ok(show_stats(&store.stats(told)?)));
    begun.map(Json)
}

/// What a check is to do.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
pub(super) struct Wanted {
    deep: bool,
}

pub(super) async fn check(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Value>, ApiError> {
    caller.operate("check the store")?;
    let store = Arc::clone(&api.site.store);
    let begun = api.tasks.begin("check", move |told| {
        Ok(show_checked(&store.check(wanted.deep, told)?))
    });
    begun.map(Json)
}

pub(super) async fn compact(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, ApiError> {
    caller.operate("compact the store")?;
    let store = Arc::clone(&api.site.store);
    let begun = api
        .tasks
        .begin("compact", move |told| compacted(&*store, told));
    begun.map(Json)
}

/// Collects to the end.
pub(crate) fn compacted(store: &dyn Store, told: &mut dyn FnMut(Step)) -> store::Result<Value> {
    let done = store.compact(&mut |so_far| {
        told(Step {
            what: "segments",
            done: so_far.segments,
            total: 0,
        });
    })?;
    let Collected {
        segments,
        bytes,
        kept,
    } = done;
    Ok(json!({
        "segments": segments,
        "bytes": bytes,
        "kept": kept,
        "given_back": bytes.saturating_sub(kept),
    }))
}

/// As the command line shows it.
pub(crate) fn show_stats(stats: &Stats) -> Value {
    let tables = stats.tables.iter().filter(|(_, rows)| *rows > 0);
    let tables: serde_json::Map<String, Value> = tables
        .map(|(name, rows)| ((*name).to_owned(), (*rows).into()))
        .collect();
    let files = |files: store::Files| json!({ "files": files.files, "bytes": files.bytes });
    let ratio = |bytes: u64| {
        let share = stats.disk_bytes() as f64 / bytes as f64;
        (bytes > 0).then(|| (share * 1000.0).round() / 1000.0)
    };
    json!({
        "messages": stats.messages,
        "message_bytes": stats.message_bytes,
        "bodies": stats.bodies,
        "mail_bytes": stats.mail_bytes(),
        "disk_bytes": stats.disk_bytes(),
        "disk_bytes_per_mail_byte": ratio(stats.mail_bytes()),
        "log": files(stats.log),
        "settled_bodies": {
            "files": stats.settled_bodies.files,
            "bytes": stats.settled_bodies.bytes,
            "mail_bytes": stats.settled_raw,
            "dead_mail_bytes": stats.settled_dead,
        },
        "settled_rows": {
            "files": stats.settled_rows.files,
            "bytes": stats.settled_rows.bytes,
            "rows": stats.settled_count,
        },
        "body_files": files(stats.body_files),
        "index": files(stats.index),
        "rows": tables,
        "trouble": stats.collecting_failed,
    })
}

/// As the command line shows it.
pub(crate) fn show_checked(checked: &Checked) -> Value {
    let problems: Vec<Value> = checked
        .first
        .iter()
        .map(|problem| json!({ "kind": problem.kind, "what": problem.what }))
        .collect();
    json!({
        "rows": checked.rows,
        "bodies_read": checked.bodies_read,
        "problems": checked.problems,
        "first": problems,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_task_that_panicked_the_next_one_runs() {
        let tasks = Tasks::default();
        tasks.enter("check").unwrap();
        assert!(tasks.enter("stats").is_err(), "one at a time");
        tasks.work(|_| panic!("a defect"));
        assert_eq!(tasks.show()["state"], "failed");
        tasks.enter("stats").unwrap();
        tasks.work(|_| Ok(json!(7)));
        assert_eq!(tasks.show()["answer"], 7);
    }
}
