//! `/v1/plugins`, `/v1/domains/DOMAIN/plugins`

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use mail::{Principal, Tenant};
use plugin::{BindingSpec, Grants, OpenCircuit};
use serde::Deserialize;
use serde_json::{Value, json};

use super::domains::read;
use super::{Api, ApiError, Caller, Reach, UPLOAD_BYTES};
use crate::plugins::{BindRequest, Component};

/// Of whose plugins a call is.
#[derive(Deserialize)]
pub(super) struct Of {
    domain: Option<String>,
}

/// Those of one domain; without one, those for all domains, and to an administrator those of
/// every domain that is administered.
pub(super) async fn installed(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Query(of): Query<Of>,
) -> Result<Json<Value>, ApiError> {
    let reached = match &of.domain {
        Some(domain) => vec![caller.administer_named(&api, domain).await?],
        None if caller.is_site() => Vec::new(),
        None => administered(&api, &caller).await?,
    };
    let mut rows = Vec::new();
    for (component, _) in api.site.plugins.installed(Tenant::HOST)? {
        rows.push(shown(&component, "all")?);
    }
    for reach in reached {
        for (component, is_own) in api.site.plugins.installed(reach.tenant())? {
            if is_own {
                rows.push(shown(&component, reach.domain.name.as_str())?);
            }
        }
    }
    Ok(Json(rows.into()))
}

pub(super) async fn install(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Query(of): Query<Of>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    let bytes = bytes.map_err(|rejection| {
        let limit = UPLOAD_BYTES >> 20;
        ApiError::new(
            rejection.status(),
            format!("this plugin cannot be taken: {rejection}; the limit is {limit} MiB"),
        )
    })?;
    let reach = match &of.domain {
        Some(domain) => Some(caller.administer_named(&api, domain).await?),
        None if caller.is_site() => None,
        None => Some(only(administered(&api, &caller).await?)?),
    };
    let (by, tenant) = match &reach {
        Some(reach) => (reach.by, reach.tenant()),
        None => (Principal::Site, Tenant::HOST),
    };
    let most = api.site.settings().config.limits.plugins_per_domain;
    let installed = api.site.plugins.install(by, tenant, bytes, most);
    let component = installed.await?;
    let (name, version) = (&component.name, &component.version);
    let asks = if component.asks.is_empty() {
        "nothing".to_owned()
    } else {
        component.asks.join(", ")
    };
    let domain = reach.map_or_else(
        || "DOMAIN".to_owned(),
        |reach| reach.domain.name.to_string(),
    );
    Ok(Json(json!({
        "message": format!("Installed {name}@{version}, which asks for {asks}. Next: postroom plugin bind {domain} {name}"),
        "name": name, "version": version, "digest": component.digest, "inert": component.inert,
    })))
}

pub(super) async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(plugin): Path<String>,
    Query(of): Query<Of>,
) -> Result<Json<Value>, ApiError> {
    let reach = match &of.domain {
        Some(domain) => Some(caller.administer_named(&api, domain).await?),
        None if caller.is_site() => None,
        None => Some(only(administered(&api, &caller).await?)?),
    };
    let (by, tenant) = match &reach {
        Some(reach) => (reach.by, reach.tenant()),
        None => (Principal::Site, Tenant::HOST),
    };
    let domains = api.site.directory.domains().await?;
    let all: Vec<_> = domains
        .iter()
        .map(|domain| (domain.tenant(), domain.name.to_string()))
        .collect();
    let removed = api
        .site
        .plugins
        .uninstall(by, tenant, &plugin, &all)
        .await?;
    let (name, version) = (&removed.name, &removed.version);
    Ok(Json(
        json!({ "message": format!("Removed {name}@{version}"), "digest": removed.digest }),
    ))
}

/// The domains of an administrator; who has none has no business here.
async fn administered(api: &Api, caller: &Caller) -> Result<Vec<Reach>, ApiError> {
    let reached = caller.domains(api).await?;
    if reached.is_empty() {
        return Err(ApiError::denied(
            "only an administrator of a domain may do this",
        ));
    }
    Ok(reached)
}

/// What administrators of domains may grant now.
fn ceiling(api: &Api) -> Result<Grants, ApiError> {
    let grants = api.site.settings().config.administrator_grants();
    grants.map_err(|error| ApiError::unavailable(format!("{error:#}")))
}

fn only(reached: Vec<Reach>) -> Result<Reach, ApiError> {
    let names: Vec<_> = reached
        .iter()
        .map(|reach| reach.domain.name.to_string())
        .collect();
    let mut reached = reached.into_iter();
    match (reached.next(), reached.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(ApiError::invalid(format!(
            "say for which domain it is, with --domain: {}",
            names.join(", ")
        ))),
    }
}

fn shown(component: &Component, of: &str) -> Result<Value, ApiError> {
    let mut row = serde_json::to_value(component)
        .map_err(|error| ApiError::unavailable(error.to_string()))?;
    if let Some(fields) = row.as_object_mut() {
        fields.insert("for".to_owned(), of.into());
    }
    Ok(row)
}

pub(super) async fn chain(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(domain): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let tenant = caller.administer_named(&api, &domain).await?.tenant();
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
    Extension(caller): Extension<Caller>,
    Path(domain): Path<String>,
    Json(request): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let Reach { domain, by } = caller.administer_named(&api, &domain).await?;
    let request: BindRequest = read(request)?;
    let ceiling = ceiling(&api)?;
    let bound = api
        .site
        .plugins
        .bind(by, domain.tenant(), request, &ceiling);
    let binding = bound.await?;
    Ok(Json(json!({
        "message": format!(
            "Bound {}@{} to {}. Next: postroom plugin deploy {}",
            binding.plugin, binding.version, domain.name, domain.name
        )
    })))
}

pub(super) async fn unbind(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((domain, plugin)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let Reach { domain, by } = caller.administer_named(&api, &domain).await?;
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
    Extension(caller): Extension<Caller>,
    Path(domain): Path<String>,
    Json(request): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let Reach { domain, by } = caller.administer_named(&api, &domain).await?;
    let request: Deploy = read(request)?;
    let generation = api
        .site
        .plugins
        .deploy(by, domain.tenant(), request.plugin, &ceiling(&api)?)
        .await?;
    Ok(Json(json!({
        "message": format!("{} runs generation {generation}; every new transaction sees it", domain.name),
        "generation": generation,
    })))
}

pub(super) async fn rollback(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(domain): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let Reach { domain, by } = caller.administer_named(&api, &domain).await?;
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
