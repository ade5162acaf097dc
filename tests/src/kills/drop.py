"""A person who fetches and deletes mail by POP3 while the server is killed again and again. What
was deleted and acknowledged by QUIT must never come back; what was left must stay.

usage: drop.py PORTS_FILE USER SEED; prints counts, failures and the ids of deleted mail as JSON."""
import json, os, poplib, random, re, ssl, sys, time

ports_file, user, seed = sys.argv[1:4]
dice = random.Random(int(seed))
context = ssl._create_unverified_context()
left = {}  # UIDL -> id
gone, unsure, deleted = set(), set(), set()
failures, counts = [], {"session": 0, "delete": 0}


def ports():
    while True:
        try:
            words = open(ports_file).read().split()
        except OSError:
            words = []
        if not os.path.isdir(os.path.dirname(ports_file)):
            return None  # The run was broken off.
        if words == ["end"]:
            return None
        if words:
            return words
        time.sleep(0.003)


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
            failures.append(f"{user}: {unique} came back after its deletion")
    for unique, name in left.items():
        if unique not in listed:
            if unique not in unsure:
                failures.append(f"{user}: {unique} ({name}) is lost")
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


while (words := ports()) is not None:
    try:
        session(words)
        time.sleep(0.02)
    except (poplib.error_proto, OSError, EOFError, ValueError):
        time.sleep(0.003)
print(json.dumps({"counts": counts, "failures": failures, "deleted": sorted(deleted)}))
