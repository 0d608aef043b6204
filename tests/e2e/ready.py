#!/usr/bin/python3
"""Starts a program as a service manager does and waits until it says READY=1.

ready.py SECONDS LOG COMMAND…   prints the pid. Ends 0 (ready), with the program's own status
when it ends before that, or 124 (not ready in time; the program is killed). Reload and stop
messages after READY=1 are not listened to.
"""
import os
import select
import socket
import subprocess
import sys
import tempfile
import time


def main():
    limit, log, command = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
    folder = tempfile.mkdtemp(prefix="zs-ready.")
    path = folder + "/notify"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    try:
        with open(log, "ab") as out:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                     env={**os.environ, "NOTIFY_SOCKET": path}, start_new_session=True)
        print(child.pid, flush=True)
        return watch(child, listener, time.monotonic() + limit)
    finally:
        os.unlink(path)
        os.rmdir(folder)


def watch(child, listener, end):
    while time.monotonic() < end:
        if select.select([listener], [], [], 0.05)[0]:
            if "READY=1" in listener.recv(4096).decode(errors="replace").split("\n"):
                return 0
        if child.poll() is not None:
            return child.returncode if child.returncode > 0 else 128 - child.returncode
    child.kill()
    return 124


sys.exit(main())
