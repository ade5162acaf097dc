//! Where mail goes: status chain, aliases, catch-all, channel choice. Pure.
