"""What tests/e2e/cid_pair does. One line a check. Where quinn's peer cannot be built it is left out with its reason.

cid_pair.py CLIENT_NS SERVER_NS ADMIN_SOCKET RELAY_PEER_ID LAB RELAY_NS BIN"""
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
E2E = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(E2E), "interop"), os.path.join(os.path.dirname(E2E), "interop", "cid"), E2E]
import peers  # noqa: E402
from frames import addr, ether, ip4, ip_packet, udp  # noqa: E402
from lab import Attached  # noqa: E402
from labnet import Admin, Namespace, Wire, delta  # noqa: E402
from peers import Peer, Refused  # noqa: E402
from steps import check, inside, ok  # noqa: E402

CLIENT, SERVER, SOCKET, RELAY_ID, LAB, RELAY, BIN = sys.argv[1:8]
CONTROL, SERVICE = 4001, 4433
BULK = 4_000_000
WHERE = {CLIENT: "10.77.1.1", SERVER: "10.77.2.1"}  # the relay's address there
PLACE = {(CLIENT, 4): 0, (CLIENT, 6): 1, (SERVER, 4): 2, (SERVER, 6): 3}  # of its service addresses in a Grant
CHALLENGE, BOUND, NUDGE = 2, 3, 5
# Of a BIND: first byte and end of each field, and what a flipped bit of it may be dropped for.
BIND_FIELDS = ((0, 24, "head", ("bind_form", "bind_owner", "cid_short", "cid_malformed", "cid_unknown", "cid_stranger")),
               (24, 25, "kind", ("bind_form",)), (25, 26, "bind id", ("bind_owner", "bind_tag")), (26, 28, "lifetime", ("bind_tag",)),
               (28, 36, "counter", ("bind_tag", "bind_counter")), (36, 52, "cookie", ("bind_tag",)),
               (52, 80, "zeros", ("bind_form",)), (80, 96, "tag", ("bind_tag",)))
admin = Admin(SOCKET)


class Bound(Attached):
    """Attached and bound, on a side and in a family."""

    def __init__(self, space, family=4, kind="cid", arguments=()):
        super().__init__(f"{WHERE[space]}:{CONTROL}/{RELAY_ID}", kind=kind, arguments=arguments, wrap=inside(space),
                         service=PLACE[space, family])
        self.bound()

    def calls(self, *callees):
        for callee in callees:
            self.may_dial(callee)
        return self


def counters():
    return admin.result("show counters")["total"]


def moved(before, name):
    return counters()[name] - before[name]


def no_flows():
    check("zero flow-table entries", counters()["flows_new"] == 0, counters())


def echoed(caller, conn, size=BULK, seed=1):
    got = caller.echo(conn, size, seed)
    check("every byte came back", got["bytes"] == size, got)


# --- peers that mean well ------------------------------------------------------------------------

def families(kind):
    for ours, theirs in ((4, 4), (6, 6), (4, 6), (6, 4)):
        with Bound(CLIENT, ours, kind) as a, Bound(SERVER, theirs) as b:
            a.calls(b), b.calls(a)
            echoed(a, a.dial(), seed=ours)
            echoed(b, b.dial(), seed=theirs)  # and the other way
    no_flows()
    ok(f"{kind}: both ways, 4 to 4, 6 to 6 and across, no flow")


def two_at_once(kind):
    """They share an address at the callee: only the connection IDs tell them apart."""
    with Bound(SERVER) as callee, Bound(CLIENT, 4, kind) as a, Bound(CLIENT, 6) as b:
        a.calls(callee), b.calls(callee)
        failed = []

        def work(caller, seed):
            try:
                for _ in range(3):
                    echoed(caller, caller.dial(), BULK // 4, seed)
            except (Refused, SystemExit) as e:
                failed.append(e)

        threads = [threading.Thread(target=work, args=x) for x in ((a, 1), (b, 2))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        check("both were served", not failed, failed)
        check("six connections", callee.ask("stat")["accepted"] == 6, callee.ask("stat"))
    ok(f"{kind}: two dial one callee at once")


def retry(kind):
    with Bound(SERVER, 4, kind, ("--retry",)) as callee, Bound(CLIENT) as caller:
        echoed(caller.calls(callee), caller.dial(), 100_000)
        told = [p.ask("stat")["retries"] for p in (callee, caller)]
        check("a Retry was sent and taken", told[0] >= 1 and told[1] == 1, told)
    ok(f"{kind}: Retry")


def rebinding(kind):
    with Bound(SERVER) as callee, Bound(CLIENT, 4, kind) as caller:
        conn = caller.calls(callee).dial()
        for mover in (caller, callee, caller):
            before = counters()
            mover.ask("rebind")
            echoed(caller, conn, BULK // 4)
            check("the binding moved once", moved(before, "bind_moved") == 1, counters())
        check("one connection", callee.ask("stat")["accepted"] == 1)
    ok(f"{kind}: either side rebinds, the connection goes on")


def forgotten():
    """A NAT forgets the mapping, and nobody tells the peer: a NUDGE does."""
    with Bound(SERVER) as callee, Bound(CLIENT) as caller:
        conn = caller.calls(callee).dial()
        before = counters()
        caller.ask("rebind", tell=False)
        began = time.monotonic()
        echoed(caller, conn, 1000)
        check("healed soon", time.monotonic() - began < 5, time.monotonic() - began)
        check("by a NUDGE", moved(before, "nudges") and moved(before, "bind_moved") == 1, counters())
    ok("a NAT that forgets: a NUDGE heals it")


def rotation(kind):
    """New connections under the new key, old ones go on under the old."""
    with Bound(SERVER) as callee, Bound(CLIENT, 4, kind) as caller:
        old = caller.calls(callee).dial()
        echoed(caller, old, 1000)
        before = admin.result("keys list")["configurations"]
        admin.result("keys rotate")
        time.sleep(1.5)  # until it is minted from
        rows = admin.result("keys list")["configurations"]
        check("one more", len(rows) == len(before) + 1, rows)
        caller.calls(callee)
        for _ in range(20):  # what was in stock is of before
            new = caller.dial()
        for conn in (old, new, old):
            echoed(caller, conn, BULK // 4)
    ok(f"{kind}: keys rotate in mid-connection")


# --- deaths --------------------------------------------------------------------------------------

def kill(plane):
    os.kill(admin.result("status")[plane]["pid"], signal.SIGKILL)


def start(name):
    """A plane, as the script started it."""
    done = subprocess.run([sys.executable, E2E + "/ready.py", "15", f"{LAB}/log/{name}.log", *inside(RELAY), f"{BIN}/zs-{name}",
                           "--config", LAB + "/relay.yaml"], stdout=subprocess.PIPE, text=True, check=False)
    check(name + " is ready again", done.returncode == 0, done)
    with open(LAB + "/pids", "a", encoding="ascii") as pids:
        pids.write(done.stdout)


def wait_for_control():
    end = time.monotonic() + 10
    while True:
        try:
            return counters()
        except (OSError, KeyError, RuntimeError, ValueError):
            check("the control plane answers", time.monotonic() < end)
            time.sleep(0.1)


def deaths():
    """Bindings outlive the dataplane, and need no control plane."""
    with Bound(SERVER) as callee, Bound(CLIENT, 6) as caller:
        conn = caller.calls(callee).dial()
        echoed(caller, conn, 1000)
        before = counters()
        kill("dataplane")
        start("dataplane")
        echoed(caller, conn, BULK // 4)
        check("nobody bound again", moved(before, "bind_moved") == 0, counters())
        kill("control")
        caller.ask("rebind")
        echoed(caller, conn, BULK // 4)
        callee.ask("rebind")
        echoed(caller, conn, BULK // 4)
        start("controlplane")
        wait_for_control()
        check("each bound anew while the control plane was dead", moved(before, "bind_moved") >= 2, counters())
        check("one connection", callee.ask("stat")["accepted"] == 1)
    ok("a connection outlives both planes, and rebinds without a control plane")


# --- peers that do not ---------------------------------------------------------------------------

class Thief:
    """An attachment whose BIND messages come through our hands: what cidpeer would send, we send, from where we like."""

    def __init__(self, stack):
        self.path = os.path.join(stack.enter_context(tempfile.TemporaryDirectory()), "offer")
        self.peer = stack.enter_context(Peer("cid", "--offer", self.path, wrap=inside(CLIENT)))
        self.told = self.peer.ask("attach", relay=f"{WHERE[CLIENT]}:{CONTROL}/{RELAY_ID}", timeout_ms=20_000)
        self.line = stack.enter_context(contextlib.closing(socket.socket(socket.AF_UNIX)))
        self.line.connect(self.path)
        self.rest, self.saved = "", []

    def out(self, seconds=5):
        """The next message that it wants to send."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            *lines, self.rest = self.rest.split("\n")
            self.saved += [line[4:] for line in lines if line.startswith("out ")]
            if self.saved:
                return bytes.fromhex(self.saved.pop(0))
            if select.select([self.line], [], [], 0.1)[0]:
                self.rest += self.line.recv(65536).decode()
        raise SystemExit("FAILED: no BIND message within %s s" % seconds)

    def hears(self, message):
        self.line.sendall(b"in " + message.hex().encode() + b"\n")


class Street:
    """Raw frames at the client's side, so that a source may be anybody's."""

    def __init__(self, mac):
        self.wire, self.mac = Wire(CLIENT, "c0"), mac

    def send(self, source, sport, payload):
        src, dst = addr(source), addr(WHERE[CLIENT])
        self.wire.send(ether(self.mac, self.wire.mac, ip4(src, dst, udp(src, dst, sport, SERVICE, payload))))

    def arrives(self, at, port, seconds=0.4):
        """UDP payloads that the relay's service sends to that address and port."""
        got, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            for frame in self.wire.receive(0.05):
                p = ip_packet(frame)
                if p and p[0] >> 4 == 4 and p[9] == 17 and p[16:20] == addr(at) and \
                        p[20:24] == SERVICE.to_bytes(2, "big") + port.to_bytes(2, "big"):
                    got.append(p[28:])
        return got


def relay_mac():
    """As the client's kernel knows it."""
    with Namespace(CLIENT), open("/proc/thread-self/net/arp", encoding="ascii") as table:
        row = next(line.split() for line in table if line.startswith(WHERE[CLIENT] + " "))
    return bytes.fromhex(row[3].replace(":", ""))


def victim(street, thief):
    """BIND with the victim's source: one CHALLENGE of 96 bytes for each, and no data ever."""
    cid = bytes.fromhex(admin.result("cid mint", who=str(thief.told["attachment"]), count=1)["cids"][0])
    asked = 0
    for _ in range(3):
        street.send("10.77.1.66", 7777, thief.out())
        asked += 1
        got = street.arrives("10.77.1.66", 7777, 1.0)
        check("one CHALLENGE of 96 bytes", [(len(m), m[24]) for m in got] == [(96, 2)], [m.hex() for m in got])
    for sender in (5001, 5002):
        street.send("10.77.1.2", sender, b"\x40" + cid + bytes(64))
    check("no data", not street.arrives("10.77.1.66", 7777))
    ok(f"a victim got {asked} CHALLENGEs for {asked} BINDs, and no data")


def drops():
    return {r["reason"]: r["count"] for r in admin.result("show drops", all=True)["reasons"]}


def flipped(street, message):
    """Each bit of a BIND that nobody has seen yet, from where it may come: dropped for the reason of its field, and no answer
    but NUDGE. Slow enough for the limits of failed tags."""
    reasons = {}
    for first, end, name, expected in BIND_FIELDS:
        before = drops()
        for bit in range(8 * first, 8 * end):
            other = bytearray(message)
            other[bit // 8] ^= 0x80 >> bit % 8
            street.send("10.77.1.2", 6000, bytes(other))
            time.sleep(0.008)
        got = [m for m in street.arrives("10.77.1.2", 6000, 0.2) if m[24] != NUDGE]
        check(f"no answer to a flipped {name} but NUDGE", not got, [m.hex() for m in got])
        change = delta(before, drops())
        change.pop("icmp_other", None)  # the kernel there has no socket for what the relay answered
        check(f"flipped {name}: each a drop", sum(change.values()) == 8 * (end - first) and set(change) <= set(expected), change)
        for reason, n in change.items():
            reasons[reason] = reasons.get(reason, 0) + n
    ok("a fresh BIND, each bit flipped: " + ", ".join(f"{k} {v}" for k, v in sorted(reasons.items())))


def answered(street, thief, message, kind):
    """Sends it from the thief's address; the one answer, of that kind, which the thief hears."""
    street.send("10.77.1.2", 6000, message)
    got = street.arrives("10.77.1.2", 6000)
    check(f"one answer of kind {kind}", len(got) == 1 and got[0][24] == kind, [m.hex() for m in got])
    thief.hears(got[0])
    return got[0]


def replayed(street, thief):
    """The thief binds for real, but its BIND is flipped before it arrives; then all that it sent is sent again, from there and
    from elsewhere."""
    first = thief.out()
    answered(street, thief, first, CHALLENGE)
    second = thief.out()
    flipped(street, second)
    bound = answered(street, thief, second, BOUND)
    check("status 0", bound[70:72] == b"\0\0", bound.hex())
    shown = admin.result("show bindings")["bindings"]
    check("show bindings has it", [b for b in shown if b["address"] == "10.77.1.2:6000" and b["bind_id"] and 60_000 < b["expires_ms"] <= 75_000 and b["peer"]], shown)
    before, lost = counters(), drops()
    for message in (first, second):
        for source, port in (("10.77.1.2", 6000), ("10.77.1.2", 6001), ("10.77.1.66", 7777)):
            street.send(source, port, message)
            check("no answer to a replay", not street.arrives(source, port, 0.2))
    change = delta(lost, drops())
    change.pop("icmp_other", None)
    check("each is a counted drop", change == {"bind_counter": 6} and not moved(before, "bind_moved"), (change, counters()))
    ok("BIND replayed: each a counted drop, no answer")


def thieves():
    with contextlib.ExitStack() as stack:
        street, thief = Street(relay_mac()), Thief(stack)
        victim(street, thief)
        replayed(street, thief)


def kinds():
    yield "cid"
    try:
        peers.build("quinn")
    except SystemExit as e:
        if e.code != 77:
            raise
        print("skip quinn: its peer cannot be built here", flush=True)
        return
    yield "quinn"


def main():
    for kind in kinds():
        for test in (families, two_at_once, retry, rebinding, rotation):
            test(kind)
    forgotten()
    thieves()
    balance = admin.result("show counters")["balance"]
    check("every packet is accounted for", balance == 0, balance)
    deaths()
    no_flows()


main()
