"""Fills, empties, changes and shows a cluster with the makers' driver for Python, which shares nothing with the plugin.

client.py ADDRESS PORT USER PASSWORD ACTION [ARGUMENT...]
"""

import hashlib
import json
import os
import sys
import threading

import cassandra.cqltypes
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster, ExecutionProfile, EXEC_PROFILE_DEFAULT
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.policies import WhiteListRoundRobinPolicy
from cassandra.protocol import _ProtocolHandler
from cassandra.query import dict_factory

DAY = 86400
ACCOUNTS = 20
SUM = 1000


def list_with_nulls(cls, data, protocol_version):
    """The driver refuses a null in a list, which the server makes of the rest of life of what lives for ever."""
    (subtype,) = cls.subtypes
    count, at, values = int.from_bytes(data[:4], "big"), 4, []
    for _ in range(count):
        length, at = int.from_bytes(data[at:at + 4], "big", signed=True), at + 4
        values.append(None if length < 0 else subtype.from_binary(data[at:at + length], protocol_version))
        at += max(length, 0)
    return values


cassandra.cqltypes.ListType.deserialize_safe = classmethod(list_with_nulls)


def connect(address, port, user, password):
    profile = ExecutionProfile(
        load_balancing_policy=WhiteListRoundRobinPolicy([address]), request_timeout=60, row_factory=dict_factory)
    account = PlainTextAuthProvider(user, password) if user else None
    cluster = Cluster([address], port=int(port), auth_provider=account, execution_profiles={EXEC_PROFILE_DEFAULT: profile},
                      protocol_version=5, schema_event_refresh_window=-1, schema_metadata_enabled=False,
                      token_metadata_enabled=False)
    session = cluster.connect()
    session.client_protocol_handler = _ProtocolHandler
    return session


def run(session, *statements):
    for statement in statements:
        session.execute(statement)


def keyspaces(session):
    names = [row["keyspace_name"] for row in session.execute("SELECT keyspace_name FROM system_schema.keyspaces")]
    return sorted(name for name in names if not name.startswith("system"))


def roles(session):
    try:
        rows = session.execute("SELECT role, is_superuser, can_login, salted_hash, member_of FROM system_auth.roles")
    except Exception:
        return []
    return [row for row in rows if row["role"] != "cassandra"]


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def quoted_text(text):
    return "'" + text.replace("'", "''") + "'"


def clear(session):
    for keyspace in keyspaces(session):
        run(session, f"DROP KEYSPACE {quoted(keyspace)}")
    for role in roles(session):
        run(session, f"DROP ROLE {quoted(role['role'])}")


def keyspace(session, name, factor=1):
    replication = {"class": "SimpleStrategy", "replication_factor": str(factor)}
    run(session, f"CREATE KEYSPACE {quoted(name)} WITH replication = {replication}")
    session.set_keyspace(name)


TYPES = {
    "a": ("ascii", "'plain'"), "b": ("bigint", "-9223372036854775808"), "c": ("blob", "0x00ff10"),
    "d": ("boolean", "true"), "e": ("date", "'1969-12-31'"), "f": ("decimal", "-12345678901234567890.0123456789"),
    "g": ("double", "-1.5e300"), "h": ("duration", "1y2mo3d4h5m6s7ms8us9ns"), "i": ("float", "NaN"),
    "j": ("inet", "'2001:db8::1'"), "k": ("int", "-2147483648"), "l": ("smallint", "-32768"),
    "m": ("text", "'größe 名前 '''"), "n": ("time", "'23:59:59.999999999'"), "o": ("timestamp", "'1969-07-20T20:17:40.123Z'"),
    "p": ("timeuuid", "50554d6e-29bb-11e5-b345-feff819cdc9f"), "q": ("tinyint", "-128"),
    "r": ("uuid", "123e4567-e89b-42d3-a456-426614174000"), "s": ("varchar", "''"), "t": ("varint", "-1" + "0" * 40),
    "u": ("frozen<list<frozen<map<text, frozen<set<int>>>>>>", "[{'x': {1, 2}}, {}]"),
    "v": ("tuple<int, text, frozen<tuple<blob, double>>>", "(1, null, (0x01, 2.0))"), "w": ("vector<float, 3>", "[0.5, -1, 3]"),
    "x": ("frozen<address>", "{street: 'x', place: null}"),
    "y": ("map<text, frozen<address>>", "{'home': {street: 'y', place: {lat: 1, lon: 2}}}"),
    "z": ("frozen<set<timeuuid>>", "{50554d6e-29bb-11e5-b345-feff819cdc9f}"),
}


def usual(session):
    keyspace(session, "shop")
    run(
        session,
        "CREATE TYPE place (lat double, lon double)",
        "CREATE TYPE address (street text, place frozen<place>)",
        'CREATE TYPE "Person" (first text, last text, born date)',
        f"CREATE TABLE types (id int PRIMARY KEY, {', '.join(f'{name} {kind}' for name, (kind, _) in TYPES.items())})",
        f"INSERT INTO types (id, {', '.join(TYPES)}) VALUES (1, {', '.join(value for _, value in TYPES.values())})",
        "INSERT INTO types (id) VALUES (2)",
        "INSERT INTO types (id, m, c, k) VALUES (3, '', 0x, null)",
        """CREATE TABLE people (country text, id int, greeting text static, langs set<text> static, who "Person", n int,
           tags set<text>, notes list<text>, prefs map<text, int>, home frozen<address>, PRIMARY KEY (country, id))
           WITH CLUSTERING ORDER BY (id DESC) AND comment = 'it''s people' AND gc_grace_seconds = 3600""",
        "CREATE INDEX people_n ON people (n)",
        "CREATE INDEX people_tags ON people (values(tags))",
        "CREATE CUSTOM INDEX people_home ON people (home) USING 'StorageAttachedIndex'",
        "INSERT INTO people (country, greeting, langs) VALUES ('ch', 'Grüezi', {'de', 'fr'}) USING TIMESTAMP 500",
        "INSERT INTO people (country, greeting) VALUES ('de', 'Moin') USING TTL 864000",
    )
    for number in range(40):
        run(
            session,
            f"""INSERT INTO people (country, id, who, n, tags, notes, prefs) VALUES ('de', {number},
                {{first: 'f{number}', last: null, born: '1970-01-02'}}, {number}, {{'a', 'b{number}'}}, ['x', 'y', 'x'], {{'k': {number}}})
                USING TIMESTAMP {1000 + number}""",
            f"UPDATE people USING TIMESTAMP {2000 + number} AND TTL {5 * DAY} SET n = {-number}, tags = tags + {{'late'}}, "
            f"notes = notes + ['end'], prefs['ttl'] = 7, who.last = 'l' WHERE country = 'de' AND id = {number}",
            f"UPDATE people USING TIMESTAMP {3000 + number} SET notes = notes + ['after'] WHERE country = 'de' AND id = {number}",
        )
    run(
        session,
        "DELETE FROM people WHERE country = 'de' AND id = 7",
        "DELETE prefs['k'] FROM people WHERE country = 'de' AND id = 8",
        "INSERT INTO people (country, id, n) VALUES ('fr', 1, 1) USING TTL 172800",
        "CREATE TABLE visits (page text, day date, n counter, m counter, PRIMARY KEY (page, day))",
        "UPDATE visits SET n = n + 9, m = m - 3 WHERE page = '/' AND day = '2024-02-29'",
        "UPDATE visits SET n = n - 1 WHERE page = '/a' AND day = '2024-02-29'",
        """CREATE MATERIALIZED VIEW people_by_n AS SELECT country, id, n, prefs FROM people
           WHERE country IS NOT NULL AND id IS NOT NULL AND n IS NOT NULL PRIMARY KEY (n, country, id)""",
        "CREATE FUNCTION plus (a int, b int) CALLED ON NULL INPUT RETURNS int LANGUAGE java AS 'return a + b;'",
        "CREATE AGGREGATE total (int) SFUNC plus STYPE int INITCOND 0",
        "CREATE TABLE empty (a int, b int, c int, PRIMARY KEY ((a, b), c)) WITH default_time_to_live = 1000",
        "CREATE TABLE keys (a int, b text, PRIMARY KEY (a, b))",
        "INSERT INTO keys (a, b) VALUES (1, '')",
    )
    keyspace(session, "Bank")
    run(session, 'CREATE TABLE "Account" (id int PRIMARY KEY, "Left" int, "Right" int)')
    for number in range(ACCOUNTS):
        run(session, f'INSERT INTO "Account" (id, "Left", "Right") VALUES ({number}, {number}, {SUM - number})')
    if session.cluster.auth_provider:
        run(
            session,
            "CREATE ROLE readers WITH LOGIN = false",
            "CREATE ROLE \"Clerk 1\" WITH PASSWORD = 'pw' AND LOGIN = true",
            'GRANT readers TO "Clerk 1"',
            "GRANT SELECT ON KEYSPACE shop TO readers",
            'GRANT MODIFY ON TABLE "Bank"."Account" TO "Clerk 1"',
            "GRANT DESCRIBE ON ALL ROLES TO readers",
        )


def fill(session, statement, rows):
    prepared = session.prepare(statement)
    for done, result in execute_concurrent_with_args(session, prepared, rows, concurrency=64):
        if not done:
            raise result


def huge(session, size):
    keyspace(session, "large")
    run(session, "CREATE TABLE one (id int PRIMARY KEY, value blob)")
    fill(session, "INSERT INTO one (id, value) VALUES (1, ?)", [(os.urandom(size),)])


def many(session, count):
    keyspace(session, "many")
    run(session, "CREATE TABLE small (part int, id int, value text, PRIMARY KEY (part, id))")
    fill(session, "INSERT INTO small (part, id, value) VALUES (?, ?, ?)", ((n % 1000, n, f"v{n}") for n in range(count)))


def bulk(session, size):
    keyspace(session, "bulk")
    length, tables = 16384, 4
    for table in range(tables):
        run(session, f"CREATE TABLE t{table} (id int PRIMARY KEY, value blob)")
        rows = ((n, os.urandom(length)) for n in range(max(size // length // tables, 1)))
        fill(session, f"INSERT INTO t{table} (id, value) VALUES (?, ?)", rows)


def odd(session):
    keyspace(session, "Odd_1")
    run(
        session,
        'CREATE TYPE "Type" ("Field" text, "select" int)',
        """CREATE TABLE "SELECT" ("a""b" text, "ä '.." text, "From" blob, "\\n" "Type", " " map<text, text>,
           PRIMARY KEY (("a""b", "From"), "ä '.."))""",
    )
    values = ["x", "..", "/", "a\0b", "'\"`\\", "\x1b[2J", "名前 \U0001f600", "x" * 65000, " ", "%00", "\r\n", "null"]
    prepared = session.prepare(
        """INSERT INTO "SELECT" ("a""b", "ä '..", "From", "\\n", " ") VALUES (?, ?, ?, {"Field": ?, "select": 1}, ?)""")
    for value in values:
        session.execute(prepared, (value[:30000], value[:30000], value.encode()[:30000], value, {value: value, "": ""}))
    session.execute(prepared, ("k", "", b"", "", {}))
    tables = "t" * 40
    run(session, f"CREATE TABLE {tables} (k text PRIMARY KEY)", f"INSERT INTO {tables} (k) VALUES ('only a key')",
        "CREATE TABLE u_ (k int PRIMARY KEY, v int)")


def replicated(session, count):
    """A keyspace with a replica on each of three nodes, and one with a replica of each row on one of them."""
    run(session, "CREATE KEYSPACE three WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 3}")
    run(session, "CREATE KEYSPACE single WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
    for name in "three", "single":
        session.set_keyspace(name)
        run(
            session,
            "CREATE TABLE rows (part int, id int, value blob, tags set<text>, PRIMARY KEY (part, id))",
            "CREATE TABLE counts (id int PRIMARY KEY, n counter)",
        )
        rows = ((n % 100, n, os.urandom(1024), {f"t{n}", "all"}) for n in range(count))
        fill(session, "INSERT INTO rows (part, id, value, tags) VALUES (?, ?, ?, ?) USING TTL 864000", rows)
        fill(session, "UPDATE counts SET n = n + ? WHERE id = ?", ((n * n, n) for n in range(100)))


def shown(value):
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, (list, tuple)):
        return [shown(one) for one in value]
    if hasattr(value, "items"):
        return [[shown(key), shown(one)] for key, one in value.items()]
    if value is None or isinstance(value, (int, str, bool)):
        return value
    if hasattr(value, "__iter__"):
        return [shown(one) for one in value]
    return str(value)


def hours(rest):
    """The rest of a life, so coarse that the time between two looks does not show."""
    if isinstance(rest, list):
        return [hours(one) for one in rest]
    return None if rest is None else -(-rest // 3600)


def rows(session, keyspace, table, columns):
    names, times = [], []
    for column in columns:
        name = quoted(column["column_name"])
        names.append(name)
        if column["kind"] in ("regular", "static") and column["type"] != "counter":
            times.append(name)
    digest = hashlib.sha256()
    count, lines = 0, []
    session.default_fetch_size = 200
    place = f"{quoted(keyspace)}.{quoted(table)}"
    where = ", ".join(f"{name} AS v{number}" for number, name in enumerate(names))
    more = "".join(f", writetime({name}) AS w{number}, ttl({name}) AS t{number}" for number, name in enumerate(times))
    for row in session.execute(f"SELECT {where}{more} FROM {place}"):
        row = {key: hours(value) if key[0] == "t" else shown(value) for key, value in row.items()}
        lines.append(hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest())
        count += 1
    for line in sorted(lines):
        digest.update(line.encode())
    return f"{count} rows {digest.hexdigest()}"


OPTIONS = "comment, compaction, compression, caching, default_time_to_live, gc_grace_seconds, speculative_retry"


def contents(session):
    found = {}
    for keyspace in keyspaces(session):
        of = f"WHERE keyspace_name = '{keyspace}'"
        row = session.execute(f"SELECT * FROM system_schema.keyspaces {of}").one()
        found[f"keyspace {keyspace}"] = json.dumps([dict(row["replication"]), row["durable_writes"]], sort_keys=True)
        for row in session.execute(f"SELECT * FROM system_schema.types {of}"):
            found[f"type {keyspace}.{row['type_name']}"] = str([row["field_names"], row["field_types"]])
        for row in session.execute(f"SELECT * FROM system_schema.functions {of}"):
            found[f"function {keyspace}.{row['function_name']}"] = row["body"] + row["return_type"]
        for row in session.execute(f"SELECT * FROM system_schema.aggregates {of}"):
            found[f"aggregate {keyspace}.{row['aggregate_name']}"] = str([row["state_func"], row["initcond"]])
        for row in session.execute(f"SELECT * FROM system_schema.indexes {of}"):
            found[f"index {keyspace}.{row['index_name']}"] = str([row["kind"], sorted(row["options"].items())])
        for row in session.execute(f"SELECT * FROM system_schema.views {of}"):
            columns = list(session.execute(f"SELECT * FROM system_schema.columns {of} AND table_name = '{row['view_name']}'"))
            plain = [column for column in columns if column["type"].split("<")[0] != "map"]
            found[f"view {keyspace}.{row['view_name']}"] = rows(session, keyspace, row["view_name"], plain)
        for row in session.execute(f"SELECT table_name, {OPTIONS} FROM system_schema.tables {of}"):
            name = row.pop("table_name")
            columns = list(session.execute(f"SELECT * FROM system_schema.columns {of} AND table_name = '{name}'"))
            text = [[c["column_name"], c["kind"], c["position"], c["type"], c["clustering_order"]] for c in columns]
            options = {key: shown(value) for key, value in row.items()}
            found[f"table {keyspace}.{name}"] = json.dumps([text, options, rows(session, keyspace, name, columns)])
    for role in roles(session):
        name = role.pop("role")
        of = quoted_text(name)
        allowed = session.execute(f"SELECT resource, permissions FROM system_auth.role_permissions WHERE role = {of}")
        allowed = sorted([row["resource"], sorted(row["permissions"])] for row in allowed)
        role["member_of"] = sorted(role["member_of"] or [])
        found[f"role {name}"] = json.dumps([role, allowed], sort_keys=True)
    return found


def write(session):
    """Moves something between two columns of a row, which a node changes both or not at all."""
    stop, count = threading.Event(), 0
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    move = session.prepare('UPDATE "Bank"."Account" SET "Left" = ?, "Right" = ? WHERE id = ?')
    print("ready", flush=True)
    while not stop.is_set():
        left = count % SUM
        session.execute(move, (left, SUM - left, count % ACCOUNTS))
        count += 1
    print(count)


def invariant(session):
    found = list(session.execute('SELECT id, "Left", "Right" FROM "Bank"."Account"'))
    assert len(found) == ACCOUNTS, found
    for row in found:
        assert row["Left"] + row["Right"] == SUM, row


def main():
    address, port, user, password, action, *arguments = sys.argv[1:]
    session = connect(address, port, user, password)
    numbers = [int(argument) for argument in arguments if argument.isdigit()]
    if action == "contents":
        print(json.dumps(contents(session)))
    elif action == "execute":
        for row in session.execute(arguments[0]):
            print(json.dumps({key: shown(value) for key, value in row.items()}))
    else:
        {"bulk": bulk, "clear": clear, "huge": huge, "invariant": invariant, "many": many, "odd": odd,
         "replicated": replicated, "usual": usual, "write": write}[action](session, *numbers)
    session.cluster.shutdown()


main()
