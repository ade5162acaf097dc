"""What every person does who works while the server is killed again and again. Stands before the
script of each.

usage: SCRIPT PORTS_FILE USER SEED; PORTS_FILE has the ports, nothing while the server is down, or `end`."""
import imaplib, json, os, poplib, random, re, ssl, sys, time

ports_file, user, seed = sys.argv[1:4]
dice = random.Random(int(seed))
context = ssl._create_unverified_context()
failures = []


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


def fail(what):
    failures.append(f"{user}: {what}")


def live(session, lost, pause, said):
    """One session after the other until the end; then counts and failures, as JSON."""
    while (words := ports()) is not None:
        try:
            session(words)
            time.sleep(pause)
        except lost:
            time.sleep(0.003)
    print(json.dumps({"failures": failures} | said()))


