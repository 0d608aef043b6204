"""Two QUIC peers behind connection IDs that talk while COMMAND ends one of them or both. One JSON object: {"peer": who dialled, "said": what the
command printed, "took": the seconds it ran, "bytes": echoed since it began, "seconds": from its end to the last echo}.

cid_ended.py CLIENT_NS SERVER_NS RELAY_PEER_ID COMMAND…, in which {peer} is the peer id of the one that dials"""
import json
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(TESTS, "interop"), os.path.join(TESTS, "interop", "cid")]
from lab import Attached  # noqa: E402
from peers import Refused  # noqa: E402

LONGEST_S = 20
CLIENT, SERVER, RELAY_ID, *COMMAND = sys.argv[1:]


def bound(space, address, service):
    peer = Attached(f"{address}:4001/{RELAY_ID}", wrap=("nsenter", f"--net=/run/netns/{space}", "--"), service=service)
    peer.bound()
    return peer


with bound(CLIENT, "10.77.1.1", 0) as a, bound(SERVER, "10.77.2.1", 2) as b:
    a.may_dial(b)
    conn = a.dial()
    assert a.echo(conn, 100_000)["bytes"] == 100_000
    begin = time.monotonic()
    told = subprocess.run([word.replace("{peer}", a.peer) for word in COMMAND], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    end = last = time.monotonic()
    echoed = 0
    while last - end < LONGEST_S:
        try:
            echoed += a.echo(conn, 100_000, timeout_ms=4000)["bytes"]
        except Refused:
            break
        last = time.monotonic()
    print(json.dumps({"peer": a.peer, "said": told.stdout, "took": end - begin, "bytes": echoed, "seconds": last - end}))
