//! `/v1/queue`

use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use mail::{Access, Principal, Tenant};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{QueueFilter, QueueId, QueueRow, QueueState};

use super::{Api, ApiError, Caller, Reach};

/// Rows in one answer.
const PAGE: usize = 1000;

#[derive(Deserialize)]
pub(super) struct Filter {
    domain: Option<String>,
}

pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Query(filter): Query<Filter>,
) -> Result<Json<Value>, ApiError> {
    let mut shown = Vec::new();
    for access in within_reach(&api, &caller, filter.domain.as_deref()).await? {
        let filter = QueueFilter {
            max: PAGE - shown.len(),
            ..QueueFilter::default()
        };
        let rows = api.site.store.queue(&access, &filter)?;
        shown.extend(rows.iter().map(brief));
    }
    Ok(Json(shown.into()))
}

pub(super) async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let (_, row) = find(&api, &caller, &id).await?;
    let mut shown = brief(&row);
    // The trace lies with the domain of the row, whoever looks at it.
    let access = match api.site.directory.domain_by_id(row.domain).await {
        Ok(domain) => Access::system(domain.tenant()),
        Err(_) => SITE,
    };
    let trace = api.site.store.trace(&access, row.envelope.id)?;
    if let Some(fields) = shown.as_object_mut() {
        fields.insert(
            "from".to_owned(),
            row.envelope.reverse_path.to_string().into(),
        );
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
        let mut count = 0;
        for access in within_reach(&api, &caller, None).await? {
            let filter = QueueFilter {
                parked: Some(false),
                max: PAGE,
                ..QueueFilter::default()
            };
            let rows = api.site.store.queue(&access, &filter)?;
            for row in rows.iter().filter(|row| row.state == QueueState::Ready) {
                api.site.store.retry_now(&access, row.id).await?;
                count += 1;
            }
        }
        return Ok(Json(json!({ "message": format!("{count} are tried now") })));
    }
    let (access, QueueRow { id, .. }) = find(&api, &caller, &id).await?;
    let retried = api.site.store.retry_now(&access, id).await;
    retried.map_err(about(id))?;
    Ok(Json(json!({ "message": format!("{id} is tried now") })))
}

pub(super) async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let (access, QueueRow { id, .. }) = find(&api, &caller, &id).await?;
    let removed = api.site.store.remove(&access, id).await;
    removed.map_err(about(id))?;
    Ok(Json(
        json!({ "message": format!("Removed {id}; nobody is told") }),
    ))
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

fn brief(row: &QueueRow) -> Value {
    let state = match row.state {
        QueueState::Ready => "waiting".to_owned(),
        QueueState::Leased => "working".to_owned(),
        QueueState::Parked(reason) => format!("parked ({reason:?})").to_lowercase(),
    };
    json!({
        "id": row.id.to_string(), "message": row.envelope.id.to_string(), "recipient": row.address,
        "channel": row.work.channel(), "state": state, "attempts": row.attempts,
        "next": row.due.to_string(), "last": row.last.as_ref().map(|(_, text)| text),
    })
}
