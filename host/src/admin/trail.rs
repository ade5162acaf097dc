//! `/v1/domains/DOMAIN/audit`

use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Api, ApiError, Caller};

/// Rows in one answer, where nothing else is said, and at most.
const PAGE: usize = 100;
const MOST: usize = 10_000;

#[derive(Deserialize)]
pub(super) struct Page {
    limit: Option<usize>,
}

pub(super) async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(domain): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, ApiError> {
    let reach = caller.administer_named(&api, &domain).await?;
    let limit = page.limit.unwrap_or(PAGE).min(MOST);
    let rows = api
        .site
        .directory
        .audit(Some(reach.tenant()), limit)
        .await?;
    let shown = rows.iter().map(|row| {
        json!({
            "number": row.number, "at": row.at.to_string(), "by": row.by, "act": row.act,
            "refused": row.refused,
        })
    });
    Ok(Json(shown.collect()))
}
