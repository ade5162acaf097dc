//! The steps of a recipient, one file each.

pub(super) mod group;
pub(super) mod quota;
pub(super) mod rcpt_hook;
pub(super) mod route;
pub(super) mod take;
