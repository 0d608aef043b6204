"""Tunnel datagrams on the edge's wire, recorded and forged, for tests in Python."""
import collections
import socket
import struct
import threading
import time

from frames import UDP, addr, ether, ip4, ip_packet, udp
from labnet import ETH_ALL, PACKET_OUTGOING, SO_RCVBUFFORCE, Namespace, Wire
from steps import check, ok

TUNNEL = 4434
FORGED = bytes.fromhex("020000000066")  # source address of what a Forger sends: not part of the recording
NOWHERE = bytes.fromhex("020000000099")  # what goes there is held back: nobody but the tap sees it
SOL_PACKET, PACKET_STATISTICS = 263, 6


class Datagram:
    """A tunnel datagram: sent by the edge (`up`), or there held back, or by the relay."""

    def __init__(self, frame, up):
        packet = ip_packet(frame)
        self.up, self.held, self.bytes = up, frame[:6] == NOWHERE, packet[28:]
        self.src, self.dst = (packet[12:16], packet[20:22]), (packet[16:20], packet[22:24])
        head = self.bytes[:16]
        self.type, self.epoch, self.receiver = head[0] >> 4, head[0] & 7, head[4:8]
        self.lane, self.counter = head[8] >> 4, int.from_bytes(head[9:16], "big")

    def goes_to(self, address):
        return self.dst[0] == addr(address)


class Tap:
    """Every tunnel datagram on the edge's wire, from the first to the last."""

    def __init__(self, space, device):
        with Namespace(space):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL))
            self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
            self.sock.bind((device, ETH_ALL))
        self.seen = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        port = TUNNEL.to_bytes(2, "big")
        while True:
            frame, where = self.sock.recvfrom(65536)
            if frame[12:14] != b"\x08\0" or frame[23] != UDP or frame[6:12] == FORGED or port not in (frame[34:36], frame[36:38]):
                continue
            self.seen.append(Datagram(frame, where[2] == PACKET_OUTGOING))

    def since(self, mark, up, held=False):
        return [d for d in self.seen[mark:] if d.up == up and d.held == held]

    def settled(self):
        """Its length once nothing came for a while."""
        at = -1
        while at != len(self.seen):
            at = len(self.seen)
            time.sleep(0.3)
        return at

    def no_nonce_twice(self):
        """Counters run on across epochs, so none may be there twice whatever its key."""
        _, lost = struct.unpack("II", self.sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        check("the recording is whole", lost == 0, f"{lost} lost")
        used = collections.Counter((d.up, d.receiver, d.lane, d.counter) for d in self.seen)
        twice = [k for k, n in used.items() if n > 1]
        check("no nonce twice", not twice, twice[:5])
        ok(f"no nonce twice: {sum(k[0] for k in used)} datagrams of the edge, {sum(not k[0] for k in used)} of the relay")


class Forger:
    """Sends to the relay's tunnel port and to the edge what it likes, as whom it likes."""

    def __init__(self, edge, relay, address):
        """Where each of them is plugged in, a namespace and a device; the relay's address there."""
        self.near, self.at_relay, self.relay = Wire(*edge), Wire(*relay), addr(address)

    def to_relay(self, payload, source):
        src, dst = source[0], self.relay
        self.near.send(ether(self.at_relay.mac, FORGED, ip4(src, dst, udp(src, dst, int.from_bytes(source[1], "big"), TUNNEL, payload))))

    def to_edge(self, payload, edge):
        src, dst = self.relay, edge[0]
        self.at_relay.send(ether(self.near.mac, FORGED, ip4(src, dst, udp(src, dst, TUNNEL, int.from_bytes(edge[1], "big"), payload))))
