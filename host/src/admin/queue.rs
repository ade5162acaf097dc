//! `/v1/queue`

mod filter;
pub(super) mod transfer;

use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use mail::{Access, Principal, Tenant};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Decision, QueueId, QueueRow, QueueState};

use super::{Api, ApiError, Caller, Reach};
use filter::Filter;

/// Rows in one answer where nothing else is said, and at most.
const PAGE: usize = 1000;
const MOST: usize = 100_000;
/// Decisions that are on their way to the disk together.
const TOGETHER: usize = 256;

pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Query(mut filter): Query<Filter>,
) -> Result<Json<Value>, ApiError> {
    filter.limit.get_or_insert(PAGE);
    let rows = meant(&api, &caller, &filter).await?;
    Ok(Json(rows.iter().map(|(_, row)| brief(&api, row)).collect()))
}

/// The rows that a filter means, each with the access that reaches it.
async fn meant(
    api: &Api,
    caller: &Caller,
    filter: &Filter,
) -> Result<Vec<(Access, QueueRow)>, ApiError> {
    let reached = within_reach(api, caller, filter.domain.as_deref()).await?;
    let mut meant = filter.read(MOST)?;
    let mut found = Vec::new();
    for access in reached {
        let rows = meant.find(api, &access)?;
        meant.less(rows.len());
        found.extend(rows.into_iter().map(|row| (access, row)));
    }
    Ok(found)
}

pub(super) async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let (_, row) = find(&api, &caller, &id).await?;
    let mut shown = brief(&api, &row);
    // The trace lies with the domain of the row, whoever looks at it.
    let access = match api.site.directory.domain_by_id(row.domain).await {
        Ok(domain) => Access::system(domain.tenant()),
        Err(_) => SITE,
    };
    let trace = api.site.store.trace(&access, row.envelope.id)?;
    if let Some(fields) = shown.as_object_mut() {
        if let Some(why) = row.parked {
            fields.insert("parked".to_owned(), why.into());
        }
        fields.insert("size".to_owned(), row.size.into());
        fields.insert("created".to_owned(), row.created.to_string().into());
        fields.insert("expires".to_owned(), row.expires.to_string().into());
        fields.insert(
            "trace".to_owned(),
            trace
                .iter()
                .map(|entry| json!({ "at": entry.line.at.to_string(), "step": entry.line.step, "text": entry.line.text }))
                .collect(),
        );
    }
    Ok(Json(shown))
}

pub(super) async fn retry(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    if id == "all" {
        let request = Bulk {
            act: Act::Retry,
            dry_run: false,
            filter: Filter::default(),
        };
        return many(&api, &caller, &request).await;
    }
    one(&api, &caller, &id, Decision::Retry).await
}

pub(super) async fn hold(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    one(&api, &caller, &id, Decision::Hold).await
}

pub(super) async fn release(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    one(&api, &caller, &id, Decision::Release).await
}

pub(super) async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    one(&api, &caller, &id, Decision::Remove).await
}

async fn one(
    api: &Api,
    caller: &Caller,
    id: &str,
    decision: Decision,
) -> Result<Json<Value>, ApiError> {
    let (access, QueueRow { id, .. }) = find(api, caller, id).await?;
    let decided = api.site.store.decide(&access, id, decision, &caller.name());
    decided.await.map_err(about(id))?;
    let text = match decision {
        Decision::Retry => format!("{id} is tried now"),
        Decision::Hold => format!("{id} is kept aside until it is released"),
        Decision::Release => format!("{id} goes on where it was kept aside"),
        Decision::Remove => format!("Removed {id}; nobody is told"),
    };
    Ok(Json(json!({ "message": text })))
}

/// What is done with many entries.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Act {
    Retry,
    Hold,
    Release,
    Remove,
}

impl Act {
    const fn decision(self) -> Decision {
        match self {
            Self::Retry => Decision::Retry,
            Self::Hold => Decision::Hold,
            Self::Release => Decision::Release,
            Self::Remove => Decision::Remove,
        }
    }

    /// Does it make sense for such a row? Those that a worker has are left to it.
    const fn concerns(self, state: QueueState) -> bool {
        match state {
            QueueState::Leased => false,
            QueueState::Ready => !matches!(self, Self::Release),
            QueueState::Parked(_) => matches!(self, Self::Release | Self::Remove),
        }
    }

    const fn participle(self) -> &'static str {
        match self {
            Self::Retry => "tried now",
            Self::Hold => "kept aside",
            Self::Release => "released",
            Self::Remove => "removed",
        }
    }
}

/// Many entries at once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bulk {
    #[serde(rename = "do")]
    act: Act,
    /// Only say which.
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    filter: Filter,
}

pub(super) async fn bulk(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<Bulk>,
) -> Result<Json<Value>, ApiError> {
    many(&api, &caller, &request).await
}

async fn many(api: &Api, caller: &Caller, request: &Bulk) -> Result<Json<Value>, ApiError> {
    let mut rows = meant(api, caller, &request.filter).await?;
    rows.retain(|(_, row)| request.act.concerns(row.state));
    let done = request.act.participle();
    if request.dry_run {
        let ids: Vec<_> = rows.iter().map(|(_, row)| row.id.to_string()).collect();
        let text = format!("{} would be {done}", ids.len());
        return Ok(Json(json!({ "message": text, "entries": ids })));
    }
    let decision = request.act.decision();
    let by = caller.name();
    let mut ids = Vec::new();
    let mut left = 0;
    for chunk in rows.chunks(TOGETHER) {
        let pending: Vec<_> = chunk
            .iter()
            .map(|(access, row)| api.site.store.decide(access, row.id, decision, &by))
            .collect();
        for ((_, row), pending) in chunk.iter().zip(pending) {
            match pending.await {
                Ok(()) => ids.push(row.id),
                // It went, or a worker took it, since it was looked at.
                Err(store::Error::NotFound | store::Error::Stale | store::Error::Invalid(_)) => {
                    left += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    for id in &ids {
        tracing::info!(target: "audit", by, row = %id, decision = decision.name(), "queue");
    }
    let also = match left {
        0 => String::new(),
        left => format!("; {left} went or were taken by a worker meanwhile"),
    };
    let text = format!("{} are {done}{also}", ids.len());
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    Ok(Json(json!({ "message": text, "entries": ids })))
}

/// Of all domains.
const SITE: Access = Access {
    tenant: Tenant::HOST,
    principal: Principal::Site,
};

/// Under which access the caller sees the queue: that of one domain, or of each that is
/// administered.
async fn within_reach(
    api: &Api,
    caller: &Caller,
    domain: Option<&str>,
) -> Result<Vec<Access>, ApiError> {
    if let Some(domain) = domain {
        return Ok(vec![caller.administer_named(api, domain).await?.access()]);
    }
    if caller.is_site() {
        return Ok(vec![SITE]);
    }
    let reached = caller.domains(api).await?;
    if reached.is_empty() {
        return Err(ApiError::denied(
            "only an administrator of a domain may see its queue",
        ));
    }
    Ok(reached.iter().map(Reach::access).collect())
}

/// One row within reach, with the access that reaches it.
async fn find(api: &Api, caller: &Caller, id: &str) -> Result<(Access, QueueRow), ApiError> {
    let id = parse(id)?;
    let reached = if caller.is_site() {
        vec![SITE]
    } else {
        caller
            .domains(api)
            .await?
            .iter()
            .map(Reach::access)
            .collect()
    };
    for access in reached {
        match api.site.store.queue_row(&access, id) {
            Ok(row) => return Ok((access, row)),
            Err(store::Error::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if caller.is_site() {
        return Err(about(id)(store::Error::NotFound));
    }
    Err(caller.hidden(format!("queue entry {id}")))
}

fn about(id: QueueId) -> impl Fn(store::Error) -> ApiError {
    move |error| match error {
        store::Error::NotFound => ApiError::not_found(format!("queue entry {id}")),
        error => error.into(),
    }
}

fn parse(id: &str) -> Result<QueueId, ApiError> {
    id.parse().map_err(|_| {
        ApiError::invalid(format!(
            "'{id}' is not a queue id: `postroom queue list` shows them"
        ))
    })
}

fn brief(api: &Api, row: &QueueRow) -> Value {
    let state = match row.state {
        QueueState::Ready => "waiting".to_owned(),
        QueueState::Leased => "working".to_owned(),
        QueueState::Parked(reason) => format!("parked ({})", reason.name()),
    };
    // Never, for what is kept without an end.
    let next = (row.due.0 < i64::MAX).then(|| row.due.to_string());
    let domain = api.site.directory.known_domain(row.domain);
    json!({
        "id": row.id.to_string(), "message": row.envelope.id.to_string(),
        "domain": domain.map(|domain| domain.name.to_string()),
        "from": row.envelope.reverse_path.to_string(), "recipient": row.address,
        "channel": row.work.channel(), "state": state, "attempts": row.attempts,
        "next": next, "last": row.last.as_ref().map(|(_, text)| text),
    })
}
