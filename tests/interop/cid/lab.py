"""A small relay and peers behind it: what the tests of peers routed by connection ID are made of."""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from peers import Peer, Refused  # noqa: E402,F401

LOOPBACK = {4: "127.0.0.1", 6: "[::1]"}
OWN, DIALS = 64, 16


class Relay(Peer):
    def __init__(self):
        super().__init__("cidrelay")
        self.port = self.ask("stat")["port"]

    def at(self, family):
        return f"{LOOPBACK[family]}:{self.port}"

    def mint(self, ident, count):
        return self.ask("mint", id=ident, count=count)["cids"]


class Behind:
    """A peer behind the relay: ngtcp2's, or quinn's with ngtcp2's as its helper. `calls`: whom it may dial."""

    def __init__(self, relay, ident, family=4, kind="cid", calls=(), arguments=()):
        self.relay, self.ident, self.family = relay, ident, family
        self.peers, self.folder = [], None
        if kind == "cid":
            self.helper = self.quic = self.start(kind, *arguments)
        else:
            self.folder = tempfile.mkdtemp(prefix="zs-cid-")
            path = os.path.join(self.folder, "offer")
            self.helper = self.start("cid", "--offer", path)
        self.attach()
        self.helper.ask("cids", own=relay.mint(ident, OWN))
        for callee in calls:
            self.may_dial(callee)
        if kind != "cid":
            self.quic = self.start(kind, "--helper", path, *arguments)
        self.seen = self.ask("bound", timeout_ms=10_000)["seen"]

    def start(self, *arguments):
        self.peers.append(Peer(*arguments))
        return self.peers[-1]

    def attach(self):
        """A session, or a fresh one."""
        session = self.relay.ask("attach", id=self.ident)
        self.helper.ask("session", root=session["root"], bind_id=session["bind_id"], relay=self.relay.at(self.family))

    def may_dial(self, callee, count=DIALS):
        self.helper.ask("cids", dial=self.relay.mint(callee, count))

    def ask(self, *arguments, **rest):
        return self.quic.ask(*arguments, **rest)

    def dial(self):
        return self.ask("dial", timeout_ms=10_000)["conn"]

    def echo(self, conn, size, seed=0, timeout_ms=60_000):
        return self.ask("echo", conn=conn, bytes=size, seed=seed, timeout_ms=timeout_ms)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for peer in reversed(self.peers):
            peer.__exit__()
        if self.folder:
            shutil.rmtree(self.folder)
