//! The plugin runtime: engine, registry, bindings, grants, capabilities, hot swap.
