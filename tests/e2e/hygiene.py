"""Every kind of malformed or foreign packet, and where DESIGN's packet hygiene says it ends.

A case is (name, side, frame, end): side "c" is the client's wire, "s" the server's; end is
"drop:REASON", or "passed" for what the steering program leaves to the kernel."""
import struct

from frames import ICMP4, ICMP6, UDP, addr, ether, icmp4, icmp6, ip4, ip6, packet4, packet6, udp

PAYLOAD = bytes(range(64))


class Cases:
    def __init__(self, net):
        self.net = net
        self.rows = []

    def add(self, name, frame, end, side="c"):
        self.rows.append((name, side, frame, end))

    def wrap(self, packet, side="c", **k):
        n = self.net
        to, by = (n.rc_mac, n.c0_mac) if side == "c" else (n.rs_mac, n.s0_mac)
        return ether(to, by, packet, **k)

    def l4(self, name, end, l4, dst_port_ok=True, **ip):
        """The same UDP bytes over both families; the checksum is made per family by `l4`."""
        n = self.net
        for family, src, dst, make in ((4, n.client4, n.relay4, ip4), (6, n.client6, n.relay6, ip6)):
            a, b = addr(src), addr(dst)
            self.add(f"{name} v{family}", self.wrap(make(a, b, l4(a, b), **ip)), end)


def truncated(c):
    n = c.net
    whole4 = c.wrap(packet4(n.client4, n.relay4, 40000, 4443, PAYLOAD))
    whole6 = c.wrap(packet6(n.client6, n.relay6, 40000, 4446, PAYLOAD))
    for label, whole, ports in (("4", whole4, 14 + 20 + 4), ("6", whole6, 14 + 40 + 4)):
        for size in range(14, ports + 4 + 1):  # up to the end of the UDP header
            # Without readable ports nothing says that it is the relay's.
            c.add(f"v{label} cut to {size} bytes", whole[:size], "drop:ip_length" if size >= ports else "passed")
        c.add(f"v{label} cut inside the payload", whole[:ports + 30], "drop:ip_length")
    for left in range(8):  # an IP packet that ends inside the UDP header, in a frame that fits
        end = "drop:udp_length" if left >= 4 else "passed"
        l4 = udp(addr(n.client4), addr(n.relay4), 40000, 4443, PAYLOAD)[:left]
        c.add(f"v4 {left} bytes of UDP header", c.wrap(ip4(addr(n.client4), addr(n.relay4), l4)), end)
        l4 = udp(addr(n.client6), addr(n.relay6), 40000, 4446, PAYLOAD)[:left]
        c.add(f"v6 {left} bytes of UDP header", c.wrap(ip6(addr(n.client6), addr(n.relay6), l4)), end)


def ip_headers(c):
    n = c.net
    a, b = addr(n.client4), addr(n.relay4)
    a6, b6 = addr(n.client6), addr(n.relay6)

    def four(**k):
        return ip4(a, b, udp(a, b, 40000, 4443, PAYLOAD), **k)

    def six(**k):
        return ip6(a6, b6, udp(a6, b6, 40000, 4446, PAYLOAD), **k)

    for version in (0, 5, 6, 15):
        c.add(f"v4 version {version}", c.wrap(four(version=version), kind=0x0800), "drop:ip_version")
    for version in (0, 4, 5, 15):
        c.add(f"v6 version {version}", c.wrap(six(version=version), kind=0x86DD), "drop:ip_version")
    for ihl in range(5):  # no header that long: where the ports are nobody knows
        c.add(f"IHL {ihl}", c.wrap(four(ihl=ihl)), "passed")
    for wrong in (1, 0x8000, 0xFFFF):
        c.add(f"header checksum wrong by {wrong:#x}", c.wrap(four(csum=wrong)), "drop:ip_checksum")
    for total in (0, 19, 20 + 8 + 64 + 1, 1500, 65535):
        c.add(f"total length {total}", c.wrap(four(total=total)), "drop:ip_length")
    c.add("total length 24", c.wrap(four(total=24)), "drop:udp_length")
    for length in (65, 73, 1000, 65535):
        c.add(f"v6 payload length {length}", c.wrap(six(length=length)), "drop:ip_length" if length > 72 else "drop:udp_length")
    for ttl in (0, 1):
        c.add(f"TTL {ttl}", c.wrap(four(ttl=ttl)), "drop:ttl")
        c.add(f"hop limit {ttl}", c.wrap(six(ttl=ttl)), "drop:ttl")
    c.add("first fragment", c.wrap(four(frag=0x2000)), "drop:ip_fragment")
    for off in (1, 185, 0x1FFF):
        c.add(f"fragment at {off * 8}", c.wrap(four(frag=off)), "passed")
        c.add(f"fragment at {off * 8}, more follow", c.wrap(four(frag=0x2000 | off)), "passed")
    for label, options in (("NOP", b"\1" * 4), ("record route", b"\7\7\4\0\0\0\0\0"), ("source route", b"\x83\7\4\n\x4d\2\2\0"),
                           ("40 bytes", b"\1" * 40)):
        c.add(f"option {label}", c.wrap(four(options=options)), "drop:ip_options")
    for kind in (0, 43, 44, 60, 51, 135):  # an extension header of 8 bytes, then UDP
        ext = bytes([UDP, 0, 1, 4, 0, 0, 0, 0])
        packet = ip6(a6, b6, ext + udp(a6, b6, 40000, 4446, PAYLOAD), proto=kind)
        c.add(f"v6 extension header {kind}", c.wrap(packet), "passed")


def udp_headers(c):
    n = c.net
    for port in (0,):
        c.l4("source port 0", "drop:port_zero", lambda a, b: udp(a, b, port, 4443, PAYLOAD))
    for length in (0, 7, 73, 1000, 65535):
        c.l4(f"UDP length {length}", "drop:udp_length", lambda a, b, k=length: udp(a, b, 40000, 4443, PAYLOAD, length=k))
    for length in (8, 71):
        c.l4(f"UDP length {length} with surplus", "drop:udp_surplus",
             lambda a, b, k=length: udp(a, b, 40000, 4443, PAYLOAD, length=k))
    a6, b6 = addr(n.client6), addr(n.relay6)
    for port in (4443, 4446):
        packet = ip6(a6, b6, udp(a6, b6, 40000, port, PAYLOAD, csum=0))
        c.add(f"v6 without a UDP checksum, port {port}", c.wrap(packet), "drop:udp_checksum_zero")
    a, b = addr(n.client4), addr(n.relay4)
    packet = ip4(a, b, udp(a, b, 40000, 4446, PAYLOAD, csum=0))
    c.add("v4 without a UDP checksum toward v6", c.wrap(packet), "drop:udp_checksum_zero")


def addresses(c):
    n = c.net
    four = {"martian": ("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.0.9", "169.254.1.1", "240.0.0.1", "255.1.1.1"),
            "multicast": ("224.0.0.1", "239.1.2.3"), "broadcast": ("255.255.255.255", "10.77.1.255"),
            "own": ("10.77.1.1", "10.77.2.1")}
    six = {"martian": ("::", "::1", "::ffff:10.77.1.2", "::ffff:127.0.0.1", "::10.77.1.2", "fe80::1"),
           "multicast": ("ff02::1", "ff0e::1234"), "own": (n.relay6, "fd77:2::1")}
    for why, sources in four.items():
        for s in sources:
            c.add(f"source {s}", c.wrap(packet4(s, n.relay4, 40000, 4443, PAYLOAD)), f"drop:src_{why}")
    for why, sources in six.items():
        for s in sources:
            c.add(f"source {s}", c.wrap(packet6(s, n.relay6, 40000, 4446, PAYLOAD)), f"drop:src_{why}")
    for d in ("10.77.1.9", "10.77.9.9", "224.0.0.1", "255.255.255.255", "127.0.0.1", "10.77.1.255"):
        c.add(f"to {d}", c.wrap(packet4(n.client4, d, 40000, 4443, PAYLOAD)), "passed")
    for d in ("fd77:1::9", "ff02::1", "::1", "::ffff:10.77.1.1"):
        c.add(f"to {d}", c.wrap(packet6(n.client6, d, 40000, 4446, PAYLOAD)), "passed")


def ports(c):
    n = c.net
    for port in (1, 22, 53, 443, 4442, 4444, 19999, 32768, 65535):
        c.add(f"v4 to port {port}", c.wrap(packet4(n.client4, n.relay4, 40000, port, PAYLOAD)), "passed")
        c.add(f"v6 to port {port}", c.wrap(packet6(n.client6, n.relay6, 40000, port, PAYLOAD)), "passed")
    c.add("to port 0", c.wrap(packet4(n.client4, n.relay4, 40000, 0, PAYLOAD)), "passed")
    for port in (20000, 32767):
        c.add(f"v4 stranger to flow port {port}", c.wrap(packet4(n.client4, n.relay4, 443, port, PAYLOAD)), "drop:stranger")
        c.add(f"v6 stranger to flow port {port}", c.wrap(packet6(n.client6, n.relay6, 443, port, PAYLOAD)), "drop:stranger")
    # The flow's own port, from the target's address with another port, and from its neighbour.
    for src, sport in ((n.server4, 444), ("10.77.2.3", 443)):
        frame = c.wrap(packet4(src, "10.77.2.1", sport, n.flow[44], PAYLOAD), "s")
        c.add(f"stranger {src}:{sport} to a live flow", frame, "drop:stranger", "s")
    tcp = struct.pack("!HHIIBBHHH", 40000, 4443, 1, 0, 0x50, 2, 1024, 0, 0)
    a, b = addr(n.client4), addr(n.relay4)
    for proto in (0, 2, 6, 47, 132, 136, 255):
        c.add(f"protocol {proto}", c.wrap(ip4(a, b, tcp + PAYLOAD, proto=proto)), "passed")


def frames_of_others(c):
    n = c.net
    p4, p6 = packet4(n.client4, n.relay4, 40000, 4443, PAYLOAD), packet6(n.client6, n.relay6, 40000, 4446, PAYLOAD)
    for label, dst in (("another station", b"\x02\0\0\0\0\x99"), ("broadcast", b"\xff" * 6), ("group", b"\x01\0\x5e\0\0\1")):
        for v, packet in ((4, p4), (6, p6)):
            c.add(f"v{v} frame to {label}", ether(dst, n.c0_mac, packet), "passed")
    for label, tags in (("VLAN 5", ((0x8100, 5),)), ("priority tag", ((0x8100, 0xE000),)), ("VLAN 4095", ((0x8100, 4095),)),
                        ("VLAN in VLAN", ((0x8100, 5), (0x8100, 6))), ("QinQ", ((0x88A8, 5), (0x8100, 6))),
                        ("three tags", ((0x88A8, 5), (0x8100, 6), (0x8100, 7)))):
        for v, packet in ((4, p4), (6, p6)):
            c.add(f"v{v} {label}", c.wrap(packet, tags=tags), "passed")
    for size in range(14, 18):
        c.add(f"tag cut to {size} bytes", c.wrap(p4, tags=((0x8100, 5),))[:size], "passed")
    for kind in (0, 0x0027, 0x05FF, 0x8847, 0x88CC, 0xFFFF):
        c.add(f"EtherType {kind:#06x}", c.wrap(p4, kind=kind), "passed")
    c.add("IPv6 called IPv4", c.wrap(p6, kind=0x0800), "passed")  # its bytes 16 to 19 are not our address
    c.add("too big for the way out", c.wrap(packet4(n.client4, n.relay4, 40000, 4446, bytes(1472))), "drop:mtu")


def icmp_errors(c):
    """From the server's side, quoting what the relay sent there."""
    n = c.net
    src, us = addr(n.server4), addr("10.77.2.1")
    src6, us6 = addr(n.server6), addr("fd77:2::1")
    sent = packet4("10.77.2.1", n.server4, n.flow[44], 443, PAYLOAD)
    sent6 = packet6("fd77:2::1", n.server6, n.flow[66], 443, PAYLOAD)

    def four(name, end, *a, **k):
        c.add(name, c.wrap(ip4(src, us, icmp4(*a, **k), proto=ICMP4), "s"), end, "s")

    def six(name, end, *a, **k):
        c.add(name, c.wrap(ip6(src6, us6, icmp6(src6, us6, *a, **k), proto=ICMP6), "s"), end, "s")

    for kind, code in ((3, 0), (3, 1), (3, 3), (3, 13), (11, 0), (12, 0)):
        four(f"ICMP {kind}/{code} about a flow", "drop:icmp_other", kind, code, sent)
    for kind, code in ((1, 0), (1, 4), (3, 0), (4, 1)):
        six(f"ICMPv6 {kind}/{code} about a flow", "drop:icmp_other", kind, code, sent6)
    four("frag needed with a wrong checksum", "drop:icmp_malformed", 3, 4, sent, rest=1400, wrong=1)
    six("too big with a wrong checksum", "drop:icmp_malformed", 2, 0, sent6, rest=1400, wrong=1)
    nobody = 20000 + (n.flow[44] - 20000 + 1) % 12768
    four("frag needed about no flow", "drop:icmp_malformed", 3, 4,
         packet4("10.77.2.1", n.server4, nobody, 443, PAYLOAD), rest=1400)
    for size in (0, 19, 20, 23):
        four(f"frag needed quoting {size} bytes", "passed", 3, 4, sent[:size], rest=1400)
    four("echo request", "passed", 8, 0, sent)
    four("error about TCP", "passed", 3, 4, ip4(us, src, bytes(20), proto=6), rest=1400)


def every_case(net):
    c = Cases(net)
    for make in (truncated, ip_headers, udp_headers, addresses, ports, frames_of_others, icmp_errors):
        make(c)
    return c.rows
