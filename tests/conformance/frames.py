"""Frames as bytes: a small builder whose every field can be made to lie."""
import socket
import struct


def csum(data):
    if len(data) & 1:
        data += b"\0"
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def addr(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def pseudo(src, dst, proto, length):
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, proto, length)
    return src + dst + struct.pack("!II", length, proto)


def udp(src, dst, sport, dport, payload=b"", length=None, check=None):
    """UDP header and payload; check None: right, else the value as it stands."""
    n = 8 + len(payload) if length is None else length
    h = struct.pack("!HHHH", sport, dport, n, 0) + payload
    c = csum(pseudo(src, dst, 17, len(h)) + h) or 0xFFFF
    return h[:6] + struct.pack("!H", c if check is None else check) + payload


def ipv4(src, dst, payload, ttl=64, tos=0, proto=17, length=None, options=b"", frag=0x4000, check=None, ihl=None, version=4, ident=0):
    ihl = 5 + len(options) // 4 if ihl is None else ihl
    n = 20 + len(options) + len(payload) if length is None else length
    h = struct.pack("!BBHHHBBH", version << 4 | ihl, tos, n, ident, frag, ttl, proto, 0) + src + dst + options
    c = csum(h) if check is None else check
    return h[:10] + struct.pack("!H", c) + h[12:] + payload


def ipv6(src, dst, payload, hop=64, tclass=0, nxt=17, length=None, version=6, label=0):
    n = len(payload) if length is None else length
    return struct.pack("!IHBB", version << 28 | tclass << 20 | label, n, nxt, hop) + src + dst + payload


def eth(dst, src, payload, ethertype=None, vlan=(), pad=60):
    if ethertype is None:
        ethertype = 0x0800 if payload[0] >> 4 == 4 else 0x86DD
    tags = b"".join(struct.pack("!HH", tpid, tci) for tpid, tci in vlan)
    f = dst + src + tags + struct.pack("!H", ethertype) + payload
    return f + b"\0" * (pad - len(f))


def icmp4(kind, code, rest, payload):
    h = struct.pack("!BBHI", kind, code, 0, rest) + payload
    return h[:2] + struct.pack("!H", csum(h)) + h[4:]


def icmp6(src, dst, kind, code, rest, payload):
    h = struct.pack("!BBHI", kind, code, 0, rest) + payload
    return h[:2] + struct.pack("!H", csum(pseudo(src, dst, 58, len(h)) + h)) + h[4:]


def ip_packet(frame):
    """(ethertype, the IP packet without frame padding) of a frame with no tag."""
    kind = struct.unpack("!H", frame[12:14])[0]
    p = frame[14:]
    if kind == 0x0800 and len(p) >= 20:
        return kind, p[: struct.unpack("!H", p[2:4])[0]]
    if kind == 0x86DD and len(p) >= 40:
        return kind, p[: 40 + struct.unpack("!H", p[4:6])[0]]
    return kind, p


def verify(packet):
    """Are all checksums of an IP packet right?"""
    if packet[0] >> 4 == 4:
        ihl = (packet[0] & 15) * 4
        if csum(packet[:ihl]) != 0:
            return False
        src, dst, proto, l4 = packet[12:16], packet[16:20], packet[9], packet[ihl:]
    else:
        src, dst, proto, l4 = packet[8:24], packet[24:40], packet[6], packet[40:]
    if proto == 17:
        return l4[6:8] == b"\0\0" or csum(pseudo(src, dst, 17, len(l4)) + l4) == 0
    if proto == 1:
        return csum(l4) == 0
    if proto == 58:
        return csum(pseudo(src, dst, 58, len(l4)) + l4) == 0
    return True
