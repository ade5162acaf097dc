//! SMTP as pure protocol sessions: server and client.
