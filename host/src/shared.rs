//! Shared mailboxes: the directory says which there are and who is a member, the store keeps
//! them. This brings the store in line with the directory, after each change and at start.

use directory::LookupError;
use mail::{Access, Domain};
use store::{NewMailbox, Owner, Rights};

use crate::admin::ApiError;
use crate::site::Site;

/// Makes `Shared Folders/NAME` for every group of the domain that has one, with rights for
/// exactly its members.
pub(crate) async fn reconcile(site: &Site, domain: &Domain) -> Result<(), ApiError> {
    let domain = site.directory.domain(domain).await?;
    let access = Access::system(domain.tenant());
    let groups = site.directory.groups(domain.tenant()).await?;
    for group in &groups {
        let owner = Owner::Group(group.id);
        let Some(shared) = &group.shared else {
            site.store.set_members(&access, owner, Vec::new()).await?;
            continue;
        };
        let rights = Rights::parse(shared.rights.as_str()).unwrap_or(Rights::MEMBER);
        let new = NewMailbox {
            owner,
            name: shared.name.clone(),
            special_use: None,
        };
        match site
            .store
            .create_mailbox(&access, site.store.operation_id(), new)
            .await
        {
            Ok(_) | Err(store::Error::Exists) => {}
            Err(error) => return Err(error.into()),
        }
        let members = site.directory.members(domain.tenant(), group.id).await?;
        let members = members.iter().map(|person| (person.id, rights)).collect();
        site.store.set_members(&access, owner, members).await?;
    }
    Ok(())
}

/// [`reconcile`] for every domain, at start: a crash may have come between directory and store.
pub(crate) async fn reconcile_all(site: &Site) -> Result<(), LookupError> {
    let domains = site.directory.domains().await?;
    for domain in domains {
        if let Err(error) = reconcile(site, &domain.name).await {
            tracing::warn!(domain = %domain.name, ?error, "shared mailboxes could not be brought in line");
        }
    }
    Ok(())
}
