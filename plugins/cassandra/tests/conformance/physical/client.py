"""Fills, empties, changes and shows a cluster with the makers' driver, which shares nothing with the plugin.

client.py PORT ADDRESS[,ADDRESS...] ACTION [ARGUMENT...]
"""

import hashlib
import json
import os
import random
import sys
import threading
import uuid

from cassandra import ConsistencyLevel
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.policies import RoundRobinPolicy

VALUE = 16 * 1024
ACCOUNTS, BANKS, SUM = 10, 5, 1000


def connect(port, addresses):
    profile = ExecutionProfile(
        load_balancing_policy=RoundRobinPolicy(), consistency_level=ConsistencyLevel.ALL, request_timeout=120
    )
    cluster = Cluster(
        addresses,
        port=port,
        auth_provider=PlainTextAuthProvider("cassandra", "cassandra"),
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        connect_timeout=30,
        control_connection_timeout=30,
    )
    return cluster, cluster.connect()


def keyspaces(cluster):
    cluster.refresh_schema_metadata()
    found = cluster.metadata.keyspaces
    return {name: found[name] for name in sorted(found) if name != "system" and not name.startswith("system_")}


def clear(cluster, session):
    for name in keyspaces(cluster):
        session.execute(f'DROP KEYSPACE "{name}"', timeout=120)


def keyspace(session, name, replicas):
    session.execute(
        f"CREATE KEYSPACE {name} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': {replicas}}}"
    )


def many(session, statement, rows):
    prepared = session.prepare(statement)
    execute_concurrent_with_args(session, prepared, rows, concurrency=64)


def usual(session, replicas=1):
    keyspace(session, "shop", replicas)
    run = session.execute
    run("CREATE TYPE shop.address (street text, town text)")
    run("CREATE FUNCTION shop.twice (a int) CALLED ON NULL INPUT RETURNS int LANGUAGE java AS 'return a == null ? null : 2 * a;'")
    run(
        "CREATE TABLE shop.orders (customer int, day date, number int, total decimal, paid boolean, name text static,"
        " places frozen<list<frozen<address>>>, tags set<text>, notes map<text, text>, gone text,"
        " PRIMARY KEY ((customer), day, number)) WITH CLUSTERING ORDER BY (day DESC, number ASC) AND comment = 'it''s; so'"
    )
    run("CREATE INDEX orders_total ON shop.orders (total)")
    run("CREATE TABLE shop.customers (id uuid PRIMARY KEY, name text, town text)")
    run(
        "CREATE MATERIALIZED VIEW shop.by_town AS SELECT town, id, name FROM shop.customers"
        " WHERE town IS NOT NULL AND id IS NOT NULL PRIMARY KEY (town, id)"
    )
    run("CREATE TABLE shop.visits (page text PRIMARY KEY, count counter)")
    run("CREATE TABLE shop.nothing (a int PRIMARY KEY)")
    for number in range(60):
        run(
            "INSERT INTO shop.orders (customer, day, number, total, paid, name, places, tags, notes, gone)"
            " VALUES (%s, %s, %s, %s, %s, %s, [{street: 'a', town: 'b'}], {'x', 'y'}, {'k': 'v'}, 'g')"
            " USING TIMESTAMP %s",
            (number % 7, f"2026-01-{number % 28 + 1:02}", number, number / 4, number % 2 == 0, f"c{number % 7}", 10**15 + number),
        )
    run("ALTER TABLE shop.orders DROP gone")
    run("INSERT INTO shop.orders (customer, day, number, total) VALUES (1, '2026-02-01', 1, 5) USING TTL 86400")
    run("DELETE FROM shop.orders WHERE customer = 2 AND day = '2026-01-03'")
    rows = [(uuid.UUID(int=number), f"name {number}", f"town {number % 5}") for number in range(100)]
    many(session, "INSERT INTO shop.customers (id, name, town) VALUES (?, ?, ?)", rows)
    for number in range(40):
        run("UPDATE shop.visits SET count = count + %s WHERE page = %s", (number, f"p{number % 4}"))
    keyspace(session, "bank", replicas)
    run("CREATE TABLE bank.accounts (bank int, account int, amount int, PRIMARY KEY (bank, account))")
    rows = [(bank, account, SUM) for bank in range(BANKS) for account in range(ACCOUNTS)]
    many(session, "INSERT INTO bank.accounts (bank, account, amount) VALUES (?, ?, ?)", rows)


def odd(session):
    keyspace(session, '"Odd"', 1)
    run = session.execute
    run('CREATE TYPE "Odd"."Type; --" ("a b" text)')
    columns = '"a ""b""; DROP" text, "é\n" blob, c text, PRIMARY KEY ("a ""b""; DROP", "é\n")'
    run(f'CREATE TABLE "Odd"."Select" ({columns}) WITH comment = \'$$ ; "\'')
    run('CREATE INDEX "Index_1" ON "Odd"."Select" (c)')
    run('CREATE TABLE "Odd".t_1 (a text PRIMARY KEY, "SELECT" text)')
    statement = session.prepare('INSERT INTO "Odd"."Select" ("a ""b""; DROP", "é\n", c) VALUES (?, ?, ?)')
    for key in ["a", "\0", "..", "/etc/passwd", "'\"", "\x1b[0m", "ü" * 1000, "k" * 60000, "\U0001f600"]:
        for part in [b"", b"\0", bytes(range(256))]:
            session.execute(statement, (key, part, key[:100]))
    session.execute(session.prepare('INSERT INTO "Odd".t_1 (a, "SELECT") VALUES (?, ?)'), ("x", ""))


def huge(session, size):
    keyspace(session, "huge", 1)
    session.execute("CREATE TABLE huge.t (a int PRIMARY KEY, b blob)")
    session.execute(session.prepare("INSERT INTO huge.t (a, b) VALUES (1, ?)"), (os.urandom(size),), timeout=120)


def count(session, rows):
    keyspace(session, "many", 1)
    session.execute("CREATE TABLE many.t (a int PRIMARY KEY, b text)")
    many(session, "INSERT INTO many.t (a, b) VALUES (?, ?)", ((a, f"v{a}") for a in range(rows)))


def bulk(session, size):
    keyspace(session, "bulk", 1)
    for table in range(4):
        session.execute(f"CREATE TABLE bulk.t{table} (a int PRIMARY KEY, b blob) WITH compression = {{'enabled': 'false'}}")
        rows = ((a, os.urandom(VALUE)) for a in range(max(1, size // 4 // VALUE)))
        many(session, f"INSERT INTO bulk.t{table} (a, b) VALUES (?, ?)", rows)


def digest(rows):
    whole = hashlib.sha256()
    for row in sorted(repr(tuple(row)) for row in rows):
        whole.update(row.encode())
    return f"{len(rows)} rows {whole.hexdigest()[:16]}"


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def rows_of(session, space, table):
    """All rows, with the time of each value that has one of its own, and whether it ends."""
    names = []
    key = {column.name for column in table.primary_key}
    for column in table.columns.values():
        names.append(quoted(column.name))
        kind = column.cql_type
        is_plain = not kind.startswith(("list<", "set<", "map<", "counter")) and "frozen" not in kind
        if column.name not in key and is_plain and "." not in kind:
            names.append(f"writetime({quoted(column.name)})")
    statement = f"SELECT {', '.join(names)} FROM {quoted(space)}.{quoted(table.name)}"
    return list(session.execute(statement, timeout=120))


def dump(cluster, session):
    shown = {}
    for name, space in keyspaces(cluster).items():
        shown[f"keyspace/{name}"] = repr(space.replication_strategy.export_for_schema())
        for kind in space.user_types.values():
            shown[f"type/{name}.{kind.name}"] = kind.as_cql_query()
        for function in space.functions.values():
            shown[f"function/{name}.{function.name}"] = function.as_cql_query()
        for table in space.tables.values():
            indexes = sorted(index.as_cql_query() for index in table.indexes.values())
            definition = [table.as_cql_query(), *indexes]
            shown[f"table/{name}.{table.name}"] = "\n".join([*definition, digest(rows_of(session, name, table))])
        for view in space.views.values():
            rows = list(session.execute(f"SELECT * FROM {quoted(name)}.{quoted(view.name)}", timeout=120))
            shown[f"view/{name}.{view.name}"] = view.as_cql_query() + "\n" + digest(rows)
    if "shop" in keyspaces(cluster) and "table/shop.orders" in shown:
        found = session.execute("SELECT number FROM shop.orders WHERE total = 5 ALLOW FILTERING")
        shown["table/shop.orders"] += "\nby index " + digest(list(found))
    print(json.dumps(shown))


def write(session):
    """Moves money between the accounts of a bank, which are one partition: both changes are seen, or none."""
    amounts = {(row.bank, row.account): row.amount for row in session.execute("SELECT * FROM bank.accounts")}
    put = "UPDATE bank.accounts SET amount = ? WHERE bank = ? AND account = ?;"
    statement = session.prepare(f"BEGIN UNLOGGED BATCH {put} {put} APPLY BATCH")
    stopped = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
    print("ready", flush=True)
    moves = 0
    while not stopped.is_set():
        bank = random.randrange(BANKS)
        one, other = random.sample(range(ACCOUNTS), 2)
        amounts[bank, one] -= 1
        amounts[bank, other] += 1
        session.execute(statement, (amounts[bank, one], bank, one, amounts[bank, other], bank, other))
        moves += 1
    print(moves)


def invariant(session):
    sums = [0] * BANKS
    for row in session.execute("SELECT * FROM bank.accounts"):
        sums[row.bank] += row.amount
    if sums != [ACCOUNTS * SUM] * BANKS:
        sys.exit(f"the sums are {sums}")


def main():
    port, addresses, action, *arguments = sys.argv[1:]
    cluster, session = connect(int(port), addresses.split(","))
    numbers = [int(argument) for argument in arguments if argument.isdigit()]
    actions = {
        "clear": lambda: clear(cluster, session),
        "usual": lambda: usual(session, *numbers),
        "odd": lambda: odd(session),
        "huge": lambda: huge(session, *numbers),
        "many": lambda: count(session, *numbers),
        "bulk": lambda: bulk(session, *numbers),
        "dump": lambda: dump(cluster, session),
        "write": lambda: write(session),
        "invariant": lambda: invariant(session),
        "cql": lambda: session.execute(arguments[0], timeout=120),
    }
    actions[action]()
    cluster.shutdown()


main()
