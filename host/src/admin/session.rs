//! `/v1/login`, `/v1/logout`

use axum::extract::State;
use axum::{Extension, Json};
use mail::{Secret, Service, Transport};
use serde::Deserialize;
use serde_json::{Value, json};

use super::caller::Signed;
use super::domains::read;
use super::tokens::Lifetime;
use super::{Api, ApiError, Caller};
use crate::listen::{SignIn, SignedIn};
use crate::site;

/// The one path that needs no token.
pub(super) const LOGIN: &str = "/v1/login";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    login: String,
    password: String,
}

/// The login way of the directory, for the service `http`; throttled and counted as everywhere.
pub(super) async fn login(
    State(api): State<Api>,
    transport: Option<Extension<Transport>>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let Some(Extension(transport)) = transport else {
        return Err(no_need());
    };
    let Credentials { login, password } = read(body)?;
    let password = Secret::new(password);
    let sign_in = SignIn {
        service: Service::Http,
        login: &login,
        password: &password,
        transport: &transport,
    };
    let signed_in = match sign_in.run(&api.site).await {
        SignedIn::In(signed_in) => signed_in,
        SignedIn::Refused => {
            return Err(ApiError::unauthorized(
                "login name or password is wrong, or signing in is not allowed here: an administrator of the domain sees why by `postroom explain --login NAME --service http`",
            ));
        }
        SignedIn::Unavailable => {
            return Err(ApiError::unavailable(
                "signing in is not possible for the moment: try again in a minute",
            ));
        }
    };
    let (token, expires) = api
        .tokens
        .issue(&login, &signed_in, lifetime(&api), site::now())
        .map_err(|_| ApiError::unavailable("the system gives no random bytes; try again"))?;
    let caller = Caller::Person(std::sync::Arc::new(Signed {
        login,
        domain: signed_in.domain,
        person: signed_in.person,
    }));
    tracing::info!(target: "audit", by = caller.name(), peer = %transport.peer, "signed in");
    let mut answer = about(&api, &caller).await?;
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("token".to_owned(), token.expose_secret().as_str().into());
        fields.insert("expires".to_owned(), expires.to_string().into());
    }
    Ok(Json(answer))
}

/// Ends the token that the call came with.
pub(super) async fn logout(
    State(api): State<Api>,
    token: Option<Extension<Secret<String>>>,
) -> Result<Json<Value>, ApiError> {
    let Some(Extension(token)) = token else {
        return Err(no_need());
    };
    api.tokens.end(token.expose_secret());
    Ok(Json(json!({ "message": "Signed out" })))
}

/// Who the caller is, as it is told.
pub(super) async fn about(api: &Api, caller: &Caller) -> Result<Value, ApiError> {
    let domains = caller.domains(api).await?;
    let role = match caller {
        Caller::Operator => "operator",
        Caller::Person(_) if caller.is_site() => "operator",
        Caller::Person(_) if domains.is_empty() => "person",
        Caller::Person(_) => "administrator",
    };
    let names: Vec<_> = if caller.is_site() {
        Vec::new()
    } else {
        domains.iter().map(|reach| &reach.domain.name).collect()
    };
    Ok(json!({ "you": caller.name(), "role": role, "domains": names }))
}

/// The bounds of tokens now.
pub(super) fn lifetime(api: &Api) -> Lifetime {
    let limits = &api.site.settings().config.limits;
    Lifetime {
        seconds: limits.token_seconds,
        idle_seconds: limits.token_idle_seconds,
    }
}

fn no_need() -> ApiError {
    ApiError::conflict("this socket needs no login: who may open it is the operator")
}
