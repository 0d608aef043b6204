"""Runs the rows against whatever engine holds the lab's relay. Usage:
rows_run.py CLIENT_NS RELAY_MAC_THERE SERVER_NS RELAY_MAC_THERE ZSCTL…

The relay is seen from outside alone: frames in, frames out, and `zsctl show drops --json`."""
import ctypes
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time

from frames import ip_packet, verify
from rows import ROWS

CLONE_NEWNET = 0x40000000


def enter(ns):
    fd = os.open("/run/netns/" + ns, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns " + ns)
    os.close(fd)


def raw(ns, dev):
    enter(ns)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((dev, 0))
    return s


class Context:
    def __init__(self, client_ns, client_mac, server_ns, server_mac, zsctl):
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.sock = {"client": raw(client_ns, "c0"), "server": raw(server_ns, "s0")}
        ctypes.CDLL(None).setns(home, CLONE_NEWNET)
        self.peer_mac = {k: s.getsockname()[4] for k, s in self.sock.items()}
        self.zsctl, self.sport = zsctl, {}
        self.relay_mac = {"client": bytes.fromhex(client_mac.replace(":", "")), "server": bytes.fromhex(server_mac.replace(":", ""))}

    def ask(self, *verb):
        out = subprocess.run(self.zsctl + list(verb) + ["--json"], capture_output=True, text=True, check=True, timeout=10)
        doc = json.loads(out.stdout)
        return doc.get("result", doc)

    def drops(self):
        return {r["reason"]: r["count"] for r in self.ask("show", "drops", "--all")["reasons"]}

    def any_ident(self, packet):
        return packet

    def drain(self):
        for s in self.sock.values():
            while select.select([s], [], [], 0)[0]:
                s.recv(65536)

    def heard(self, side, seconds):
        """IP packets from the relay's MAC at this side until one came or the time is over."""
        s, end, got = self.sock[side], time.monotonic() + seconds, []
        while time.monotonic() < end and not got:
            if not select.select([s], [], [], max(0, end - time.monotonic()))[0]:
                break
            frame, meta = s.recvfrom(65536)
            if meta[2] == socket.PACKET_OUTGOING or frame[6:12] != self.relay_mac[side]:
                continue
            kind, packet = ip_packet(frame)
            own = kind == 0x86DD and (packet[6] == 0 or (packet[6] == 58 and packet[40] >= 128))  # MLD, ND of the kernel
            if kind in (0x0800, 0x86DD) and not own:
                got.append(packet)
        return got


def mask_ident(packet):
    """A rebuilt IPv4 header's identification and DF are the engine's own choice (RFC 6864)."""
    if packet[0] >> 4 != 4:
        return packet
    return packet[:4] + b"\0\0\0\0" + packet[8:10] + b"\0\0" + packet[12:]


def learn(x, key, packet):
    off = 20 if packet[0] >> 4 == 4 else 40
    x.sport[key] = struct.unpack("!H", packet[off:off + 2])[0]


def settle(x, before, reason):
    """Waits until the counter has moved (counters are read racily, never late by more than this)."""
    end = time.monotonic() + 2
    while True:
        after = x.drops()
        delta = {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)}
        if delta or time.monotonic() > end:
            return delta
        time.sleep(0.02)


def check(x, row):
    name, side, frame, verdict, learns, want = row
    other = "server" if side == "client" else "client"
    x.drain()
    before = x.drops()
    x.sock[side].send(frame(x))
    if verdict == "tx":
        got = x.heard(other, 1.5)
        if not got:
            return "nothing came out; drops: %s" % settle(x, before, None)
        if learns:
            learn(x, learns.split(":")[1], got[0])
        if want is None:
            return None if verify(got[0]) else "came out with a wrong checksum: " + got[0].hex()
        expected, seen = want(x), got[0]
        if learns == "learn:64":
            expected, seen = mask_ident(expected), mask_ident(seen)
            if not verify(got[0]):
                return "wrong checksum: " + got[0].hex()
        return None if seen == expected else "came out as\n      %s\n    not\n      %s" % (seen.hex(), expected.hex())
    if verdict == "kernel":
        time.sleep(0.15)
        delta = settle_none(x, before)
        out = x.heard(other, 0.05)
        if out:
            return "was forwarded: " + out[0].hex()
        return None if set(delta) <= {"no_twin"} else "was dropped by the relay: %s" % delta
    delta = settle(x, before, verdict)
    if delta != {verdict: 1}:
        return "drops %s, not {'%s': 1}" % (delta, verdict)
    return None if not x.heard(other, 0.02) else "was counted as a drop and forwarded"


def settle_none(x, before):
    after = x.drops()
    return {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)}


def main():
    x = Context(*sys.argv[1:5], sys.argv[5:])
    bad = 0
    for row in ROWS:
        try:
            why = check(x, row)
        except KeyError as e:
            why = "needs flow %s, which an earlier row did not make" % e
        print("%-6s %s%s" % ("ok" if why is None else "not ok", row[0], "" if why is None else ": " + why), flush=True)
        bad += why is not None
    balance = x.ask("show", "counters")["balance"]
    if balance:
        print("not ok conservation: %s packets are unaccounted for" % balance)
        bad += 1
    print("# %d rows, %d wrong" % (len(ROWS), bad))
    return 1 if bad else 0


sys.exit(main())
