//! Tests of whole sessions. `transcript` reads and runs the files of `tests/transcripts/smtp`.

mod attacks;
mod endurance;
mod harness;
mod transcript;

use std::path::PathBuf;

use transcript::Transcript;

fn folder() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../tests/transcripts/smtp"
    ))
}

/// Runs one file, line by line and in every chunking.
fn check(name: &str) {
    let text = std::fs::read_to_string(folder().join(name)).expect("the transcript is there");
    check_text(name, &text);
}

fn check_text(name: &str, text: &str) {
    let transcript = Transcript::parse(name, text);
    transcript.check_by_line();
    for size in [1, 2, 3, 5, 7, 11, 64, 1000, usize::MAX] {
        transcript.check_in_chunks(size);
    }
}

#[test]
fn every_transcript_in_any_chunking() {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .filter(|name| name.ends_with(".txt"))
        .collect();
    names.sort();
    assert!(names.len() >= 20, "transcripts are missing: {names:?}");
    for name in names {
        check(&name);
    }
}

/// Every place a transcript can be cut in two.
#[test]
fn every_cut_of_the_main_transcripts() {
    for name in [
        "mx_session.txt",
        "chunks.txt",
        "chunks_refused.txt",
        "submission.txt",
        "size.txt",
    ] {
        let text = std::fs::read_to_string(folder().join(name)).expect("the transcript is there");
        let transcript = Transcript::parse(name, &text);
        for at in 1..transcript.longest_span() {
            transcript.check_cut_at(at);
        }
    }
}
