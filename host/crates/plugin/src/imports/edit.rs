//! `edit`: changes to the header, recorded.

use wasmtime::Result;
use wasmtime::component::Resource;

use super::interfaces::edit::Host;
use crate::edit::{Field, HeaderEdit, check_name};
use crate::handles::MessageHandle;
use crate::hook::Hook;
use crate::state::State;

/// Edits of one call.
const EDITS: usize = 200;

impl State {
    fn edit(&mut self, edit: Result<HeaderEdit, String>) -> Result<Result<(), String>> {
        self.must_be_granted("edit")?;
        let call = self.enter()?;
        if call.hook != Hook::Data {
            return Ok(Err(
                "the header is edited before the message is accepted only".to_owned(),
            ));
        }
        let edit = match edit {
            Ok(edit) => edit,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if call.edits.len() >= EDITS {
            return Ok(Err(format!("a call makes at most {EDITS} edits")));
        }
        call.spend(edit.size())?;
        call.edits.push(edit);
        Ok(Ok(()))
    }
}

impl Host for State {
    fn prepend_header(
        &mut self,
        _: Resource<MessageHandle>,
        name: String,
        value: String,
    ) -> Result<Result<(), String>> {
        self.edit(Field::new(&name, &value).map(HeaderEdit::Prepend))
    }

    fn append_header(
        &mut self,
        _: Resource<MessageHandle>,
        name: String,
        value: String,
    ) -> Result<Result<(), String>> {
        self.edit(Field::new(&name, &value).map(HeaderEdit::Append))
    }

    fn replace_header(
        &mut self,
        _: Resource<MessageHandle>,
        name: String,
        value: String,
    ) -> Result<Result<(), String>> {
        self.edit(Field::new(&name, &value).map(HeaderEdit::Replace))
    }

    fn remove_header(
        &mut self,
        _: Resource<MessageHandle>,
        name: String,
    ) -> Result<Result<(), String>> {
        self.edit(check_name(&name).map(|()| HeaderEdit::Remove(name)))
    }
}
