"""Fills, empties, changes and shows a ZooKeeper tree with kazoo, a client that shares nothing with the plugin.

client.py HOSTS ACTION [ARGUMENT...]; HOSTS is ADDRESS:PORT[,ADDRESS:PORT...].
"""

import base64
import hashlib
import json
import os
import struct
import sys
import threading

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from kazoo.protocol.serialization import Create, int_struct, write_buffer, write_string
from kazoo.security import ACL, Id, OPEN_ACL_UNSAFE, make_acl, make_digest_acl

SYSTEM = "/zookeeper"
CONTAINER, TTL = -(1 << 63), 0xFF
FULL = 1000


class CreateContainer(Create):
    """kazoo makes no containers: operation 19, flags 4."""

    type = 19


class CreateTtl(Create):
    """Nor nodes with a time to live: operation 21, flags 5; here `flags` is the time in milliseconds."""

    type = 21

    def serialize(self):
        return Create.serialize(self)[:-4] + int_struct.pack(5) + struct.pack("!q", self.flags)


def create_as(client, kind, path, data, acl, flags):
    done = client.handler.async_result()
    client._call(kind(path, data, acl, flags), done)
    return done.get()


def connect(hosts, account="super:secret"):
    client = KazooClient(hosts=hosts, timeout=30, auth_data=[("digest", account)] if account else None)
    client.start(timeout=30)
    return client


def walk(client, path="/"):
    """Every node but the server's own, children first."""
    for name in sorted(client.get_children(path)):
        child = path.rstrip("/") + "/" + name
        if child != SYSTEM:
            yield from walk(client, child)
            yield child


def clear(client):
    for path in list(walk(client)):
        client.delete(path)
    for path in list(walk(client, "/zookeeper/quota")):
        client.delete(path)
    client.set("/", b"")
    client.set_acls("/", OPEN_ACL_UNSAFE)


def in_batches(client, creations):
    """`creations` are (path, data); many of them in one transaction, and some transactions under way."""
    under_way, transaction, size = [], client.transaction(), 0
    for path, data in creations:
        transaction.create(path, data, OPEN_ACL_UNSAFE)
        size += len(data) + len(path)
        if size > 400_000 or len(transaction.operations) >= FULL:
            under_way.append(transaction.commit_async())
            transaction, size = client.transaction(), 0
        if len(under_way) > 8:
            check(under_way.pop(0).get())
    under_way.append(transaction.commit_async())
    for done in under_way:
        check(done.get())


def check(results):
    for result in results:
        if isinstance(result, Exception):
            raise result


def quota(client, path, limits):
    client.create("/zookeeper/quota" + path + "/zookeeper_limits", limits, makepath=True)
    client.create("/zookeeper/quota" + path + "/zookeeper_stats", b"count=0,bytes=0")


def usual(client):
    owner = make_digest_acl("owner", "pw", all=True)
    readers = make_acl("world", "anyone", read=True)
    client.create("/app", b"settings follow")
    client.create("/app/settings", b'{"size": 3, "name": "gr\xc3\xb6\xc3\x9fe"}')
    client.create("/app/binary", bytes(range(256)))
    client.create("/app/nothing", None)
    client.create("/app/empty", b"")
    client.create("/app/secret", b"for the owner", acl=[owner])
    client.create("/app/secret/below", b"more", acl=[owner, readers])
    client.create("/app/address", b"x", acl=[make_acl("ip", "127.0.0.1", all=True), readers])
    client.create("/locked", b"", acl=[make_digest_acl("owner", "pw", read=True)])
    client.create("/locked/child", b"made before its parent was locked", acl=[make_digest_acl("owner", "pw", read=True)])
    client.create("/queue", b"")
    for number in range(12):
        client.create("/queue/item-", b"%d" % number, sequence=True)
    for number in range(9):
        client.delete("/queue/item-%010d" % number)
    create_as(client, CreateContainer, "/container", b"", OPEN_ACL_UNSAFE, 4)
    client.create("/container/member", b"in it")
    create_as(client, CreateContainer, "/container/inner", b"empty", OPEN_ACL_UNSAFE, 4)
    client.create("/lived", b"")
    create_as(client, CreateTtl, "/lived/hour", b"an hour", OPEN_ACL_UNSAFE, 3_600_000)
    in_batches(client, [("/many", b"")] + [("/many/%03d" % n, b"value %d" % n) for n in range(300)])
    in_batches(client, [("/counters", b"")] + [("/counters/%d" % n, b"0") for n in range(20)])
    client.create("/other", b"")
    in_batches(client, [("/other/%d" % n, b"0") for n in range(20)])
    for number in range(5):
        client.set("/app/settings", b"version %d" % number)
    client.set("/", b"of the root")
    quota(client, "/many", b"count=1000,bytes=100000")
    quota(client, "/app/settings", b"count=5,bytes=-1")


ODD = [
    " ", "  two  spaces ", "'", '"', "\\", "%2F", "%", "_root", "_", "...", ".hidden", "~", "*", "?", "[a]", "{a}", "$(a)", "`a`",
    "a;b", "a&b", "<a>", "|", "#", "-rf", "--", "nul", "CON", "zookeeper", "zookeeper_stats", "quota", "\u00e9", "e\u0301",
    "gr\u00f6\u00dfe", "\u65e5\u672c\u8a9e", "\u0645\u0631\u062d\u0628\u0627", "\u202eevil", "\u200b", "\u00a0", "\ufeff", "\u2028",
    "0000000001", "n-2147483647", "tree", "nodes.jsonl", ".lockgate", "manifest.json", "a" * 255, "b" * 256, "\u00fc" * 2000,
]


def odd(client):
    values = [b"", None, b"\0", b"\n", b"\r\n", b"\xff\xfe", b'{"path":"/x"}\n', "\u2028".encode(), b" ", bytes(65536)]
    client.create("/names", b"")
    for number, name in enumerate(ODD):
        value = values[number % len(values)]
        client.create("/names/" + name, value)
        client.create("/names/" + name + "/" + name, value)
        if name != "zookeeper":
            client.create("/" + name, value)
    deep = "/deep"
    for number in range(200):
        client.create(deep, b"%d" % number)
        deep += "/d"
    client.create("/long", b"")
    client.create("/long/" + "x" * 65536, b"a name of 64 KiB")
    acl = [make_digest_acl("user %d" % number, "pw", read=True) for number in range(500)]
    client.create("/acl", b"a long ACL", acl=acl)
    client.create("/acl/smile", b"", acl=[ACL(31, Id("digest", "\u00fcser:aGFzaA==")), ACL(1, Id("world", "anyone"))])
    client.create("/acl/none", b"", acl=[ACL(0, Id("world", "anyone"))])


def bulk(client, size):
    """Incompressible values of 4 KiB below four nodes."""
    each = 4096
    per_tree = max(1, size // each // 4)

    def creations():
        for tree in range(4):
            yield "/bulk%d" % tree, b""
            for number in range(per_tree):
                yield "/bulk%d/%06d" % (tree, number), os.urandom(each)

    in_batches(client, creations())


def shown(client, path):
    data, stat = client.get(path)
    acl, _ = client.get_acls(path)
    owner = stat.ephemeralOwner
    if owner == CONTAINER:
        kind = "container"
    elif (owner >> 56) & 0xFF == TTL:
        kind = "ttl %d" % (owner & ((1 << 40) - 1))
    elif owner:
        return None
    else:
        kind = "persistent"
    # kazoo reads no data as none since 2.0; the server keeps both apart.
    digest = "none" if data is None else "%d bytes %s" % (len(data), hashlib.sha256(data).hexdigest())
    lines = sorted("%s:%s:%d" % (line.id.scheme, line.id.id, line.perms) for line in acl)
    text = "; ".join([kind, digest, ", ".join(lines)])
    return text if len(text) < 2000 else hashlib.sha256(text.encode()).hexdigest()


def dump(client):
    contents = {}
    todo = ["/"]
    while todo:
        path = todo.pop()
        text = shown(client, path)
        if text is None:
            continue
        contents[path] = text
        for name in client.get_children(path):
            child = path.rstrip("/") + "/" + name
            if child != SYSTEM:
                todo.append(child)
    for path in walk(client, "/zookeeper/quota"):
        if path.endswith("/zookeeper_limits"):
            contents[path] = shown(client, path)
    print(json.dumps(contents))


def batched_dump(client):
    """As `dump`, with many questions under way: for trees with very many nodes."""
    contents, level = {}, ["/"]
    while level:
        following = []
        for start in range(0, len(level), 500):
            paths = level[start:start + 500]
            asked = [(path, client.get_async(path), client.get_acls_async(path), client.get_children_async(path)) for path in paths]
            for path, data, acl, children in asked:
                value, stat = data.get()
                lines = sorted("%s:%s:%d" % (line.id.scheme, line.id.id, line.perms) for line in acl.get()[0])
                contents[path] = hashlib.sha256(b"%s %s" % (value or b"", ", ".join(lines).encode())).hexdigest()
                following.extend(path.rstrip("/") + "/" + name for name in children.get())
        level = [path for path in following if path != SYSTEM]
    print(json.dumps(contents))


def write(client):
    """Sets two nodes in two trees to the same number in one transaction, moves a node from one tree to another, and keeps
    something coming and going, until its input ends."""
    stopped = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
    # Of a run before this one.
    for tree in ("/counters", "/other"):
        if client.exists(tree + "/token"):
            client.delete(tree + "/token")
    print("ready", flush=True)
    number, under_way = 0, []
    while not stopped.is_set():
        number += 1
        value = b"%d" % number
        transaction = client.transaction()
        slot = number % 20
        for tree in ("/counters", "/other"):
            transaction.set_data("%s/%d" % (tree, slot), value)
        home, away = ("/counters", "/other") if number // 20 % 2 == 0 else ("/other", "/counters")
        if number % 20 == 0:
            if number > 20:
                transaction.delete(home + "/token")
            transaction.create(away + "/token", value)
        under_way.append(transaction.commit_async())
        if len(under_way) > 16:
            check(under_way.pop(0).get())
        if number % 50 == 0:
            client.create("/other/ephemeral-", b"", ephemeral=True, sequence=True)
    for done in under_way:
        check(done.get())
    print(number, flush=True)


def invariant(client):
    """What `write` keeps: the same numbers in both trees, and one token at most."""
    for slot in range(20):
        one, other = (client.get("%s/%d" % (tree, slot))[0] for tree in ("/counters", "/other"))
        assert one == other, "slot %d: %r and %r" % (slot, one, other)
    highest = max(int(client.get("/counters/%d" % slot)[0]) for slot in range(20))
    tokens = sum(1 for tree in ("/counters", "/other") if client.exists(tree + "/token"))
    assert tokens == (1 if highest >= 20 else 0), "%d tokens after %d" % (tokens, highest)
    numbers = sorted(int(client.get("/counters/%d" % slot)[0]) for slot in range(20))
    assert highest < 20 or numbers == list(range(highest - 19, highest + 1)), "of different moments: %r" % numbers
    print(highest)


def main():
    hosts, action, *arguments = sys.argv[1:]
    client = connect(hosts)
    try:
        if action == "clear":
            clear(client)
        elif action == "usual":
            usual(client)
        elif action == "odd":
            odd(client)
        elif action == "huge":
            client.create("/huge", b"")
            client.create("/huge/value", os.urandom(int(arguments[0])))
        elif action == "many":
            names = (("/many-small/%07d" % number, b"%d" % number) for number in range(int(arguments[0])))
            client.create("/many-small", b"")
            in_batches(client, names)
        elif action == "bulk":
            bulk(client, int(arguments[0]))
        elif action == "dump":
            dump(client)
        elif action == "batched-dump":
            batched_dump(client)
        elif action == "write":
            write(client)
        elif action == "invariant":
            invariant(client)
        elif action == "sequence":
            print(client.create(arguments[0], b"", sequence=True))
        else:
            sys.exit("unknown action " + action)
    finally:
        client.stop()
        client.close()


main()
