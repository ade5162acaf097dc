//! The directory of virtual domains, people and groups.
