//! The autoreply plugin.
