"""A person who fetches and deletes mail by POP3 while the server is killed again and again. What
was deleted and acknowledged by QUIT must never come back; what was left must stay.

Prints the ids of deleted mail too."""
left = {}  # UIDL -> id
gone, unsure, deleted = set(), set(), set()
counts = {"session": 0, "delete": 0}


def session(words):
    global left, unsure
    client = poplib.POP3_SSL("127.0.0.1", int(words[1]), context=context, timeout=20)
    client.user(user)
    client.pass_("secret")
    listed = {}
    for line in client.uidl()[1]:
        number, unique = line.decode().split()
        listed[unique] = number
    for unique in listed:
        if unique in gone:
            fail(f"{unique} came back after its deletion")
    for unique, name in left.items():
        if unique not in listed:
            if unique not in unsure:
                fail(f"{unique} ({name}) is lost")
            else:
                gone.add(unique)
    left = {unique: name for unique, name in left.items() if unique in listed}
    unsure = set()
    for unique, number in listed.items():
        if unique not in left:
            text = b"\n".join(client.top(int(number), 0)[1])
            left[unique] = re.search(rb"Message-ID: <([^>]*)>", text).group(1).decode()
    chosen = [unique for unique in listed if dice.random() < 0.6]
    for unique in chosen:
        client.dele(int(listed[unique]))
    unsure = set(chosen)
    for unique in chosen:
        deleted.add(left[unique])
    client.quit()
    for unique in chosen:
        gone.add(unique)
        del left[unique]
    unsure = set()
    counts["session"] += 1
    counts["delete"] += len(chosen)


lost = (poplib.error_proto, OSError, EOFError, ValueError)
live(session, lost, 0.02, lambda: {"counts": counts, "deleted": sorted(deleted)})
