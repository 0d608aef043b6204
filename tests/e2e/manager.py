"""What a machine without systemd has in its place: systemctl, which runs units of ours by unit.py and leaves others alone.

The command inside hands its words through one FIFO and reads status and answer from another.
"""
import fnmatch
import os
import re
import shutil
import signal
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
COMMAND = r"""#!/bin/sh
exec 9>/run/manager/lock
flock 9
printf '%s\n' "$@" >/run/manager/ask
{ read -r status; cat; } </run/manager/answer
exit "$status"
"""


class Manager:
    def __init__(self, root, lab):
        self.root, self.lab, self.running = root, lab + "/units", {}
        os.makedirs(self.lab, exist_ok=True)
        os.mkdir(root + "/run/manager")
        for name in "ask", "answer":
            os.mkfifo(f"{root}/run/manager/{name}")
        self.place(root + "/usr/bin/systemctl", root + "/run/manager/systemctl")
        threading.Thread(target=self.serve, daemon=True).start()

    def place(self, command, ours):
        """Over the machine's own, which is kept beside it: the only part of it that needs no systemd is enable and disable."""
        shutil.copy(command, command + ".kept")
        with open(ours, "w") as out:
            out.write(COMMAND)
        os.chmod(ours, 0o755)
        subprocess.run(["mount", "--bind", ours, command], check=True)

    def serve(self):
        while True:
            with open(self.root + "/run/manager/ask") as ask:
                words = ask.read().split("\n")[:-1]
            try:
                status, text = self.do(words)
            except Exception as e:  # to be seen where the command was given
                status, text = 1, f"{type(e).__name__}: {e}\n"
            with open(self.root + "/run/manager/answer", "w") as answer:
                answer.write(f"{status}\n{text}")

    def do(self, words):
        now = "--now" in words
        verb, *names = [word for word in words if not word.startswith("--")]
        units = [name.removesuffix(".service") for name in names]
        if verb in ("enable", "disable"):
            done = subprocess.run(["chroot", self.root, "/usr/bin/env", "SYSTEMD_OFFLINE=1", "/usr/bin/systemctl.kept", verb, *names],
                                  capture_output=True, text=True)
            text = done.stdout + done.stderr
            verb = {"enable": "start", "disable": "stop"}[verb]
            if done.returncode or not now:
                return done.returncode, text
            return 0, text + self.do([verb, *names])[1]
        matching = [unit for unit in self.running for glob in units if fnmatch.fnmatch(unit, glob)]
        if verb == "start":
            return 0, "".join(self.start(unit) for unit in units if unit not in self.running)
        if verb == "stop":
            return 0, "".join(self.stop(unit) for unit in matching)
        if verb in ("restart", "try-restart"):
            which = matching if verb == "try-restart" else units
            return 0, "".join([self.stop(unit, False) for unit in matching] + [self.start(unit) for unit in which])
        if verb == "list-units":
            return 0, "".join(f"{unit}.service loaded active running\n" for unit in matching)
        if verb == "is-active":
            states = ["active" if unit in self.running else "inactive" for unit in units]
            return 3 if "inactive" in states else 0, "".join(state + "\n" for state in states)
        if verb in ("daemon-reload", "is-enabled", "preset", "--version"):
            return 0, ""
        raise ValueError(f"this test's systemctl knows no {verb}")

    def start(self, unit):
        template, _, instance = unit.partition("@")
        text = open(f"{self.root}/usr/lib/systemd/system/{template}@.service").read()
        before = re.findall(r"^Requires=(.*)@%i\.service$", text, re.M)
        lab = self.folder(unit, instance)
        log = f"{self.lab}/../log/{template}"
        done = subprocess.run(["/usr/bin/python3", HERE + "/ready.py", "30", log, "/usr/bin/python3", HERE + "/unit.py", self.root, instance, lab,
                               *before, template], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{unit} is not ready: " + "".join(open(log).readlines()[-5:]))
        self.running[unit] = int(done.stdout)
        return ""

    def folder(self, unit, instance):
        """What unit.py finds the instance's folders by."""
        lab = f"{self.lab}/{unit}"
        os.makedirs(lab, exist_ok=True)
        for name, path in ("state", f"/var/lib/zerostate/{instance}"), ("run", f"/run/zerostate/{instance}"), ("bpf", "/sys/fs/bpf"):
            os.makedirs(self.root + path, exist_ok=True)
            if not os.path.islink(f"{lab}/{name}"):
                os.symlink(self.root + path, f"{lab}/{name}")
        return lab

    def stop(self, unit, for_good=True):
        pid = self.running.pop(unit)
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + 20
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > end:
                raise RuntimeError(f"{unit} does not end")
            time.sleep(0.02)
        if for_good and unit.startswith("zs-controlplane@"):
            shutil.rmtree(f"{self.root}/run/zerostate/{unit.partition('@')[2]}", ignore_errors=True)
        return ""
