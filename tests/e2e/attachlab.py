"""The lab of tests/e2e/attach for its steps: names, both planes under supervise.py, zs-edge and its lines."""
import argparse
import json
import os
import select
import signal
import subprocess
import sys
import time

E2E = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(E2E), "interop")]
import peers  # noqa: E402
from steps import check  # noqa: E402


class Lab:
    """What the script made, by names."""

    def __init__(self):
        parse = argparse.ArgumentParser()
        for name in ("bin", "lab", "instance", "relay", "behind", "far", "sources"):
            parse.add_argument("--" + name, required=True)
        parse.add_argument("--spaces", nargs=4)
        self.__dict__ |= vars(parse.parse_args())
        self.edge, self.nat, self.relay_ns, self.server = self.spaces
        self.conf, self.socket = self.lab + "/relay.yaml", self.lab + "/run/admin.sock"
        self.shm = "/dev/shm/zerostate-" + self.instance
        self.peer = None

    def inside(self, space):
        return ["nsenter", f"--net=/run/netns/{space}", "--"]

    def log(self, name):
        return open(f"{self.lab}/log/{name}", "ab")

    def zsctl(self, *words, may_fail=False):
        done = subprocess.run([self.bin + "/zsctl", "--instance", self.instance, "--socket", self.socket, *words, "--json"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if may_fail and done.returncode:
            return None
        check("zsctl " + " ".join(words), done.returncode == 0, done.stdout)
        return json.loads(done.stdout)

    def apply(self, name):
        """Another configuration; it may only differ where no restart is needed."""
        os.replace(f"{self.lab}/{name}", self.conf)
        os.kill(self.zsctl("status")["control"]["pid"], signal.SIGHUP)

    def peer_client(self, *arguments, space=None):
        return peers.Peer("c", *arguments, wrap=self.inside(space or self.edge), log=self.log("p2phost.log"))

    def at(self, address=None):
        return f"/ip4/{address or self.relay}/udp/4001/quic-v1/p2p/{self.peer}"


class Plane:
    """A plane, and supervise.py in place of the service manager."""

    def __init__(self, lab, name):
        self.process = subprocess.Popen(
            ["/usr/bin/python3", E2E + "/supervise.py", "--serve", f"{lab.lab}/log/{name}.log", *lab.inside(lab.relay_ns),
             f"{lab.bin}/zs-{name}", "--config", lab.conf], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.name = name
        self.tell("start")

    def tell(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        check(f"{self.name}: {word}", answer["ok"], answer)
        return answer

    def killed_and_back(self):
        check("its socket outlives it", any(fd.startswith("p2p-4001-") for fd in self.tell("kill")["fds"]))
        ms = self.tell("start")["ms"]
        check("READY within 1 s", ms < 1000, f"{ms} ms")
        return ms


class Edge:
    """A zs-edge behind the NAT; every line of its output is an object."""

    def __init__(self, lab, key, *names, token="token", state=None, once=True):
        command = [lab.bin + "/zs-edge", "--relay", f"{lab.relay}:4001/{lab.peer}", "--identity", f"{lab.lab}/{key}.key",
                   "--token-file", f"{lab.lab}/{token}", "--json"]
        command += ["--state", state] if state else []
        command += ["--once-ready"] if once else []
        command += ["publish", *(f"{name}=127.0.0.1:8443" for name in names)]
        self.process = subprocess.Popen(lab.inside(lab.edge) + command, stdout=subprocess.PIPE, stderr=lab.log("edge.log"), text=True)
        self.lines = []
        os.set_blocking(self.process.stdout.fileno(), False)
        self.rest = ""

    def read(self):
        try:
            self.rest += os.read(self.process.stdout.fileno(), 65536).decode()
        except BlockingIOError:
            pass
        *whole, self.rest = self.rest.split("\n")
        self.lines += [json.loads(line) for line in whole]

    def find(self, schema, **fields):
        """The first such line; it and all before it are done with."""
        self.read()
        for i, line in enumerate(self.lines):
            if line["schema"] == f"zs-edge.{schema}/1" and all(line.get(k) == v for k, v in fields.items()):
                del self.lines[:i + 1]
                return line
        return None

    def wait(self, what, schema, seconds=10.0, **fields):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            line = self.find(schema, **fields)
            if line:
                return line
            select.select([self.process.stdout], [], [], 0.1)
        raise SystemExit(f"FAILED: {what}: no {schema} {fields} within {seconds} s; lines: {self.lines}")

    def session(self, what, seconds=10.0, **fields):
        """Active with a session and its ports: {name: port}."""
        got = self.wait(what, "session", seconds, **fields)
        ports, announced = {}, []
        while len(ports) < 2:
            line = self.wait(what + ": its ports", "port", 5)
            if line["withdrawn"]:
                continue
            ports[line["name"]] = line["port"]
            announced += line["announce"]
        return got | {"ports": ports, "announced": announced}

    def refused(self, code):
        """One attempt that ends with that refusal: the line that says so."""
        status = self.process.wait(15)
        self.read()
        lines = [x for x in self.lines if x.get("refused") == code or (x.get("error") or {}).get("code") == code]
        check(f"refused as {code}", lines and status == 9, (status, self.lines))
        return lines[-1].get("why") or lines[-1]["error"]["text"]

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        check("zs-edge ends", self.process.wait(10) == 0)
