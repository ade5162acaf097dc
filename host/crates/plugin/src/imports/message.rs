//! `message`: reading the message, piece by piece.

use std::sync::Arc;

use wasmtime::Result;
use wasmtime::component::Resource;

use super::interfaces::message::{Host, HostMessage, HostPart};
use crate::error::CallFailure;
use crate::handles::{MessageHandle, PartHandle};
use crate::source::MessageSource;
use crate::state::State;
use crate::view::MessageView;

impl State {
    /// The message of the call, paid for.
    fn view(&mut self) -> Result<Arc<MessageView>> {
        let call = self.enter()?;
        call.message
            .clone()
            .ok_or_else(|| CallFailure::Contract("this hook has no message".to_owned()).into())
    }
}

fn unreadable(error: impl ToString) -> CallFailure {
    CallFailure::Host(format!("the message cannot be read: {}", error.to_string()))
}

impl Host for State {}

impl HostMessage for State {
    fn size(&mut self, _: Resource<MessageHandle>) -> Result<u64> {
        Ok(self.view()?.size())
    }

    fn header(&mut self, _: Resource<MessageHandle>, name: String) -> Result<Option<String>> {
        Ok(self.view()?.headers(&name).into_iter().next())
    }

    fn headers(&mut self, _: Resource<MessageHandle>, name: String) -> Result<Vec<String>> {
        Ok(self.view()?.headers(&name))
    }

    fn raw_headers(&mut self, _: Resource<MessageHandle>) -> Result<Vec<(String, Vec<u8>)>> {
        Ok(self.view()?.raw_headers())
    }

    fn raw(&mut self, _: Resource<MessageHandle>, offset: u64, length: u32) -> Result<Vec<u8>> {
        Ok(self
            .view()?
            .raw(offset, length)
            .map_err(unreadable)?
            .to_vec())
    }

    fn parts(&mut self, _: Resource<MessageHandle>) -> Result<Vec<Resource<PartHandle>>> {
        let view = self.view()?;
        let parts = view.parts().map_err(unreadable)?;
        let handles = parts.iter().enumerate().map(|(index, part)| {
            let part = PartHandle {
                view: Arc::clone(&view),
                index,
                part: part.clone(),
            };
            self.push(part)
        });
        handles.collect()
    }

    fn auth_results(&mut self, _: Resource<MessageHandle>) -> Result<Vec<String>> {
        Ok(self.view()?.auth_results().to_vec())
    }

    fn drop(&mut self, handle: Resource<MessageHandle>) -> Result<()> {
        self.delete(handle).map(drop)
    }
}

impl State {
    fn part(&mut self, handle: &Resource<PartHandle>) -> Result<&mut PartHandle> {
        self.enter()?;
        self.get_mut(handle)
    }
}

impl HostPart for State {
    fn path(&mut self, handle: Resource<PartHandle>) -> Result<String> {
        Ok(self.part(&handle)?.part.path.clone())
    }

    fn media_type(&mut self, handle: Resource<PartHandle>) -> Result<String> {
        Ok(self.part(&handle)?.part.media_type.clone())
    }

    fn disposition(&mut self, handle: Resource<PartHandle>) -> Result<Option<String>> {
        Ok(self.part(&handle)?.part.disposition.clone())
    }

    fn name(&mut self, handle: Resource<PartHandle>) -> Result<Option<String>> {
        Ok(self.part(&handle)?.part.name.clone())
    }

    fn size(&mut self, handle: Resource<PartHandle>) -> Result<u64> {
        Ok(self.part(&handle)?.part.size)
    }

    fn bytes(&mut self, handle: Resource<PartHandle>) -> Result<Vec<u8>> {
        let part = self.part(&handle)?;
        Ok(part.view.part_bytes(part.index).map_err(unreadable)?)
    }

    fn text(&mut self, handle: Resource<PartHandle>) -> Result<String> {
        let part = self.part(&handle)?;
        Ok(part.view.part_text(part.index).map_err(unreadable)?)
    }

    fn drop(&mut self, handle: Resource<PartHandle>) -> Result<()> {
        self.delete(handle).map(drop)
    }
}
