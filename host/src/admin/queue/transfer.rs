//! `/v1/queue/export` and `/v1/queue/import`: messages of the queue as files.
//!
//! Exporting changes nothing; whoever moves a message holds the entry first and removes it when
//! the file is safe. Importing a file again queues nothing again: each entry leaves a mark in the
//! commit that queues it, by its name on the server that had it, for [`REMEMBERED_DAYS`].

use axum::Extension;
use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use mail::{Access, Domain, Envelope, Tenant};
use routing::Owner as OptionOwner;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{
    Accept, Action, Effect, Part, QueueId, QueueRow, Quota, Recipient, Resumed, Source, TraceKey,
    TraceLine, Traced, Work,
};

use super::super::{Api, ApiError, Caller};
use super::{SITE, find};
use crate::intake::{OptionWork, STAGE_DELIVER, STAGE_ROUTE, internal, trace};
use crate::queue_file::{Entry, FiledWork, HEAD_BYTES, Malformed, Owner, QueueFile};
use crate::site;

/// How long it is remembered what was imported. A queued message lives for some days.
const REMEMBERED_DAYS: i64 = 60;
/// In whose table that stands: no plugin has a blank in its name.
const MARKS: &str = "queue import";

/// The field of an answer that names what is in the file.
const ENTRIES: &str = "postroom-entries";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Export {
    /// The file has the first of these, and those of the others that share its copy.
    entries: Vec<String>,
    /// Held for the export alone: the file says that they wait.
    #[serde(default)]
    held: Vec<String>,
}

pub(in super::super) async fn export(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<Export>,
) -> Result<Response, ApiError> {
    let mut rows = Vec::new();
    for id in &request.entries {
        rows.push(find(&api, &caller, id).await?.1);
    }
    // It is mail, which administrators do not read.
    caller.operate("export what is queued")?;
    let Some(first) = rows.first().cloned() else {
        return Err(ApiError::invalid("name an entry to export"));
    };
    let copy = |row: &QueueRow| (row.domain, row.envelope.id, row.content);
    rows.retain(|row| copy(row) == copy(&first));
    let mut entries = Vec::new();
    for row in &rows {
        let is_held = request.held.iter().any(|id| *id == row.id.to_string());
        entries.push(entry(&api, row, is_held).await?);
    }
    let content = api.site.store.content(&SITE, Source::Queue(first.id))?;
    let read = tokio::task::spawn_blocking(move || content.read_all()).await;
    let message = read.map_err(|_| ApiError::unavailable("the message cannot be read"))??;
    let file = file_of(&api, &first, entries, message);
    note(&api, &caller, &rows).await?;
    let names: Vec<_> = rows.iter().map(|row| row.id.to_string()).collect();
    let headers = [
        (
            header::CONTENT_TYPE.as_str(),
            "application/octet-stream".to_owned(),
        ),
        (ENTRIES, names.join(",")),
    ];
    Ok((headers, file.write()).into_response())
}

fn file_of(api: &Api, row: &QueueRow, entries: Vec<Entry>, message: Vec<u8>) -> QueueFile {
    let envelope = &row.envelope;
    let domain = api.site.directory.known_domain(row.domain);
    QueueFile {
        origin: api.site.hostname.to_string(),
        envelope: envelope.id.to_string(),
        domain: domain.map(|domain| domain.name.to_string()),
        from: envelope.reverse_path.clone(),
        received: envelope.received,
        direction: envelope.direction,
        body: envelope.body,
        utf8: row.utf8,
        envid: envelope.envid.clone(),
        peer: envelope.peer,
        helo: envelope.helo.clone(),
        encrypted: envelope.encrypted,
        entries,
        message,
    }
}

async fn entry(api: &Api, row: &QueueRow, is_held: bool) -> Result<Entry, ApiError> {
    let id = row.id;
    if row.started.is_some() {
        return Err(ApiError::conflict(format!(
            "{id} has an attempt that may have acted: let it be settled first (`postroom queue retry {id}`)"
        )));
    }
    let reason = match row.state {
        store::QueueState::Parked(reason) if !is_held => Some(reason),
        _ => None,
    };
    Ok(Entry {
        to: row.address.clone(),
        id: id.to_string(),
        original: row.original.clone(),
        work: filed_work(api, row).await?,
        parked: reason.map(|reason| (reason, row.parked.clone().unwrap_or_default())),
        due: if is_held { site::now() } else { row.due },
        expires: row.expires,
        created: row.created,
        attempts: row.attempts,
        last: row.last.clone(),
        delay_told: row.delay_told,
    })
}

async fn filed_work(api: &Api, row: &QueueRow) -> Result<FiledWork, ApiError> {
    let unknown = || {
        let text = format!("{}: what it waits for cannot be written down", row.id);
        ApiError::conflict(text)
    };
    let (stage, context) = match &row.work {
        Work::Remote { channel, next_hop } => {
            return Ok(FiledWork::Channel {
                channel: channel.clone(),
                next_hop: next_hop.clone(),
            });
        }
        Work::Process { stage, context } => (stage, context),
    };
    if stage == STAGE_ROUTE {
        let context = String::from_utf8(context.clone()).map_err(|_| unknown())?;
        return Ok(FiledWork::Route { context });
    }
    if !stage.starts_with(STAGE_DELIVER) {
        return Err(unknown());
    }
    let work: OptionWork = serde_json::from_slice(context).map_err(|_| unknown())?;
    let domain = api.site.directory.domain_by_id(row.domain).await?;
    let tenant = domain.tenant();
    let owner = match work.owner {
        OptionOwner::Person(id) => {
            Owner::Person(api.site.directory.person(tenant, id).await?.mail.clone())
        }
        OptionOwner::Group(id) => {
            Owner::Group(api.site.directory.group(tenant, id).await?.mail.clone())
        }
    };
    let notes = serde_json::to_string(&work.notes).map_err(|_| unknown())?;
    Ok(FiledWork::Option {
        option: work.option,
        owner,
        notes,
    })
}

/// In the trace stands who took a copy.
async fn note(api: &Api, caller: &Caller, rows: &[QueueRow]) -> Result<(), ApiError> {
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let mut traced = Traced::new(first.envelope.id);
    traced.lines = rows
        .iter()
        .map(|row| TraceLine {
            at: site::now(),
            recipient: Some(row.recipient),
            step: "queue.export".to_owned(),
            text: format!("{} by {}", row.id, caller.name()),
        })
        .collect();
    let access = match api.site.directory.known_domain(first.domain) {
        Some(domain) => Access::system(domain.tenant()),
        None => SITE,
    };
    let effects = vec![Effect::Trace(Box::new(traced))];
    let operation = api.site.store.operation_id();
    Ok(api.site.store.commit(&access, operation, effects).await?)
}

pub(in super::super) async fn import(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    caller.operate("import into the queue")?;
    let bytes = body_of(&api, request.into_body()).await?;
    let file = QueueFile::read(&bytes).map_err(malformed)?;
    let access = home(&api, &file).await?;
    let (mut done, mut queued) = (Vec::new(), Vec::new());
    for entry in &file.entries {
        match is_here(&api, &access, &file, entry)? {
            Some(why) => done.push(format!("{}: {why}", entry.id)),
            None => queued.push(entry),
        }
    }
    let names: Vec<_> = queued.iter().map(|entry| entry.id.clone()).collect();
    if queued.is_empty() {
        let text = format!("{} of {} is queued already", file.envelope, file.origin);
        return Ok(Json(json!({ "message": text, "skipped": done })));
    }
    let accept = accept(&api, &caller, &access, &file, &queued).await?;
    let id = accept.envelope.id.to_string();
    match api.site.store.accept(accept).await {
        Ok(accepted) => {
            let entries = accepted.queued.iter().map(|queued| queued.id.to_string());
            let entries: Vec<_> = entries.collect();
            let text = format!("{} of {} is queued as {id}", file.envelope, file.origin);
            Ok(Json(json!({
                "message": text, "id": id, "entries": entries, "from": names, "skipped": done,
            })))
        }
        Err(store::Error::Conflict) => Err(ApiError::conflict(
            "somebody imports the same file at this moment: import it again to see",
        )),
        Err(error) => Err(error.into()),
    }
}

fn malformed(error: Malformed) -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        format!("this is no file of `postroom queue export`: {error}"),
    )
}

async fn body_of(api: &Api, body: Body) -> Result<Vec<u8>, ApiError> {
    let most = most_bytes(api);
    let bytes = axum::body::to_bytes(body, most).await;
    let bytes = bytes.map_err(|_| {
        let text = format!("a file may have {most} bytes: `limits.message_bytes`, and some more");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    })?;
    Ok(bytes.into())
}

/// The largest file: a message, and what stands in front of it.
pub(in super::super) fn most_bytes(api: &Api) -> usize {
    let message = api.site.settings().config.limits.message_bytes;
    usize::try_from(message)
        .unwrap_or(usize::MAX)
        .saturating_add(HEAD_BYTES)
}

/// Where the entries belong.
async fn home(api: &Api, file: &QueueFile) -> Result<Access, ApiError> {
    let Some(name) = &file.domain else {
        return Ok(Access::system(Tenant::HOST));
    };
    let parsed = Domain::parse(name);
    let parsed = parsed.map_err(|error| ApiError::invalid(format!("domain {name}: {error}")))?;
    let domain = api.site.directory.domain(&parsed).await?;
    Ok(Access::system(domain.tenant()))
}

/// Why an entry is not queued again.
fn is_here(
    api: &Api,
    access: &Access,
    file: &QueueFile,
    entry: &Entry,
) -> Result<Option<&'static str>, ApiError> {
    let store = &api.site.store;
    if store.kv(access, MARKS, &mark(file, entry))?.is_some() {
        return Ok(Some("it was imported before"));
    }
    let Ok(id) = entry.id.parse::<QueueId>() else {
        return Ok(None);
    };
    match store.queue_row(&SITE, id) {
        Ok(row)
            if row.envelope.id.to_string() == file.envelope
                && row.address == entry.to
                && row.created == entry.created
                && row.envelope.reverse_path == file.from =>
        {
            Ok(Some("it never left this queue"))
        }
        Ok(_) | Err(store::Error::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The name of an entry over all servers and times.
fn mark(file: &QueueFile, entry: &Entry) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    let created = entry.created.0.to_string();
    for part in [&file.origin, &file.envelope, &entry.id, &created] {
        hasher.update(part.as_bytes());
        hasher.update(b"\0");
    }
    hasher.finalize().as_bytes().to_vec()
}

async fn accept(
    api: &Api,
    caller: &Caller,
    access: &Access,
    file: &QueueFile,
    entries: &[&Entry],
) -> Result<Accept, ApiError> {
    let store = &api.site.store;
    let body = internal::body_of(&api.site, &file.message).await?;
    let id = store.envelope_id();
    let mut part = Part {
        access: *access,
        pieces: vec![body.piece()],
        thread: None,
        trace: Vec::new(),
        recipients: Vec::new(),
        effects: vec![Effect::Trace(Box::new(Traced {
            found_by: trace::message_id(&file.message)
                .into_iter()
                .map(TraceKey::MessageId)
                .collect(),
            ..Traced::new(id)
        }))],
        domain_quota: Quota::NONE,
    };
    let until = site::now().plus_seconds(REMEMBERED_DAYS * 24 * 3600);
    for entry in entries {
        let recipient = store.recipient_id();
        let at = site::now();
        let who = trace::recipient(recipient, &entry.to, &entry.original, at);
        part.trace.push(who);
        part.trace.push(TraceLine {
            at,
            recipient: Some(recipient),
            step: "queue.import".to_owned(),
            text: format!(
                "by {}; it was {} of {} at {}",
                caller.name(),
                entry.id,
                file.envelope,
                file.origin
            ),
        });
        part.effects.push(Effect::KvCompareAndSet {
            plugin: MARKS.to_owned(),
            key: mark(file, entry),
            expected: None,
            value: Some(id.to_string().into_bytes()),
            expires: Some(until),
        });
        let resumed = Resumed {
            work: work(api, access, entry).await?,
            parked: entry.parked.clone(),
            due: entry.due,
            expires: entry.expires,
            created: entry.created,
            attempts: entry.attempts,
            last: entry.last.clone(),
            delay_told: entry.delay_told,
        };
        part.recipients.push(Recipient {
            id: recipient,
            original: entry.original.clone(),
            address: entry.to.clone(),
            prefix: Vec::new(),
            actions: vec![Action::Resumed(Box::new(resumed))],
        });
    }
    Ok(Accept {
        operation: store.operation_id(),
        envelope: Envelope {
            id,
            reverse_path: file.from.clone(),
            direction: file.direction,
            authenticated: None,
            peer: file.peer,
            helo: file.helo.clone(),
            encrypted: file.encrypted,
            received: file.received,
            body: file.body,
            utf8: file.utf8,
            envid: file.envid.clone(),
        },
        parts: vec![part],
    })
}

async fn work(api: &Api, access: &Access, entry: &Entry) -> Result<Work, ApiError> {
    let (option, owner, notes) = match &entry.work {
        FiledWork::Channel { channel, next_hop } => {
            return Ok(Work::Remote {
                channel: channel.clone(),
                next_hop: next_hop.clone(),
            });
        }
        FiledWork::Route { context } => {
            return Ok(Work::Process {
                stage: STAGE_ROUTE.to_owned(),
                context: context.clone().into_bytes(),
            });
        }
        FiledWork::Option {
            option,
            owner,
            notes,
        } => (option, owner, notes),
    };
    let directory = &api.site.directory;
    let owner = match owner {
        Owner::Person(address) => {
            let person = directory.person_by_address(access.tenant, address).await?;
            OptionOwner::Person(person.id)
        }
        Owner::Group(address) => {
            let group = directory.groups(access.tenant).await?;
            let group = group.iter().find(|group| group.mail.key() == address.key());
            let group = group.ok_or_else(|| ApiError::not_found(format!("group {address}")))?;
            OptionOwner::Group(group.id)
        }
    };
    let notes = serde_json::from_str(notes).map_err(|error| {
        let text = format!("{}: what plugins left is no JSON: {error}", entry.id);
        ApiError::invalid(text)
    })?;
    let work = OptionWork {
        owner,
        option: option.clone(),
        notes,
    };
    // A struct of strings and numbers always has a JSON form.
    let context = serde_json::to_vec(&work).unwrap_or_default();
    Ok(Work::Process {
        stage: format!("{STAGE_DELIVER}{option}"),
        context,
    })
}
