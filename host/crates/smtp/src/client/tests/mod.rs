//! Tests of whole conversations, with a server that says what a script says.

mod attacks;
mod conversations;
mod pair;
mod script;
