//! The view of a message: header fields, structure, parts. Bytes stay bytes.
