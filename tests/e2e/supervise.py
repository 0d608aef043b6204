#!/usr/bin/python3
"""A supervisor with a hammer: keeps a program running and kills it again and again.

supervise.py KILLS LOG CHECK COMMAND…
supervise.py --serve LOG COMMAND…

Starts COMMAND as a service manager does, waits for READY=1, then KILLS times: waits 100 to 400 ms,
kills it with SIGKILL, starts it at once and measures from the kill to READY=1. After each READY the
shell command CHECK runs with the number of the kill as argument; its failure ends the run. The last
process is left running. One JSON line at the end: pid, kills, milliseconds to READY. The seed is printed.

Descriptors that the program gives away (FDSTORE) are handed to its next life, as a service manager does.

--serve runs it until told to end, by lines on stdin, each answered by one JSON line on stdout: "start" (until
READY=1), "kill" (SIGKILL), "stop" (SIGTERM, waits for the end), "fds" (names of kept descriptors). The end of
stdin ends both.
"""
import array
import fcntl
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

LIMIT_S = 10.0  # no start may take longer: more than the test allows, to tell slow from dead


class Supervisor:
    def __init__(self, command, log):
        self.command, self.log = command, open(log, "ab")
        self.folder = tempfile.mkdtemp(prefix="zs-supervise.")
        self.path = self.folder + "/notify"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.listener.bind(self.path)
        self.child = None
        self.kept = []  # (name, descriptor)

    def close(self):
        for _, fd in self.kept:
            os.close(fd)
        self.listener.close()
        os.unlink(self.path)
        os.rmdir(self.folder)

    def start(self):
        """Kept descriptors are 3, 4, … of the child, whose pid LISTEN_PID must name: a shell makes both true."""
        env = {**os.environ, "NOTIFY_SOCKET": self.path}
        command = list(self.command)
        if self.kept:
            env |= {"LISTEN_FDS": str(len(self.kept)), "LISTEN_FDNAMES": ":".join(name for name, _ in self.kept)}
            moves = " ".join(f"{3 + i}<&{fd}" for i, (_, fd) in enumerate(self.high()))
            command = ["bash", "-c", f'export LISTEN_PID=$$; exec "$@" {moves}', "bash", *command]
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=env,
                                      start_new_session=True, pass_fds=[fd for _, fd in self.kept])

    def high(self):
        """The kept ones beyond any number that is moved to: none is overwritten before its own move."""
        for i, (name, fd) in enumerate(self.kept):
            if fd < 64:
                self.kept[i] = (name, fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64))
                os.close(fd)
        return self.kept

    def hear(self, lines, fds):
        """Of the descriptor store: what is kept, what is forgotten."""
        name = next((line[7:] for line in lines if line.startswith("FDNAME=")), "stored")
        if "FDSTORE=1" in lines:
            self.kept += [(name, fd) for fd in fds]
        else:
            for fd in fds:
                os.close(fd)
        if "FDSTOREREMOVE=1" in lines:
            for fd in [fd for kept, fd in self.kept if kept == name]:
                os.close(fd)
            self.kept = [(kept, fd) for kept, fd in self.kept if kept != name]

    def receive(self, wait_s):
        """One message: the sender's pid and its lines; (0, []) when none came."""
        if not select.select([self.listener], [], [], wait_s)[0]:
            return 0, []
        data, controls, _, _ = self.listener.recvmsg(4096, 1024)
        pid, fds = 0, []
        for _, kind, body in controls:
            if kind == socket.SCM_CREDENTIALS:
                pid = int.from_bytes(body[:4], "little")
            elif kind == socket.SCM_RIGHTS:
                fds += array.array("i", body[:len(body) // 4 * 4]).tolist()
        lines = data.decode(errors="replace").split("\n")
        self.hear(lines, fds)
        return pid, lines

    def wait_ready(self):
        """Messages of the process killed before may still lie in the socket: the sender's pid tells."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            pid, lines = self.receive(0.02)
            if pid == self.child.pid and "READY=1" in lines:
                return
            if self.child.poll() is not None:
                raise RuntimeError(f"ended by itself with status {self.child.returncode}")
        raise RuntimeError(f"not ready within {LIMIT_S} s")

    def drain(self):
        while self.receive(0)[1]:
            pass


def serve(log, command):
    """What each line on stdin asks for."""
    supervisor = Supervisor(command, log)
    try:
        for line in sys.stdin:
            word, answer, began = line.strip(), {}, time.monotonic()
            try:
                if word == "start":
                    supervisor.drain()
                    supervisor.start()
                    supervisor.wait_ready()
                    answer["pid"] = supervisor.child.pid
                elif word in ("kill", "stop"):
                    supervisor.child.send_signal(signal.SIGKILL if word == "kill" else signal.SIGTERM)
                    answer["status"] = supervisor.child.wait(LIMIT_S)
                supervisor.drain()
                answer |= {"ok": True, "fds": sorted(name for name, _ in supervisor.kept)}
            except (RuntimeError, subprocess.TimeoutExpired) as e:
                answer = {"ok": False, "error": str(e)}
            print(json.dumps(answer | {"ms": round((time.monotonic() - began) * 1000, 1)}), flush=True)
    finally:
        if supervisor.child and supervisor.child.poll() is None:
            supervisor.child.kill()
            supervisor.child.wait()
        supervisor.close()
    return 0


def main():
    if sys.argv[1] == "--serve":
        return serve(sys.argv[2], sys.argv[3:])
    kills, log, check, command = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
    seed = int(os.environ.get("SEED", time.time_ns() % 1000000))
    print(f"# seed {seed}", file=sys.stderr)
    rng = random.Random(seed)
    supervisor = Supervisor(command, log)
    took, n = [], 0
    try:
        supervisor.start()
        supervisor.wait_ready()
        for n in range(1, kills + 1):
            time.sleep(rng.uniform(0.1, 0.4))
            supervisor.child.send_signal(signal.SIGKILL)
            began = time.monotonic()
            supervisor.child.wait()
            supervisor.start()
            supervisor.wait_ready()
            took.append((time.monotonic() - began) * 1000)
            if subprocess.run(["bash", "-c", check, "check", str(n)], stdin=subprocess.DEVNULL, check=False).returncode:
                raise RuntimeError("the check after this kill failed")
    except RuntimeError as e:
        print(f"# kill {n}: {e}", file=sys.stderr)
        return 1
    finally:
        supervisor.close()
        took.sort()
        print(json.dumps({"pid": supervisor.child.pid if supervisor.child else 0, "kills": len(took),
                          "median_ms": round(took[len(took) // 2], 1) if took else 0,
                          "worst_ms": round(took[-1], 1) if took else 0}), flush=True)
    return 0


sys.exit(main())
