//! Every transcript, in every chunking.

use std::collections::BTreeSet;

use super::house::folder;
use super::transcript::Transcript;

fn check(name: &str) {
    let transcript = Transcript::read(&format!("{name}.txt"));
    for piece in [usize::MAX, 1, 2, 3, 5, 7, 11, 64, 255, 256] {
        transcript.run(piece);
    }
}

macro_rules! transcripts {
    ($($name:ident)*) => {
        $(#[test] fn $name() { check(stringify!($name)); })*

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

transcripts! {
    a03_no_password_in_plaintext
    a_directory_that_does_not_answer_is_temporary
    a_message_that_is_gone
    auth_plain
    auth_plain_with_initial_response
    commands_in_the_wrong_state
    commands_that_are_not_well_formed
    f04_a_message_that_is_damaged
    i21_a_deletion_that_fails_deletes_nothing
    i21_a_lost_connection_deletes_nothing
    i21_a_second_session_is_refused
    i21_idle_time_deletes_nothing
    lines_that_are_too_long
    pipelined_commands
    quit_before_sign_in
    reads_and_deletes_at_quit
    stls_then_sign_in
    three_wrong_passwords_end_the_session
    twenty_wrong_commands_end_the_session
}

/// Only what comes in one segment is residue; in pieces it meets the handshake, and fails there.
#[test]
fn i01_plaintext_behind_stls_is_never_executed() {
    Transcript::read("i01_plaintext_behind_stls_is_never_executed.txt").run(usize::MAX);
}

#[test]
fn no_transcript_is_forgotten() {
    let files = std::fs::read_dir(folder()).expect("the folder of the transcripts");
    let files = files.map(|file| {
        file.expect("a file")
            .file_name()
            .into_string()
            .expect("ASCII")
    });
    let there: BTreeSet<String> = files
        .filter_map(|name| name.strip_suffix(".txt").map(str::to_owned))
        .collect();
    let mut run: BTreeSet<String> = NAMES.iter().map(|&name| name.to_owned()).collect();
    run.insert("i01_plaintext_behind_stls_is_never_executed".to_owned());
    assert_eq!(there, run);
}
