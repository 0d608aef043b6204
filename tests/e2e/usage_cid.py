"""Two QUIC peers behind connection IDs, one a family, and what each of them counted. One JSON object: {peer: {"from_edge": bytes, "to_edge": bytes}}.

usage_cid.py CLIENT_NS SERVER_NS RELAY_PEER_ID"""
import json
import os
import sys
import time

sys.dont_write_bytecode = True
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(TESTS, "interop"), os.path.join(TESTS, "interop", "cid")]
from lab import Attached  # noqa: E402

CLIENT, SERVER, RELAY_ID = sys.argv[1:4]


def bound(space, address, service):
    """service: the place of its address in a Grant: the client's side before the server's, IPv4 before IPv6."""
    peer = Attached(f"{address}:4001/{RELAY_ID}", wrap=("nsenter", f"--net=/run/netns/{space}", "--"), service=service)
    peer.bound()
    return peer


def counted(peer):
    told = peer.ask("stat")
    return {"from_edge": told["bytes_out"], "to_edge": told["bytes_in"]}


def at_rest(*peers):
    """Until nobody has said anything for a second: acknowledgements come late."""
    now = [counted(p) for p in peers]
    while True:
        time.sleep(1)
        before, now = now, [counted(p) for p in peers]
        if now == before:
            return now


with bound(CLIENT, "10.77.1.1", 0) as a, bound(SERVER, "10.77.2.1", 3) as b:
    a.may_dial(b)
    conn = a.dial()
    for _ in range(50):  # in pieces that no socket's buffer overflows from: what is lost there the relay has counted
        assert a.echo(conn, 20_000)["bytes"] == 20_000
    a.ask("close", conn=conn)  # else its end says so when everybody has counted
    print(json.dumps(dict(zip((a.peer, b.peer), at_rest(a, b)))))
