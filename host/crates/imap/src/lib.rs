//! IMAP as a pure protocol session.
