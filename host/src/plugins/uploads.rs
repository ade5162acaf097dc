//! Whose components there are.
//!
//! The list of a domain, and that of the site, is a setting of the store: digests in the order
//! in which they came. The files lie side by side by digest, so two who bring the same bytes
//! share one, and neither learns of the other.

use bytes::Bytes;
use mail::{Access, Principal, Tenant};
use plugin::{BindingSpec, ChainSpec, Digest, Grants};

use super::{Component, Plugins, PoisonError, state};
use crate::admin::ApiError;

/// The setting.
const UPLOADS: &[u8] = b"plugins/uploads";

impl Plugins {
    /// Checks a component, compiles it and keeps it, for one domain or, with [`Tenant::HOST`],
    /// for all. A domain may bring `most`.
    pub(crate) async fn install(
        &self,
        by: Principal,
        tenant: Tenant,
        bytes: Bytes,
        most: usize,
    ) -> Result<Component, ApiError> {
        let digest = Digest::of(&bytes);
        self.check_room(tenant, digest, most)?;
        // Before the lock: while one domain's component is compiled, others deploy.
        let installed =
            self.runtime.install(bytes).await.map_err(|error| {
                ApiError::invalid(format!("this plugin cannot be used: {error}"))
            })?;
        let _changing = self.changing.lock().await;
        self.check_room(tenant, digest, most)?;
        let mut own = self.uploads(tenant)?;
        // What comes again is the newest again.
        own.retain(|digest| *digest != installed.digest);
        own.push(installed.digest);
        self.write(by, tenant, vec![(UPLOADS, state::json(&own)?)])
            .await?;
        Ok(self.know(&installed))
    }

    /// Takes away what was brought: `NAME` (the newest version) or `NAME@VERSION`, of a domain or,
    /// with [`Tenant::HOST`], of the operator. What a chain runs, waits for, or would go back to
    /// stays. `all` are the domains of this server.
    pub(crate) async fn uninstall(
        &self,
        by: Principal,
        tenant: Tenant,
        plugin: &str,
        all: &[(Tenant, String)],
    ) -> Result<Component, ApiError> {
        let _changing = self.changing.lock().await;
        let component = self.brought(tenant, plugin)?;
        let digest = component.digest;
        for (domain, name) in all {
            let is_meant = *domain == tenant
                || (tenant == Tenant::HOST && !self.uploads(*domain)?.contains(&digest));
            if is_meant && let Some(why) = self.use_of(*domain, digest)? {
                return Err(ApiError::conflict(format!(
                    "{}@{} {why} {name}",
                    component.name, component.version
                )));
            }
        }
        let mut own = self.uploads(tenant)?;
        own.retain(|known| *known != digest);
        self.write(by, tenant, vec![(UPLOADS, state::json(&own)?)])
            .await?;
        let mut owners = vec![Tenant::HOST];
        owners.extend(all.iter().map(|(domain, _)| *domain));
        for owner in owners {
            if self.uploads(owner)?.contains(&digest) {
                return Ok(component);
            }
        }
        self.forget(&component);
        Ok(component)
    }

    /// What a domain or the operator brought under this name.
    fn brought(&self, tenant: Tenant, plugin: &str) -> Result<Component, ApiError> {
        let own = self.uploads(tenant)?;
        match self.find(tenant, plugin) {
            Ok(found) if own.contains(&found.digest) => Ok(found),
            Ok(found) if found.bundled => Err(ApiError::conflict(format!(
                "{}@{} comes with the server: take it off a domain with `postroom plugin unbind`",
                found.name, found.version
            ))),
            Ok(found) => Err(ApiError::conflict(format!(
                "{}@{} is the operator's: name a version of your own, as `postroom plugin list` shows them",
                found.name, found.version
            ))),
            Err(error) => Err(error),
        }
    }

    /// How a domain uses a component, as the middle of a sentence.
    fn use_of(&self, tenant: Tenant, digest: Digest) -> Result<Option<&'static str>, ApiError> {
        let has = |bindings: &[BindingSpec]| bindings.iter().any(|spec| spec.digest == digest);
        if self
            .current(tenant)?
            .is_some_and(|chain| has(&chain.bindings))
        {
            return Ok(Some(
                "runs: take it off with `postroom plugin unbind` and `plugin deploy`, in",
            ));
        }
        if has(&self.wishes(tenant)?) {
            return Ok(Some(
                "waits for a deploy: take it off with `postroom plugin unbind`, in",
            ));
        }
        let previous: Option<ChainSpec> = self.read(tenant, state::PREVIOUS)?;
        if previous.is_some_and(|chain| has(&chain.bindings)) {
            return Ok(Some(
                "is what a rollback goes back to: deploy once more first, in",
            ));
        }
        Ok(None)
    }

    /// Nobody has it any more. Where its file cannot be removed it lies there unused.
    fn forget(&self, component: &Component) {
        let mut known = self
            .components
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        known.remove(&component.digest);
        if let Err(error) =
            std::fs::remove_file(self.folder.join(format!("{}.wasm", component.digest)))
        {
            tracing::warn!(digest = %component.digest, %error, "the file of a removed plugin stays");
        }
    }

    fn check_room(&self, tenant: Tenant, digest: Digest, most: usize) -> Result<(), ApiError> {
        let own = self.uploads(tenant)?;
        if tenant == Tenant::HOST || own.contains(&digest) || own.len() < most {
            return Ok(());
        }
        Err(ApiError::conflict(format!(
            "this domain has brought {} plugins, the most it may: the operator can raise limits.plugins_per_domain",
            own.len()
        )))
    }

    /// The components that a domain may bind, or with [`Tenant::HOST`] those that all may: what
    /// came with the server, what the operator installed, what the domain did. Of one name and
    /// version the last counts. With each comes whether it is the domain's own.
    pub(crate) fn installed(&self, tenant: Tenant) -> Result<Vec<(Component, bool)>, ApiError> {
        let of_site = self.uploads(Tenant::HOST)?;
        let own = match tenant {
            Tenant::HOST => Vec::new(),
            tenant => self.uploads(tenant)?,
        };
        let all = self
            .components
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let bundled = all.values().filter(|component| component.bundled);
        let of_site = of_site.iter().filter_map(|digest| all.get(digest));
        let own = own.iter().filter_map(|digest| all.get(digest));
        let mut found = std::collections::BTreeMap::new();
        let ordered = bundled
            .chain(of_site)
            .map(|component| (component, false))
            .chain(own.map(|component| (component, true)));
        for (component, is_own) in ordered {
            let key = (component.name.clone(), component.version.clone());
            found.insert(key, (component.clone(), is_own));
        }
        Ok(found.into_values().collect())
    }

    /// The component of `NAME` (the newest version) or `NAME@VERSION`.
    pub(super) fn find(&self, tenant: Tenant, plugin: &str) -> Result<Component, ApiError> {
        let (name, version) = match plugin.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (plugin, None),
        };
        let fits = |component: &Component| {
            component.name == name && version.is_none_or(|version| component.version == version)
        };
        let found = self
            .installed(tenant)?
            .into_iter()
            .map(|(component, _)| component)
            .filter(fits)
            .max_by_key(|component| state::version_key(&component.version));
        found.ok_or_else(|| {
            ApiError::not_found(format!(
                "plugin {plugin}: `postroom plugin install` brings it in"
            ))
        })
    }

    /// Components that lie there from before there were lists are the site's.
    pub(super) async fn adopt(&self, in_folder: &[Digest]) -> anyhow::Result<()> {
        let access = Access::system(Tenant::HOST);
        if self.store.setting(&access, UPLOADS)?.is_some() {
            return Ok(());
        }
        let list = serde_json::to_vec(in_folder)?;
        let operation = self.store.operation_id();
        self.store
            .set_settings(&access, operation, vec![(UPLOADS.to_vec(), Some(list))])
            .await?;
        Ok(())
    }

    fn uploads(&self, tenant: Tenant) -> Result<Vec<Digest>, ApiError> {
        Ok(self.read(tenant, UPLOADS)?.unwrap_or_default())
    }
}

/// An administrator of a domain grants no more than the operator lets, or than the same
/// component was granted before.
pub(super) fn check_ceiling(
    by: Principal,
    binding: &BindingSpec,
    before: Option<&BindingSpec>,
    ceiling: &Grants,
) -> Result<(), ApiError> {
    if !matches!(by, Principal::DomainAdministrator(_)) {
        return Ok(());
    }
    let beyond = binding.grants.beyond(ceiling);
    let before = before.filter(|before| before.digest == binding.digest);
    let new = before.map(|before| binding.grants.beyond(&before.grants));
    let refused: Vec<_> = beyond
        .into_iter()
        .filter(|word| new.as_ref().is_none_or(|new| new.contains(word)))
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    Err(ApiError::denied(format!(
        "only the operator may grant {} to {}: name lesser ones with --grant, or ask for them in administrator_grants of postroom.toml",
        refused.join(", "),
        binding.plugin
    )))
}
