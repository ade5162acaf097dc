//! What stands behind the handles of a guest. `pub` because `bindgen!` names these types in public
//! items; the module is private, so nobody else can.
#![allow(unreachable_pub)]

use std::sync::Arc;

use crate::capabilities::ProgramEnd;
use crate::effect::Submission;
use crate::view::{MessageView, PartView};

/// The context of the running call.
#[derive(Debug)]
pub struct ContextHandle;

/// The message of the running call.
#[derive(Debug)]
pub struct MessageHandle;

/// One part of it.
pub struct PartHandle {
    pub(crate) view: Arc<MessageView>,
    pub(crate) index: usize,
    pub(crate) part: PartView,
}

/// A message in the making.
#[derive(Debug)]
pub struct DraftHandle(pub(crate) Submission);

/// A program that has ended.
#[derive(Debug)]
pub struct EndedHandle(pub(crate) ProgramEnd);

pub use crate::verdict::{RawOutcome, RawVerdict};
