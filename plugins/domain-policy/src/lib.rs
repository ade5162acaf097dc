//! The domain-policy plugin.
