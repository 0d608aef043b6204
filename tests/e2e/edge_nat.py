#!/usr/bin/python3
"""What tests/e2e/edge_nat does in its lab. One line a step: what was done, what was seen."""
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import zlib

from attachlab import Edge, Lab, Plane, peers
from steps import check, ok, wait_for
from labnet import Namespace

sys.path.append(os.path.join(os.path.dirname(peers.__file__), "cid"))
from lab import Attached  # noqa: E402

WEB, H3_PORT, JS_PORT, SMALL_PORT = 10443, 10444, 10445, 10446  # what is asked for at the relay
SIZE, RATE = 24_000_000, 2_000_000  # of the download through all that happens: 12 s at least
LOAD = 120_000_000  # of libp2p's, each way
free_ports = iter(range(34000, 60000, 1000))  # a NAT's, for each time it rebinds


def pattern(size):
    """tests/interop/README.md: the words of splitmix64, seed 0, cut after 1,000,003 bytes and repeated."""
    period, seed, out = 1000003, 0, bytearray()
    while len(out) < period:
        seed = (seed + 0x9e3779b97f4a7c15) % (1 << 64)
        z = seed
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9 % (1 << 64)
        z = (z ^ z >> 27) * 0x94d049bb133111eb % (1 << 64)
        out += (z ^ z >> 31).to_bytes(8, "little")
    once = bytes(out[:period])
    return (once * (size // period + 1))[:size]


# --- the NATs ---------------------------------------------------------------------------------------

def map_ports(space, out, first):
    """Masquerades with ports from `first` on; what is mapped is forgotten, as a NAT that restarts does."""
    rules = "flush chain inet nat out\n" + "".join(
        f"add rule inet nat out oifname {out} meta l4proto {proto} masquerade to :{first}-{first + 999}\n" for proto in ("udp", "tcp"))
    subprocess.run(lab.inside(space) + ["nft", "-f", "-"], input=rules, text=True, check=True)
    with Namespace(space):
        s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)  # NETLINK_NETFILTER
    # IPCTNL_MSG_CT_DELETE without a tuple: all of them. NLM_F_REQUEST, NLM_F_ACK.
    s.send((20).to_bytes(4, "little") + (0x0102).to_bytes(2, "little") + (5).to_bytes(2, "little") + bytes(8) + bytes(4))
    answer = s.recv(4096)
    check("the NAT forgets", int.from_bytes(answer[16:20], "little", signed=True) == 0, answer.hex())
    s.close()


# --- programs ---------------------------------------------------------------------------------------

class Caddy:
    def __init__(self):
        home, www = lab.lab + "/caddy/home", lab.lab + "/caddy/www"
        os.makedirs(home)
        os.makedirs(www)
        with open(www + "/big.txt", "w", encoding="ascii") as f:
            f.write(os.urandom(2_000_000).hex())
        with open(lab.lab + "/caddy/Caddyfile", "w", encoding="ascii") as f:
            f.write("{\n admin off\n auto_https disable_redirects\n skip_install_trust\n}\nhttps://relay.test:8443 {\n bind 127.0.0.1\n"
                    f" tls internal\n log\n root * {www}\n"
                    " handle /*.txt {\n  file_server\n }\n respond \"hello {http.request.proto}\"\n}\n")
        env = dict(os.environ, HOME=home, XDG_DATA_HOME=home, XDG_CONFIG_HOME=home)
        self.process = subprocess.Popen(lab.inside(lab.edge) + ["caddy", "run", "--config", lab.lab + "/caddy/Caddyfile", "--adapter", "caddyfile"],
                                        env=env, stdout=lab.log("caddy.log"), stderr=subprocess.STDOUT)
        cert = wait_for("Caddy's certificate", self.certificate, 20)
        key = subprocess.run(f"openssl x509 -in {cert} -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64",
                             shell=True, stdout=subprocess.PIPE, text=True, check=True)
        self.spki = key.stdout.strip()

    @staticmethod
    def certificate():
        for folder, _, names in os.walk(lab.lab + "/caddy/home"):
            for name in names:
                if "relay.test" in folder and name.endswith(".crt") and os.path.getsize(f"{folder}/{name}"):
                    return f"{folder}/{name}"
        return None

    @staticmethod
    def last():
        with open(lab.lab + "/log/caddy.log", encoding="utf-8") as f:
            return [json.loads(line) for line in f if "handled request" in line][-1]


class H3:
    """quic-go's server, which follows a client whose NAT rebinds; Caddy's is older."""

    def __init__(self):
        self.process = subprocess.Popen(lab.inside(lab.edge) + [peers.build("go"), "h3-serve", "127.0.0.1:0", "relay.test"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=lab.log("h3.log"), text=True)
        told = json.loads(self.process.stdout.readline())
        self.addr, self.spki = told["addr"], told["spki"]


def chromium(port, path, spki, seconds=20):
    """What a fresh, unmodified browser makes of the page, by HTTP/3 alone."""
    with tempfile.TemporaryDirectory(prefix="chromium.", dir=lab.lab, ignore_cleanup_errors=True) as profile:
        done = subprocess.run(lab.inside(visitor) + [
            "timeout", "-k", "2", str(seconds), "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", f"--user-data-dir={profile}",
            f"--host-resolver-rules=MAP relay.test {lab.far}", f"--origin-to-force-quic-on=relay.test:{port}",
            f"--ignore-certificate-errors-spki-list={spki}", "--dump-dom", f"https://relay.test:{port}{path}"],
            stdout=subprocess.PIPE, stderr=lab.log("chromium.log"), stdin=subprocess.DEVNULL, text=True, check=False, env=dict(os.environ, HOME=profile))
    return done.stdout


class NatEdge(Edge):
    """zs-edge with what it publishes: {name: (port, service)}."""

    def __init__(self, key, services, *more, relay=None):
        self.command = [lab.bin + "/zs-edge", "--relay", relay or f"{lab.relay}:4001/{lab.peer}", "--identity", f"{lab.lab}/{key}.key", "--json"]
        self.command += ["publish", *(f"{name}:{port}={to}" for name, (port, to) in services.items())] if services else []
        self.command += list(more)
        self.process = subprocess.Popen(lab.inside(lab.edge) + self.command, stdout=subprocess.PIPE, stderr=lab.log("edge.log"), text=True)
        self.lines, self.rest = [], ""
        os.set_blocking(self.process.stdout.fileno(), False)

    def up(self, what, names, seconds=15):
        for name in names:
            got = self.wait(what + ": its ports", "port", seconds, name=name)
            check(f"{name} has its port", got["port"] and got["protection"] == ("auth" if name == "h3" else "seal"), got)
        return self.wait(what + ": the tunnel", "tunnel", seconds, event="up")

    def state(self):
        """The line that SIGUSR1 asks for."""
        self.process.send_signal(signal.SIGUSR1)
        return self.wait("its state", "tunnel", 5, event="state")


# --- steps ------------------------------------------------------------------------------------------

def browses(caddy):
    dom = chromium(WEB, "/", caddy.spki)
    check("Chromium loads a page from Caddy behind the NAT", "hello HTTP/3.0" in dom, dom[:300])
    last = caddy.last()
    check("Caddy's log", last["request"]["proto"] == "HTTP/3.0" and last["status"] == 200, last)
    dom = chromium(WEB, "/big.txt", caddy.spki)
    check("4 MB", len(dom) > 4_000_000, len(dom))
    ok(f"Chromium, behind a NAT itself, loads pages from Caddy behind the other: HTTP/3.0, 4 MB, seen as {last['request'].get('remote_ip')}")


def download_through(h3, edge, control, data):
    """Everything that may happen happens while a browser downloads."""
    got = {}

    def load():
        got["dom"] = chromium(H3_PORT, f"/?n={SIZE}&rate={RATE}", h3.spki, 60)
    thread = threading.Thread(target=load)
    thread.start()
    before = edge.state()["counters"]["out_bytes"]

    def progress():
        return edge.state()["counters"]["out_bytes"] - before
    wait_for("the download to begin", lambda: progress() > RATE, 15)
    steps = [("the edge's NAT rebinds", lambda: map_ports(lab.nat, "c0", 31000)),
             ("the client's NAT rebinds", lambda: map_ports(lab.server, "s0", 32000)),
             ("kill -9 of the control plane", control.killed_and_back),
             ("kill -9 of the dataplane", lambda: data.tell("kill") and data.tell("start"))]
    for what, do in steps:
        do()
        at = progress()
        began = time.monotonic()
        wait_for(what + ": the download goes on", lambda at=at: progress() > at + RATE // 4, 30)
        ok(f"{what}: goes on after {time.monotonic() - began:.1f} s at most")
    thread.join()
    want = f"got {SIZE} bytes, adler {zlib.adler32(pattern(SIZE))}"
    check("the download is whole", want in got["dom"], got["dom"][-300:])
    ok(f"{SIZE} bytes came whole through all of it: {want}")


def moves_through(do, js, go_peer, edge, control, data):
    """go-libp2p and js-libp2p in mid-transfer, one way. js-libp2p drops what its clients send from another address (quinn,
    migration(false)), and forbids them to migrate; zs-edge keeps the one that it knows."""
    way = {"send": "in_bytes", "fetch": "out_bytes"}[do]
    before = edge.state()["counters"]
    got = {}

    def move():
        got.update(go_peer.ask(do, peer=js, bytes=LOAD, timeout_ms=60_000, **({"seed": 7} if do == "send" else {})))
    thread = threading.Thread(target=move)
    thread.start()
    steps = [lambda: map_ports(lab.nat, "c0", next(free_ports)), lambda: map_ports(lab.server, "s0", next(free_ports)),
             control.killed_and_back, lambda: data.tell("kill") and data.tell("start")]
    for i, step in enumerate(steps):
        wait_for("the transfer to go on", lambda i=i: edge.state()["counters"][way] > before[way] + LOAD * (i + 1) // 6, 30)
        step()
    thread.join()
    check("the transfer is whole", got.get("bytes") == LOAD, got)
    held = [c for c in go_peer.ask("stat")["connections"] if c["peer"] == js]
    check("over one connection", len(held) == 1, held)
    check("which zs-edge took along", edge.state()["counters"]["rebound"] == before["rebound"] + 1, edge.state()["counters"])
    ok(f"go-libp2p, dialling js-libp2p behind the NAT at the granted port, to {do} {LOAD} bytes in {got['seconds']:.1f} s through "
       "rebindings of both NATs and kill -9 of both planes: SHA-256 equal, one connection")


def forwards(edge, h3):
    """A UDP client at a local listener, toward a published port; another target is refused by name."""
    second = NatEdge("second", {}, "forward", f"127.0.0.1:9000={lab.relay}:{H3_PORT}", f"127.0.0.1:9001={lab.relay}:4999")
    second.wait("the second edge's tunnel", "tunnel", 15, event="up")
    with Namespace(lab.edge):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    # A version that nobody speaks: any QUIC server answers with Version Negotiation.
    probe = b"\xc0\x1a\x2a\x3a\x4a\x08" + os.urandom(8) + b"\x08" + os.urandom(8) + bytes(1177)
    s.sendto(probe, ("127.0.0.1", 9000))
    answer = s.recv(2048)
    check("Version Negotiation comes back", answer[1:5] == bytes(4), answer[:16].hex())
    s.sendto(probe, ("127.0.0.1", 9001))
    line = second.wait("refused", "forward", 5, event="not_published")
    check("what to do", "zsctl publish list" in line["text"], line)
    state = second.state()
    check("counted", state["counters"]["refused"] == 1, state)
    second.end()
    ok("forward: a datagram to 127.0.0.1:9000 reaches the published port and its answer comes back; " + line["text"])


def by_connection_id():
    """A QUIC stack of another program, quinn, whose connection IDs and binding are zs-edge's; and the socket's lines."""
    path = lab.lab + "/cid.sock"
    edge = NatEdge("offer", {}, "--cid-socket", path)
    me = edge.wait("who it is", "self", 5)["peer"]
    edge.wait("attached", "session", 10)
    mode = os.stat(path).st_mode
    check("the socket is its user's alone", stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600, oct(mode))
    with Attached(f"{lab.far}:4001/{lab.peer}", wrap=lab.inside(visitor), service=2) as caller:  # the address's place in a Grant
        with peers.Peer("quinn", "--helper", path, wrap=lab.inside(lab.edge), log=lab.log("quinn.log")) as quinn:
            told = edge.wait("bound", "bound", 10, bound=True)
            check("seen behind the NAT", told["seen"].startswith(lab.behind + ":"), told)
            caller.bound()
            caller.helper.ask("ask", peer=me, count=4, timeout_ms=10_000)
            conn = caller.ask("dial", to=f"{lab.far}:4433", timeout_ms=10_000)["conn"]
            caller.echo(conn, 2_000_000, seed=9)
            map_ports(lab.nat, "c0", 33000)
            caller.echo(conn, 2_000_000, seed=10)
            check("one connection", quinn.ask("stat")["accepted"] == 1)
            ok(f"quinn behind the NAT, by zs-edge --cid-socket: bound, seen as {told['seen']}; dialled by connection ID, 4 MB echoed, a "
               "rebinding between")
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            lines = s.makefile("rb")

            def say(line):
                s.sendall(line + b"\n")
                return next(x.strip() for x in lines if x.split()[0] in (b"own", b"dial", b"none"))
            for line, want in ((b"own", rb"own [0-9a-f]{34}$"), (b"dial " + caller.peer.encode(), rb"dial [0-9a-f]{34}$"),
                               (b"dial 12D3KooWNRk8VBuTJTYyTbnJC7Nj2UN5jij4dJMo8wtSGT2hRzRP", rb"none .+"), (b"dial", rb"none say whom"),
                               (b"dial x", rb"none .*no peer id"), (b"nonsense\nown", rb"own ")):
                got = say(line)
                check(line, re.match(want, got), got)
    edge.end()
    check("the socket goes with it", not os.path.exists(path))
    ok("its lines: own, dial PEERID, refusals by what to do")


def over_small_path():
    """IPv6 outside, since IPv4 is shut, and 1,280 bytes of it: 1,200-byte QUIC passes, and the edge knows what passes."""
    subprocess.run(lab.inside(lab.nat) + ["nft", "insert rule inet filter forward ip daddr " + lab.relay + " udp dport 4434 drop"], check=True)
    for space, device in ((lab.edge, "e0"), (lab.nat, "ce")):
        subprocess.run(["ip", "-n", space, "link", "set", device, "mtu", "1280"], check=True)
    with peers.Peer("cid", wrap=lab.inside(lab.edge), log=lab.log("cidpeer.log")) as server, \
            peers.Peer("cid", wrap=lab.inside(visitor), log=lab.log("cidpeer.log")) as client:
        for p in (server, client):
            p.ask("cids", own=[os.urandom(17).hex() for _ in range(64)], dial=[os.urandom(17).hex() for _ in range(4)])
        edge = NatEdge("small", {"quic": (SMALL_PORT, f"127.0.0.1:{server.ask('stat')['port']}")}, relay=f"[fd77:1::1]:4001/{lab.peer}")
        edge.up("over IPv6", ["quic"])
        conn = client.ask("dial", to=f"{lab.far}:{SMALL_PORT}", timeout_ms=10_000)["conn"]
        client.ask("echo", conn=conn, bytes=3_000_000, seed=5)
        way = edge.state()
        edge.end()
    check("its way", way["family"] == 6 and way["path_mtu"] == 1280 and way["payload"] == 1200, way)
    ok(f"MTU 1280, IPv6: {way['text']}; 3 MB echoed in 1,200-byte QUIC datagrams")


def main():
    control, data = Plane(lab, "controlplane"), Plane(lab, "dataplane")
    lab.peer = wait_for("the relay's peer id", lambda: (lab.zsctl("status", may_fail=True) or {}).get("peer"))
    map_ports(lab.nat, "c0", 30000)
    map_ports(lab.server, "s0", 30000)
    caddy, h3 = Caddy(), H3()
    with peers.Peer("js", wrap=lab.inside(lab.edge), log=lab.log("js.log")) as js, \
            peers.Peer("go", wrap=lab.inside(visitor), log=lab.log("go.log")) as go_peer:
        listening = js.ask("listen", addr="/ip4/127.0.0.1/udp/9100/quic-v1")
        edge = NatEdge("home", {"web": (WEB, "127.0.0.1:8443"), "h3": (H3_PORT, h3.addr + ",auth"), "js": (JS_PORT, "127.0.0.1:9100,follow")})
        first = edge.up("behind the NAT", ["web", "h3", "js"])
        ok("tunnel: " + first["text"])
        browses(caddy)
        _, node = listening["addrs"][0].split("/p2p/")
        go_peer.ask("dial", addr=f"/ip4/{lab.far}/udp/{JS_PORT}/quic-v1/p2p/{node}")
        for do in ("send", "fetch"):
            moves_through(do, node, go_peer, edge, control, data)
        forwards(edge, h3)
        download_through(h3, edge, control, data)
    by_connection_id()
    over_small_path()
    edge.end()


lab = Lab()
visitor = lab.sources
main()
