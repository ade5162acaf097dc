//! Whatever comes in: no panic, no endless work, the same answer in any pieces.

use proptest::prelude::*;

use super::script::{Chunks, Client};
use super::world::World;
use crate::StartTls;

fn words() -> impl Strategy<Value = Vec<u8>> {
    let known = vec![
        "a ",
        "b ",
        "NOOP",
        "LOGIN ann secret",
        "SELECT INBOX",
        "SELECT ",
        "EXAMINE Sent",
        "FETCH ",
        "UID ",
        "STORE ",
        "SEARCH ",
        "COPY ",
        "MOVE ",
        "APPEND ",
        "EXPUNGE",
        "CLOSE",
        "IDLE",
        "DONE",
        "LIST ",
        "LSUB ",
        "STATUS ",
        "CREATE ",
        "RENAME ",
        "\"\" ",
        "* ",
        "% ",
        "1:* ",
        "1,3 ",
        "(",
        ")",
        " ",
        "FLAGS ",
        "+FLAGS ",
        "\\Seen",
        "\\Deleted ",
        "BODY[]",
        "BODY.PEEK[1.HEADER]",
        "<0.10>",
        "ENVELOPE ",
        "BODYSTRUCTURE ",
        "ALL ",
        "NOT ",
        "OR ",
        "SUBJECT ",
        "BODY x ",
        "RETURN (",
        "COUNT",
        "{3}\r\n",
        "{3+}\r\n",
        "{999999}",
        "abc",
        "\r\n",
        "\r\n",
        "\r\n",
        "\r\na ",
        "\r\nb ",
        "\n",
        "\"",
        "\\",
        "&AOk-",
        "../x",
        "Sent ",
        "Nothing ",
        "AUTHENTICATE PLAIN",
        "ID NIL",
        "LOGOUT",
        "UNSELECT",
        "\0",
        "\u{fc}",
    ];
    prop_oneof![
        9 => proptest::sample::select(known).prop_map(|word| word.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..8),
    ]
}

fn talk(prelude: &str, input: &[u8], chunks: Chunks) -> (String, usize) {
    let mut client = Client::new(&World::new(), true, StartTls::Offered);
    client.send(prelude.as_bytes(), Chunks::Together);
    client.take();
    client.send(input, chunks);
    (client.take(), client.host.asked.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_input_in_any_pieces(
        input in proptest::collection::vec(words(), 0..40),
        stage in 0..3usize,
        at in 0..200usize,
    ) {
        let prelude = ["", "l LOGIN ann secret\r\n", "l LOGIN ann secret\r\ns SELECT INBOX\r\n"][stage];
        let input = input.concat();
        let (whole, asked) = talk(prelude, &input, Chunks::Together);
        prop_assert!(asked < 1000);
        let (cut, _) = talk(prelude, &input, Chunks::CutAt(at));
        prop_assert_eq!(&cut, &whole);
        let (bytes, _) = talk(prelude, &input, Chunks::Of(1));
        prop_assert_eq!(&bytes, &whole);
    }

    #[test]
    fn any_command_is_answered_once_or_ends_it(
        input in proptest::collection::vec(words(), 1..15),
        stage in 0..3usize,
    ) {
        let prelude = ["", "l LOGIN ann secret\r\n", "l LOGIN ann secret\r\ns SELECT INBOX\r\n"][stage];
        let mut line: Vec<u8> = input.concat();
        line.retain(|byte| !b"\r\n{".contains(byte));
        let line = [b"q1 ", line.as_slice(), b"\r\n"].concat();
        let (answer, _) = talk(prelude, &line, Chunks::Together);
        let tagged = answer.split("\r\n").filter(|line| line.starts_with("q1 ")).count();
        let waits = answer.contains("+ ");
        prop_assert!(tagged == 1 || waits && tagged == 0, "{:?} -> {}", String::from_utf8_lossy(&line), answer);
    }
}
