//! Sockets, TLS, DNS, and the one loop that drives the pure sessions.
