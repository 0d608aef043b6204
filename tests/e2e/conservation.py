"""Sends every malformed packet alone and then all of them mixed with good traffic; see `conservation`.

conservation.py CLIENT_NS RELAY_NS SERVER_NS ADMIN_SOCKET"""
import os
import random
import socket
import struct
import sys
import time

from frames import ICMP4, ICMP6, addr, ether, forwarded, icmp4, icmp6, ip4, ip6, ip_packet, packet4, packet6, sums_right, udp
from hygiene import every_case
from labnet import Admin, Namespace, Wire, balance, delta

WAYS = {44: (4, 4443), 46: (4, 4446), 64: (6, 4443), 66: (6, 4446)}
GOOD = 600
SETTLE_S = 2.0


def fail(text):
    print("FAILED:", text)
    sys.exit(1)


class Net:
    client4, relay4, server4 = "10.77.1.2", "10.77.1.1", "10.77.2.2"
    client6, relay6, server6 = "fd77:1::2", "fd77:1::1", "fd77:2::2"
    lan4, lan6 = "10.77.2.1", "fd77:2::1"

    def __init__(self, client, relay, server, admin):
        self.admin = Admin(admin)
        self.c0, self.s0 = Wire(client, "c0"), Wire(server, "s0")
        self.c0_mac, self.s0_mac = self.c0.mac, self.s0.mac
        macs = {i["name"]: bytes.fromhex(i["mac"].replace(":", "")) for i in self.admin.result("show ports")["interfaces"]}
        self.rc_mac, self.rs_mac = macs["wan"], macs["lan"]
        # Sockets that read nothing: without them the hosts' kernels answer with ICMP and spoil the counts.
        self.sinks = [self.sink(client, self.client4, 40000), self.sink(client, self.client6, 40000),
                      self.sink(server, self.server4, 443), self.sink(server, self.server6, 443)]
        self.flow = {}

    @staticmethod
    def sink(namespace, address, port):
        with Namespace(namespace):
            s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((address, port))
            return s

    def good(self, way, payload, **k):
        """A good packet of the client and the frame that the server's wire must see."""
        family, port = WAYS[way]
        if family == 4:
            packet = packet4(self.client4, self.relay4, 40000, port, payload, **k)
        else:
            packet = packet6(self.client6, self.relay6, 40000, port, payload, **k)
        return ether(self.rc_mac, self.c0_mac, packet), packet

    def there(self, way, packet):
        to4 = way % 10 == 4
        return ether(self.s0_mac, self.rs_mac, forwarded(packet, self.lan4 if to4 else self.lan6,
                     self.server4 if to4 else self.server6, self.flow[way], 443))

    def answer(self, way, payload, **k):
        """A good packet of the server and the frame that the client's wire must see."""
        family, port = WAYS[way]
        if way % 10 == 4:
            packet = packet4(self.server4, self.lan4, 443, self.flow[way], payload, **k)
        else:
            packet = packet6(self.server6, self.lan6, 443, self.flow[way], payload, **k)
        back = forwarded(packet, *((self.relay4, self.client4) if family == 4 else (self.relay6, self.client6)), port, 40000)
        return ether(self.rs_mac, self.s0_mac, packet), ether(self.c0_mac, self.rc_mac, back)

    def open_flows(self):
        for way in WAYS:
            mark = b"open flow %d " % way + os.urandom(16)
            frame, packet = self.good(way, mark)
            self.c0.send(frame)
            got = self.s0.wait_frame(lambda f, m=mark: m in f, 3.0)
            if not got:
                fail(f"way {way}: the first packet did not come through: {self.admin.result('show drops')}")
            off = 14 + (20 if way % 10 == 4 else 40)
            self.flow[way] = struct.unpack("!H", got[off:off + 2])[0]
            compare(f"way {way}, first packet", got, self.there(way, packet))
            frame, back = self.answer(way, mark)
            self.s0.send(frame)
            got = self.c0.wait_frame(lambda f, m=mark: m in f, 3.0)
            compare(f"way {way}, first answer", got or b"", back)

    def settled(self, before, done, limit=SETTLE_S):
        end = time.monotonic() + limit
        while True:
            after = self.admin.snapshot()
            d = delta(before, after)
            if done(d) or time.monotonic() > end:
                return after, d
            time.sleep(0.005)


def compare(what, got, want):
    if got == want:
        return
    at = next((i for i in range(min(len(got), len(want))) if got[i] != want[i]), min(len(got), len(want)))
    fail(f"{what}: differs at byte {at}\n  got  {got.hex()}\n  want {want.hex()}")


def drops(d):
    return {k: v for k, v in d.items() if k.startswith("drop:")}


def alone(net, rows):
    """Each packet on its own: its own reason, nothing else."""
    before, wrong, ends = net.admin.snapshot(), [], {}
    for name, side, frame, end in rows:
        (net.c0 if side == "c" else net.s0).send(frame)
        if end == "passed":
            after, d = net.settled(before, lambda d: d.get("xdp:passed", 0) >= 1 or d.get("rx"))
            right = d.get("xdp:passed", 0) >= 1 and not d.get("rx") and not drops(d)
        else:
            after, d = net.settled(before, lambda d: drops(d) and d.get("rx"), 1.0)
            right = d.get("rx") == 1 and drops(d) == {end: 1} and not d.get("tx")
        if not right:
            wrong.append(f"{name}: want {end}, got { {k: v for k, v in d.items() if k.split(':')[0] in ('rx', 'tx', 'drop', 'xdp', 'punted')} }")
        ends[end] = ends.get(end, 0) + 1
        before = after
    print(f"# alone: {len(rows)} packets: " + ", ".join(f"{k.replace('drop:', '')} {v}" for k, v in sorted(ends.items())))
    if wrong:
        fail(f"{len(wrong)} of {len(rows)} ended elsewhere:\n  " + "\n  ".join(wrong[:40]))


def odd_but_good(net):
    """Packets with something unusual that are forwarded: (name, way, packet)."""
    a, b, a6, b6 = addr(net.client4), addr(net.relay4), addr(net.client6), addr(net.relay6)
    body = bytes(range(50))
    right = struct.unpack("!H", udp(a, b, 40000, 4443, body)[6:8])[0]
    right6 = struct.unpack("!H", udp(a6, b6, 40000, 4446, body)[6:8])[0]
    yield "v4 without a UDP checksum", 44, ip4(a, b, udp(a, b, 40000, 4443, body, csum=0))
    yield "v4 with a wrong UDP checksum", 44, ip4(a, b, udp(a, b, 40000, 4443, body, csum=right ^ 0x5A5A))
    yield "v6 with a wrong UDP checksum", 66, ip6(a6, b6, udp(a6, b6, 40000, 4446, body, csum=right6 ^ 0x0101))
    yield "v4 empty", 44, ip4(a, b, udp(a, b, 40000, 4443, b""))
    yield "v6 empty", 66, ip6(a6, b6, udp(a6, b6, 40000, 4446, b""))
    yield "v4 padded frame", 44, packet4(net.client4, net.relay4, 40000, 4443, b"short") + b"\xee" * 18
    yield "v6 padded frame", 66, packet6(net.client6, net.relay6, 40000, 4446, b"short") + b"\xee" * 30
    yield "v4 may be fragmented", 44, packet4(net.client4, net.relay4, 40000, 4443, body, frag=0)
    yield "v4 reserved flag", 44, packet4(net.client4, net.relay4, 40000, 4443, body, frag=0x8000)
    yield "v4 of 1,500 bytes", 44, packet4(net.client4, net.relay4, 40000, 4443, os.urandom(1472))
    yield "v6 of 1,500 bytes", 66, packet6(net.client6, net.relay6, 40000, 4446, os.urandom(1452))
    yield "TTL 2", 44, packet4(net.client4, net.relay4, 40000, 4443, body, ttl=2)
    yield "TTL 255", 46, packet4(net.client4, net.relay4, 40000, 4446, body, ttl=255)
    for ecn in range(4):
        yield f"ECN {ecn}, DSCP 46", 44, packet4(net.client4, net.relay4, 40000, 4443, body, tos=46 << 2 | ecn)
        yield f"ECN {ecn} to v6", 46, packet4(net.client4, net.relay4, 40000, 4446, body, tos=46 << 2 | ecn)
        yield f"v6 ECN {ecn}, flow label", 66, packet6(net.client6, net.relay6, 40000, 4446, body, tclass=0xB8 | ecn, flow=0xABCDE)
        yield f"ECN {ecn} to v4", 64, packet6(net.client6, net.relay6, 40000, 4443, body, tclass=0xB8 | ecn)
    for tail in (b"\0\0", b"\xff\xff", b"\xff\xfe"):  # checksums around their two zeros
        for n in range(65536):
            if udp(a, b, 40000, 4443, struct.pack("!H", n) + tail)[6:8] == b"\xff\xff":
                yield f"checksum 0xffff ({n:#x})", 44, packet4(net.client4, net.relay4, 40000, 4443, struct.pack("!H", n) + tail)
                break


def udp_only(frame):
    """Frames of the test's own: UDP, v4 or v6."""
    return frame[12:14] == b"\x08\0" and frame[23] == 17 or frame[12:14] == b"\x86\xdd" and frame[20] == 17


def odd(net):
    net.s0.receive(0.05)
    count = 0
    for name, way, packet in odd_but_good(net):
        net.c0.send(ether(net.rc_mac, net.c0_mac, packet))
        compare(name, net.s0.wait_frame(udp_only, 2.0) or b"", net.there(way, packet))
        count += 1
    print(f"# {count} odd but good packets came through, byte for byte as they should")


def path_mtu(net):
    """A router behind the relay says "too big": the client hears it about its own packet."""
    for way, mtu in ((44, 1400), (66, 1380), (46, 1380), (64, 1400)):
        _, packet = net.good(way, os.urandom(600))
        quoted = net.there(way, packet)[14:]
        if way % 10 == 4:
            message = ip4(addr(net.server4), addr(net.lan4), icmp4(3, 4, quoted[:548], rest=mtu), proto=ICMP4)
        else:
            a, b = addr(net.server6), addr(net.lan6)
            message = ip6(a, b, icmp6(a, b, 2, 0, quoted[:1000], rest=mtu), proto=ICMP6)
        before = net.admin.snapshot()
        net.s0.send(ether(net.rs_mac, net.s0_mac, message))
        v4 = way // 10 == 4
        got = net.c0.wait_frame(lambda f, v=v4: f[12:14] == b"\x08\0" and f[23] == 1 and f[34:36] == b"\3\4" if v
                                else f[12:14] == b"\x86\xdd" and f[20] == 58 and f[54] == 2, 2.0)
        _, d = net.settled(before, lambda d: d.get("icmp_translated"))
        if not got or d.get("icmp_translated") != 1 or drops(d):
            fail(f"too big, way {way}: {d}")
        want = mtu + (20 if way == 64 else -20 if way == 46 else 0)
        off = 14 + (20 if v4 else 40)
        told = struct.unpack("!H", got[off + 6:off + 8])[0] if v4 else struct.unpack("!I", got[off + 4:off + 8])[0]
        quote = got[off + 8:]
        sample = 20 if v4 else 40
        if told != want or not sums_right(ip_packet(got)) or quote[sample:sample + 4] != packet[sample:sample + 4] \
                or quote[sample - (8 if v4 else 32):sample] != packet[sample - (8 if v4 else 32):sample]:
            fail(f"too big, way {way}: MTU {told} (want {want}), checksums {sums_right(ip_packet(got))}\n  {got.hex()}\n  {packet[:48].hex()}")
    print("# path MTU errors are translated for all four pairs of families")


def mixed(net, rows, rng):
    """Everything at once, the good packets compared with what was made from them independently."""
    net.c0.receive(0.05), net.s0.receive(0.05)  # what the kernel forwarded before is counted some ms later
    before = net.admin.snapshot()
    todo, to_server, to_client = [(side, frame) for _, side, frame, _ in rows], {}, {}
    for i in range(GOOD):
        way = rng.choice(list(WAYS))
        mark = struct.pack("!QQ", 0x6D61726B00000000 | i, rng.getrandbits(64))
        payload = mark + rng.randbytes(rng.choice((0, 1, 2, 20, 600, 1200, 1410)))
        ip = {"ttl": rng.randint(2, 255)}
        if rng.random() < 0.5:
            frame, packet = net.good(way, payload, **ip)
            todo.append(("c", frame))
            to_server[mark] = net.there(way, packet)
        else:
            frame, want = net.answer(way, payload, **ip)
            todo.append(("s", frame))
            to_client[mark] = want
    rng.shuffle(todo)
    seen_c, seen_s = [], []
    for i, (side, frame) in enumerate(todo):
        (net.c0 if side == "c" else net.s0).send(frame)
        if i % 16 == 15:
            seen_c += net.c0.receive()
            seen_s += net.s0.receive(0.002)
    steered = sum(1 for r in rows if r[3] != "passed") + GOOD
    after, d = net.settled(before, lambda d: d.get("rx", 0) >= steered and d.get("tx", 0) >= GOOD)
    time.sleep(0.1)
    seen_c += net.c0.receive(0.1)
    seen_s += net.s0.receive(0.1)
    for what, seen, wanted in (("client → server", seen_s, to_server), ("server → client", seen_c, to_client)):
        for mark, want in wanted.items():
            got = [f for f in seen if mark in f]
            if len(got) != 1:
                fail(f"mixed, {what}: a good packet came {len(got)} times")
            compare(f"mixed, {what}", got[0], want)
    after = net.admin.snapshot()
    d, want = delta(before, after), {}
    for *_, end in rows:
        if end != "passed":
            want[end] = want.get(end, 0) + 1
    if drops(d) != want:
        fail(f"mixed: drops {drops(d)}\n  want {want}")
    if d["rx"] != steered or d["tx"] != GOOD:
        fail(f"mixed: rx {d['rx']} (want {steered}), tx {d['tx']} (want {GOOD})")
    print(f"# mixed: {len(rows)} bad among {GOOD} good ones; all good ones identical, rx {d['rx']} = tx {d['tx']} + drops {sum(want.values())}")


def control_drops(net):
    """Reasons that the control plane's tables make."""
    publish = {7001: ("10.77.2.99:443", {}, "drop:no_neighbour"), 7002: ("10.77.99.1:443", {}, "drop:no_route"),
               7003: (f"{net.server4}:443", {"max-flows": 1}, "drop:flow_limit_port")}
    for port, (target, more, _) in publish.items():
        net.admin.result("publish add", port=port, target=target, **more)
    time.sleep(0.5)  # until steering holds the ports
    # The only flow is confirmed: asked, answered, asked again. One that is not would make room.
    mark = b"of the only flow"
    frame = ether(net.rc_mac, net.c0_mac, packet4(net.client4, net.relay4, 40000, 7003, mark))
    net.c0.send(frame)
    got = net.s0.wait_frame(lambda f: mark in f, 2.0) or fail("the only flow of port 7003 did not come through")
    source = struct.unpack("!H", got[34:36])[0] # 14 + 20: UDP's first word
    net.s0.send(ether(net.rs_mac, net.s0_mac, packet4(net.server4, net.lan4, 443, source, mark)))
    net.c0.wait_frame(lambda f: mark in f, 2.0) or fail("the only flow of port 7003 is not answered")
    net.c0.send(frame)
    net.s0.wait_frame(lambda f: mark in f, 2.0) or fail("the only flow of port 7003 does not go on")
    before = net.admin.snapshot()
    for port, (_, _, end) in publish.items():
        net.c0.send(ether(net.rc_mac, net.c0_mac, packet4(net.client4, net.relay4, 40001, port, b"x")))
        before, d = net.settled(before, lambda d: drops(d))
        if drops(d) != {end: 1}:
            fail(f"port {port}: want {end}, got {d}")
    net.admin.result("stop")
    frame, packet = net.good(44, b"while stopped")
    net.c0.send(frame)
    before, d = net.settled(before, lambda d: drops(d))
    if drops(d) != {"drop:stopped": 1}:
        fail(f"stopped: {d}")
    net.admin.result("resume")
    net.s0.receive(0.05)
    net.c0.send(frame)
    compare("after resume", net.s0.wait_frame(udp_only, 2.0) or b"", net.there(44, packet))
    for port in publish:
        net.admin.result("publish del", port=port)
    print("# no_neighbour, no_route, flow_limit_port and stopped are counted as such")


def main():
    seed = int(os.environ.get("SEED", time.time_ns() % 1000000))
    print(f"# seed {seed}")
    rng = random.Random(seed)
    net = Net(*sys.argv[1:5])
    net.open_flows()
    rows = every_case(net)
    alone(net, rows)
    odd(net)
    path_mtu(net)
    control_drops(net)
    mixed(net, rows, rng)
    last = net.admin.snapshot()
    if balance(last):
        fail(f"the books do not balance: {balance(last)}: {last}")
    print(f"# rx {last['rx']} + originated {last['originated']} = tx {last['tx']} + drops "
          f"{sum(drops(last).values())} + punted {last['punted']} + consumed {last['consumed']}")


main()
