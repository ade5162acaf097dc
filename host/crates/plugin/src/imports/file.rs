//! `file`: bytes at the end of files of the domain, recorded.

use wasmtime::Result;
use wasmtime::component::Resource;

use super::interfaces::file::Host;
use crate::effect::{Effect, FileAppend, FileContent};
use crate::handles::MessageHandle;
use crate::state::State;

/// Bytes that one call may append.
const BYTES: usize = 1024 * 1024;

impl State {
    fn append_file(&mut self, label: String, content: FileContent) -> Result<Result<(), String>> {
        self.must_be_granted("file")?;
        self.enter()?;
        // One answer for both: a plugin learns nothing of labels that are not its own.
        let is_granted = self
            .owner
            .grants
            .file
            .as_ref()
            .is_some_and(|labels| labels.allow(&label));
        if !is_granted || !self.owner.capabilities.has_file(self.owner.tenant, &label) {
            return Ok(Err("there is no such file".to_owned()));
        }
        let size = match &content {
            FileContent::Bytes(bytes) => bytes.len(),
            FileContent::Mbox => 0,
        };
        if self.call.file_bytes + size > BYTES {
            return Ok(Err(format!("a call appends at most {BYTES} bytes")));
        }
        self.call.file_bytes += size;
        self.call.spend(size + label.len())?;
        self.call
            .effects
            .push(Effect::Append(FileAppend { label, content }));
        Ok(Ok(()))
    }
}

impl Host for State {
    fn append(&mut self, label: String, bytes: Vec<u8>) -> Result<Result<(), String>> {
        self.append_file(label, FileContent::Bytes(bytes))
    }

    fn append_mbox(
        &mut self,
        label: String,
        _: Resource<MessageHandle>,
    ) -> Result<Result<(), String>> {
        self.append_file(label, FileContent::Mbox)
    }
}
