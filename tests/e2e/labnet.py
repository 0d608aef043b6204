"""Raw sockets in the lab's namespaces and the relay's own counters, for tests in Python."""
import ctypes
import json
import os
import select
import socket
import time

ETH_ALL = 3
SO_RCVBUFFORCE = 33
PACKET_OUTGOING = 4
LIBC = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """with Namespace(name): the calling thread's network is that one."""

    def __init__(self, name):
        self.path = "/run/netns/" + name

    def __enter__(self):
        self.own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        fd = os.open(self.path, os.O_RDONLY)
        if LIBC.setns(fd, 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")
        os.close(fd)

    def __exit__(self, *_):
        LIBC.setns(self.own, 0x40000000)
        os.close(self.own)


class Wire:
    """One interface: sends frames as they are, and sees what arrives there (not what it sends)."""

    def __init__(self, namespace, device):
        with Namespace(namespace):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL))
            self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
            self.sock.bind((device, ETH_ALL))
        self.mac = self.sock.getsockname()[4]

    def send(self, frame):
        self.sock.send(frame)

    def receive(self, wait=0.0):
        """All frames that arrived; waits up to `wait` seconds for the first."""
        got = []
        while select.select([self.sock], [], [], 0 if got else wait)[0]:
            frame, where = self.sock.recvfrom(65536)
            if where[2] != PACKET_OUTGOING:
                got.append(frame)
        return got

    def wait_frame(self, match, wait=1.0):
        end = time.monotonic() + wait
        while time.monotonic() < end:
            for frame in self.receive(0.05):
                if match(frame):
                    return frame
        return None


class Admin:
    """The control plane's socket: what zsctl uses."""

    def __init__(self, path):
        self.path = path

    def call(self, verb, **args):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(10)
            s.connect(self.path)
            s.sendall(json.dumps({"v": 1, "verb": verb, "args": args}).encode() + b"\n")
            data = b""
            while not data.endswith(b"\n"):
                part = s.recv(65536)
                if not part:
                    break
                data += part
        return json.loads(data)

    def result(self, verb, **args):
        answer = self.call(verb, **args)
        if not answer.get("ok"):
            raise RuntimeError(f"{verb} {args}: {answer}")
        return answer["result"]

    def snapshot(self):
        """Counters, drops ("drop:REASON") and what XDP did ("xdp:…", all interfaces summed)."""
        out = dict(self.result("show counters")["total"])
        for row in self.result("show drops", all=True)["reasons"]:
            out["drop:" + row["reason"]] = row["count"]
        for key in ("steered", "passed", "fallback_dropped", "blocked", "missed", "errors"):
            out["xdp:" + key] = sum(i[key] for i in self.result("show ports")["interfaces"])
        return out


def balance(s):
    """0 when every packet is accounted for."""
    drops = sum(v for k, v in s.items() if k.startswith("drop:"))
    return s["rx"] + s["from_twin"] + s["originated"] - s["tx"] - drops - s["punted"] - s["consumed"]


def delta(before, after):
    return {k: after[k] - before.get(k, 0) for k in after if after[k] != before.get(k, 0)}
