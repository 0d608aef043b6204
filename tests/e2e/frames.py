"""Frames made and judged byte by byte: a second opinion on what the relay does, from the RFCs alone."""
import socket
import struct

UDP, ICMP4, ICMP6 = 17, 1, 58


def fold(total):
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def add16(data, total=0):
    if len(data) % 2:
        data += b"\0"
    return fold(total + sum(struct.unpack(f"!{len(data) // 2}H", data)))


def checksum(data):
    return 0xFFFF - add16(data)


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def addr(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def pseudo(src, dst, proto, length):
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, proto, length)
    return src + dst + struct.pack("!IHBB", length, 0, 0, proto)


def udp(src, dst, sport, dport, payload, csum=None, length=None):
    """csum None: right; a number: that one. length None: right."""
    n = 8 + len(payload)
    head = struct.pack("!HHH", sport, dport, n if length is None else length)
    if csum is None:
        csum = checksum(pseudo(src, dst, UDP, n) + head + b"\0\0" + payload) or 0xFFFF
    return head + struct.pack("!H", csum) + payload


def ip4(src, dst, payload, proto=UDP, ttl=64, tos=0, ident=0x1234, frag=0x4000, options=b"", version=4, ihl=None,
        total=None, csum=None):
    ihl = 5 + len(options) // 4 if ihl is None else ihl
    total = 20 + len(options) + len(payload) if total is None else total
    head = struct.pack("!BBHHHBBH4s4s", version << 4 | ihl, tos, total & 0xFFFF, ident, frag, ttl, proto, 0, src, dst)
    right = checksum(head + options)
    return head[:10] + struct.pack("!H", right if csum is None else csum ^ right) + head[12:] + options + payload


def ip6(src, dst, payload, proto=UDP, ttl=64, tclass=0, flow=0, version=6, length=None):
    length = len(payload) if length is None else length
    return struct.pack("!IHBB16s16s", version << 28 | tclass << 20 | flow, length & 0xFFFF, proto, ttl, src, dst) + payload


def ether(dst, src, packet, kind=None, tags=(), pad=0):
    """pad: zeros follow until the frame has that many bytes."""
    kind = (0x0800 if packet[0] >> 4 == 4 else 0x86DD) if kind is None else kind
    tag = b"".join(struct.pack("!HH", t, v) for t, v in tags)
    return (dst + src + tag + struct.pack("!H", kind) + packet).ljust(pad, b"\0")


def icmp4(kind, code, body, rest=0, wrong=0):
    """rest: the second word of the header. wrong: the checksum's bits that lie."""
    message = struct.pack("!BBHI", kind, code, 0, rest) + body
    return message[:2] + struct.pack("!H", checksum(message) ^ wrong) + message[4:]


def icmp6(src, dst, kind, code, body, rest=0, wrong=0):
    message = struct.pack("!BBHI", kind, code, 0, rest) + body
    right = 0xFFFF - add16(message, add16(pseudo(src, dst, ICMP6, len(message))))
    return message[:2] + struct.pack("!H", right ^ wrong) + message[4:]


def packet4(src, dst, sport, dport, payload, **ip):
    a, b = addr(src), addr(dst)
    return ip4(a, b, udp(a, b, sport, dport, payload), **ip)


def packet6(src, dst, sport, dport, payload, **ip):
    a, b = addr(src), addr(dst)
    return ip6(a, b, udp(a, b, sport, dport, payload), **ip)


def ip_packet(frame):
    """The IP packet of a frame with no tag, without the frame's padding; b"" when it holds none."""
    kind, packet = frame[12:14], frame[14:]
    if kind == b"\x08\0" and len(packet) >= 20:
        return packet[:struct.unpack("!H", packet[2:4])[0]]
    if kind == b"\x86\xdd" and len(packet) >= 40:
        return packet[:40 + struct.unpack("!H", packet[4:6])[0]]
    return b""


def sums_right(packet):
    """Are all checksums of an IP packet right?"""
    if packet[0] >> 4 == 4:
        off, ends, proto = (packet[0] & 15) * 4, packet[12:20], packet[9]
        if add16(packet[:off]) != 0xFFFF:
            return False
    else:
        off, ends, proto = 40, packet[8:40], packet[6]
    l4, half = packet[off:], len(ends) // 2
    if proto == UDP and off == 20 and l4[6:8] == b"\0\0":
        return True
    head = b"" if proto == ICMP4 else pseudo(ends[:half], ends[half:], proto, len(l4))
    return proto not in (UDP, ICMP4, ICMP6) or add16(l4, add16(head)) == 0xFFFF


def forwarded(packet, src, dst, sport, dport):
    """What a packet must look like behind the relay: made anew, not by difference. A wrong UDP checksum stays wrong
    by the same amount. Same family: all of the IP header but TTL, addresses and checksum stays."""
    a, b = addr(src), addr(dst)
    was4 = packet[0] >> 4 == 4
    off = (packet[0] & 15) * 4 if was4 else 40
    end = struct.unpack("!H", packet[2:4])[0] if was4 else 40 + struct.unpack("!H", packet[4:6])[0]
    l4, payload = packet[off:off + 8], packet[off + 8:end]
    old = packet[12:20] if was4 else packet[8:40]
    ttl = (packet[8] if was4 else packet[7]) - 1
    stated = struct.unpack("!H", l4[6:8])[0]
    half = len(old) // 2
    right = checksum(pseudo(old[:half], old[half:], UDP, 8 + len(payload)) + l4[:6] + b"\0\0" + payload) or 0xFFFF
    body = udp(a, b, sport, dport, payload)
    new = struct.unpack("!H", body[6:8])[0]
    if was4 and stated == 0:
        new = 0
    elif stated != right:
        new = fold(new + stated + (0xFFFF - right)) or 0xFFFF
    body = body[:6] + struct.pack("!H", new) + payload
    if was4 and len(a) == 4:
        tos, ident, frag = packet[1], *struct.unpack("!HH", packet[4:8])
        return ip4(a, b, body, ttl=ttl, tos=tos, ident=ident, frag=frag)
    if not was4 and len(a) == 16:
        word = struct.unpack("!I", packet[:4])[0]
        return ip6(a, b, body, ttl=ttl, tclass=word >> 20 & 0xFF, flow=word & 0xFFFFF)
    if was4:  # to IPv6: DSCP 0, ECN kept
        return ip6(a, b, body, ttl=ttl, tclass=packet[1] & 3)
    return ip4(a, b, body, ttl=ttl, tos=struct.unpack("!I", packet[:4])[0] >> 20 & 3, ident=0)
