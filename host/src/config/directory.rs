//! `[directory]`: who knows the domains and people.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use directory::{Attributes, Classes, Layout, LdapSettings};
use mail::Secret;
use serde::{Deserialize, Serialize};

/// Who keeps the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DirectoryKind {
    /// This server itself.
    #[default]
    Embedded,
    /// An LDAP server.
    Ldap,
}

/// Who knows the domains and people.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Directory {
    /// `embedded`: this server keeps domains and people itself. `ldap`: an LDAP server does,
    /// which is only read; the other keys of this table are for it (`docs/ldap.md`).
    pub kind: DirectoryKind,
    /// The server, `ldap://HOST[:389]` or `ldaps://HOST[:636]`.
    pub url: Option<String>,
    /// Encrypt an `ldap://` connection by StartTLS.
    pub start_tls: bool,
    /// Certificates in PEM that the LDAP server's must lead to. Default: those of the system.
    pub ca_file: Option<PathBuf>,
    /// The entry that everything lies beneath.
    pub base: Option<String>,
    /// The entry that the server reads as. Default: nobody (anonymous).
    pub bind_dn: Option<String>,
    /// A file with the password of `bind_dn`.
    pub bind_password_file: Option<PathBuf>,
    /// `flat`: domain nodes anywhere, named by an attribute or by their own value. `dc`: a tree
    /// of `dc` nodes that spells the names.
    pub layout: Layout,
    /// Which object classes mean what.
    pub classes: Classes,
    /// What the attributes of the LDAP server are called.
    pub attributes: Attributes,
}

impl Directory {
    /// Refuses values that cannot work.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.kind == DirectoryKind::Embedded {
            ensure!(
                self.url.is_none() && self.base.is_none(),
                "directory.url and directory.base are those of an LDAP server: set directory.kind = \"ldap\", or take them out"
            );
            return Ok(());
        }
        let url = self.url.as_deref().unwrap_or_default();
        ensure!(
            url.starts_with("ldap://") || url.starts_with("ldaps://"),
            "directory.url = '{url}' is not ldap://HOST or ldaps://HOST, which directory.kind = \"ldap\" needs"
        );
        ensure!(
            !(self.start_tls && url.starts_with("ldaps://")),
            "directory.start_tls is for ldap://; ldaps:// is encrypted from its first byte"
        );
        ensure!(
            self.base.as_deref().is_some_and(|base| base.contains('=')),
            "directory.base is the name of the entry that everything lies beneath, as 'o=mail': directory.kind = \"ldap\" needs it"
        );
        ensure!(
            self.bind_dn.is_some() == self.bind_password_file.is_some(),
            "directory.bind_dn and directory.bind_password_file go together: set both, or none to read as nobody"
        );
        for (key, name) in self.attributes.all() {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
            ensure!(
                !name.is_empty() && name.chars().all(is_name),
                "directory.attributes.{key} = '{name}' is not the name of an attribute"
            );
        }
        let Classes {
            domain,
            person,
            group,
            alias,
        } = &self.classes;
        for (key, classes) in [
            ("domain", domain),
            ("person", person),
            ("group", group),
            ("alias", alias),
        ] {
            ensure!(
                !classes.is_empty(),
                "directory.classes.{key} names no object class"
            );
        }
        Ok(())
    }

    /// What the LDAP server is asked with. Reads the password file.
    pub(crate) fn ldap(&self) -> anyhow::Result<LdapSettings> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let password = match &self.bind_password_file {
            None => String::new(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("directory.bind_password_file {}", path.display()))?;
                let password = text.trim_end_matches(['\r', '\n']).to_owned();
                ensure!(
                    !password.is_empty(),
                    "directory.bind_password_file {} is empty: write the password of '{}' into it",
                    path.display(),
                    text_of(&self.bind_dn)
                );
                password
            }
        };
        Ok(LdapSettings {
            start_tls: self.start_tls,
            ca_file: self.ca_file.clone(),
            bind_dn: text(&self.bind_dn),
            bind_password: Secret::new(password),
            layout: self.layout,
            classes: self.classes.clone(),
            attributes: self.attributes.clone(),
            ..LdapSettings::new(&text(&self.url), &text(&self.base))
        })
    }
}

fn text_of(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}
