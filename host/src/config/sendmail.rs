//! `[sendmail]`: mail that users of this machine hand in.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Mail that users of this machine hand in by `postroom sendmail`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sendmail {
    /// A socket that every user of this machine may connect to, to hand in mail as USER@`hostname`,
    /// as `/run/postroom/sendmail.sock`. Default: none, so that root and the server's own user alone
    /// hand in mail.
    pub socket: Option<PathBuf>,
    /// Users of this machine who may name any sender, as `www-data`.
    pub any_sender: Vec<String>,
}

impl Sendmail {
    /// Where the packaged unit has a folder for it, and where a user looks who may not read the
    /// configuration.
    pub const SOCKET: &str = "/run/postroom/sendmail.sock";
}
