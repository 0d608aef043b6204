"""What tests/e2e/tunnel_restart does. One line a check.

tunnel_restart.py CLIENT_NS SERVER_NS RELAY_NS ADMIN_SOCKET RELAY_PEER_ID LAB BIN"""
import collections
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
E2E = os.path.dirname(os.path.abspath(__file__))
from frames import addr  # noqa: E402
from labnet import Admin, Namespace, balance, delta  # noqa: E402
from steps import check, inside, ok, wait_for  # noqa: E402
from tunnelwire import NOWHERE, Forger, Tap  # noqa: E402

CLIENT, SERVER, RELAY, SOCKET, RELAY_ID, LAB, BIN = sys.argv[1:8]
ENTRY, NEAR, FAR, OTHER = "10.77.1.1", "10.77.2.1", "10.77.2.2", "10.77.2.66"
WINDOW = 8192
DATA, PROBE = 1, 4
FIELDS = ((0, 4, "type"), (4, 5, "auth"), (5, 8, "epoch"), (8, 9, "opener"), (9, 16, "service"), (16, 32, "number"),
          (32, 64, "receiver"), (64, 68, "lane"), (68, 70, "ECN"), (70, 72, "zero"), (72, 128, "counter"))
REPLAYED = ("tunnel_replay", "tunnel_epoch")  # the key of 5 s ago is not even tried
admin = Admin(SOCKET)


# --- who takes part ------------------------------------------------------------------------------

class Edge:
    def __init__(self):
        with open(LAB + "/log/edge.log", "ab") as log:
            self.process = subprocess.Popen([*inside(SERVER), BIN + "/tests/tunnelecho", f"{NEAR}:4001/{RELAY_ID}", "seal", "700"],
                                            stdout=subprocess.PIPE, stderr=log, text=True)
        self.lines = []
        threading.Thread(target=self.read, daemon=True).start()
        self.port = wait_for("a port", lambda: self.said("port"))
        wait_for("the path's length", lambda: self.said("payload") == 1440)

    def read(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def said(self, field):
        return next((line[field] for line in reversed(self.lines) if field in line), None)

    def counts(self):
        n = len(self.lines)
        self.process.send_signal(signal.SIGUSR2)
        wait_for("the edge's counts", lambda: len(self.lines) > n)
        return self.lines[-1]


class Client:
    def __init__(self, port):
        with Namespace(CLIENT):
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect((ENTRY, port))
        self.sock.settimeout(1)

    def send(self, payload=b"some payload of a client"):
        self.sock.send(payload)

    def echoed(self, count):
        """So many, one after the other: each comes back."""
        for i in range(count):
            payload = b"%d of a client's own" % i
            self.send(payload)
            try:
                while self.sock.recv(2048) != payload:
                    pass
            except TimeoutError:
                raise SystemExit(f"FAILED: echo {i} of {count} did not come") from None


def load(port, rate, seconds):
    return subprocess.Popen([*inside(CLIENT), BIN + "/tests/udpload", "send", ENTRY, str(port), str(rate), str(seconds)],
                            stdout=subprocess.PIPE, text=True)


def result(process):
    return json.loads(process.communicate()[0].splitlines()[-1])


class Plane:
    def __init__(self, name):
        self.name = name
        self.pid = admin.result("status")[{"dataplane": "dataplane", "controlplane": "control"}[name]]["pid"]

    def end(self, how):
        os.kill(self.pid, how)
        wait_for(f"{self.name} ends", lambda: not os.path.exists(f"/proc/{self.pid}"))

    def start(self):
        """As the script started it."""
        done = subprocess.run([sys.executable, E2E + "/ready.py", "15", f"{LAB}/log/{self.name}.log", *inside(RELAY),
                               f"{BIN}/zs-{self.name}", "--config", LAB + "/relay.yaml"], stdout=subprocess.PIPE, text=True, check=False)
        check(self.name + " is ready again", done.returncode == 0, done)
        self.pid = int(done.stdout)
        with open(LAB + "/pids", "a", encoding="ascii") as pids:
            pids.write(done.stdout)

    def again(self, how):
        self.end(how)
        time.sleep(0.3)
        self.start()


def snapshot():
    def ask():
        try:
            return admin.snapshot()
        except (OSError, KeyError, RuntimeError, ValueError):
            return None
    return wait_for("the control plane answers", ask)


# --- the test ------------------------------------------------------------------------------------

class Test:
    def __init__(self):
        self.tap, self.forger = Tap(SERVER, "s0"), Forger((SERVER, "s0"), (RELAY, "rs"), NEAR)
        self.edge = Edge()
        self.client = Client(self.edge.port)
        self.dataplane, self.control = Plane("dataplane"), Plane("controlplane")

    def goes_on(self):
        self.client.echoed(50)

    def recorded(self, count):
        """Datagrams of the edge and of the relay from now on; the relay took all of the edge's."""
        mark, before = self.tap.settled(), snapshot()
        self.client.echoed(count)
        self.tap.settled()
        up, down = self.tap.since(mark, True), self.tap.since(mark, False)
        check("each was taken", snapshot()["tunnel_in"] - before["tunnel_in"] == len(up) >= count, (before, len(up)))
        return up, down

    def struck(self, what, payloads, source, reasons):
        """Each is a counted drop for one of these reasons, and nothing else comes of it."""
        payloads = list(payloads)
        self.tap.settled()
        first = len(self.tap.seen)
        before = snapshot()
        begin = len(self.tap.seen)
        for i, payload in enumerate(payloads):
            self.forger.to_relay(payload, source)
            if i % 100 == 99:
                time.sleep(0.01)

        def drops():
            self.change = delta(before, snapshot())
            self.drops = {k[5:]: n for k, n in self.change.items() if k.startswith("drop:")}
            return sum(self.drops.values()) >= len(payloads)
        wait_for(f"{what}: {len(payloads)} drops", drops)
        self.tap.settled()
        end = len(self.tap.seen)
        drops()

        def as_seen(counter, up):
            """What the ends said to each other meanwhile is in the recording, give or take what passed beside a snapshot."""
            sure = sum(d.up == up and not d.held for d in self.tap.seen[begin:end])
            return sure <= self.change.get(counter, 0) <= len(self.tap.since(first, up))
        check(f"{what}: each a drop", sum(self.drops.values()) == len(payloads) and set(self.drops) <= set(reasons), self.change)
        check(f"{what}: none was taken", as_seen("tunnel_in", True), self.change)
        check(f"{what}: nothing was sent", as_seen("tx", False), self.change)
        check(f"{what}: every packet is accounted for", balance(snapshot()) == balance(before), self.change)
        ok(f"{what}: {len(payloads)} datagrams, " + ", ".join(f"{k} {n}" for k, n in sorted(self.drops.items())))

    def under_load(self):
        running = load(self.edge.port, 500, 12)
        time.sleep(1.5)
        self.dataplane.again(signal.SIGTERM)
        time.sleep(2)
        self.dataplane.again(signal.SIGKILL)
        got = result(running)
        check("the tunnel went on", got["received"] > got["sent"] / 3 and got["refused"] == 0, got)
        self.goes_on()
        ok(f"SIGTERM and kill -9 under load: {got['received']} of {got['sent']} came back")

    def replays(self):
        up, down = self.recorded(300)
        edge, other = up[-1].src, (addr(OTHER), b"\x1f\x40")
        again = [d.bytes for d in up]
        for name, how in (("SIGTERM", signal.SIGTERM), ("kill -9", signal.SIGKILL)):
            self.dataplane.again(how)
            self.struck(f"replayed after {name}", again, edge, REPLAYED)
            self.goes_on()
        self.struck("replayed from another address", again, other, REPLAYED)
        check("nobody speaks to that address", not any(d.goes_to(OTHER) for d in self.tap.seen))
        self.struck("reflected to the relay", [d.bytes for d in down], edge, ["tunnel_receiver"])
        self.struck("reflected, with the relay's receiver id", [d.bytes[:4] + up[0].receiver + d.bytes[8:] for d in down], edge,
                    [*REPLAYED, "tunnel_tag"])
        self.at_the_edge(up, down)
        self.goes_on()
        self.out_of_the_window(up, edge)

    def at_the_edge(self, up, down):
        edge, before = up[-1].src, self.edge.counts()
        payloads = [d.bytes for d in down] + [d.bytes for d in up] + [d.bytes[:4] + down[0].receiver + d.bytes[8:] for d in up]
        for i, payload in enumerate(payloads):
            self.forger.to_edge(payload, edge)
            if i % 100 == 99:
                time.sleep(0.01)
        wait_for("the edge drops each", lambda: self.edge.counts()["drops"] - before["drops"] >= len(payloads))
        after = self.edge.counts()
        check("nothing else came of it", delta(before, after) == {"drops": len(payloads)}, (before, after))
        ok(f"replayed and reflected to the edge: {len(payloads)} datagrams, as many drops")

    def out_of_the_window(self, up, edge):
        mark = self.tap.settled()
        got = result(load(self.edge.port, 2500, 4))
        newest = max(d.counter for d in self.tap.since(mark, True))
        check("out of the window", newest - max(d.counter for d in up) > WINDOW, (newest, got))
        self.struck("out of the window", [d.bytes for d in up], edge, REPLAYED)
        self.dataplane.again(signal.SIGKILL)
        self.struck("out of the window, after kill -9", [d.bytes for d in up], edge, REPLAYED)
        self.goes_on()

    # What the edge sends goes nowhere but to the tap: the relay has not seen any of it.

    def lead(self, there):
        subprocess.run(["ip", "-n", SERVER, "neigh", "replace", NEAR, "lladdr", there.hex(":"), "dev", "s0", "nud",
                        "permanent"], check=True)

    def caught(self, payload=b"that nobody has seen"):
        """A datagram of the edge that did not arrive."""
        mark = len(self.tap.seen)
        self.client.send(payload)
        return wait_for("the edge's answer", lambda: [d for d in self.tap.since(mark, True, held=True) if d.type == DATA])[0]

    def in_other_lanes(self, fresh, reasons):
        self.struck(f"epoch {fresh.epoch}, in another lane",
                    [fresh.bytes[:8] + bytes([lane << 4 | fresh.bytes[8] & 15]) + fresh.bytes[9:]
                     for lane in range(16) if lane != fresh.lane], fresh.src, reasons)

    def taken(self, fresh):
        before = snapshot()
        self.forger.to_relay(fresh.bytes, fresh.src)
        wait_for("untouched it is taken", lambda: snapshot()["tunnel_in"] == before["tunnel_in"] + 1)
        check("and comes out", self.client.sock.recv(2048) == b"that nobody has seen")
        self.struck("and once more", [fresh.bytes], fresh.src, ["tunnel_replay"])

    def lanes(self):
        """In the first epoch every lane has a key already: it is the key, and the lane in what is signed, that refuse."""
        self.goes_on()
        self.lead(NOWHERE)
        fresh = self.caught()
        check("the first epoch", fresh.epoch == 0, fresh.epoch)
        self.in_other_lanes(fresh, ["tunnel_tag"])
        self.taken(fresh)
        self.lead(self.forger.at_relay.mac)

    def flipped(self):
        fresh = self.caught()
        bits = collections.defaultdict(list)

        def flip(name, bit):
            message = bytearray(fresh.bytes)
            message[bit // 8] ^= 0x80 >> bit % 8
            bits[name].append(bytes(message))
        for first, end, name in FIELDS:
            for bit in range(first, end):
                flip(name, bit)
        for bit in range(128, len(fresh.bytes) * 8):
            flip("payload or tag", bit)
        reasons = {"type": ["tunnel_type", "tunnel_tag"], "zero": ["tunnel_reserved"], "receiver": ["tunnel_receiver", "tunnel_tag"],
                   "epoch": ["tunnel_epoch", "tunnel_tag"], "auth": ["tunnel_tag"], "counter": ["tunnel_tag", "tunnel_replay"],
                   "lane": ["tunnel_epoch", "tunnel_tag"]}
        for name, messages in bits.items():
            self.struck(f"bit-flipped {name}", messages, fresh.src, reasons.get(name, ["tunnel_tag"]))
        self.in_other_lanes(fresh, reasons["lane"])
        self.struck("cut short", [fresh.bytes[:n] for n in range(len(fresh.bytes))], fresh.src, ["tunnel_short", "tunnel_tag"])
        self.taken(fresh)

    def spoofed(self, port, seconds, payload):
        """The edge's own datagrams, each as if it came from the victim. What reached the victim."""
        mark, source, sent = self.tap.settled(), (addr(OTHER), port.to_bytes(2, "big")), 0
        end, asked = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            d = self.caught(payload)
            self.forger.to_relay(d.bytes, source)
            sent += len(d.bytes)
            asked += 1
            time.sleep(0.02)
        self.tap.settled()
        down = self.tap.since(mark, False)
        victim = [d for d in down if d.goes_to(OTHER)]
        check("PROBEs alone", all(d.type == PROBE for d in victim), [d.type for d in victim])
        check("no more bytes than came", sum(len(d.bytes) for d in victim) <= sent, (victim, sent))
        check("data go to the edge", sum(d.type == DATA and d.goes_to(FAR) for d in down) == asked, (len(down), asked))
        return len(victim), asked

    def victim(self):
        got, asked = self.spoofed(9999, 6, bytes(64))
        check("one PROBE a second", 4 <= got <= 7, got)
        ok(f"an edge that sends with a victim's source for 6 s: {asked} datagrams, {got} PROBEs at the victim")
        got, asked = self.spoofed(9998, 3, b"")
        check("none for what is shorter than one", got == 0 and asked > 20, (got, asked))
        ok(f"{asked} datagrams shorter than a PROBE: none")

    def without_control(self):
        self.control.end(signal.SIGKILL)
        mark = self.tap.settled()
        got = result(load(self.edge.port, 1500, 5))
        check("every packet came back", got["received"] == got["sent"], got)
        self.tap.settled()
        for who, up in (("edge", True), ("relay", False)):
            turns = [d.epoch for d in self.tap.since(mark, up)]
            turns = [(b - a) % 8 for a, b in zip(turns, turns[1:]) if a != b]
            check(f"the {who}'s keys ratchet", len(turns) >= 8 and set(turns) == {1}, turns)
        self.dataplane.again(signal.SIGKILL)
        self.goes_on()
        ok(f"no control plane: {got['sent']} packets each way and {len(turns)} new keys, and a restart of the dataplane")
        self.control.start()
        snapshot()

    def run(self):
        self.lanes()
        self.under_load()
        self.replays()
        self.goes_on()
        self.lead(NOWHERE)
        self.flipped()
        self.victim()
        self.lead(self.forger.at_relay.mac)
        self.goes_on()
        self.without_control()
        self.tap.no_nonce_twice()
        check("one session all the time", self.edge.counts()["ended"] == 0 and len({d.receiver for d in self.tap.seen}) == 2)
        self.edge.process.terminate()
        self.edge.process.wait()


Test().run()
