#!/usr/bin/python3
"""Runs the commands of a transcript and holds what they say against what stands there.

tutorial.py kept DOCUMENT                   prints the commands above the line <!-- kept -->
tutorial.py prepare|run DOCUMENT DEBIAN LAB as process 1 of namespaces of its own: up to that line, in DEBIAN itself; or all, over it

In a block ```console a line that begins with "# " is a command, given to one bash (a backslash at its end goes on, and so does what
stands between two EOF), the lines after it are what it says, all of it. ‹text› stands for any text, a line … for any lines; spaces count as
one. A command may fail when the next one is `echo $?`.
"""
import os
import re
import subprocess
import sys
import time

import manager

KEPT = "<!-- kept -->"
URL = "https://git.example.org/zerostate-relay.git"
END = "\x01end "


class Step:
    def __init__(self, number, command):
        self.number, self.command, self.says = number, command, []

    def pattern(self):
        """What its output must match from end to end."""
        out = ""
        for line in self.says:
            if line.strip() == "…":
                out += r"(?:.*\n)*?"
            else:
                parts = re.split(r"‹[^›]*›", " ".join(line.split()))
                out += ".+?".join(re.escape(part) for part in parts) + r"\n"
        return out


def steps_of(document, kept_only):
    steps, inside = [], False
    for number, line in enumerate(open(document), 1):
        line = line.rstrip("\n")
        if line == KEPT and kept_only:
            return steps
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("# "):
            steps.append(Step(number, line[2:]))
        elif inside and steps[-1].command.endswith("\\"):
            steps[-1].command += "\n" + line
        elif inside:
            steps[-1].says.append(line)
    if kept_only:
        sys.exit(f"{document} has no line {KEPT}")
    return steps


def mount(*args):
    subprocess.run(["mount", *args], check=True)


class Machine:
    """A Debian with a shell in it."""

    def __init__(self, debian, lab, fresh):
        self.root, self.lab = lab + "/machine", lab
        mount("--make-rprivate", "/")
        os.makedirs(self.root, exist_ok=True)
        if fresh:
            mount("-t", "tmpfs", "tmpfs", self.make("over"))
            mount("-t", "overlay", "-o", f"lowerdir={debian},upperdir={self.make('over/up')},workdir={self.make('over/work')}",
                  "overlay", self.root)
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        else:
            mount("--bind", debian, self.root)
        self.mounts()
        self.manager = manager.Manager(self.root, lab)
        self.shell = self.bash()

    def make(self, name):
        os.makedirs(f"{self.lab}/{name}", exist_ok=True)
        return f"{self.lab}/{name}"

    def mounts(self):
        mount("-t", "proc", "proc", self.root + "/proc")
        mount("-t", "sysfs", "sysfs", self.root + "/sys")
        mount("-t", "bpf", "-o", "mode=0700", "bpf", self.root + "/sys/fs/bpf")
        for path, mode in ("/run", "0755"), ("/tmp", "1777"), ("/dev", "0755"):
            mount("-t", "tmpfs", "-o", "mode=" + mode, "tmpfs", self.root + path)
        for name in "null", "zero", "full", "random", "urandom", "tty", "net/tun":
            node = self.root + "/dev/" + name
            os.makedirs(os.path.dirname(node), exist_ok=True)
            open(node, "w").close()
            mount("--bind", "/dev/" + name, node)
        for name, kind, options in ("pts", "devpts", "newinstance,ptmxmode=0666,mode=0620"), ("shm", "tmpfs", "mode=1777"):
            os.mkdir(f"{self.root}/dev/{name}")
            mount("-t", kind, "-o", options, kind, f"{self.root}/dev/{name}")
        os.symlink("pts/ptmx", self.root + "/dev/ptmx")
        os.symlink("/proc/self/fd", self.root + "/dev/fd")
        mount("--bind", self.root + "/dev/shm", "/dev/shm")
        os.makedirs(self.root + "/run/systemd/system")  # what scripts ask to learn whether systemd runs
        os.mkdir(self.root + "/run/source.git")
        mount("--bind", self.lab + "/source.git", self.root + "/run/source.git")

    def bash(self):
        env = {"HOME": "/root", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TERM": "dumb",
               "DEBIAN_FRONTEND": "noninteractive", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "url./run/source.git.insteadOf",
               "GIT_CONFIG_VALUE_0": URL}
        shell = subprocess.Popen(["chroot", self.root, "bash", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 env=env, text=True, errors="replace", bufsize=1)
        shell.stdin.write("cd; shopt -s expand_aliases\n")
        return shell

    def run(self, command, status):
        """(what it says, its status); `status` is what $? is before it."""
        self.shell.stdin.write(f"(exit {status})\n{{ {command}\n}} </dev/null\necho '{END}'$?\n")
        said = ""
        for line in self.shell.stdout:
            before, end, after = line.partition(END)
            said += before
            if end:
                return said, int(after)
        sys.exit("the shell ended: " + said[-400:])


def perform(machine, steps):
    status = 0
    for step, after in zip(steps, steps[1:] + [None]):
        began = time.monotonic()
        said, status = machine.run(step.command, status)
        plain = "".join(" ".join(line.split()) + "\n" for line in said.splitlines())
        wrong = None if re.fullmatch(step.pattern(), plain) else "says something else"
        if status and not (after and after.command == "echo $?"):
            wrong = f"ends with status {status}"
        if wrong:
            sys.exit(f"line {step.number}: # {step.command}\n{wrong}:\n{said[-3000:]}\nin place of:\n" + "\n".join(step.says))
        print(f"# line {step.number}, {time.monotonic() - began:.1f} s: {step.command.splitlines()[0]}", flush=True)


def main():
    what, document, *rest = sys.argv[1:]
    steps = steps_of(document, what != "run")
    if what == "kept":
        print("\n".join(step.command for step in steps))
        return
    machine = Machine(*rest, fresh=what == "run")
    perform(machine, steps)
    if what == "prepare":
        machine.run("cd; rm -rf /root/*; apt-get clean", 0)
    print(f"# {len(steps)} commands")


main()
