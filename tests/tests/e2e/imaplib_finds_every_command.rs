//! The breadth of IMAP, asked by Python's `imaplib`.

use postroom_tests::{Server, python};

const CLIENT: &str = r#"
import imaplib, re, ssl, sys
context = ssl._create_unverified_context()
client = imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=context)
client.login("ann@abc.test", "secret")

def ok(answer):
    status, data = answer
    assert status == "OK", answer
    return data

def no(answer, word=b""):
    status, data = answer
    assert status == "NO" and word in data[0], answer

def names(data):
    return {line.rsplit(b' "/" ', 1)[1].strip(b'"') for line in data if line}

def whole(data):
    return b" ".join(part if isinstance(part, bytes) else b"".join(part) for part in data)

capabilities = client.capabilities
for word in ["IMAP4REV1", "IDLE", "NAMESPACE", "UIDPLUS", "MOVE", "LITERAL-", "SPECIAL-USE"]:
    assert word in capabilities, (word, capabilities)

# Mailboxes.
namespace = ok(client.namespace())[0]
assert b'(("" "/"))' in namespace and b'"Shared Folders/"' in namespace, namespace
for name in ["work", "work/plans", "old"]:
    ok(client.create(name))
no(client.create("work"), b"[ALREADYEXISTS]")
assert {b"INBOX", b"work", b"work/plans", b"old"} <= names(ok(client.list()))
assert names(ok(client.list('""', "work/%"))) == {b"work/plans"}
assert names(ok(client.list('""', "w%"))) == {b"work"}
assert any(rb"\HasChildren" in line for line in ok(client.list('""', "work")))
special = whole(ok(client.list()))
for use in [rb"\Sent", rb"\Drafts", rb"\Trash", rb"\Junk"]:
    assert use in special, (use, special)
ok(client.rename("work", "job"))
assert names(ok(client.list('""', "job*"))) == {b"job", b"job/plans"}
ok(client.delete("old"))
no(client.delete("old"), b"[NONEXISTENT]")
no(client.select("old"), b"[NONEXISTENT]")
ok(client.subscribe("job/plans"))
assert names(ok(client.lsub())) >= {b"job/plans"}
ok(client.unsubscribe("job/plans"))
assert b"job/plans" not in names(ok(client.lsub()))
# A name beyond ASCII is kept as it is written on the wire.
ok(client.create('"Entw&APw-rfe"'))
assert b"Entw&APw-rfe" in names(ok(client.list()))
assert client.create('"&AC8-"')[0] != "OK"

# Messages.
plain = b"From: Joe <joe@example.org>\r\nTo: ann@abc.test\r\nSubject: plain\r\nMessage-ID: <1@example.org>\r\nDate: Mon, 6 Jul 2020 10:00:00 +0200\r\n\r\nhello world\r\n"
parts = (b"From: bob@abc.test\r\nTo: ann@abc.test\r\nCc: cat@abc.test\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=edge\r\n\r\n"
    b"--edge\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nfirst part\r\n"
    b"--edge\r\nContent-Type: application/pdf; name=plan.pdf\r\nContent-Transfer-Encoding: base64\r\n"
    b"Content-Disposition: attachment; filename=plan.pdf\r\n\r\nAAECAwQ=\r\n--edge--\r\n")
when = '"06-Jul-2020 10:00:00 +0200"'
answer = ok(client.append("job", r"(\Seen)", when, plain))[0]
assert re.search(rb"\[APPENDUID \d+ 1\]", answer), answer
ok(client.append("job", None, None, parts))
no(client.append("nowhere", None, None, plain), b"[TRYCREATE]")
status = ok(client.status("job", "(MESSAGES UNSEEN UIDNEXT UIDVALIDITY RECENT)"))[0]
assert b"MESSAGES 2" in status and b"UNSEEN 1" in status and b"UIDNEXT 3" in status, status
assert ok(client.select("job")) == [b"2"]
assert rb"\Flagged" in client.response("PERMANENTFLAGS")[1][0]

fetched = whole(ok(client.fetch("1", "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)")))
assert b"UID 1" in fetched and rb"\Seen" in fetched and b"RFC822.SIZE %d" % len(plain) in fetched, fetched
assert b'("Joe" NIL "joe" "example.org")' in fetched and b'"<1@example.org>"' in fetched, fetched
assert b'INTERNALDATE " 6-Jul-2020 10:00:00 +0200"' in fetched, fetched
structure = whole(ok(client.fetch("2", "(BODYSTRUCTURE)"))).lower()
for word in [b'"text" "plain" ("charset" "utf-8")', b'"application" "pdf" ("name" "plan.pdf")', b'("attachment" ("filename" "plan.pdf"))', b'"mixed" ("boundary" "edge")']:
    assert word in structure, (word, structure)

def part(number, item):
    return ok(client.fetch(number, f"({item})"))[0][1]

assert part("1", "BODY.PEEK[]") == plain and part("1", "RFC822") == plain
assert part("1", "BODY.PEEK[TEXT]") == b"hello world\r\n"
assert part("2", "BODY.PEEK[1]") == b"first part", part("2", "BODY.PEEK[1]")
assert part("2", "BODY.PEEK[2]") == b"AAECAwQ="
assert part("2", "BODY.PEEK[2.MIME]").startswith(b"Content-Type: application/pdf")
assert part("2", "BODY.PEEK[HEADER.FIELDS (CC)]") == b"Cc: cat@abc.test\r\n\r\n"
assert b"Cc:" not in part("2", "BODY.PEEK[HEADER.FIELDS.NOT (CC)]")
assert part("1", "BODY.PEEK[]<5.10>") == plain[5:15]
assert part("1", "BODY.PEEK[TEXT]<6.1000>") == b"world\r\n"
# Peeking marked nothing, reading does.
assert rb"\Seen" not in whole(ok(client.fetch("2", "(FLAGS)")))
part("2", "BODY[TEXT]")
assert rb"\Seen" in whole(ok(client.fetch("2", "(FLAGS)")))

# Search.
def search(*keys):
    return ok(client.search(None, *keys))[0].split()
assert search("ALL") == [b"1", b"2"]
assert search("SUBJECT", "plain") == [b"1"]
assert search("BODY", "WORLD") == [b"1"]
assert search("FROM", "bob", "CC", "cat") == [b"2"]
assert search("OR", "SUBJECT", "plain", "FROM", "bob") == [b"1", b"2"]
assert search("NOT", "SUBJECT", "plain") == [b"2"]
assert search("BEFORE", "1-Jan-2021") == [b"1"] and search("SENTON", "6-Jul-2020") == [b"1"]
assert search("LARGER", str(len(plain))) == [b"2"]
assert search("HEADER", "Message-ID", "1@example") == [b"1"]
assert search("UID", "2:*") == [b"2"] and search("UNSEEN") == []
client.literal = "gr\u00fc\u00dfe".encode()
assert ok(client.search("UTF-8", "SUBJECT"))[0].split() == [b"2"]

# Flags, copies and the end.
assert rb"\Flagged" in whole(ok(client.store("1", "+FLAGS", r"(\Flagged $Label)")))
assert search("FLAGGED") == [b"1"] and search("KEYWORD", "$Label") == [b"1"]
assert client.store("1", "-FLAGS.SILENT", r"(\Flagged)") == ("OK", [None])
assert search("UNFLAGGED") == [b"1", b"2"]
ok(client.uid("STORE", "2", "FLAGS", r"(\Answered)"))
assert search("ANSWERED") == [b"2"]
answer = client.copy("1:2", "job/plans")
ok(answer)
assert re.search(rb"\d+ 1:2 1:2", client.response("COPYUID")[1][0] or b"") or b"COPYUID" in answer[1][0], answer
no(client.copy("1", "nowhere"), b"[TRYCREATE]")
imaplib.Commands.setdefault("MOVE", ("SELECTED",))
ok(client.uid("MOVE", "1", "INBOX"))
assert client.response("EXPUNGE")[1] == [b"1"]
assert search("ALL") == [b"1"] and ok(client.uid("SEARCH", None, "ALL"))[0] == b"2"
ok(client.store("1", "+FLAGS", r"(\Deleted)"))
assert ok(client.expunge()) == [b"1"]
assert search("ALL") == []
ok(client.select("job/plans"))
ok(client.store("1:2", "+FLAGS", r"(\Deleted)"))
assert ok(client.uid("EXPUNGE", "1")) is not None
assert ok(client.uid("SEARCH", None, "ALL"))[0] == b"2"
ok(client.close())
assert b"MESSAGES 0" in ok(client.status("job/plans", "(MESSAGES)"))[0]

# EXAMINE changes nothing.
assert ok(client.select("INBOX", readonly=True)) == [b"1"]
assert part("1", "BODY.PEEK[]") == plain
no(client._simple_command("STORE", "1", "+FLAGS", r"(\Deleted)"))
ok(client.noop())
ok(client.check())
ok(client.unselect())
client.logout()
"#;

#[test]
fn imaplib_finds_every_command() {
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    python(CLIENT, &[&server.port("imaps")]).ok();
}
