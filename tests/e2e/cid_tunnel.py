#!/usr/bin/python3
"""What tests/e2e/cid_tunnel does in its lab. One line a step: what was done, what was seen."""
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time

from attachlab import Edge, Lab, Plane, peers
from labnet import Namespace
from steps import check, ok, wait_for

sys.path.append(os.path.join(os.path.dirname(peers.__file__), "cid"))
from lab import Attached, Endpoint  # noqa: E402

BULK = 4_000_000
PLACE = {4: 2, 6: 3}  # of the relay's service addresses on the server's side in a Grant
RELAY6 = "[fd77:1::1]"


class Service:
    """zs-edge with a published name nobody asks for, and a program that it serves with connection IDs."""

    def __init__(self, stack, key, space, relay, kind="cid"):
        self.path = f"{lab.lab}/{key}.cids"
        self.edge = Tunnel(key, space, relay, self.path)
        stack.callback(self.edge.end)
        self.peer = self.edge.wait("who it is", "self")["peer"]
        self.up = self.edge.wait("its tunnel", "tunnel", 15, event="up")
        program = peers.Peer(kind, "--helper", self.path, wrap=lab.inside(space), log=lab.log(f"{key}.log"))
        self.program = stack.enter_context(program)
        seen = self.program.ask("bound", timeout_ms=10_000)["seen"]
        check("it is found at the door", seen.startswith("127.0.0.1:"), seen)

    def ask(self, *words, **rest):
        return self.program.ask(*words, **rest)

    def dials(self, callee):
        self.ask("ask", peer=callee.peer, count=1, timeout_ms=10_000)
        return self.ask("dial", timeout_ms=10_000)["conn"]


class Tunnel(Edge):
    """zs-edge in a namespace, with --cid-socket beside what it publishes."""

    def __init__(self, key, space, relay, path):
        command = [lab.bin + "/zs-edge", "--relay", f"{relay}:4001/{lab.peer}", "--identity", f"{lab.lab}/{key}.key", "--json",
                   "--cid-socket", path, "publish", "web=127.0.0.1:8443"]
        self.process = subprocess.Popen(lab.inside(space) + command, stdout=subprocess.PIPE, stderr=lab.log("edge.log"), text=True)
        self.lines, self.rest = [], ""
        os.set_blocking(self.process.stdout.fileno(), False)

    def state(self):
        self.process.send_signal(signal.SIGUSR1)
        return self.wait("its state", "tunnel", 5, event="state")


class Outside(Attached):
    """A peer on the server's side that bound its own socket."""

    def __init__(self, family=4):
        at = f"{lab.far}:4001/{lab.peer}" if family == 4 else f"[fd77:2::1]:4001/{lab.peer}"
        super().__init__(at, wrap=lab.inside(lab.server), service=PLACE[family])
        self.bound()

    def dials(self, callee):
        self.may_dial(callee, 1)
        return self.dial()


def counters():
    return lab.zsctl("show", "counters")["total"]


def moved(before, name):
    return counters()[name] - before[name]


def echoed(caller, conn, size=BULK, seed=1, timeout_ms=60_000):
    got = caller.ask("echo", conn=conn, bytes=size, seed=seed, timeout_ms=timeout_ms)
    check("every byte came back", got["bytes"] == size, got)


def no_flows():
    check("no flow was made", counters()["flows_new"] == 0, counters())


# --- steps ------------------------------------------------------------------------------------------

def nobody_answers_yet():
    """Before any worker is there the kernel has the packets; an ICMP error would end what a peer has."""
    def answer(address, port):
        with Namespace(lab.server), socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect((address, port))
            s.settimeout(0.3)
            try:
                s.send(b"hello")
                return s.recv(100)
            except (socket.timeout, ConnectionRefusedError) as e:
                return type(e)
    for address in (lab.far, "fd77:2::1"):
        for port in (4433, 4434):
            check(f"silence at {address} {port}", answer(address, port) is socket.timeout)
        check("and not of itself", answer(address, 4435) is ConnectionRefusedError)
    ok("while no dataplane runs the kernel answers nobody at the service and tunnel ports")


def both_ways(service):
    before = counters()
    for family in (4, 6):
        with Outside(family) as peer:
            echoed(peer, peer.dials(service), seed=family)
            echoed(service, service.dials(peer), seed=family + 10)
    check("by connection ID, through the tunnel", all(moved(before, c) > 4 * BULK / 1500 for c in ("cid_routed", "tunnel_in", "tunnel_out")), counters())
    told = service.edge.state()
    check("nothing without a home", not told["counters"]["unknown"] and not told["counters"]["strays"] and not told["flows"], told)
    no_flows()
    ok(f"reached and dialled by bound peers of both families, {4 * BULK >> 20} MB there and back, the tunnel over IPv{told['family']}, no flow")


def accounts(service, peer):
    """What the program sent and got is what its attachment is charged with, to the byte, when nothing was lost."""
    def said():
        return [service.ask("stat")[k] for k in ("bytes_out", "bytes_in")]

    def charged():
        time.sleep(1.5)  # the control plane reads the cells once a second
        rows = [r for r in lab.zsctl("show", "usage")["usage"] if r["peer"] == service.peer]
        return [rows[0][k]["bytes"] for k in ("from_edge", "to_edge")]

    def rest():
        end = time.monotonic() + 10
        now = said()
        while True:
            time.sleep(1)
            last, now = now, said()
            if last == now:
                return now
            check("it comes to rest", time.monotonic() < end)

    before, cells = rest(), charged()
    conn = peer.dials(service)
    for _ in range(50):  # in pieces that no socket's buffer overflows from
        echoed(peer, conn, 20_000)
    peer.ask("close", conn=conn)
    after, charged_ = rest(), charged()
    spent = [a - b for a, b in zip(after, before)]
    check("charged to the byte", [a - b for a, b in zip(charged_, cells)] == spent, (spent, cells, charged_))
    ok(f"show usage: {spent[0]} bytes out of the tunnel and {spent[1]} into it, as the program counts")


def program_moves(service, peer):
    conn = peer.dials(service)
    echoed(peer, conn, 1000)
    for tell in (True, False):
        time.sleep(1.1)
        service.ask("rebind", tell=tell)
        echoed(service if tell else peer, service.dials(peer) if tell else conn, BULK // 4)
        echoed(peer, conn, BULK // 4)
    ok("the program moves to another port, with a word and without, connections go on")


def strangers_at_the_door(service, peer):
    conn = peer.dials(service)
    before = service.edge.state()["counters"]["strays"]
    with socket.socket(socket.AF_UNIX) as second, Namespace(lab.edge), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        second.connect(service.path)
        door = service.edge.door
        routed = counters()
        for n in range(20):
            s.sendto(b"\x40" + os.urandom(40 + n), door)
        time.sleep(0.3)
        check("none of it went on", moved(routed, "tunnel_in") < 10, counters())
        check("nothing came", not select.select([s], [], [], 0.2)[0])
    check("counted", service.edge.state()["counters"]["strays"] == before + 20, service.edge.state())
    echoed(peer, conn, 1000)
    ok("another user's datagrams to the door end there")


def deaths(service, peer, control, data):
    """Connections go on over both, with and without a control plane; nobody binds or dials again."""
    there, back = peer.dials(service), service.dials(peer)
    before = counters()
    data.tell("kill")
    data.tell("start")
    echoed(peer, there, BULK // 4)
    control.tell("kill")
    echoed(service, back, BULK // 4)
    control.tell("start")
    echoed(peer, there, BULK // 4)
    service.edge.wait("attached again", "session", 15, continuity="resumed")
    service.edge.wait("its new session carries", "tunnel", 15, event="up")
    echoed(service, back, BULK // 4)
    check("nobody bound again", moved(before, "bind_moved") == 0, counters())
    ok("connections outlive kill -9 of the dataplane, and of the control plane")


def two_tunnels(service):
    """From one edge's program to another's: out of a tunnel, into a tunnel."""
    with contextlib.ExitStack() as stack:
        other = Service(stack, "other", lab.server, lab.far)
        echoed(other, other.dials(service))
        echoed(service, service.dials(other), seed=2)
        no_flows()
        ok("from program to program through two tunnels")
        other.program.process.kill()
        gone = other.edge.wait("its program went", "bound", 5, bound=False)
        check("nobody is at the door any more", gone["seen"] is None, gone)


def six_alone(stack):
    """The tunnel itself over IPv6, and quinn where it can be built."""
    subprocess.run(["ip", "-n", lab.edge, "route", "del", "default"], check=True)
    try:
        peers.build("quinn")
        kind = "quinn"
    except SystemExit as e:
        if e.code != 77:
            raise
        print("skip quinn: its peer cannot be built here", flush=True)
        kind = "cid"
    service = Service(stack, "six", lab.edge, RELAY6, kind)
    with Outside(4) as peer:
        conn = peer.dials(service)
        echoed(peer, conn)
        told = service.edge.state()
        check("over IPv6", told["family"] == 6, told)
    no_flows()
    ok(f"a tunnel over IPv6, a peer on IPv4: {kind} behind it")


def main():
    control = Plane(lab, "controlplane")
    nobody_answers_yet()
    data = Plane(lab, "dataplane")
    lab.peer = wait_for("the relay's peer id", lambda: (lab.zsctl("status", may_fail=True) or {}).get("peer"))
    with contextlib.ExitStack() as stack:
        service = Service(stack, "edge", lab.edge, lab.relay)
        bound = service.edge.wait("bound", "bound", 5, bound=True)
        service.edge.door = ("127.0.0.1", int(bound["relay"].rsplit(":", 1)[1]))
        both_ways(service)
        with Outside() as peer:
            accounts(service, peer)
            program_moves(service, peer)
            strangers_at_the_door(service, peer)
        two_tunnels(service)
        wait_for("every packet is accounted for", lambda: lab.zsctl("show", "counters")["balance"] == 0)
        with Outside() as peer:
            deaths(service, peer, control, data)
    with contextlib.ExitStack() as stack:
        six_alone(stack)


lab = Lab()
main()
