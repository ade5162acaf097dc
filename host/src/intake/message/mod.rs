//! The steps of a message, one file each.

pub(super) mod commit;
pub(super) mod data_hooks;
pub(super) mod header;
pub(super) mod looping;
