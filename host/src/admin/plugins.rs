//! `/v1/plugins`, `/v1/domains/DOMAIN/plugins`

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use mail::Principal;
use plugin::{BindingSpec, OpenCircuit};
use serde::Deserialize;
use serde_json::{Value, json};

use super::domains::{find, read};
use super::{Api, ApiError, UPLOAD_BYTES};
use crate::plugins::BindRequest;

pub(super) async fn installed(State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    let installed = api.site.plugins.installed();
    serde_json::to_value(installed)
        .map(Json)
        .map_err(|error| ApiError::unavailable(error.to_string()))
}

pub(super) async fn install(
    State(api): State<Api>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    let bytes = bytes.map_err(|rejection| {
        let limit = UPLOAD_BYTES >> 20;
        ApiError::new(
            rejection.status(),
            format!("this plugin cannot be taken: {rejection}; the limit is {limit} MiB"),
        )
    })?;
    let component = api.site.plugins.install(bytes).await?;
    let (name, version) = (&component.name, &component.version);
    let asks = if component.asks.is_empty() {
        "nothing".to_owned()
    } else {
        component.asks.join(", ")
    };
    Ok(Json(json!({
        "message": format!("Installed {name}@{version}, which asks for {asks}. Next: postroom plugin bind DOMAIN {name}"),
        "name": name, "version": version, "digest": component.digest, "inert": component.inert,
    })))
}

pub(super) async fn chain(
    State(api): State<Api>,
    Path(domain): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let tenant = find(&api, &domain).await?.tenant();
    let running = api.site.plugins.runtime().pin(tenant);
    let wishes = api.site.plugins.wishes(tenant)?;
    let same = running
        .spec()
        .bindings
        .iter()
        .all(|spec| wishes.contains(spec))
        && running.spec().bindings.len() == wishes.len();
    let open = running.open_circuits();
    let running_row = |spec: &BindingSpec| {
        let circuit = open.iter().find(|circuit| circuit.binding == spec.id);
        let mut row = row(spec);
        row["circuit"] = circuit.map_or(Value::Null, |circuit| describe(circuit).into());
        row
    };
    let bindings = &running.spec().bindings;
    Ok(Json(json!({
        "generation": running.generation(),
        "running": bindings.iter().map(running_row).collect::<Vec<_>>(),
        "waiting for deploy": if same { Vec::new() } else { wishes.iter().map(row).collect() },
    })))
}

pub(super) async fn bind(
    State(api): State<Api>,
    Extension(by): Extension<Principal>,
    Path(domain): Path<String>,
    Json(request): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let domain = find(&api, &domain).await?;
    let request: BindRequest = read(request)?;
    let binding = api.site.plugins.bind(by, domain.tenant(), request).await?;
    Ok(Json(json!({
        "message": format!(
            "Bound {}@{} to {}. Next: postroom plugin deploy {}",
            binding.plugin, binding.version, domain.name, domain.name
        )
    })))
}

pub(super) async fn unbind(
    State(api): State<Api>,
    Extension(by): Extension<Principal>,
    Path((domain, plugin)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let domain = find(&api, &domain).await?;
    api.site
        .plugins
        .unbind(by, domain.tenant(), &plugin)
        .await?;
    let name = &domain.name;
    Ok(Json(
        json!({ "message": format!("Took {plugin} off {name}. Next: postroom plugin deploy {name}") }),
    ))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Deploy {
    plugin: Option<String>,
}

pub(super) async fn deploy(
    State(api): State<Api>,
    Extension(by): Extension<Principal>,
    Path(domain): Path<String>,
    Json(request): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let domain = find(&api, &domain).await?;
    let request: Deploy = read(request)?;
    let generation = api
        .site
        .plugins
        .deploy(by, domain.tenant(), request.plugin)
        .await?;
    Ok(Json(json!({
        "message": format!("{} runs generation {generation}; every new transaction sees it", domain.name),
        "generation": generation,
    })))
}

pub(super) async fn rollback(
    State(api): State<Api>,
    Extension(by): Extension<Principal>,
    Path(domain): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let domain = find(&api, &domain).await?;
    let generation = api.site.plugins.rollback(by, domain.tenant()).await?;
    Ok(Json(json!({
        "message": format!("{} is back at the chain before, as generation {generation}", domain.name),
        "generation": generation,
    })))
}

/// Why a plugin is not called for now.
fn describe(circuit: &OpenCircuit) -> String {
    format!(
        "open: {} failures, the last: {}; tried again in {} s",
        circuit.failures, circuit.last, circuit.retry_seconds
    )
}

fn row(spec: &BindingSpec) -> Value {
    json!({
        "plugin": format!("{}@{}", spec.plugin, spec.version), "order": spec.order,
        "grants": spec.grants.words(), "on_failure": spec.on_failure,
    })
}
