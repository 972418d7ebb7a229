"""What an application does with SQLite databases, for tests. The first argument says what; it ends with its input.

move MODE PATH     moves money between two rows of `account` all the time, and prints how often and the longest wait
hold PATH...       keeps databases open, as a server does
contents FOLDER    prints what all databases of a folder hold, as JSON: a digest for each path
"""

import hashlib
import json
import os
import random
import select
import sqlite3
import sys
import time
import urllib.parse

ENDINGS = (b".db", b".sqlite", b".sqlite3")


def has_ended():
    return bool(select.select([sys.stdin], [], [], 0)[0])


def move(mode, path):
    database = sqlite3.connect(path, timeout=60, isolation_level=None)
    database.execute(f"PRAGMA journal_mode={mode}")
    # Checkpoints all the time, so that many of them meet a backup.
    database.execute("PRAGMA wal_autocheckpoint=4")
    count, longest = 0, 0.0
    print("ready", flush=True)
    while not count or not has_ended():
        start = time.perf_counter()
        amount = random.randint(1, 9)
        database.execute("BEGIN IMMEDIATE")
        database.execute("UPDATE account SET amount = amount - ? WHERE id = 1", (amount,))
        # Pages that come, go and move between the two.
        database.execute("INSERT INTO filler(data) VALUES(randomblob(2000))")
        database.execute("DELETE FROM filler WHERE id IN (SELECT id FROM filler ORDER BY random() LIMIT 1)")
        database.execute("UPDATE account SET amount = amount + ? WHERE id = 2", (amount,))
        database.execute("COMMIT")
        count += 1
        longest = max(longest, time.perf_counter() - start)
    print(count, int(longest * 1e6), flush=True)


def hold(paths):
    held = []
    for path in paths:
        database = sqlite3.connect(path)
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        held.append(database)
    print("ready", flush=True)
    sys.stdin.read()


def contents(folder):
    found = {}
    for above, _, names in os.walk(os.fsencode(folder)):
        for name in names:
            if name.endswith(ENDINGS) and not name.startswith(b".lockgate"):
                path = os.path.join(above, name)
                short = os.path.relpath(path, os.fsencode(folder))
                found[urllib.parse.quote(short)] = digest(path)
    print(json.dumps(found))


def digest(path):
    if not os.path.getsize(path):
        return "no bytes"
    database = sqlite3.connect(path)
    database.text_factory = bytes
    taken = hashlib.sha256()

    def take(value):
        text = value if isinstance(value, bytes) else repr(value).encode()
        taken.update(b"%s %d " % (type(value).__name__.encode(), len(text)))
        taken.update(text)

    state = database.execute("PRAGMA integrity_check").fetchall()
    if state != [(b"ok",)]:
        return f"damaged: {state}"
    for name in ("user_version", "application_id", "page_size", "journal_mode", "encoding", "auto_vacuum"):
        take(database.execute(f"PRAGMA {name}").fetchone()[0])
    schema = database.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    for row in schema:
        for value in row:
            take(value)
    for kind, name, sql in schema:
        if kind == b"table" and b"VIRTUAL" not in (sql or b""):
            quoted = name.decode().replace('"', '""')
            for row in database.execute(f'SELECT * FROM "{quoted}"'):
                for value in row:
                    take(value)
    database.close()
    return taken.hexdigest()


if __name__ == "__main__":
    what, rest = sys.argv[1], sys.argv[2:]
    {"move": lambda: move(*rest), "hold": lambda: hold(rest), "contents": lambda: contents(*rest)}[what]()
