"""What the suite asks of the server, by the maker's client: one JSON question a line, one answer a line."""

import hashlib
import json
import random
import string
import sys
import threading
import time

import requests
from arango import ArangoClient
from arango.http import DefaultHTTPClient

URL = sys.argv[1]
PASSWORD = "secret"
# After which the server forgets a dump that nobody asks for, and a little more.
DUMP_SECONDS = 200
ANNA = "pässword of anna"


class Http(DefaultHTTPClient):
    REQUEST_TIMEOUT = 300


class Store:
    def __init__(self):
        self.password = PASSWORD
        self.client = ArangoClient(hosts=URL, http_client=Http())
        self.writing = None

    def db(self, name="_system"):
        return self.client.db(name, username="root", password=self.password)

    def databases(self):
        return [name for name in self.db().databases() if name != "_system"]

    def clear(self):
        system = self.db()
        for name in self.databases():
            system.delete_database(name)
        self.clear_database(system)
        for user in system.users():
            if user["username"] != "root":
                system.delete_user(user["username"])

    def clear_database(self, db):
        for view in db.views():
            db.delete_view(view["name"])
        for graph in db.graphs():
            db.delete_graph(graph["name"])
        for collection in db.collections():
            if not collection["system"]:
                db.delete_collection(collection["name"])
        for analyzer in db.analyzers():
            if analyzer["name"].startswith(db.name + "::"):
                db.delete_analyzer(analyzer["name"], force=True)
        for name in ("_aqlfunctions", "_apps", "_appbundles"):
            db.collection(name).truncate()

    # Filling

    def fill(self, content):
        kind = content["kind"]
        {"usual": self.usual, "odd": self.odd, "huge": self.huge, "many": self.many, "bulk": self.bulk}[kind](content)

    def make(self, name):
        self.db().create_database(name)
        return self.db(name)

    def usual(self, _content):
        shop, crm = self.make("shop"), self.make("crm")
        shop.create_analyzer("quiet", "text", {"locale": "en", "case": "lower", "stopwords": []}, ["position"])
        people = shop.create_collection(
            "people",
            sync=True,
            schema={"rule": {"properties": {"age": {"type": "number"}}}, "level": "moderate", "message": "an age is a number"},
            computedValues=[
                {"name": "stamp", "expression": "RETURN 7", "overwrite": False, "computeOn": ["insert"], "keepNull": True, "failOnWarning": False}
            ],
        )
        people.add_index({"type": "persistent", "fields": ["name", "age"], "unique": False, "sparse": True, "name": "by-name", "storedValues": ["mail"]})
        people.add_index({"type": "persistent", "fields": ["mail"], "unique": True, "sparse": True, "name": "mail"})
        people.add_index({"type": "ttl", "fields": ["until"], "expireAfter": 3600, "name": "until"})
        people.add_index({"type": "geo", "fields": ["place"], "geoJson": True, "name": "place"})
        people.add_index({"type": "inverted", "fields": [{"name": "name", "analyzer": "shop::quiet"}], "name": "words"})
        people.add_index({"type": "mdi", "fields": ["x", "y"], "fieldValueTypes": "double", "name": "where"})
        people.insert_many([{"_key": f"p{n}", "name": f"Person {n}", "age": n % 90, "mail": f"{n}@x", "place": [n % 90, 1.5]} for n in range(300)])
        # Holes in the order of revisions: documents that were changed or deleted.
        people.delete_many([f"p{n}" for n in range(0, 300, 7)])
        people.update_many([{"_key": f"p{n}", "changed": True} for n in range(1, 300, 7)])
        places = shop.create_collection("places", key_generator="autoincrement", key_increment=3, key_offset=10)
        places.insert_many([{"name": f"Place {n}"} for n in range(20)])
        keys = sorted(places.keys())
        shop.create_collection("unused", edge=True)
        graph = shop.create_graph(
            "social",
            edge_definitions=[{"edge_collection": "lives", "from_vertex_collections": ["people"], "to_vertex_collections": ["places"]}],
            orphan_collections=["lonely"],
        )
        del graph
        shop.collection("lives").insert_many(
            [{"_from": f"people/p{n}", "_to": f"places/{keys[n % 20]}", "since": n} for n in range(300) if n % 7]
        )
        shop.create_arangosearch_view("find", {"links": {"people": {"analyzers": ["shop::quiet"], "includeAllFields": True}, "places": {}}})
        shop.create_view("words-of", "search-alias", {"indexes": [{"collection": "people", "index": "words"}]})
        shop.collection("_aqlfunctions").insert({"_key": "MY::TWICE", "name": "my::twice", "code": "(x) => 2 * x", "isDeterministic": True})
        shop.collection("_apps").insert({"_key": "7", "mount": "/hello", "checksum": "abc", "options": {"configuration": {"a": 1}}})
        shop.collection("_appbundles").insert({"_key": "abc", "data": "UEsDBA=="})
        for db in (shop, crm):
            db.create_collection("ledger")
        self.db().create_collection("notes").insert({"_key": "1", "text": "in _system"})
        system = self.db()
        system.create_user("anna", ANNA, active=True, extra={"team": "shop"})
        system.update_permission("anna", "rw", "shop")
        system.update_permission("anna", "ro", "shop", "people")

    def odd(self, _content):
        for name in ("ä-名前", "a'b&c;d%e=f{g}[]!@$()~`^ x", "definitions", "n" * 128):
            db = self.make(name)
            for collection in ("collection", "Käse & \"Brot\"", "a.b..c 100%", "c" * 256):
                db.create_collection(collection).insert({"_key": "k"})
        db = self.db("definitions")
        db.create_arangosearch_view("view é 'x'", {"links": {"Käse & \"Brot\"": {}}})
        odd = db.create_collection("odd")
        keys = ["_", "-:.@()+,=;$!*'%", "%2F", "..", ".", "k" * 254, "false", "0"]
        odd.insert_many([{"_key": key, "v": key} for key in keys])
        values = [
            {"": {" ": [None, [], {}]}, "a.b": 1, "é名": "😀\0\n\r\t\u2028\"\\/", "_from": 7},
            {"n": [0, -1, 9007199254740993, 18446744073709551615, -9223372036854775808, 1.5e300, -0.0, 0.1, 1e-7]},
            {"long": "y" * 65536, "deep": json.loads("[" * 100 + "]" * 100)},
            {"\u0001": "\u007f", "x" * 1000: True},
        ]
        odd.insert_many([{"_key": f"value{n}", **value} for n, value in enumerate(values)])
        users = self.db()
        users.create_user("ünïcode : user", "\t: ", active=False)

    def huge(self, content):
        self.make("huge").create_collection("one").insert({"_key": "1", "t": text(random.Random(42), content["bytes"])}, silent=True)

    def many(self, content):
        collection = self.make("many").create_collection("all")
        for start in range(0, content["count"], 5000):
            end = min(start + 5000, content["count"])
            collection.insert_many([{"_key": str(n), "n": n} for n in range(start, end)], silent=True)

    def bulk(self, content):
        source = random.Random(7)
        count = max(1, content["bytes"] // 4 // 8192)
        for name in ("bulk-a", "bulk-b"):
            db = self.make(name)
            for number in range(2):
                collection = db.create_collection(f"c{number}")
                for start in range(0, count, 500):
                    rows = [{"_key": str(n), "t": text(source, 8192)} for n in range(start, min(start + 500, count))]
                    collection.insert_many(rows, silent=True)

    # Looking

    def contents(self):
        all_of = {}
        for name in ["_system"] + self.databases():
            self.look(self.db(name), all_of)
        system = self.db()
        for user in system.users():
            name = user["username"]
            if name != "root":
                shown = {**user, "permissions": system.permissions(name), "signs-in": self.signs_in(name)}
                all_of["user/" + name] = canonical(shown)
        return all_of

    def look(self, db, all_of):
        place = db.name
        if place != "_system":
            options = db.properties()
            all_of[f"db/{place}"] = canonical({key: options.get(key) for key in ("sharding", "replication_factor", "write_concern")})
        for found in db.collections():
            if not found["system"]:
                all_of[f"collection/{place}/{found['name']}"] = collection_of(db, found["name"])
        for view in db.views():
            shown = {key: value for key, value in db.view(view["name"]).items() if key not in ("id", "global_id")}
            all_of[f"view/{place}/{view['name']}"] = canonical(shown)
        for graph in db.graphs():
            shown = {key: value for key, value in graph.items() if key not in ("id", "revision")}
            all_of[f"graph/{place}/{graph['name']}"] = canonical(shown)
            all_of[f"reach/{place}/{graph['name']}"] = reach(db, graph)
        for analyzer in db.analyzers():
            if analyzer["name"].startswith(place + "::"):
                bare = analyzer["name"].split("::")[1]
                all_of[f"analyzer/{place}/{bare}"] = canonical({**analyzer, "name": bare})
        for name in ("_aqlfunctions", "_apps", "_appbundles"):
            for document in db.collection(name).all():
                document = {key: value for key, value in document.items() if key not in ("_id", "_rev")}
                all_of[f"{name}/{place}/{document['_key']}"] = canonical(document)

    def signs_in(self, name):
        password = {"anna": ANNA}.get(name, "\t: ")
        answer = requests.post(URL + "/_open/auth", json={"username": name, "password": password}, timeout=10)
        return answer.status_code

    # Writing all the time: first into one database, then into another

    def write(self):
        first, second = self.db("shop").collection("ledger"), self.db("crm").collection("ledger")
        over, made = threading.Event(), []
        start = first.count()

        def run():
            n = start
            while not over.is_set():
                for ledger in (first, second):
                    ledger.insert({"_key": str(n), "n": n, "twice": [n, n]}, silent=True, overwrite=True)
                n += 1
                made.append(n)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.writing = (over, thread, made)

    def stop(self):
        over, thread, made = self.writing
        over.set()
        thread.join()
        return len(made)

    def check(self):
        numbers = []
        for name in ("shop", "crm"):
            found = sorted(document["n"] for document in self.db(name).collection("ledger").all())
            if found != list(range(len(found))):
                raise ValueError(f"{name} has holes: {found[-5:]} of {len(found)}")
            numbers.append(len(found))
        if not numbers[0] or numbers[0] - numbers[1] not in (0, 1):
            raise ValueError(f"the databases are not of one moment: {numbers}")

    def revoke(self):
        self.db().update_user("root", "another")
        self.password = "another"

    def leftovers(self):
        # The dump of a worker that was stopped ends by itself.
        deadline = time.monotonic() + DUMP_SECONDS
        while True:
            answer = requests.get(URL + "/_stand-in", auth=("root", self.password), timeout=10)
            counts = answer.json()
            if not counts.get("dumps") or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        left = [f"{count} {what}" for what, count in counts.items() if count]
        for name in ["_system"] + self.databases():
            db = self.db(name)
            for found in db.collections():
                schema = db.collection(found["name"]).properties().get("schema") or {}
                if str(schema.get("message", "")).startswith("lockgate"):
                    left.append(f"{name}.{found['name']}, which is not complete")
        return left


def text(source, length):
    letters = (string.ascii_letters + string.digits + "-_").encode()
    return source.randbytes(length).translate(bytes(letters[n % 64] for n in range(256))).decode()


def canonical(value):
    return json.dumps(value, sort_keys=True, ensure_ascii=True)


def collection_of(db, name):
    collection = db.collection(name)
    kept = {key: value for key, value in collection.properties().items() if key not in ("id", "name", "global_id", "globallyUniqueId", "key_options", "key_last_value")}
    kept.pop("keyOptions", None)
    indexes = [{key: value for key, value in index.items() if key not in ("id", "selectivity", "selectivityEstimate")} for index in collection.indexes()]
    for index in indexes:
        index.pop("analyzer", None)
        for field in index.get("fields", []):
            if isinstance(field, dict) and "analyzer" in field:
                field["analyzer"] = field["analyzer"].split("::")[-1]
    indexes.sort(key=lambda index: index["name"])
    digest, count = hashlib.sha256(), 0
    documents = db.aql.execute("FOR d IN @@c SORT d._key RETURN d", bind_vars={"@c": name}, batch_size=1000)
    for document in documents:
        document.pop("_id")
        digest.update(canonical(document).encode() + b"\n")
        count += 1
    return f"{count} {digest.hexdigest()} {canonical([kept, indexes])}"


def reach(db, graph):
    """How many edges lead from somewhere to somewhere."""
    whole, total = 0, 0
    for definition in graph["edge_definitions"]:
        for edge in db.collection(definition["edge_collection"]).all():
            total += 1
            ends = (edge["_from"].split("/"), edge["_to"].split("/"))
            whole += all(db.collection(owner).has(key) for owner, key in ends)
    return f"{whole} of {total}"


def answer(store, question):
    verb = question["verb"]
    if verb == "fill":
        return store.fill(question["content"])
    return getattr(store, verb)()


def main():
    store = Store()
    for line in sys.stdin:
        try:
            told = {"ok": answer(store, json.loads(line))}
        except Exception as error:  # whatever it is fails the case that asked
            told = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(told), flush=True)


main()
