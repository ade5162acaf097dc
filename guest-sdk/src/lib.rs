//! For authors of Postroom plugins: a trait per hook, a native fake host, one macro.
