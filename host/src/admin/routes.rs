//! Every route of the API, in one table: the router, `docs/api.md` and the tests of who may do
//! what are made from it.
//!
//! Names in braces stand for objects: `{domain}`, `{person}`, `{group}`, `{alias}`, `{plugin}`,
//! `{entry}` (of the queue), `{login}`. They are written the same way in paths, queries and
//! bodies.

use axum::routing::{MethodRouter, delete, get, patch, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{
    Api, aliases, domains, explain, groups, plugins, queue, session, status, trace, trail, upkeep,
    users,
};

/// Who may make a call, about objects within reach: see [`super::caller`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Who has no token yet.
    Anybody,
    /// Everybody who signed in; a person about itself.
    Person,
    /// An administrator of the domain.
    Administrator,
    /// The operator.
    Site,
}

/// One route.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// A query with examples, without `?`; empty where there is none.
    pub(super) query: &'static str,
    /// A body with examples; empty where there is none.
    pub(super) body: &'static str,
    pub(super) role: Role,
    /// What it does, and its command.
    pub(super) about: &'static str,
    pub(super) handler: fn() -> MethodRouter<Api>,
}

/// The body of an upload.
pub(super) const COMPONENT: &str = "(the bytes of the component)";

/// The body of an import.
pub(super) const FILE: &str = "(the bytes of the file)";

macro_rules! routes {
    ($($role:ident $method:ident $path:literal $(? $query:literal)? $(= $body:expr)? => $handler:path, $about:literal;)*) => {
        /// The table.
        pub(super) const ROUTES: &[Route] = &[$(Route {
            method: method_name(stringify!($method)),
            path: $path,
            query: concat!($($query)?),
            body: text(&[$($body)?]),
            role: Role::$role,
            about: $about,
            handler: || $method($handler),
        },)*];
    };
}

const fn text(given: &[&'static str]) -> &'static str {
    match given {
        [text] => text,
        _ => "",
    }
}

const fn method_name(function: &str) -> &'static str {
    match function.as_bytes() {
        b"get" => "GET",
        b"post" => "POST",
        b"patch" => "PATCH",
        _ => "DELETE",
    }
}

routes! {
    Anybody post "/v1/login" = r#"{"login": "{person}", "password": "…"}"# => session::login,
        "Signs in and gives a token, for `Authorization: Bearer TOKEN`. `postroom login`";
    Person post "/v1/logout" => session::logout,
        "Ends the token it is called with. `postroom logout`";
    Person get "/v1" => list,
        "This table.";
    Person get "/v1/status" => status::show,
        "Version and name, and who one is; for the operator also listeners and disk. `postroom status`";
    Site post "/v1/stop" => status::stop,
        "Stops the server after open sessions have ended. `postroom stop`";

    Person get "/v1/domains" => domains::list,
        "The domains that one administers. `postroom domain list`";
    Site post "/v1/domains" = r#"{"name": "{domain}", "administrators": ["{person}"]}"# => domains::add,
        "Adds a domain; beside `name`, every attribute of `PATCH`. `postroom domain add`";
    Administrator get "/v1/domains/{domain}" => domains::show,
        "One domain with all attributes, and what to publish in the DNS. `postroom domain show`";
    Administrator patch "/v1/domains/{domain}" = r#"{"catch_all": "{person}", "postmaster": null}"# => domains::set,
        "Changes attributes; `null` takes one away. Administrators set `administrators`, `postmaster` and `catch_all`, the operator all. `postroom domain set`";
    Site delete "/v1/domains/{domain}" => domains::remove,
        "Sets the domain to `deleted`: its mail is refused, nothing is erased. `postroom domain remove`";
    Site post "/v1/domains/{domain}/purge" = "{}" => domains::purge,
        "Erases a deleted domain: the mail of everybody, the queue, and the keys without which no backup of these can be read; what went out was encrypted with the host's key. `postroom domain purge`";
    Site post "/v1/domains/{domain}/adopt" = r#"{"as_new": false}"# => domains::adopt,
        "Says whose mail a name of an LDAP directory gets that came back as another entry: what it had, or none; of the person or group `only` alone. `postroom domain adopt`";
    Administrator get "/v1/domains/{domain}/audit" ? "limit=20" => trail::show,
        "Who changed or tried to change what, the newest first. `postroom domain audit`";

    Administrator get "/v1/domains/{domain}/users" => users::list,
        "The people of a domain. `postroom user list`";
    Administrator post "/v1/users" = r#"{"mail": "{person}", "delivery_options": ["mailbox"]}"# => users::add,
        "Adds a person. Without `password` one is made and answered, once. `postroom user add`";
    Person get "/v1/users/{person}" => users::show,
        "One person with all attributes and what the mail takes. `postroom user show`";
    Person patch "/v1/users/{person}" = r#"{"delivery_options": ["mailbox", "autoreply"], "autoreply": {"text": "I am away."}}"# => users::set,
        "Changes attributes. People set their own `delivery_options` (mailbox, autoreply, forward), `forwarding_addresses`, `autoreply`, `language` and `name`. `postroom user set`";
    Person post "/v1/users/{person}/password" = r#"{"old": "…", "password": "…"}"# => users::password,
        "Gives a new password, made where none is given. One's own needs the `old` one. Ends every token of the person. `postroom user passwd`";
    Administrator delete "/v1/users/{person}" => users::remove,
        "Removes a person and the mail. `postroom user remove`";
    Administrator post "/v1/users/{person}/erase" = "{}" => users::erase,
        "Removes a person and the mail, and destroys the key without which no backup of the mailboxes can be read; what went through the queue stays readable in old backups with the key of the domain or the host. With `id` (for the operator): somebody who is not in the directory any more. `postroom user erase`";

    Administrator get "/v1/domains/{domain}/groups" => groups::list,
        "The groups of a domain. `postroom group list`";
    Administrator post "/v1/groups" = r#"{"mail": "{group}", "members": ["{person}"]}"# => groups::add,
        "Adds a group. `postroom group add`";
    Administrator get "/v1/groups/{group}" => groups::show,
        "One group. `postroom group show`";
    Administrator patch "/v1/groups/{group}" = r#"{"members": ["{person}"]}"# => groups::set,
        "Changes a group. `postroom group set`";
    Administrator delete "/v1/groups/{group}" => groups::remove,
        "Removes a group. `postroom group remove`";

    Administrator get "/v1/domains/{domain}/aliases" => aliases::list,
        "The aliases of a domain. `postroom alias list`";
    Administrator post "/v1/aliases" = r#"{"address": "{alias}", "targets": ["{person}"]}"# => aliases::add,
        "Adds an alias. `postroom alias add`";
    Administrator delete "/v1/aliases/{alias}" => aliases::remove,
        "Removes an alias. `postroom alias remove`";

    Administrator get "/v1/plugins" ? "domain={domain}" => plugins::installed,
        "The plugins that a domain can bind: those that come with the server, the operator's, its own. `postroom plugin list`";
    Administrator post "/v1/plugins" ? "domain={domain}" = COMPONENT => plugins::install,
        "Checks a component and keeps it, for that domain alone; without `domain` the operator's are for all. `postroom plugin install`";
    Administrator delete "/v1/plugins/{plugin}" ? "domain={domain}" => plugins::remove,
        "Takes away a component that the domain brought, unless one of its chains has it; without `domain`, one of the operator's. `postroom plugin remove`";
    Administrator get "/v1/domains/{domain}/plugins" => plugins::chain,
        "The bindings that run, and those that wait for `deploy`. `postroom plugin list DOMAIN`";
    Administrator post "/v1/domains/{domain}/plugins" = r#"{"plugin": "{plugin}", "order": 50, "config": {}}"# => plugins::bind,
        "Binds a plugin, from the next `deploy` on. `postroom plugin bind`";
    Administrator delete "/v1/domains/{domain}/plugins/{plugin}" => plugins::unbind,
        "Takes a plugin off, from the next `deploy` on. `postroom plugin unbind`";
    Administrator post "/v1/domains/{domain}/plugins/deploy" = "{}" => plugins::deploy,
        "Makes the bindings effective, all at once. With `plugin`, that version is bound first. `postroom plugin deploy`";
    Administrator post "/v1/domains/{domain}/plugins/rollback" => plugins::rollback,
        "Goes back to the chain before. `postroom plugin rollback`";

    Administrator get "/v1/queue" ? "domain={domain}&state=parked" => queue::list,
        "What waits; without `domain`, of every domain that one administers. Filters, all of which must fit: `channel`, `to` and `from` (address or domain), `state` (waiting, working, parked, or why it is parked), `older` (`2h`, `7d`), `message`; `limit` and `after` for pages. `postroom queue list`";
    Administrator post "/v1/queue" = r#"{"do": "retry", "dry_run": true, "filter": {"domain": "{domain}", "older": "2h"}}"# => queue::bulk,
        "Does one thing to every entry that the filters of `GET /v1/queue` mean: `retry`, `hold`, `release` or `remove`; with `dry_run` it only says which. `postroom queue release --state quarantine`";
    Administrator get "/v1/queue/{entry}" => queue::show,
        "One entry with its attempts. `postroom queue show`";
    Administrator post "/v1/queue/{entry}/retry" => queue::retry,
        "Tries an entry now, or with `all` every one within reach. `postroom queue retry`";
    Administrator post "/v1/queue/{entry}/hold" => queue::hold,
        "Keeps an entry aside until it is released. `postroom queue hold`";
    Administrator post "/v1/queue/{entry}/release" => queue::release,
        "Lets an entry that was kept aside go on behind the step that kept it; no plugin is asked again. `postroom queue release`";
    Administrator delete "/v1/queue/{entry}" => queue::remove,
        "Removes an entry for good; nobody is told. `postroom queue remove`";
    Site post "/v1/queue/export" = r#"{"entries": ["{entry}"]}"# => queue::transfer::export,
        "The message of the first entry as a file, with those of the others that share its copy; `Postroom-Entries` names them. Nothing is changed. `postroom queue export`";
    Site post "/v1/queue/import" = FILE => queue::transfer::import,
        "Queues the message of such a file; again, nothing. `postroom queue import`";

    Administrator get "/v1/trace/{entry}" ? "limit=20" => trace::show,
        "What became of a message, a line for each step, for 14 days: by entry, envelope id, Message-ID, or address of sender or recipient. A domain's postmaster may ask too. `postroom trace`";

    Site post "/v1/store/stats" => upkeep::stats,
        "Begins to count what the store has and what it takes on the disk; `GET /v1/store/task` has the answer. `postroom store stats`";
    Site post "/v1/store/check" = r#"{"deep": false}"# => upkeep::check,
        "Begins to compare rows with each other and with the bodies they name, `deep` with every byte; changes nothing. `postroom store check`";
    Site post "/v1/store/compact" => upkeep::compact,
        "Begins to collect what nobody names any more, to the end. `postroom store compact`";
    Site get "/v1/store/task" => upkeep::task,
        "How far the store's task is, and what came out of the last one.";

    Person get "/v1/explain/{person}" ? "from=joe@example.org" => explain::show,
        "What would happen to mail for an address, step by step. `postroom explain`";
    Administrator get "/v1/explain-login/{login}" ? "service=imaps" => explain::login,
        "How far a login would come, the password aside. `postroom explain --login`";
}

impl Role {
    /// As the documentation says it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Anybody => "anybody",
            Self::Person => "person",
            Self::Administrator => "administrator",
            Self::Site => "operator",
        }
    }
}

/// The table, for whoever talks to the API without the documentation at hand.
// Not `async fn`: the table has this function in it, so its type must not depend on the table.
fn list() -> std::future::Ready<Json<Value>> {
    let row = |route: &Route| {
        json!({
            "method": route.method, "path": route.path, "query": route.query, "body": route.body,
            "role": route.role.name(), "about": route.about,
        })
    };
    std::future::ready(Json(ROUTES.iter().map(row).collect()))
}

/// The router of the table.
pub(super) fn router() -> Router<Api> {
    ROUTES.iter().fold(Router::new(), |router, route| {
        router.route(route.path, (route.handler)())
    })
}
