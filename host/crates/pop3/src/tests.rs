//! Transcripts first; then what a transcript cannot say.

mod house;
mod limits;
mod properties;
mod stuffing;
mod transcript;
mod transcripts;
