//! Does the LDAP server answer, and does it show domains? The embedded directory is opened with the
//! data directory.

use directory::LdapDirectory;

use super::{Finding, Subject};
use crate::config::DirectoryKind;

const CHECK: &str = "directory";

pub(super) async fn check(subject: &Subject) -> Option<Finding> {
    let directory = &subject.config.directory;
    if directory.kind != DirectoryKind::Ldap {
        return None;
    }
    let url = directory.url.as_deref().unwrap_or_default();
    let settings = match directory.ldap() {
        Ok(settings) => settings,
        Err(error) => {
            let next = "write the file, readable by the server's user only";
            return Some(Finding::failed(CHECK, format!("{error:#}"), next));
        }
    };
    Some(match LdapDirectory::count_domains(settings).await {
        Ok(0) => Finding::warning(
            CHECK,
            format!("{url} answers, and shows no domain beneath directory.base"),
            "give directory.bind_dn the right to read it; docs/ldap.md says what a domain is",
        ),
        Ok(count) => Finding::ok(CHECK, format!("{url} answers, domains: {count}")),
        Err(error) => Finding::failed(
            CHECK,
            error.to_string(),
            format!("ldapsearch -x -H {url} -s base shows whether it answers"),
        ),
    })
}
