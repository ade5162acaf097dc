//! What imapflow, a library of Node.js that many web mailers use, asks of a server.

use postroom_tests::{Server, node_client};

const CLIENT: &str = r#"
const { ImapFlow } = require("imapflow");
const assert = require("node:assert");
const port = Number(process.argv[process.argv.length - 1]);
const connect = async () => {
    const client = new ImapFlow({
        host: "127.0.0.1", port, secure: true, logger: false,
        tls: { rejectUnauthorized: false },
        auth: { user: "ann@abc.test", pass: "secret" },
    });
    await client.connect();
    return client;
};
const all = async (list) => { const got = []; for await (const item of list) got.push(item); return got; };
const text = (number) => [
    "From: Bob <bob@abc.test>", "To: ann@abc.test", `Subject: =?utf-8?b?R3LDvMOfZQ==?= ${number}`,
    "Date: Mon, 6 Jul 2020 10:00:00 +0000", "MIME-Version: 1.0",
    "Content-Type: multipart/mixed; boundary=edge", "", "--edge",
    "Content-Type: text/plain; charset=utf-8", "", "schönes Wetter", "--edge",
    "Content-Type: application/octet-stream", "Content-Transfer-Encoding: base64",
    "Content-Disposition: attachment; filename=a.bin", "", "AAECAw==", "--edge--", "",
].join("\r\n");

(async () => {
    const client = await connect(), other = await connect();
    for (const word of ["CONDSTORE", "UTF8=ACCEPT", "MOVE", "UIDPLUS", "LIST-STATUS", "SPECIAL-USE", "QUOTA"])
        assert(client.capabilities.has(word), word);
    assert(client.enabled.has("CONDSTORE"), "imapflow enables it by itself");
    assert.equal(client.serverInfo.name, "Postroom");

    // Mailboxes.
    assert.equal((await client.mailboxCreate(["Übung", "eins & zwei"])).path, "Übung/eins & zwei");
    await client.mailboxSubscribe("Übung");
    const boxes = await client.list({ statusQuery: { messages: true, highestModseq: true } });
    const found = boxes.find((box) => box.path === "Übung/eins & zwei");
    assert.equal(found.status.messages, 0);
    assert.equal(boxes.find((box) => box.specialUse === "\\Sent").path, "Sent");
    assert(boxes.find((box) => box.path === "Übung").subscribed);
    await client.mailboxRename("Übung/eins & zwei", "Übung/drei");

    // Messages.
    for (let number = 1; number <= 3; number++) {
        const put = await client.append("INBOX", text(number), ["\\Flagged"], new Date("2020-07-06T10:00:00Z"));
        assert.equal(put.uid, number);
    }
    const lock = await client.getMailboxLock("INBOX");
    assert.equal(client.mailbox.exists, 3);
    const modseq = client.mailbox.highestModseq;
    const rows = await all(client.fetch("1:*", {
        uid: true, flags: true, envelope: true, bodyStructure: true, size: true, internalDate: true, headers: ["subject"],
    }));
    assert.equal(rows.length, 3);
    assert.equal(rows[0].envelope.subject, "Grüße 1");
    assert.equal(rows[0].bodyStructure.childNodes[1].dispositionParameters.filename, "a.bin");
    assert.equal(rows[0].size, Buffer.byteLength(text(1)));
    const { content } = await client.download("1", "2");
    const pieces = [];
    for await (const piece of content) pieces.push(piece);
    assert.deepEqual([...Buffer.concat(pieces)], [0, 1, 2, 3]);
    const source = (await client.fetchOne("2", { source: true })).source.toString();
    assert.equal(source, text(2));

    // Searches.
    const search = (query) => client.search(query, { uid: true });
    assert.deepEqual(await search({ subject: "grüße" }), [1, 2, 3]);
    assert.deepEqual(await search({ body: "SCHÖNES", from: "bob", not: { subject: "2" } }), [1, 3]);
    assert.deepEqual(await search({ or: [{ subject: "1" }, { subject: "3" }] }), [1, 3]);
    assert.deepEqual(await search({ seen: true }), []);

    // What another does comes in while nothing is asked.
    const expunged = new Promise((done) => client.once("expunge", done));
    const flagged = new Promise((done) => client.on("flags", (event) => event.flags.has("$Later") && done(event)));
    const exists = new Promise((done) => client.once("exists", done));
    const idle = client.idle();
    const otherLock = await other.getMailboxLock("INBOX");
    await other.messageFlagsAdd("1", ["$Later"]);
    assert((await flagged).modseq > modseq);
    await other.messageDelete("2");
    assert.equal((await expunged).seq, 2);
    await other.append("INBOX", text(4));
    assert.equal((await exists).count, 3);
    otherLock.release();
    await client.noop();
    await idle;

    // What changed since, and who comes second.
    const changed = await all(client.fetch("1:*", { uid: true, flags: true }, { changedSince: modseq }));
    assert.deepEqual(changed.map((row) => row.uid), [1, 4]);
    const moved = await client.messageMove("1", "Übung/drei");
    assert.equal(moved.uidMap.get(1), 1);
    const copied = await client.messageCopy("3", "Übung/drei", { uid: true });
    assert.equal(copied.uidMap.get(3), 2);
    lock.release();
    assert.equal((await client.status("Übung/drei", { messages: true, unseen: true })).messages, 2);
    const quota = await client.getQuota("INBOX");
    assert.equal(quota.storage.limit, 10485760);
    await client.mailboxDelete("Übung/drei");
    await other.logout();
    await client.logout();
    console.log("all of it");
})().catch((error) => { console.error(error); process.exit(1); });
"#;

#[test]
fn imapflow_finds_what_it_asks_for() {
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &["quota-bytes=10485760"]);
    let said = node_client(CLIENT, &[&server.port("imaps")]).ok();
    assert_eq!(said, "all of it\n");
}
