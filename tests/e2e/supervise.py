#!/usr/bin/python3
"""A supervisor with a hammer: keeps a program running and kills it again and again.

supervise.py KILLS LOG CHECK COMMAND…

Starts COMMAND as a service manager does, waits for READY=1, then KILLS times: waits 100 to 400 ms,
kills it with SIGKILL, starts it at once and measures from the kill to READY=1. After each READY the
shell command CHECK runs with the number of the kill as argument; its failure ends the run. The last
process is left running. One JSON line at the end: pid, kills, milliseconds to READY. The seed is printed.
"""
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

    def close(self):
        self.listener.close()
        os.unlink(self.path)
        os.rmdir(self.folder)

    def start(self):
        self.child = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                      env={**os.environ, "NOTIFY_SOCKET": self.path}, start_new_session=True)

    def wait_ready(self):
        """Messages of the process killed before may still lie in the socket: the sender's pid tells."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            if select.select([self.listener], [], [], 0.02)[0]:
                data, controls, _, _ = self.listener.recvmsg(4096, 128)
                pid = next((int.from_bytes(c[2][:4], "little") for c in controls
                            if c[1] == socket.SCM_CREDENTIALS), 0)
                if pid == self.child.pid and "READY=1" in data.decode(errors="replace").split("\n"):
                    return
            if self.child.poll() is not None:
                raise RuntimeError(f"ended by itself with status {self.child.returncode}")
        raise RuntimeError(f"not ready within {LIMIT_S} s")


def main():
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
