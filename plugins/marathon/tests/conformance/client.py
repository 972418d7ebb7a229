"""Fills, empties, changes and shows Marathon with the Python client `marathon`, which shares nothing with the plugin.

client.py URL ACTION [ARGUMENT...]; USER and PASSWORD are in the environment. The client knows no pods; what it cannot do itself is
sent through its connection.
"""

import collections
import collections.abc
import hashlib
import json
import os
import sys
import threading
import time

# The client was written for a Python that still had this name there.
collections.Iterable = collections.abc.Iterable

from marathon import MarathonClient  # noqa: E402
from marathon.exceptions import MarathonHttpError  # noqa: E402
from marathon.models import MarathonApp, MarathonGroup  # noqa: E402
from marathon.models.app import MarathonHealthCheck, PortDefinition  # noqa: E402
from marathon.models.constraint import MarathonConstraint  # noqa: E402

GROUPS = 4
BULK_EACH = 64 << 10


def settle(client):
    """Until no deployment runs."""
    while client.list_deployments():
        time.sleep(0.02)


def raw(client, method, path, body=None):
    return client._do_request(method, path, data=None if body is None else json.dumps(body))


def clear(client):
    raw(client, "DELETE", "/v2/groups?force=true")
    settle(client)


def pod(id, **more):
    container = {"name": "main", "exec": {"command": {"shell": "sleep 100"}}, "resources": {"cpus": 0.5, "mem": 64}}
    return dict({"id": id, "containers": [container], "scaling": {"kind": "fixed", "instances": 2}}, **more)


def usual(client):
    check = MarathonHealthCheck(protocol="HTTP", path="/health", grace_period_seconds=30, interval_seconds=10, timeout_seconds=5, port_index=0)
    web = MarathonApp(
        cmd="python3 -m http.server $PORT0", cpus=0.25, mem=64, instances=3, labels={"owner": "shop", "HAPROXY_GROUP": "external"},
        env={"GREETING": "gr\u00fc\u00dfe", "EMPTY": ""}, constraints=[MarathonConstraint("hostname", "UNIQUE"), MarathonConstraint("rack", "GROUP_BY", "3")],
        health_checks=[check], dependencies=["/shop/data/db", "/base/queue"], port_definitions=[PortDefinition(port=0, protocol="tcp", name="http", labels={})],
        fetch=[{"uri": "https://example.com/a.tgz", "extract": True}], upgrade_strategy={"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.2},
    )
    client.create_app("/shop/web", web)
    db = MarathonApp(
        args=["--data", "/data"], cpus=2, mem=512.5, instances=1, user="db", secrets={"password": {"source": "/shop/db-password"}},
        env={"PASSWORD": {"secret": "password"}}, task_kill_grace_period_seconds=30,
        container={"type": "DOCKER", "docker": {"image": "example/db:1.2", "forcePullImage": True}, "volumes": [{"containerPath": "/data", "hostPath": "/srv/db", "mode": "RW"}]},
    )
    client.create_app("/shop/data/db", db)
    client.create_group(MarathonGroup(id="/base", apps=[MarathonApp(id="/base/queue", cmd="queue", instances=2)]))
    settle(client)
    raw(client, "PUT", "/v2/groups/shop", {"dependencies": ["/base"], "enforceRole": True})
    raw(client, "PUT", "/v2/groups/empty", {"groups": [{"id": "inner", "dependencies": ["/base"]}]})
    client.create_app("/single", MarathonApp(cmd="sleep 1000", instances=0, kill_selection="OLDEST_FIRST"))
    raw(client, "POST", "/v2/pods", pod("/shop/pod", labels={"a": "b"}, environment={"X": "y"}))
    raw(client, "POST", "/v2/pods", pod("/lone"))
    raw(client, "PUT", "/v2/groups", {"dependencies": ["/base/queue"]})
    apps = [{"id": "one", "cmd": "count", "env": {"N": "0"}}, {"id": "two", "cmd": "count", "env": {"N": "0"}}]
    raw(client, "PUT", "/v2/groups/counters", {"apps": apps})
    raw(client, "PUT", "/v2/groups/counters-copy", {"apps": apps[:1]})
    settle(client)


ODD = [
    "", " ", "a\nb", "\x00", "\x1b[31m", "\u202eevil", "\u2028", "'\"\\", "${PORT0}", "%2F", "{\"kind\":\"app\"}", "\U0001f600", "e\u0301",
    "x" * 65536, "</script>", "../..",
]


def odd(client):
    for number, text in enumerate(ODD):
        app = {"id": "/odd/v%d" % number, "cmd": "run " + text, "env": {"A": text, text or "EMPTY": "b"}, "labels": {text or "empty": text}, "instances": number % 3}
        raw(client, "POST", "/v2/apps", app)
    names = ["0", "a.b.c", "a-b", "x" * 63, "con", "root", "versions-of", "apps-of", "1.2.3.4", "lockgate", "definitions.jsonl"]
    for name in names:
        raw(client, "POST", "/v2/apps", {"id": "/names/%s/%s" % (name, name), "cmd": "x"})
        raw(client, "POST", "/v2/apps", {"id": "/app-%s" % name, "cmd": "x"})
    deep = "/deep" + "/d" * 30
    raw(client, "POST", "/v2/apps", {"id": deep, "cmd": "x", "cpus": 0.1, "mem": 1e-3, "backoffFactor": 1.0000001, "maxLaunchDelaySeconds": 2147483647})
    settle(client)


def huge(client, size):
    client.create_app("/huge/value", MarathonApp(cmd=os.urandom(size // 2).hex()))
    settle(client)


def in_groups(client, apps):
    """`apps` by groups, each group at once."""
    for group, listed in sorted(apps.items()):
        raw(client, "PUT", "/v2/groups/" + group, {"apps": listed})
    settle(client)


def many(client, count):
    """Values of a few bytes in the environments of applications."""
    apps = collections.defaultdict(list)
    for start in range(0, count, 100):
        env = {"V%d" % number: str(number) for number in range(start, min(count, start + 100))}
        apps["many%d" % (start // 100 % GROUPS)].append({"id": "app%d" % start, "cmd": "x", "env": env})
    in_groups(client, apps)


def bulk(client, size):
    apps = collections.defaultdict(list)
    for number in range(max(GROUPS, size // BULK_EACH)):
        apps["bulk%d" % (number % GROUPS)].append({"id": "app%d" % number, "cmd": os.urandom(BULK_EACH // 2).hex()})
    in_groups(client, apps)


VOLATILE = ["version", "versionInfo", "tasksRunning", "tasksStaged", "tasksHealthy", "tasksUnhealthy", "deployments", "role", "id"]


def shown(definition):
    definition = {key: value for key, value in definition.items() if key not in VOLATILE}
    definition["dependencies"] = sorted(definition.get("dependencies", []))
    text = json.dumps(definition, sort_keys=True)
    return text if len(text) < 2000 else hashlib.sha256(text.encode()).hexdigest()


def dump(client):
    settle(client)
    # What the client makes of it has to be the same applications.
    names = {app.id for app in client.list_apps()}
    contents = {}
    for app in raw(client, "GET", "/v2/apps").json()["apps"]:
        assert app["id"] in names, app["id"]
        contents["app " + app["id"]] = shown(app)
    assert len(contents) == len(names)
    for one in raw(client, "GET", "/v2/pods").json():
        contents["pod " + one["id"]] = shown(one)

    def walk(group):
        for below in group["groups"]:
            enforced = below["enforceRole"] if below["id"].count("/") == 1 else None
            contents["group " + below["id"]] = json.dumps([sorted(below["dependencies"]), enforced])
            walk(below)

    root = raw(client, "GET", "/v2/groups").json()
    contents["root"] = json.dumps(sorted(root["dependencies"]))
    walk(root)
    print(json.dumps(contents))


def write(client):
    """Counts in one change of a group that has two applications, and then in another group, until its input ends."""
    stopped = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
    print("ready", flush=True)
    number, count = int(client.get_app("counters/one").env["N"]), 0
    while not stopped.is_set():
        number += 1
        apps = [{"id": id, "cmd": "count", "env": {"N": str(number)}} for id in ("one", "two")]
        raw(client, "PUT", "/v2/groups/counters?force=true", {"apps": apps})
        raw(client, "PUT", "/v2/groups/counters-copy?force=true", {"apps": apps[:1]})
        count += 1
    settle(client)
    print(count, flush=True)


def invariant(client):
    """What `write` keeps: both the same, and the copy the same or one behind."""
    one, two, copy = (int(client.get_app(id).env["N"]) for id in ("counters/one", "counters/two", "counters-copy/one"))
    assert one == two, "one version of the tree was seen half: %d and %d" % (one, two)
    assert one - 1 <= copy <= one, "of different versions: %d and %d" % (one, copy)
    print(one)


def protocol(client):
    """The client's own way through what the plugin rests on."""
    info = client.get_info()
    assert info.framework_id and info.version.startswith("1."), info
    assert client.get_leader(), "no leader"
    client.create_app("/a/b", MarathonApp(cmd="sleep 1", instances=2))
    try:
        client.scale_app("a/b", 5)
        raise AssertionError("a deployment locks nothing")
    except MarathonHttpError as error:
        assert error.status_code == 409, error
    client.scale_app("a/b", 5, force=True)
    settle(client)
    app = client.get_app("a/b")
    assert (app.instances, app.tasks_running, app.version_info is not None) == (5, 5, True), app
    try:
        client.create_app("/a/c", MarathonApp(cmd="x", cpus=-1))
        raise AssertionError("it takes anything")
    except MarathonHttpError as error:
        assert error.status_code == 422 and error.error_details[0]["path"] == "/cpus", error
    client.delete_app("a/b")
    settle(client)
    client.delete_group("a")
    assert client.list_apps() == []


def main():
    url, action, *arguments = sys.argv[1:]
    user, password, token = (os.environ.get(key) for key in ("USER", "PASSWORD", "TOKEN"))
    client = MarathonClient(url, timeout=120, auth_token=token) if token else MarathonClient(url, username=user, password=password, timeout=120)
    actions = {
        "clear": clear, "usual": usual, "odd": odd, "huge": huge, "many": many, "bulk": bulk, "dump": dump, "write": write,
        "invariant": invariant, "protocol": protocol,
        "deployments": lambda client: print(json.dumps([one.id for one in client.list_deployments()])),
        "create": lambda client, id, cpus: raw(client, "POST", "/v2/apps", {"id": "/" + str(id), "cmd": "x", "cpus": cpus}),
        "info": lambda client: print(client.get_info().framework_id),
    }
    numbers = [int(text) if text.isdigit() else text for text in arguments]
    actions[action](client, *numbers)


main()
