"""The rows: {packet in, verdict, packet out}. They know no engine.

The tables are the lab's: client 10.77.1.2/fd77:1::2, server 10.77.2.2/fd77:2::2, published ports
4443 -> server v4:443 and 4446 -> server v6:443, 10007 -> an attachment, flow ports 20000-32767. Four peers are bound
at the service port 4433: two on each side, one of each family.

A row is (name, side, frame, verdict, out):
  side     where the frame enters: "client" or "server"
  frame    a function of the context (addresses, MACs, source port of the client's flow)
  verdict  "tx", "kernel" (never reaches the worker, or is punted), or the reason of a drop
  out      for tx: a function of the context that gives the whole IP packet expected on the other side
"""
import struct

from frames import ICMP4, ICMP6, addr, ether, icmp4, icmp6, ip4, ip6, udp

C4, R4, S4, T4 = addr("10.77.1.2"), addr("10.77.1.1"), addr("10.77.2.1"), addr("10.77.2.2")
C6, R6, S6, T6 = addr("fd77:1::2"), addr("fd77:1::1"), addr("fd77:2::1"), addr("fd77:2::2")
PORT4, PORT6, TARGET = 4443, 4446, 443
ATTACHED = 10007  # an attachment's, whose edge is not there
CONTROL, SERVICE, TUNNEL = 4001, 4433, 4434
# What the world knows the relay by, behind 1:1 NAT.
ANNOUNCED4, ANNOUNCED6 = addr("203.0.113.77"), addr("2001:db8:77::1")
BOUND = bytes.fromhex("c05a530001")  # how each message of the BIND family begins
# Where a peer is, the relay's address there, and that address's place in the Grant.
PEERS = {"c4": ("client", "10.77.1.1", 0), "c6": ("client", "10.77.1.1", 1), "s4": ("server", "10.77.2.1", 2),
         "s6": ("server", "10.77.2.1", 3)}
DATA = bytes(range(64))


def to_relay4(x, sport=5000, dport=PORT4, data=DATA, src=C4, dst=R4, u=None, **ip):
    return ip4(src, dst, udp(src, dst, sport, dport, data) if u is None else u, **ip)


def to_relay6(x, sport=5000, dport=PORT6, data=DATA, src=C6, dst=R6, u=None, **ip):
    return ip6(src, dst, udp(src, dst, sport, dport, data) if u is None else u, **ip)


def c(x, packet, **e):
    return ether(x.relay_mac["client"], x.peer_mac["client"], packet, **{"pad": 60, **e})


def s(x, packet, **e):
    return ether(x.relay_mac["server"], x.peer_mac["server"], packet, **{"pad": 60, **e})


def out44(x, data=DATA, ttl=63, tos=0, csum=None, **ip):
    return ip4(S4, T4, udp(S4, T4, x.sport["44"], TARGET, data, csum=csum), ttl=ttl, tos=tos, **ip)


def short(x, to, size=64, first=0x40):
    """A short header with a connection ID of that peer, padded to so many bytes."""
    return (bytes([first]) + x.cid(to) + DATA)[:size]


def long(x, to, version=1, dcid=None, size=100):
    dcid = x.cid(to) if dcid is None else dcid
    return (struct.pack("!BIB", 0xC3, version, len(dcid)) + dcid + b"\x08SOURCEID" + DATA)[:size]


def by_cid(x, sender, data, u=None, sport=None, **ip):
    """Keeps `data` for what comes out."""
    x.data = data
    src, dst = {"c4": (C4, R4), "c6": (C6, R6)}[sender]
    sport = x.port[sender] if sport is None else sport
    u = udp(src, dst, sport, SERVICE, data) if u is None else u(src, dst, sport)
    return c(x, ip4(src, dst, u, **ip) if len(src) == 4 else ip6(src, dst, u, **ip))


def to_peer(x, to, csum=None, **ip):
    """What comes out for it."""
    src, dst = {"s4": (S4, T4), "s6": (S6, T6)}[to]
    u = udp(src, dst, SERVICE, x.port[to], x.data, csum=csum)
    return (ip4 if len(src) == 4 else ip6)(src, dst, u, **{"ttl": 63, **ip})


def ask(kind=1, **put):
    """A BIND of 96 bytes, byte by byte."""
    def made(x):
        m = bytearray(struct.pack("!BIB", 0xC0, 0x5A530001, 17) + x.cid("c4") + b"\0" + bytes([kind, x.bind_id["c4"]]) + bytes(70))
        m[35] = 255  # a counter that was not used
        for at, value in put.items():
            m[int(at[1:])] = value
        return bytes(m)
    return made


def wrong(u, by=1):
    """The same UDP datagram with its checksum off by one."""
    v = struct.unpack("!H", u[6:8])[0] ^ by
    return u[:6] + struct.pack("!H", v) + u[8:]


def wrong_out(x):
    """An incrementally updated wrong checksum: off by the same amount as it came in."""
    before = udp(C4, R4, 5000, PORT4, DATA)
    bad = struct.unpack("!H", wrong(before)[6:8])[0]
    good = struct.unpack("!H", before[6:8])[0]
    right = out44(x)
    value = struct.unpack("!H", right[26:28])[0]
    total = (value + bad - good) % 0xFFFF
    return right[:26] + struct.pack("!H", total or 0xFFFF) + right[28:]


def quoted4(x):
    """What a router on the server side quotes: the relay's own packet toward the target."""
    return ip4(S4, T4, udp(S4, T4, x.sport["44"], TARGET, DATA), ttl=60)[:28]


def quoted6(x):
    return ip6(S6, T6, udp(S6, T6, x.sport["66"], TARGET, DATA), ttl=60)[:48]


def too_big(x, wrong=0, mtu=1280):
    """Both families' word that the relay's packet did not fit."""
    return ip4(T4, S4, icmp4(3, 4, quoted4(x), rest=mtu, wrong=wrong), proto=ICMP4)


def too_big6(x, wrong=0, mtu=1280):
    return ip6(T6, S6, icmp6(T6, S6, 2, 0, quoted6(x), rest=mtu, wrong=wrong), proto=ICMP6)


def too_big_for_client(x, mtu, kind=(3, 4)):
    """The same about the relay's packet to a client: what any client can say about its own flow."""
    quote = ip4(R4, C4, udp(R4, C4, PORT4, 5000, DATA), ttl=60)[:28]
    return ip4(C4, R4, icmp4(*kind, quote, rest=mtu), proto=ICMP4)


def too_big_for_client6(x, mtu):
    quote = ip6(R6, C6, udp(R6, C6, PORT6, 5000, DATA), ttl=60)[:48]
    return ip6(C6, R6, icmp6(C6, R6, 2, 0, quote, rest=mtu), proto=ICMP6)


ROWS = [
    # --- good traffic: all four pairs of families, both ways -------------------------------------
    ("client 4 to target 4", "client", lambda x: c(x, to_relay4(x)), "tx", "learn:44",
     lambda x: out44(x)),
    ("target 4 answers client 4", "server",
     lambda x: s(x, ip4(T4, S4, udp(T4, S4, TARGET, x.sport["44"], DATA))), "tx", None,
     lambda x: ip4(R4, C4, udp(R4, C4, PORT4, 5000, DATA), ttl=63)),
    ("client 6 to target 6", "client", lambda x: c(x, to_relay6(x)), "tx", "learn:66",
     lambda x: ip6(S6, T6, udp(S6, T6, x.sport["66"], TARGET, DATA), ttl=63)),
    ("target 6 answers client 6", "server",
     lambda x: s(x, ip6(T6, S6, udp(T6, S6, TARGET, x.sport["66"], DATA))), "tx", None,
     lambda x: ip6(R6, C6, udp(R6, C6, PORT6, 5000, DATA), ttl=63)),
    ("client 4 to target 6", "client", lambda x: c(x, to_relay4(x, dport=PORT6, sport=5001)), "tx", "learn:46",
     lambda x: ip6(S6, T6, udp(S6, T6, x.sport["46"], TARGET, DATA), ttl=63)),
    ("client 6 to target 4", "client", lambda x: c(x, to_relay6(x, dport=PORT4, sport=5001)), "tx", "learn:64",
     lambda x: ip4(S4, T4, udp(S4, T4, x.sport["64"], TARGET, DATA), ttl=63)),
    ("empty UDP payload", "client", lambda x: c(x, to_relay4(x, data=b"")), "tx", None, lambda x: out44(x, data=b"")),
    ("ECT(0) is kept", "client", lambda x: c(x, to_relay4(x, tos=2)), "tx", None, lambda x: out44(x, tos=2)),
    ("CE is kept", "client", lambda x: c(x, to_relay4(x, tos=3)), "tx", None, lambda x: out44(x, tos=3)),
    ("odd payload length", "client", lambda x: c(x, to_relay4(x, data=b"odd")), "tx", None,
     lambda x: out44(x, data=b"odd")),
    ("largest payload", "client", lambda x: c(x, to_relay4(x, data=b"z" * 1472)), "tx", None,
     lambda x: out44(x, data=b"z" * 1472)),
    ("checksum zero stays zero", "client",
     lambda x: c(x, to_relay4(x, u=udp(C4, R4, 5000, PORT4, DATA, csum=0))), "tx", None,
     lambda x: out44(x, csum=0)),
    ("wrong UDP checksum stays wrong", "client",
     lambda x: c(x, to_relay4(x, u=wrong(udp(C4, R4, 5000, PORT4, DATA)))), "tx", None, wrong_out),
    ("TTL 2 goes out as 1", "client", lambda x: c(x, to_relay4(x, ttl=2)), "tx", None, lambda x: out44(x, ttl=1)),
    ("frame padding is trimmed", "client", lambda x: c(x, to_relay4(x, data=b"p"), pad=90), "tx", None,
     lambda x: out44(x, data=b"p")),
    ("identification is kept", "client", lambda x: c(x, to_relay4(x, ident=0xBEEF, frag=0)), "tx", None,
     lambda x: out44(x, ident=0xBEEF, frag=0)),
    # --- connection IDs ---------------------------------------------------------------------------
    ("connection ID, 4 to 4", "client", lambda x: by_cid(x, "c4", short(x, "s4")), "tx", None, lambda x: to_peer(x, "s4")),
    ("connection ID, 6 to 6", "client", lambda x: by_cid(x, "c6", short(x, "s6")), "tx", None, lambda x: to_peer(x, "s6")),
    ("connection ID, 4 to 6", "client", lambda x: by_cid(x, "c4", short(x, "s6")), "tx", None, lambda x: to_peer(x, "s6")),
    ("connection ID, 6 to 4", "client", lambda x: by_cid(x, "c6", short(x, "s4")), "tx", "learn:64",
     lambda x: to_peer(x, "s4")),
    ("connection ID in a long header", "client", lambda x: by_cid(x, "c4", long(x, "s4")), "tx", None,
     lambda x: to_peer(x, "s4")),
    ("of a version that nobody knows", "client", lambda x: by_cid(x, "c4", long(x, "s4", version=0xFACEB00C)), "tx", None,
     lambda x: to_peer(x, "s4")),
    ("of version negotiation", "client", lambda x: by_cid(x, "c4", long(x, "s4", version=0)), "tx", None,
     lambda x: to_peer(x, "s4")),
    ("connection ID, fixed bit greased", "client", lambda x: by_cid(x, "c4", short(x, "s4", first=0)), "tx", None,
     lambda x: to_peer(x, "s4")),
    ("connection ID and nothing more", "client", lambda x: by_cid(x, "c4", short(x, "s4", size=18)), "tx", None,
     lambda x: to_peer(x, "s4")),
    ("connection ID, DSCP and CE kept", "client", lambda x: by_cid(x, "c4", short(x, "s4"), tos=0xBB), "tx", None,
     lambda x: to_peer(x, "s4", tos=0xBB)),
    ("connection ID, 4 to 6: ECN kept, DSCP not", "client", lambda x: by_cid(x, "c4", short(x, "s6"), tos=0xBA), "tx", None,
     lambda x: to_peer(x, "s6", tclass=2)),
    ("connection ID, 6 to 6: traffic class kept", "client", lambda x: by_cid(x, "c6", short(x, "s6"), tclass=0xBB), "tx", None,
     lambda x: to_peer(x, "s6", tclass=0xBB)),
    ("connection ID, TTL 2 goes out as 1", "client", lambda x: by_cid(x, "c4", short(x, "s4"), ttl=2), "tx", None,
     lambda x: to_peer(x, "s4", ttl=1)),
    ("connection ID, checksum zero stays zero", "client",
     lambda x: by_cid(x, "c4", short(x, "s4"), u=lambda a, b, p: udp(a, b, p, SERVICE, x.data, csum=0)), "tx", None,
     lambda x: to_peer(x, "s4", csum=0)),
    ("connection ID, checksum zero toward IPv6", "client",
     lambda x: by_cid(x, "c4", short(x, "s6"), u=lambda a, b, p: udp(a, b, p, SERVICE, x.data, csum=0)),
     "udp_checksum_zero", None, None),
    ("connection ID, TTL 1", "client", lambda x: by_cid(x, "c4", short(x, "s4"), ttl=1), "ttl", None, None),
    ("connection ID of a peer without limits for strangers", "client",
     lambda x: by_cid(x, "c4", short(x, "s4"), sport=9), "cid_stranger", None, None),
    ("connection ID of who has bound nothing and has no tunnel", "client", lambda x: by_cid(x, "c4", short(x, "gone")), "cid_unbound",
     None, None),
    ("connection ID of the sender", "client", lambda x: by_cid(x, "c4", short(x, "c4")), "self", None, None),
    ("connection ID, one byte missing", "client", lambda x: by_cid(x, "c4", short(x, "s4", size=17)), "cid_short", None, None),
    ("no payload on the service port", "client", lambda x: by_cid(x, "c4", b""), "cid_short", None, None),
    ("a long header that ends in its connection ID", "client", lambda x: by_cid(x, "c4", long(x, "s4", size=22)), "cid_short",
     None, None),
    ("a long header with 16 bytes of it", "client", lambda x: by_cid(x, "c4", long(x, "s4", dcid=x.cid("s4")[:16])),
     "cid_malformed", None, None),
    ("a connection ID that is unroutable", "client", lambda x: by_cid(x, "c4", b"\x40\xf0" + DATA), "cid_unroutable", None, None),
    ("a connection ID of other length bits", "client",
     lambda x: by_cid(x, "c4", b"\x40" + bytes([x.cid("s4")[0] ^ 1]) + DATA), "cid_malformed", None, None),
    ("a connection ID of no configuration", "client",
     lambda x: by_cid(x, "c4", b"\x40" + bytes([(x.cid("s4")[0] + 0x20 & 0xFF) % 0xE0]) + DATA), "cid_config", None, None),
    ("a connection ID with another block", "client",
     lambda x: by_cid(x, "c4", b"\x40" + x.cid("s4")[:1] + DATA), "cid_malformed", None, None),
    # --- BIND -------------------------------------------------------------------------------------
    ("BIND, one byte missing", "client", lambda x: by_cid(x, "c4", ask()(x)[:95]), "bind_form", None, None),
    ("BIND, one byte more", "client", lambda x: by_cid(x, "c4", ask()(x) + b"\0"), "bind_form", None, None),
    ("BIND of another version of ours", "client", lambda x: by_cid(x, "c4", ask(_4=2)(x)), "bind_form", None, None),
    ("a kind that only the relay sends", "client", lambda x: by_cid(x, "c4", ask(kind=2)(x)), "bind_form", None, None),
    ("BIND with a zero that is not", "client", lambda x: by_cid(x, "c4", ask(_72=1)(x)), "bind_form", None, None),
    ("BIND under no bind id of a session", "client", lambda x: by_cid(x, "c4", ask(_25=x.bind_id["c4"] ^ 1)(x)), "bind_owner", None, None),
    ("BIND with a counter of before", "client", lambda x: by_cid(x, "c4", ask(_35=1)(x)), "bind_counter", None, None),
    ("BIND without its tag", "client", lambda x: by_cid(x, "c4", ask()(x)), "bind_tag", None, None),
    ("UNBIND by a stranger, without its tag", "client", lambda x: by_cid(x, "c4", ask(kind=4)(x), sport=9), "bind_tag", None, None),
    # --- ICMP ------------------------------------------------------------------------------------
    ("fragmentation needed about a connection ID's packet", "server",
     lambda x: s(x, ip4(T4, S4, icmp4(3, 4, ip4(S4, T4, udp(S4, T4, SERVICE, x.port["s4"], DATA), ttl=60)[:28], rest=1280),
                        proto=ICMP4)), "icmp_other", None, None),
    ("fragmentation needed goes back to the client", "server", lambda x: s(x, too_big(x)), "tx", None, None),
    ("packet too big goes back to the client", "server", lambda x: s(x, too_big6(x)), "tx", None, None),
    ("fragmentation needed with a wrong ICMP checksum", "server", lambda x: s(x, too_big(x, wrong=0x0100)),
     "icmp_malformed", None, None),
    ("packet too big with a wrong ICMPv6 checksum", "server", lambda x: s(x, too_big6(x, wrong=0x0100)),
     "icmp_malformed", None, None),
    ("fragmentation needed below 1280", "server", lambda x: s(x, too_big(x, mtu=1279)), "icmp_mtu", None, None),
    ("fragmentation needed of a router that names no MTU", "server", lambda x: s(x, too_big(x, mtu=0)), "icmp_mtu", None,
     None),
    ("packet too big below 1280", "server", lambda x: s(x, too_big6(x, mtu=1279)), "icmp_mtu", None, None),
    ("fragmentation needed on the way to a client", "client", lambda x: c(x, too_big_for_client(x, 1400)), "icmp_client",
     None, None),
    ("the least path MTU of IPv4, toward a client", "client", lambda x: c(x, too_big_for_client(x, 68)), "icmp_client", None,
     None),
    ("packet too big on the way to a client", "client", lambda x: c(x, too_big_for_client6(x, 1280)), "icmp_client", None,
     None),
    ("other ICMP errors about the way to a client", "client",
     lambda x: c(x, too_big_for_client(x, 0, kind=(3, 3))), "icmp_other", None, None),
    ("other ICMP errors of a flow", "server",
     lambda x: s(x, ip4(T4, S4, icmp4(3, 3, quoted4(x)), proto=ICMP4)), "icmp_other", None, None),
    ("ICMP error that quotes no flow", "server",
     lambda x: s(x, ip4(T4, S4, icmp4(3, 4, ip4(S4, T4, udp(S4, T4, 32767, 9, DATA))[:28], rest=1280), proto=ICMP4)),
     "icmp_malformed", None, None),
    # --- what hygiene drops ----------------------------------------------------------------------
    ("TTL 1", "client", lambda x: c(x, to_relay4(x, ttl=1)), "ttl", None, None),
    ("TTL 0", "client", lambda x: c(x, to_relay4(x, ttl=0)), "ttl", None, None),
    ("hop limit 1", "client", lambda x: c(x, to_relay6(x, ttl=1)), "ttl", None, None),
    ("wrong IPv4 header checksum", "client", lambda x: c(x, to_relay4(x, csum=0x1234)), "ip_checksum", None, None),
    ("IP length beyond the frame", "client", lambda x: c(x, to_relay4(x, total=1000)), "ip_length", None, None),
    ("IPv6 length beyond the frame", "client", lambda x: c(x, to_relay6(x, length=1000)), "ip_length", None, None),
    ("IPv4 options", "client", lambda x: c(x, to_relay4(x, options=b"\x01\x01\x01\x01")), "ip_options", None, None),
    ("first fragment", "client", lambda x: c(x, to_relay4(x, frag=0x2000)), "ip_fragment", None, None),
    ("UDP length below 8", "client", lambda x: c(x, to_relay4(x, u=udp(C4, R4, 5000, PORT4, DATA, length=7))),
     "udp_length", None, None),
    ("UDP length beyond the IP payload", "client",
     lambda x: c(x, to_relay4(x, u=udp(C4, R4, 5000, PORT4, DATA, length=200))), "udp_length", None, None),
    ("UDP surplus area", "client", lambda x: c(x, to_relay4(x, u=udp(C4, R4, 5000, PORT4, DATA, length=40))),
     "udp_surplus", None, None),
    ("UDP over IPv6 without a checksum", "client",
     lambda x: c(x, to_relay6(x, u=udp(C6, R6, 5000, PORT6, DATA, csum=0))), "udp_checksum_zero", None, None),
    ("IPv4 without a checksum toward IPv6", "client",
     lambda x: c(x, to_relay4(x, dport=PORT6, sport=5001, u=udp(C4, R4, 5001, PORT6, DATA, csum=0))),
     "udp_checksum_zero", None, None),
    ("source port 0", "client", lambda x: c(x, to_relay4(x, sport=0)), "port_zero", None, None),
    ("multicast source", "client", lambda x: c(x, to_relay4(x, src=addr("224.0.0.5"))), "src_multicast", None, None),
    ("IPv6 multicast source", "client", lambda x: c(x, to_relay6(x, src=addr("ff02::1"))), "src_multicast", None, None),
    ("broadcast source", "client", lambda x: c(x, to_relay4(x, src=addr("255.255.255.255"))), "src_broadcast", None, None),
    ("loopback source", "client", lambda x: c(x, to_relay4(x, src=addr("127.0.0.1"))), "src_martian", None, None),
    ("unspecified source", "client", lambda x: c(x, to_relay4(x, src=addr("0.0.0.0"))), "src_martian", None, None),
    ("IPv6 loopback source", "client", lambda x: c(x, to_relay6(x, src=addr("::1"))), "src_martian", None, None),
    ("own source", "client", lambda x: c(x, to_relay4(x, src=R4)), "src_own", None, None),
    ("an announced source", "client", lambda x: c(x, to_relay4(x, src=ANNOUNCED4)), "src_own", None, None),
    ("an announced source, IPv6", "client", lambda x: c(x, to_relay6(x, src=ANNOUNCED6)), "src_own", None, None),
    ("an announced source at the service port", "client", lambda x: c(x, to_relay4(x, src=ANNOUNCED4, dport=SERVICE)), "src_own",
     None, None),
    ("our own service port by an announced address", "client", lambda x: c(x, to_relay4(x, src=ANNOUNCED4, sport=SERVICE)), "loop",
     None, None),
    ("our own tunnel port by an announced address", "server",
     lambda x: s(x, ip4(ANNOUNCED4, S4, udp(ANNOUNCED4, S4, TUNNEL, SERVICE, DATA))), "loop", None, None),
    ("a denied source", "client", lambda x: c(x, to_relay4(x, src=addr("10.66.1.2"))), "deny_in", None, None),
    ("a denied source, IPv6", "client", lambda x: c(x, to_relay6(x, src=addr("fd66::9"))), "deny_in", None, None),
    ("a denied source at the service port", "client", lambda x: c(x, to_relay4(x, src=addr("10.66.1.2"), dport=SERVICE)), "deny_in",
     None, None),
    ("a denied source's ICMP error", "server",
     lambda x: s(x, ip4(addr("10.66.1.2"), S4, icmp4(3, 4, quoted4(x), rest=1280), proto=ICMP4)), "deny_in", None, None),
    ("a denied source at a port that is not the relay's", "client", lambda x: c(x, to_relay4(x, src=addr("10.66.1.2"), dport=9)),
     "kernel", None, None),
    ("an exception inside what is denied", "client", lambda x: c(x, to_relay4(x, src=addr("10.66.7.2"), sport=0)), "port_zero", None,
     None),
    ("the port's own target as a client", "client", lambda x: c(x, to_relay4(x, src=T4, sport=TARGET)), "src_target", None,
     None),
    ("another port's target as a client", "client",
     lambda x: c(x, to_relay4(x, src=T4, sport=TARGET, dport=PORT6)), "src_target", None, None),
    ("an IPv6 target as a client", "client", lambda x: c(x, to_relay6(x, src=T6, sport=TARGET)), "src_target", None, None),
    ("a stranger to a flow's source port", "server",
     lambda x: s(x, ip4(T4, S4, udp(T4, S4, 444, x.sport["44"], DATA))), "stranger", None, None),
    ("a client to a flow's source port", "client", lambda x: c(x, to_relay4(x, dport=x.sport["44"])), "stranger", None, None),
    ("an attached port without a tunnel", "client", lambda x: c(x, to_relay4(x, dport=ATTACHED)), "no_endpoint", None, None),
    ("an attached port without a tunnel, IPv6", "client", lambda x: c(x, to_relay6(x, dport=ATTACHED)), "no_endpoint", None,
     None),
    # --- what is the kernel's --------------------------------------------------------------------
    ("a port that is not the relay's", "client", lambda x: c(x, to_relay4(x, dport=9)), "kernel", None, None),
    ("a frame for another station", "client",
     lambda x: ether(b"\x02\0\0\0\0\x77", x.peer_mac["client"], to_relay4(x)), "kernel", None, None),
    ("a broadcast frame", "client", lambda x: ether(b"\xff" * 6, x.peer_mac["client"], to_relay4(x)), "kernel", None, None),
    ("non-first fragment", "client", lambda x: c(x, to_relay4(x, frag=0x2001)), "kernel", None, None),
    ("IPv6 with an extension header", "client",
     lambda x: c(x, ip6(C6, R6, b"\x11\0\1\4\0\0\0\0" + udp(C6, R6, 5000, PORT6, DATA), proto=0)), "kernel", None, None),
    ("QinQ", "client", lambda x: c(x, to_relay4(x), tags=[(0x88A8, 5), (0x8100, 6)]), "kernel", None, None),
    ("a VLAN that is not configured", "client", lambda x: c(x, to_relay4(x), tags=[(0x8100, 7)]), "kernel", None, None),
    ("TCP to a published port's number", "client",
     lambda x: c(x, ip4(C4, R4, struct.pack("!HHIIBBHHH", 5, PORT4, 1, 0, 0x50, 2, 100, 0, 0), proto=6)), "kernel", None, None),
]
