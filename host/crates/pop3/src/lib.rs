//! POP3 as a pure protocol session.
