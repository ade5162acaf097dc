//! What IMAPClient, a library of Python, asks of a server: UTF-8 names, sequences of changes,
//! extended searches, quota, IDLE.

use postroom_tests::{Server, python_client};

const CLIENT: &str = r#"
import datetime, ssl, sys
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

context = ssl._create_unverified_context()
def client():
    client = IMAPClient("127.0.0.1", port=int(sys.argv[1]), ssl_context=context, timeout=30)
    client.login("ann@abc.test", "secret")
    return client

first, second = client(), client()
for word in [b"CONDSTORE", b"ENABLE", b"UTF8=ACCEPT", b"QUOTA", b"MOVE", b"UIDPLUS", b"IDLE", b"ID"]:
    assert first.has_capability(word), word
assert first.id_({"name": "IMAPClient"})[0][1] == b"Postroom"
assert first.namespace().personal == (("", "/"),)
assert first.enable("CONDSTORE") == [b"CONDSTORE"]

# Names beyond ASCII, in both forms.
first.create_folder("Entwürfe & mehr")
assert "Entwürfe & mehr" in [name for _, _, name in first.list_folders()]
first.subscribe_folder("Entwürfe & mehr")
assert [name for _, _, name in first.list_sub_folders()] == ["Entwürfe & mehr"]
assert first.find_special_folder(rb"\Sent") == "Sent"
assert first.folder_exists("Sent") and not first.folder_exists("Nothing")
first.rename_folder("Entwürfe & mehr", "早安")
assert first.folder_status("早安", ["MESSAGES", "HIGHESTMODSEQ"])[b"MESSAGES"] == 0

# Messages, with their dates and flags.
when = datetime.datetime(2020, 7, 6, 10, 0, 0)
text = "From: Bob <bob@abc.test>\r\nTo: ann@abc.test\r\nSubject: =?utf-8?b?R3LDvMOfZQ==?=\r\n"
text += "Date: Mon, 6 Jul 2020 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-15\r\n"
text += "Content-Transfer-Encoding: quoted-printable\r\n\r\nF=FCnf =A4uro\r\n"
for number in range(3):
    answer = first.append("INBOX", text + str(number) + "\r\n", flags=[rb"\Flagged"], msg_time=when)
    assert b"APPENDUID" in answer, answer
info = first.select_folder("INBOX")
assert info[b"EXISTS"] == 3 and b"HIGHESTMODSEQ" in info, info
assert second.select_folder("INBOX")[b"EXISTS"] == 3
uids = first.search("ALL")
data = first.fetch(uids, ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "MODSEQ", "BODY.PEEK[TEXT]"])
row = data[uids[0]]
assert row[b"ENVELOPE"].from_[0].mailbox == b"bob" and row[b"ENVELOPE"].date == when.replace(tzinfo=None), row
assert row[b"BODYSTRUCTURE"][:2] == (b"text", b"plain"), row
assert row[b"FLAGS"] == (rb"\Flagged",) and row[b"RFC822.SIZE"] == len(text) + 3
modseq = max(row[b"MODSEQ"][0] for row in data.values())

# Searches, decoded and in several character sets.
assert first.search(["SUBJECT", "grüße"], charset="UTF-8") == uids
assert first.search(["BODY", "fünf €uro"], charset="UTF-8") == uids
assert first.search(["BODY", "fünf"], charset="ISO-8859-1") == uids
assert first.search(["OR", "FROM", "nobody", "NOT", ["SEEN", "FLAGGED"]]) == uids
assert first.search(["ON", datetime.date(2020, 7, 6), "SENTSINCE", datetime.date(2020, 7, 1)]) == uids
assert first.search(["UID", "%d:*" % uids[1]]) == uids[1:]
try:
    first.search(["BODY", "x"], charset="KLINGON")
    sys.exit("there is no such character set")
except (IMAPClientError, LookupError):
    pass

# What changed since, and who comes second.
second.add_flags(uids[0], ["$Later"])
assert list(first.fetch(uids, ["FLAGS"], ["CHANGEDSINCE %d" % modseq])) == uids[:1]
changed = first.search(["MODSEQ", str(modseq + 1)])
assert changed == uids[:1] and changed.modseq == modseq + 1, (changed, changed.modseq)
first._imap.uid("STORE", str(uids[0]), "(UNCHANGEDSINCE %d)" % modseq, "+FLAGS", r"(\Deleted)")
assert rb"\Deleted" not in first.get_flags(uids[0])[uids[0]]

# Moving, removing, and hearing of it in IDLE.
second.idle()
first.move(uids[:1], "早安")
first.delete_messages(uids[1:2])
first.uid_expunge(uids[1:2])
heard = []
while len([line for line in heard if line[1] == b"EXPUNGE"]) < 2:
    came = second.idle_check(timeout=20)
    assert came, heard
    heard += came
second.idle_done()
assert second.search("ALL") == uids[2:]
assert first.folder_status("早安", ["MESSAGES"])[b"MESSAGES"] == 1
first.copy(uids[2:], "早安")
root, quotas = first.get_quota_root("INBOX")
assert root.quota_roots == [""], root
assert {(q.resource, q.limit) for q in quotas} == {("STORAGE", 10240), ("MESSAGE", 100)}, quotas
assert [q.usage for q in quotas if q.resource == "MESSAGE"] == [3], quotas
first.unselect_folder()
first.delete_folder("早安")
for connection in (first, second):
    connection.logout()
print("all of it")
"#;

#[test]
fn imapclient_finds_what_it_asks_for() {
    let server = Server::start();
    server.domain("abc.test");
    server.user(
        "ann@abc.test",
        &["quota-bytes=10485760", "quota-messages=100"],
    );
    let said = python_client(CLIENT, &[&server.port("imaps")]).ok();
    assert_eq!(said, "all of it\n");
}
