"""Peers that are routed by connection ID, behind cidrelay or behind a real relay: what their tests are made of."""
import os
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from peers import Peer, Refused  # noqa: E402

LOOPBACK = {4: "127.0.0.1", 6: "[::1]"}
OWN, DIALS = 64, 16


class Relay(Peer):
    """cidrelay."""

    def __init__(self):
        super().__init__("cidrelay")
        self.port = self.ask("stat")["port"]

    def at(self, family):
        return f"{LOOPBACK[family]}:{self.port}"

    def mint(self, ident, count):
        return self.ask("mint", id=ident, count=count)["cids"]


class Endpoint:
    """ngtcp2's peer, or quinn's with ngtcp2's as its helper, which has to be told of a session before start_stack.
    wrap: a command to start them with, such as nsenter."""

    def __init__(self, kind, arguments, wrap=()):
        self.kind, self.arguments, self.wrap = kind, arguments, wrap
        self.peers, self.folder = [], None
        if kind == "cid":
            self.helper = self.quic = self.start(kind, *arguments)
        else:
            self.folder = tempfile.mkdtemp(prefix="zs-cid-")
            self.helper = self.start("cid", "--offer", self.folder + "/offer")

    def start(self, *arguments):
        self.peers.append(Peer(*arguments, wrap=self.wrap))
        return self.peers[-1]

    def start_stack(self):
        if self.kind != "cid":
            self.quic = self.start(self.kind, "--helper", self.folder + "/offer", *self.arguments)

    def ask(self, *arguments, **rest):
        return self.quic.ask(*arguments, **rest)

    def dial(self):
        return self.ask("dial", timeout_ms=10_000)["conn"]

    def echo(self, conn, size, seed=0, timeout_ms=60_000):
        return self.ask("echo", conn=conn, bytes=size, seed=seed, timeout_ms=timeout_ms)

    def bound(self, timeout_ms=10_000):
        """Where it is bound. quinn's answer has no bind_id."""
        told = self.ask("bound", timeout_ms=timeout_ms)
        self.bind_id = told.get("bind_id")
        return told["seen"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for peer in reversed(self.peers):
            peer.__exit__()
        if self.folder:
            shutil.rmtree(self.folder)


class Behind(Endpoint):
    """Behind cidrelay, bound. `calls`: whom it may dial."""

    def __init__(self, relay, ident, family=4, kind="cid", calls=(), arguments=()):
        super().__init__(kind, arguments)
        self.relay, self.ident, self.family = relay, ident, family
        self.attach()
        self.helper.ask("cids", own=relay.mint(ident, OWN))
        for callee in calls:
            self.may_dial(callee)
        self.start_stack()
        self.bound()

    def attach(self):
        """A session, or a fresh one."""
        session = self.relay.ask("attach", id=self.ident)
        self.helper.ask("session", root=session["root"], bind_id=session["bind_id"], relay=self.relay.at(self.family))

    def may_dial(self, callee, count=DIALS):
        self.helper.ask("cids", dial=self.relay.mint(callee, count))


class Attached(Endpoint):
    """Attached to a real relay, HOST:PORT/PEERID, by a control connection; not bound yet. service: the place in the Grant of
    the address to bind at."""

    def __init__(self, relay, token=None, kind="cid", arguments=(), wrap=(), service=0):
        super().__init__(kind, arguments, wrap)
        told = self.helper.ask("attach", relay=relay, service=service, timeout_ms=20_000, **({"token": token} if token else {}))
        self.attachment, self.peer = told["attachment"], told["peer"]
        self.start_stack()

    def may_dial(self, callee, count=DIALS):
        """callee: another one of these. A connection that was just granted serves a moment later."""
        end = time.monotonic() + 5
        while True:
            try:
                return self.helper.ask("ask", peer=callee.peer, count=count, timeout_ms=10_000)
            except Refused as e:
                if "not connected" not in str(e) or time.monotonic() > end:
                    raise
                time.sleep(0.05)
