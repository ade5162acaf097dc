//! Whatever comes in, in whatever pieces.

use mail::Session as _;
use proptest::collection::vec;
use proptest::prelude::*;

use super::transcript::Run;

/// Bytes that reach far into the session, and bytes that do not.
fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let command = prop::sample::select(vec![
        "USER anna@abc.test\r\n",
        "PASS correct horse\r\n",
        "AUTH PLAIN\r\n",
        "AGFubmFAYWJjLnRlc3QAY29ycmVjdCBob3JzZQ==\r\n",
        "*\r\n",
        "STLS\r\n",
        "CAPA\r\n",
        "STAT\r\n",
        "LIST\r\n",
        "UIDL\r\n",
        "RETR 2\r\n",
        "TOP 2 1\r\n",
        "DELE 3\r\n",
        "RSET\r\n",
        "QUIT\r\n",
        "LIST 9\n",
        "TOP",
        " ",
        "\r",
        "\n",
    ]);
    let known = command.prop_map(|command| command.as_bytes().to_vec());
    vec(
        prop_oneof![4 => known, 1 => vec(any::<u8>(), 0..300)],
        0..40,
    )
}

fn output(pieces: &[&[u8]], encrypted: bool) -> (Vec<u8>, bool) {
    let mut run = Run::new(encrypted, "");
    run.advance();
    for piece in pieces {
        run.session.handle_input(piece, run.now);
        run.advance();
    }
    (run.output, run.closed)
}

proptest! {
    #[test]
    fn never_panics_and_never_says_half_a_line(pieces in pieces(), encrypted: bool) {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let (output, _) = output(&pieces, encrypted);
        prop_assert!(output.ends_with(b"\r\n"));
    }

    /// Up to the first STLS, that is; under TLS from byte one there is none.
    #[test]
    fn the_same_bytes_in_any_chunking_give_the_same_output(pieces in pieces(), cut in 1usize..50) {
        let all = pieces.concat();
        let chunks: Vec<&[u8]> = all.chunks(cut).collect();
        prop_assert_eq!(output(&[&all], true), output(&chunks, true));
    }
}
