//! The API for people from afar: HTTP/1.1 over TLS, with a token.
//!
//! The `net` crate admits the connection and puts TLS on it; here each request gets its time and
//! its size, and its caller. Nothing of a body is read before the caller is known, a login aside.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::handler::Handler as _;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, any_service};
use directory::LoginOutcome;
use http_body_util::BodyExt as _;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use mail::{Secret, Service, Transport, limits};
use net::Connection;

use super::caller::Signed;
use super::session::{self, lifetime};
use super::{Api, ApiError, Caller, error, queue, router};
use crate::listen::SignIn;
use crate::site;

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// For the head of a request, also of the next one.
    head: Duration,
    /// Between two pieces of a body.
    body_pause: Duration,
    /// For all requests of a connection.
    connection: Duration,
}

/// The API with its admission.
#[derive(Clone)]
pub(crate) struct Front {
    app: MethodRouter,
    pace: Pace,
}

impl Front {
    pub(crate) fn new(api: Api) -> Self {
        let pace = Pace {
            head: limits::HTTP_HEAD_TIME,
            body_pause: limits::HTTP_BODY_PAUSE,
            connection: limits::HTTP_CONNECTION_TIME,
        };
        Self::with_pace(api, pace)
    }

    fn with_pace(api: Api, pace: Pace) -> Self {
        let app = router(api.clone())
            .layer(from_fn_with_state((api, pace), admit))
            .layer(from_fn(error::shape));
        let app = any_service(app);
        Self { app, pace }
    }
}

/// Serves one connection until it ends, or until the server stops and its request is answered.
pub(crate) async fn attend(front: Front, connection: Connection) {
    let Connection {
        stream,
        transport,
        mut shutdown,
    } = connection;
    let pace = front.pace;
    let service = hyper::service::service_fn(move |request: hyper::Request<_>| {
        let (front, transport) = (front.clone(), transport.clone());
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(transport);
            Ok::<_, Infallible>(front.app.call(request, ()).await)
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(pace.head)
        .max_buf_size(limits::HTTP_HEAD)
        .max_headers(limits::HTTP_FIELDS);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = served.as_mut() => return report(ended),
        () = shutdown.requested() => {}
        () = tokio::time::sleep(pace.connection) => {}
    }
    // The request under way is answered; the listener's grace bounds the wait when the server
    // stops, and this bounds it otherwise.
    served.as_mut().graceful_shutdown();
    if let Ok(ended) = tokio::time::timeout(Duration::from_secs(60), served).await {
        report(ended);
    }
}

fn report(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection of the API broke");
    }
}

/// Finds out who calls, then takes the body.
async fn admit(
    State((api, pace)): State<(Api, Pace)>,
    Extension(transport): Extension<Transport>,
    request: Request,
    next: Next,
) -> Response {
    match admitted(&api, pace, &transport, request).await {
        Ok(request) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

async fn admitted(
    api: &Api,
    pace: Pace,
    transport: &Transport,
    mut request: Request,
) -> Result<Request, ApiError> {
    let (method, path) = (request.method(), request.uri().path());
    let most = if (method, path) == (&Method::POST, session::LOGIN) {
        limits::HTTP_LOGIN_BODY
    } else {
        let most = match (method, path) {
            (&Method::POST, "/v1/plugins") => limits::HTTP_UPLOAD,
            (&Method::POST, "/v1/queue/import") => queue::transfer::most_bytes(api),
            _ => limits::HTTP_BODY,
        };
        let token = bearer(request.headers())?;
        let signed = known(api, transport, token.expose_secret()).await?;
        request.extensions_mut().insert(token);
        request
            .extensions_mut()
            .insert(Caller::Person(Arc::new(signed)));
        most
    };
    let (parts, body) = request.into_parts();
    let body = collect(body, most, pace.body_pause).await?;
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// The token of `Authorization: Bearer TOKEN` (RFC 6750 §2.1).
fn bearer(headers: &HeaderMap) -> Result<Secret<String>, ApiError> {
    let missing = || {
        ApiError::unauthorized(
            "sign in first: POST /v1/login gives a token; on the command line it is `postroom login`",
        )
    };
    let value = headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(missing());
    }
    Ok(Secret::new(token.trim().to_owned()))
}

/// Whose token it is, if that person could sign in now, with the same password.
async fn known(api: &Api, transport: &Transport, token: &str) -> Result<Signed, ApiError> {
    let ended = || {
        ApiError::unauthorized(
            "this token is not in force any more: sign in again; on the command line with `postroom login`",
        )
    };
    let row = api
        .tokens
        .find(token, lifetime(api), site::now())
        .ok_or_else(ended)?;
    let sign_in = SignIn {
        service: Service::Http,
        login: &row.login,
        password: &Secret::new(String::new()),
        transport,
    };
    match sign_in.try_out(&api.site).await.outcome {
        LoginOutcome::Accepted(login)
            if login.tenant == row.tenant
                && login.person.id == row.person
                && login.person.password_hashes == row.hashes =>
        {
            Ok(Signed {
                login: row.login,
                domain: login.domain,
                person: login.person,
            })
        }
        LoginOutcome::Unavailable(cause) => Err(ApiError::unavailable(format!(
            "who you are cannot be checked now: {cause}; try again in a minute"
        ))),
        _ => {
            api.tokens.end(token);
            Err(ended())
        }
    }
}

/// A whole body, from a peer that may be slow and may say too much.
async fn collect(mut body: Body, most: usize, pause: Duration) -> Result<Bytes, ApiError> {
    let mut bytes = Vec::new();
    loop {
        let frame = tokio::time::timeout(pause, body.frame()).await;
        let frame = frame.map_err(|_| {
            ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "the body of the request did not come in time",
            )
        })?;
        let Some(frame) = frame else {
            return Ok(bytes.into());
        };
        let frame = frame.map_err(|_| {
            ApiError::new(StatusCode::BAD_REQUEST, "the body of the request broke off")
        })?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > most {
                return Err(ApiError::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("the body of this request may have {most} bytes"),
                ));
            }
            bytes.extend_from_slice(&data);
        }
    }
}

#[cfg(test)]
mod tests;
