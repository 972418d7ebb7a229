#!/usr/bin/env python3
"""A driver for the plugin `files`: what the conformance suite needs to know of folders.

    lockgate plugin test files --driver python3 sdk/conformance/example/folders.py
"""

import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
import threading

NO_SERVER = "folders are read through the kernel: there is no server"
SKIPS = {
    "slow-server": NO_SERVER,
    "server-killed": NO_SERVER,
    "server-killed-in-restore": NO_SERVER,
    "revoked-credential": "folders are granted by the operator: there is no credential",
    "wrong-version": "the kernel keeps its promises to programs: there is no version",
}
# Granted folders; the last one is empty but for a restore under another name.
FOLDERS = ["docs", "media", "copy"]
LINES = 2000


class Server:
    """A temporary folder with the granted ones in it."""

    def __init__(self):
        self.top = tempfile.mkdtemp(prefix="lockgate-driver-")
        self.clear()

    def path(self, *names):
        return os.path.join(self.top, *names)

    def drop(self):
        shutil.rmtree(self.top)

    def source(self):
        grants = {name: {"path": self.path(name), "access": "read-write"} for name in FOLDERS}
        return {"settings": {"folders": grants, "config": {"fingerprint": True}}}

    def clear(self):
        for name in FOLDERS:
            shutil.rmtree(self.path(name), ignore_errors=True)
            os.mkdir(self.path(name))

    def put(self, name, content):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as file:
            file.write(content)

    def fill(self, content):
        kind = content["kind"]
        if kind == "usual":
            self.put("docs/letter", b"Dear reader\n")
            self.put("docs/deep/er/leaf", b"leaf")
            self.put("docs/empty", b"")
            os.symlink("letter", self.path("docs/link"))
            os.chmod(self.path("docs/letter"), 0o640)
            self.put("media/song", os.urandom(200_000))
        elif kind == "huge":
            self.put("docs/huge", os.urandom(content["bytes"]))
        elif kind == "many":
            for number in range(content["count"]):
                self.put(f"docs/{number // 500}/{number}", str(number).encode())
        elif kind == "bulk":
            size = 256 << 10
            for number in range(content["bytes"] // size):
                self.put(f"{FOLDERS[number % 2]}/{number}", os.urandom(size))
        elif kind == "odd":
            for name in ["späte Züge", "new\nline", "..a", "\udcff\udcfe", "x" * 255, " ", "\\", "*"]:
                self.put("docs/" + name, os.fsencode(name))

    def contents(self):
        found = {}
        for folder in FOLDERS:
            for above, folders, files in os.walk(self.path(folder)):
                for name in folders + files:
                    path = os.path.join(above, name)
                    found[ascii(os.path.relpath(path, self.top))] = describe(path)
        return found

    def selection(self):
        return {"parts": ["media"], "objects": ["'media/song'"]}

    def renaming(self):
        pairs = [[f"'docs/{name}'", f"'copy/{name}'"] for name in ["letter", "empty", "deep/er/leaf"]]
        return {"parts": ["docs"], "names": [["docs", "copy"]], "objects": pairs}

    def check_invariant(self):
        with open(self.path("docs/counter")) as file:
            lines = file.read().splitlines()
        if len(lines) != LINES or len(set(lines)) != 1:
            raise ValueError("docs/counter is of several moments")

    def leftovers(self):
        return [name for name in self.contents() if "lockgate" in name]


class Writer:
    """Replaces a file all the time, as careful programs do; all its lines are the same."""

    def __init__(self, server):
        self.server = server
        self.changes = 0
        self.is_stopped = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.is_stopped:
            self.server.put("new", f"{self.changes}\n".encode() * LINES)
            os.replace(self.server.path("new"), self.server.path("docs/counter"))
            self.changes += 1

    def stop(self):
        self.is_stopped = True
        self.thread.join()
        return {"changes": self.changes}


def describe(path):
    """Everything of a name that a restore has to bring back."""
    status = os.lstat(path)
    text = f"{status.st_mode:o} {status.st_uid}:{status.st_gid} {status.st_mtime_ns}"
    if os.path.islink(path):
        return f"{text} to {ascii(os.readlink(path))}"
    if os.path.isfile(path):
        with open(path, "rb") as file:
            return f"{text} {hashlib.sha256(file.read()).hexdigest()}"
    return text


def answer(question, servers, writers):
    """The value for `{"ok": ...}`; an exception becomes `{"error": "..."}`."""
    verb = question["verb"]
    if verb == "describe":
        skips = [{"case": case, "reason": reason} for case, reason in SKIPS.items()]
        version = "Linux " + ".".join(platform.release().split(".")[:2])
        return {"plugin": "files", "server-version": version, "skips": skips}
    if verb == "start":
        number = max(servers, default=0) + 1
        servers[number] = Server()
        return {"server": number}
    if verb == "stop":
        return writers.pop(question["writer"]).stop()
    server = servers[question["server"]]
    if verb == "write":
        number = max(writers, default=0) + 1
        writers[number] = Writer(server)
        return {"writer": number}
    if verb == "fill":
        return server.fill(question["content"])
    if verb == "drop":
        return servers.pop(question["server"]).drop()
    if verb in ["source", "clear", "contents", "selection", "renaming", "check-invariant", "leftovers"]:
        return getattr(server, verb.replace("-", "_"))()
    raise ValueError(f"folders cannot {verb}")


def main():
    servers, writers = {}, {}
    try:
        for line in sys.stdin:
            try:
                said = {"ok": answer(json.loads(line), servers, writers)}
            except Exception as error:
                said = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(said), flush=True)
    finally:
        # Also when the suite has gone away.
        for server in servers.values():
            server.drop()


if __name__ == "__main__":
    main()
