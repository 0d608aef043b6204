"""Runs the rows against whatever engine holds the lab's relay. Usage:
rows_run.py CLIENT_NS RELAY_MAC_THERE SERVER_NS RELAY_MAC_THERE ADMIN_SOCKET RELAY_PEER_ID

The relay is seen from outside alone: frames in, frames out, and what `show drops` answers. Peers of tests/interop/cid bind the
sockets that connection IDs lead to and are then stopped: what reaches them they do not answer."""
import contextlib
import os
import signal
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "interop"), os.path.join(HERE, "..", "interop", "cid")]
from frames import ICMP6, ip_packet, mac, sums_right  # noqa: E402
from lab import Attached  # noqa: E402
from labnet import Admin, Wire, delta  # noqa: E402
from rows import BOUND, CONTROL, PEERS, ROWS  # noqa: E402


class Context:
    def __init__(self, client_ns, client_mac, server_ns, server_mac, admin):
        self.wire = {"client": Wire(client_ns, "c0"), "server": Wire(server_ns, "s0")}
        self.peer_mac = {side: wire.mac for side, wire in self.wire.items()}
        self.relay_mac = {"client": mac(client_mac), "server": mac(server_mac)}
        self.admin, self.sport = Admin(admin), {}
        self.engine, self.again = os.environ.get("ZS_ENGINE", "dpdk"), 0  # again: packets sent to meet the kernel's path
        self.port, self.attachment, self.bind_id = {}, {}, {}  # of the peers, by name

    def bind(self, name, peer):
        self.port[name] = int(peer.bound().rsplit(":", 1)[1])
        self.attachment[name], self.bind_id[name] = str(peer.attachment), peer.bind_id
        peer.helper.process.send_signal(signal.SIGSTOP)

    def unbound(self):
        """The attachment of attached_port, whose edge is not there."""
        every = [str(a["attachment"]) for a in self.admin.result("attach list")["attachments"]]
        return next(a for a in every if a not in self.attachment.values())

    def cid(self, name):
        return bytes.fromhex(self.admin.result("cid mint", who=self.attachment[name], count=1)["cids"][0])

    def drops(self):
        return {r["reason"]: r["count"] for r in self.admin.result("show drops", all=True)["reasons"]}

    def heard(self, side, seconds):
        """The first IP packet from the relay's MAC at this side, b"" when none comes in time."""
        def of_the_worker(frame):
            packet = ip_packet(frame)
            if not packet or frame[6:12] != self.relay_mac[side]:
                return False
            # MLD, ND and the control connection are the relay's kernel's own, BOUND keeps a binding.
            if udp_source(packet) == CONTROL or BOUND in packet:
                return False
            return packet[0] >> 4 == 4 or not (packet[6] == 0 or packet[6] == ICMP6 and packet[40] >= 128)
        return ip_packet(self.wire[side].wait_frame(of_the_worker, seconds) or b"")


def udp_source(packet):
    at, proto = (20, packet[9]) if packet[0] >> 4 == 4 else (40, packet[6])
    return struct.unpack("!H", packet[at:at + 2])[0] if proto == 17 else 0


def mask_ident(packet):
    """A rebuilt IPv4 header's identification and DF are the engine's own choice (RFC 6864)."""
    if packet[0] >> 4 != 4:
        return packet
    return packet[:4] + b"\0\0\0\0" + packet[8:10] + b"\0\0" + packet[12:]


def learn(x, key, packet):
    off = 20 if packet[0] >> 4 == 4 else 40
    x.sport[key] = struct.unpack("!H", packet[off:off + 2])[0]


def settle(x, before):
    """What was dropped: waits until a counter has moved (they are read racily, never late by more than this)."""
    end = time.monotonic() + 2
    while not (lost := delta(before, x.drops())) and time.monotonic() < end:
        time.sleep(0.02)
    return lost


def judge_out(got, row, x):
    *_, learns, want = row
    if learns:
        learn(x, learns.split(":")[1], got)
    if want is None or learns == "learn:64":
        if not sums_right(got):
            return "came out with a wrong checksum: " + got.hex()
    if want is None:
        return None
    expected, seen = (mask_ident(want(x)), mask_ident(got)) if learns == "learn:64" else (want(x), got)
    return None if seen == expected else "came out as\n      %s\n    not\n      %s" % (seen.hex(), expected.hex())


def times(x, row):
    """With the engine xdp the worker forwards a packet first and the kernel the next ones like it: all must come out the same."""
    *_, learns, want = row
    again = x.engine == "xdp" and want is not None and not learns
    x.again += 2 * again
    return 3 if again else 1


def check(x, row):
    _, side, frame, verdict, _, _ = row
    other = "server" if side == "client" else "client"
    for wire in x.wire.values():
        wire.receive()
    before, sent = x.drops(), frame(x)
    if verdict == "tx":
        for _ in range(times(x, row)):
            x.wire[side].send(sent)
            got = x.heard(other, 1.5)
            why = judge_out(got, row, x) if got else "nothing came out; drops: %s" % settle(x, before)
            if why:
                return why
        return None
    x.wire[side].send(sent)
    if verdict == "kernel":
        out, lost = x.heard(other, 0.2), delta(before, x.drops())
        if out:
            return "was forwarded: " + out.hex()
        return None if set(lost) <= {"no_twin"} else "was dropped by the relay: %s" % lost
    lost = settle(x, before)
    if lost != {verdict: 1}:
        return "drops %s, not {'%s': 1}" % (lost, verdict)
    return None if not x.heard(other, 0.02) else "was counted as a drop and forwarded"


def main():
    x = Context(*sys.argv[1:6])
    with contextlib.ExitStack() as stack:
        for name, (space, relay, service) in PEERS.items():
            wrap = ("nsenter", "--net=/run/netns/" + sys.argv[1 if space == "client" else 3], "--")
            peer = stack.enter_context(Attached(f"{relay}:{CONTROL}/{sys.argv[6]}", wrap=wrap, service=service))
            stack.callback(peer.helper.process.send_signal, signal.SIGCONT)
            x.bind(name, peer)
        x.attachment["gone"] = x.unbound()
        return run(x)


def in_kernel(x):
    return x.admin.result("show counters")["total"]["in_kernel"]


def run(x):
    bad = 0
    for row in ROWS:
        try:
            why = check(x, row)
        except KeyError as e:
            why = "needs flow %s, which an earlier row did not make" % e
        print("%-6s %s%s" % ("ok" if why is None else "not ok", row[0], "" if why is None else ": " + why), flush=True)
        bad += why is not None
    balance = x.admin.result("show counters")["balance"]
    if balance:
        print("not ok conservation: %s packets are unaccounted for" % balance)
        bad += 1
    if x.engine == "xdp":
        kernel = in_kernel(x)
        print("# %d packets met the path in the kernel, of %d and more" % (kernel, x.again))
        bad += kernel < x.again * 3 // 4
    print("# %d rows, %d wrong" % (len(ROWS), bad))
    return 1 if bad else 0


sys.exit(main())
