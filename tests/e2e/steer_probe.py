"""Sends the steering test's frames from the client's side and says what came of each.

steer_probe.py DEVICE OUR_MAC RELAY_MAC → lines "NAME RELAY|KERNEL OUTCOME", OUTCOME one of
  echo   the worker (testpmd, 5tswap) sent the very frame back
  icmp   the kernel answered that no such port is open
  none   neither
The sender's addresses belong to nobody, so that the client's kernel has nothing to say to the echoes."""
import select
import socket
import sys
import time

import frames as f

ME4, ME6 = f.addr("10.77.1.77"), f.addr("fd77:1::77")
US4, US6 = f.addr("10.77.1.1"), f.addr("fd77:1::1")
ANSWER_S = 0.4  # after the last frame; a busy machine may need most of it


def udp4(port, text, **ip):
    return f.ip4(ME4, US4, f.udp(ME4, US4, 7777, port, text), **ip)


def udp6(port, text):
    return f.ip6(ME6, US6, f.udp(ME6, US6, 7777, port, text))


def quote4(port, text, kind=3):
    """What a router sends about a packet that the relay sent from `port`."""
    return f.ip4(ME4, US4, f.icmp4(kind, 1, f.ip4(US4, ME4, f.udp(US4, ME4, port, 7777, text))), proto=f.ICMP4)


def quote6(port, text, kind=2):
    return f.ip6(ME6, US6, f.icmp6(ME6, US6, kind, 0, f.ip6(US6, ME6, f.udp(US6, ME6, port, 7777, text)), rest=1280), proto=f.ICMP6)


def rows():
    """(name, whose, what the kernel says, vlan tags, IP packet with %TEXT in it by a function)"""
    return [
        ("udp4", "RELAY", None, [], lambda t: udp4(4443, t)),
        ("udp4_flow_range", "RELAY", None, [], lambda t: udp4(20123, t)),
        ("udp4_options", "RELAY", None, [], lambda t: udp4(4443, t, options=b"\1\1\1\0")),
        ("udp4_first_fragment", "RELAY", None, [], lambda t: udp4(4443, t, frag=0x2000)),
        ("udp4_vlan", "RELAY", None, [(0x8100, 0x0007)], lambda t: udp4(4443, t)),
        ("udp6", "RELAY", None, [], lambda t: udp6(4443, t)),
        ("udp6_flow_range", "RELAY", None, [], lambda t: udp6(20123, t)),
        ("icmp4_unreachable", "RELAY", None, [], lambda t: quote4(4443, t)),
        ("icmp4_exceeded_flow", "RELAY", None, [], lambda t: quote4(20123, t, 11)),
        ("icmp6_too_big", "RELAY", None, [], lambda t: quote6(4443, t)),
        ("udp4_unlisted", "KERNEL", "icmp", [], lambda t: udp4(4444, t)),
        ("udp6_unlisted", "KERNEL", "icmp", [], lambda t: udp6(4444, t)),
        ("udp4_past_range", "KERNEL", "icmp", [], lambda t: udp4(32768, t)),
        ("udp4_later_fragment", "KERNEL", "none", [], lambda t: udp4(4443, t, frag=0x2001)),
        ("udp4_other_vlan", "KERNEL", "none", [(0x8100, 0x0008)], lambda t: udp4(4443, t)),
        ("udp4_qinq", "KERNEL", "none", [(0x88A8, 0x0007), (0x8100, 0x0007)], lambda t: udp4(4443, t)),
        ("icmp4_unlisted", "KERNEL", "none", [], lambda t: quote4(4444, t)),
        ("icmp6_unlisted", "KERNEL", "none", [], lambda t: quote6(4444, t)),
    ]


def collect(sock, relay, seconds):
    """Frames that the other end sent, within the time."""
    got, end = [], time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([sock], [], [], left)[0]:
            data, where = sock.recvfrom(4096)
            if where[2] != socket.PACKET_OUTGOING:
                got.append(data)
    return got


def outcome(sent, tags, text, got):
    mine = [g for g in got if text in g]
    same = (len(sent), len(sent) - 4 * len(tags))  # the receiving kernel takes the tag off
    if any(len(g) in same and g[-len(text):] == text for g in mine):
        return "echo"
    return "icmp" if mine else "none"


def main():
    device, ours, relay = sys.argv[1], f.mac(sys.argv[2]), f.mac(sys.argv[3])
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind((device, 0))
    sent, got, stamp = [], [], f"{time.monotonic_ns():020d}"
    for name, whose, answer, tags, packet in rows():
        text = f"zs-steer {stamp} {name:>24}".encode()
        data = f.ether(relay, ours, packet(text), tags=tags)
        sock.send(data)
        sent.append((name, whose, answer, tags, text, data))
        got += collect(sock, relay, 0.02)
    got += collect(sock, relay, ANSWER_S)
    for name, whose, answer, tags, text, data in sent:
        print(name, whose, answer or "-", outcome(data, tags, text, got))


main()
