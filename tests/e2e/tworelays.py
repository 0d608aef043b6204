"""Two relays' control planes, each in a network namespace and kept by supervise.py, for tests in Python.

    zsPID-a                            zsPID-b
    ┌─────────────────┐ 10.78.1.0/24 ┌─────────────────┐
    │ zs-controlplane ├──────────────┤ zs-controlplane │
    │              .1 │ fd78:1::/64  │ .2              │
    └─────────────────┘              └─────────────────┘
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from steps import check, wait_for

E2E = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(E2E))
BIN = os.environ.get("ZS_BIN") or os.path.join(ROOT, "build", "release")
PORT = 4001
ADDRESSES = {"a": ("10.78.1.1", "fd78:1::1"), "b": ("10.78.1.2", "fd78:1::2")}


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def multiaddr(relay, family, peer):
    ip = ADDRESSES[relay][family]
    return f"/{'ip6' if ':' in ip else 'ip4'}/{ip}/udp/{PORT}/quic-v1/p2p/{peer}"


class Relay:
    """A control plane in a namespace of its own, kept by supervise.py."""

    def __init__(self, name, folder):
        self.name, self.space = name, f"zs{os.getpid()}-{name}"
        self.instance, self.folder = f"p2p{os.getpid()}{name}", os.path.join(folder, name)
        self.conf, self.socket = self.folder + "/relay.yaml", self.folder + "/run/admin.sock"
        self.log = self.folder + "/log"
        os.makedirs(self.folder)
        self.supervisor = self.plane = None

    def write(self, p2p="", listen=None, more=""):
        listen = listen or [f"0.0.0.0:{PORT}", f"[::]:{PORT}"]
        with open(self.conf, "w", encoding="utf-8") as out:
            out.write(f"instance: {self.instance}\nstate_dir: {self.folder}/state\nrun_dir: {self.folder}/run\n"
                      "dataplane:\n  hugepages: false\n  ports:\n    - {name: none, driver: \"null\", addresses: ["
                      f"192.0.2.1/24]}}\nmetrics: {{listen: off}}\np2p:\n  listen: {json.dumps(listen)}\n"
                      f"  profile: test\n{p2p}{more}")

    def supervise(self):
        self.supervisor = subprocess.Popen(
            [sys.executable, E2E + "/supervise.py", "--serve", self.log, "nsenter", f"--net=/run/netns/{self.space}", "--",
             BIN + "/zs-controlplane", "--config", self.conf, "--instance", self.instance],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self.tell("start")

    def forward(self):
        """A dataplane too, with a port that leads nowhere: without one nobody may attach."""
        self.plane = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.space}", "--", BIN + "/zs-dataplane", "--config", self.conf, "--instance",
             self.instance], stdout=open(self.log + ".dataplane", "wb"), stderr=subprocess.STDOUT)
        wait_for("the dataplane", lambda: self.ask("status")["dataplane"]["running"], 15)

    def tell(self, word):
        self.supervisor.stdin.write(word + "\n")
        self.supervisor.stdin.flush()
        answer = json.loads(self.supervisor.stdout.readline())
        check(f"{self.name}: {word}", answer["ok"], answer)
        return answer

    def zsctl(self, *words):
        """Exit status and what it said: an object, or the error's line."""
        done = run(BIN + "/zsctl", "--socket", self.socket, *words, "--json")
        try:
            return done.returncode, json.loads(done.stdout[done.stdout.index("{"):done.stdout.rindex("}") + 1])
        except ValueError:
            return done.returncode, done.stdout

    def ask(self, *words):
        status, answer = self.zsctl(*words)
        check(f"{self.name}: zsctl {' '.join(words)}", status == 0, answer)
        return answer

    def id(self):
        return self.ask("peers")["peer"]

    def connections(self, peer=None):
        return self.ask("peers", *([peer] if peer else []))["connections"]

    def end(self):
        if self.plane:
            self.plane.terminate()
            self.plane.wait()
        if self.supervisor:
            self.supervisor.stdin.close()
            self.supervisor.wait()
        shutil.rmtree("/dev/shm/zerostate-" + self.instance, ignore_errors=True)


def network(a, b):
    for r in (a, b):
        for command in (["ip", "netns", "add", r.space], ["ip", "-n", r.space, "link", "set", "lo", "up"]):
            done = run(*command)
            check(" ".join(command), done.returncode == 0, done.stdout)
    run("ip", "-n", a.space, "link", "add", "w0", "type", "veth", "peer", "name", "w0", "netns", b.space)
    for r in (a, b):
        four, six = ADDRESSES[r.name]
        run("ip", "-n", r.space, "addr", "add", four + "/24", "dev", "w0")
        run("ip", "-n", r.space, "-6", "addr", "add", six + "/64", "dev", "w0", "nodad")
        run("ip", "-n", r.space, "link", "set", "w0", "up")
    wait_for("the link", lambda: run("ip", "netns", "exec", a.space, "ping", "-c1", "-W1", ADDRESSES["b"][1]).returncode == 0)


def play(steps):
    """Runs steps(a, b) on two relays that are not started yet; an exit status."""
    if os.geteuid():
        print("needs root: network namespaces")
        return 77
    folder = tempfile.mkdtemp(prefix="zs-two.")
    a, b = Relay("a", folder), Relay("b", folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        network(a, b)
        steps(a, b)
        return 0
    except SystemExit as e:
        if isinstance(e.code, str):
            for r in (a, b):
                if os.path.exists(r.log):
                    print(f"--- {r.name}", *open(r.log, encoding="utf-8").read().split("\n")[-15:], sep="\n")
        raise
    finally:
        for r in (a, b):
            r.end()
            run("ip", "netns", "del", r.space)
        shutil.rmtree(folder, ignore_errors=True)
