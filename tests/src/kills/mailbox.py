"""A person who works with two mailboxes by IMAP while the server is killed again and again, and
remembers what was acknowledged. One operation at a time may be without an answer; everything
else must be exactly as it was told."""
BOXES = ["INBOX", "Kept"]
boxes = {box: {} for box in BOXES}  # uid -> [id, flags]
ever = {box: {} for box in BOXES}  # uid -> id, for all time
gone = {box: set() for box in BOXES}
validity = {}
unsure = None  # what was asked and never answered
counts = {}
number = 0


class Refused(Exception):
    pass


def good(answer):
    if answer[0] != "OK":
        raise Refused(answer)
    return answer[1]


def found_in(client, box):
    good(client.select(box))
    epoch = client.response("UIDVALIDITY")[1][0]
    if validity.setdefault(box, epoch) != epoch:
        fail(f"UIDVALIDITY of {box} went from {validity[box]} to {epoch}")
    data = good(client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"))
    found, last = {}, 0
    for part in data:
        if not isinstance(part, tuple):
            continue
        uid = int(re.search(rb"UID (\d+)", part[0]).group(1))
        flags = set(re.search(rb"FLAGS \(([^)]*)\)", part[0]).group(1).decode().split())
        name = re.search(rb"<([^>]*)>", part[1]).group(1).decode()
        if uid <= last:
            fail(f"{box}: UID {uid} behind {last}")
        last = uid
        found[uid] = [name, sorted(flags - {"\\Recent"})]
    return found


def check_box(box, found):
    top = max(ever[box], default=0)
    for uid, (name, flags) in found.items():
        if uid in ever[box]:
            if ever[box][uid] != name:
                fail(f"{box}: UID {uid} was {ever[box][uid]} and is {name}")
        elif uid <= top:
            fail(f"{box}: new UID {uid} is not above {top}")
        if uid in gone[box]:
            fail(f"{box}: UID {uid} came back after its expunge")
        ever[box][uid] = name
        if uid in boxes[box]:
            was = boxes[box][uid][1]
            if flags != was and unsure != ("flags", box, uid, flags):
                fail(f"{box}: flags of UID {uid} were {was} and are {flags}")
        elif not (unsure and unsure[0] in ("append", "move") and unsure[2] == box and unsure[1] == name):
            fail(f"{box}: UID {uid} ({name}) was never asked for")
    for uid, (name, _) in boxes[box].items():
        may_be_gone = unsure in (("expunge", box, uid), ("move", name, other(box)))
        if uid not in found and not may_be_gone:
            fail(f"{box}: UID {uid} ({name}) is lost")


def verify(client):
    global unsure
    now = {box: found_in(client, box) for box in BOXES}
    for box in BOXES:
        check_box(box, now[box])
    names = [name for box in BOXES for name, _ in now[box].values()]
    if len(names) != len(set(names)):
        fail(f"a message is there twice: {sorted(names)}")
    if unsure and unsure[0] == "move" and unsure[1] not in names:
        fail(f"{unsure[1]} was lost in a move")
    boxes.update(now)
    unsure = None


def other(box):
    return BOXES[1 - BOXES.index(box)]


def append(client, box):
    global number, unsure
    number += 1
    name = f"i{number}@{user}"
    flags = dice.choice([[], ["\\Seen"], ["\\Flagged", "work"]])
    text = f"Message-ID: <{name}>\r\nSubject: {number}\r\n\r\n" + "x" * dice.choice([10, 900, 9000, 300000 if number % 40 == 0 else 50]) + "\r\n"
    unsure = ("append", name, box)
    answer = good(client.append(box, "(" + " ".join(flags) + ")", None, text.encode()))[0]
    uid = int(re.search(rb"APPENDUID \d+ (\d+)", answer).group(1))
    if uid <= max(ever[box], default=0):
        fail(f"{box}: APPEND gave UID {uid} again")
    ever[box][uid] = name
    boxes[box][uid] = [name, sorted(flags)]


def flag(client, box, uid):
    global unsure
    old = set(boxes[box][uid][1])
    word = dice.choice(["\\Seen", "\\Flagged", "\\Answered", "work"])
    new = sorted(old ^ {word})
    unsure = ("flags", box, uid, new)
    good(client.uid("STORE", str(uid), ("-" if word in old else "+") + "FLAGS", f"({word})"))
    boxes[box][uid][1] = new


def expunge(client, box, uid):
    global unsure
    new = sorted(set(boxes[box][uid][1]) | {"\\Deleted"})
    unsure = ("flags", box, uid, new)
    good(client.uid("STORE", str(uid), "+FLAGS", "(\\Deleted)"))
    boxes[box][uid][1] = new
    unsure = ("expunge", box, uid)
    good(client.uid("EXPUNGE", str(uid)))
    del boxes[box][uid]
    gone[box].add(uid)


def move(client, box, uid):
    global unsure
    name, flags = boxes[box][uid]
    to = other(box)
    unsure = ("move", name, to)
    client.untagged_responses.pop("COPYUID", None)
    good(client.uid("MOVE", str(uid), to))
    answer = client.response("COPYUID")[1][0]
    target = int(answer.split()[-1])
    del boxes[box][uid]
    gone[box].add(uid)
    ever[to][target] = name
    boxes[to][target] = [name, flags]


def work(client):
    global unsure
    while ports() is not None:
        box = dice.choice(BOXES)
        good(client.select(box))
        for _ in range(dice.randrange(1, 6)):
            uids = sorted(boxes[box])
            step = dice.choice([append, append, flag, flag, expunge, move])
            if len(uids) > 30:
                step = expunge
            if step is append or not uids:
                step = append
                append(client, box)
            else:
                step(client, box, dice.choice(uids))
            unsure = None
            counts[step.__name__] = counts.get(step.__name__, 0) + 1


LOST = (imaplib.IMAP4.error, OSError, EOFError, Refused, ValueError)


def session(words):
    with imaplib.IMAP4_SSL("127.0.0.1", int(words[0]), ssl_context=context, timeout=20) as client:
        client.login(user, "secret")
        client.create("Kept")
        verify(client)
        counts["verified"] = counts.get("verified", 0) + 1
        work(client)


live(session, LOST, 0, lambda: {"counts": counts})
