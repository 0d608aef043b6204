"""What arrives at the server. stop.py silent SERVER_NS: nothing, for a second. stop.py stop SERVER_NS ADMIN_SOCKET TABLES: calls
`stop`, sees in shared memory when the word was set, and counts by the kernel's time stamps what arrived after that."""
import mmap
import socket
import struct
import sys
import threading
import time

from labnet import Admin, Namespace

BURST, WORKERS = 32, 2
SO_TIMESTAMPNS = 35
FIELDS, FIELD = 88, struct.Struct("32sQQ")  # lib/shm/segment.h: behind the header's words; name, offset, size


class Arrivals:
    """Kernel time stamps of the relay's packets to the service."""

    def __init__(self, namespace):
        with Namespace(namespace):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
            self.sock.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
            self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self.sock.bind(("s0", 0x0800))
            self.sock.setblocking(False)

    def take(self):
        """The time stamps since the last call, in seconds."""
        at = []
        while True:
            try:
                frame, control, _, where = self.sock.recvmsg(64, 64)
            except BlockingIOError:
                return at
            if where[2] != 4 and frame[23:24] == b"\x11" and frame[36:38] == b"\x01\xbb":
                s, ns = struct.unpack("qq", control[0][2])
                at.append(s + ns / 1e9)


def word_of(segment):
    """Where the stop word lies, by the segment's own table of fields: the region and the member in it."""
    count, = struct.unpack_from("I", segment, 28)
    at = {name.rstrip(b"\0"): offset for name, offset, _ in
          (FIELD.unpack_from(segment, FIELDS + i * FIELD.size) for i in range(count))}
    return at[b"@stop"] + at[b"stop.word"]


def when_set(path, out):
    """Notes the time before the last look that saw the word unset: no later than it was set."""
    with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m:
        word = word_of(m)
        while True:
            now = time.time()
            if m[word:word + 4] != b"\0\0\0\0":
                out["set"] = now
                return
            time.sleep(0.0001)


def stop(namespace, admin, tables):
    arrivals, seen = Arrivals(namespace), {}
    time.sleep(1)
    rate = len(arrivals.take())
    watcher = threading.Thread(target=when_set, args=(tables, seen), daemon=True)
    watcher.start()
    time.sleep(0.1)
    Admin(admin).result("stop")
    answered = time.time()
    time.sleep(0.5)
    if "set" not in seen:
        sys.exit("the stop word was never seen set")
    at = arrivals.take()
    late = [t for t in at if t > seen["set"]]
    print(f"# {rate} packets/s before; {len(late)} after the word was set, the last "
          f"{(max(late) - seen['set']) * 1e6 if late else 0:.0f} us; answered {(answered - seen['set']) * 1e3:.1f} ms after it")
    if rate < 3000:
        sys.exit("that is no load")
    if len(late) > BURST * WORKERS:
        sys.exit(f"{len(late)} packets left after the stop")
    if any(t > answered for t in at):
        sys.exit("packets left after stop had answered")


def silent(namespace):
    arrivals = Arrivals(namespace)
    arrivals.take()
    time.sleep(1)
    count = len(arrivals.take())
    if count:
        sys.exit(f"{count} packets arrived in a second")


{"stop": stop, "silent": silent}[sys.argv[1]](*sys.argv[2:])
