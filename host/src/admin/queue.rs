//! `/v1/queue`

use axum::Json;
use axum::extract::{Path, Query, State};
use mail::{Access, Principal, Tenant};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{QueueFilter, QueueId, QueueRow, QueueState};

use super::domains::find;
use super::{Api, ApiError};

/// Rows in one answer.
const PAGE: usize = 1000;

#[derive(Deserialize)]
pub(super) struct Filter {
    domain: Option<String>,
}

pub(super) async fn list(
    State(api): State<Api>,
    Query(filter): Query<Filter>,
) -> Result<Json<Value>, ApiError> {
    let access = match filter.domain {
        Some(domain) => Access {
            tenant: find(&api, &domain).await?.tenant(),
            principal: Principal::Site,
        },
        None => site(),
    };
    let rows = api.site.store.queue(
        &access,
        &QueueFilter {
            max: PAGE,
            ..QueueFilter::default()
        },
    )?;
    Ok(Json(rows.iter().map(brief).collect()))
}

pub(super) async fn show(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let id = parse(&id)?;
    let row = api.site.store.queue_row(&site(), id).map_err(about(id))?;
    let mut shown = brief(&row);
    let access = match api.site.directory.domain_by_id(row.domain).await {
        Ok(domain) => Access {
            tenant: domain.tenant(),
            principal: Principal::Site,
        },
        Err(_) => site(),
    };
    let trace = api.site.store.trace(&access, row.envelope.id)?;
    if let Some(fields) = shown.as_object_mut() {
        fields.insert(
            "from".to_owned(),
            row.envelope.reverse_path.to_string().into(),
        );
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
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    if id == "all" {
        let rows = api.site.store.queue(
            &site(),
            &QueueFilter {
                parked: Some(false),
                max: PAGE,
                ..Default::default()
            },
        )?;
        let mut count = 0;
        for row in rows.iter().filter(|row| row.state == QueueState::Ready) {
            api.site.store.retry_now(&site(), row.id).await?;
            count += 1;
        }
        return Ok(Json(json!({ "message": format!("{count} are tried now") })));
    }
    let id = parse(&id)?;
    let retried = api.site.store.retry_now(&site(), id).await;
    retried.map_err(about(id))?;
    Ok(Json(json!({ "message": format!("{id} is tried now") })))
}

pub(super) async fn remove(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let id = parse(&id)?;
    let removed = api.site.store.remove(&site(), id).await;
    removed.map_err(about(id))?;
    Ok(Json(
        json!({ "message": format!("Removed {id}; nobody is told") }),
    ))
}

const fn site() -> Access {
    Access {
        tenant: Tenant::HOST,
        principal: Principal::Site,
    }
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
