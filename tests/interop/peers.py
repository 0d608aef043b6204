"""Drives the peers of other languages: README.md says what they understand."""
import json
import os
import select
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = ("js", "go", "rust")


class Refused(Exception):
    """The peer answered a command with an error; its text."""


def build(kind):
    """The program of a peer, built if need be. Ends the process with 77 and the reason if it cannot be had."""
    done = subprocess.run([os.path.join(HERE, "build"), kind], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout.strip()


class Peer:
    """A running peer. Usable in a with statement, which ends the process."""

    def __init__(self, kind, *arguments, wrap=(), log=None):
        """wrap: a command to start it with, such as nsenter; log: where its stderr goes."""
        self.kind = kind
        self.process = subprocess.Popen([*wrap, build(kind), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask(self, do, timeout_ms=120_000, **rest):
        """One command and its answer; Refused if that is an error."""
        line = json.dumps({"do": do, "timeout_ms": timeout_ms, **rest})
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], timeout_ms / 1000 + 10)[0]:
            raise TimeoutError(f"{self.kind}: no answer to {line}")
        got = self.process.stdout.readline()
        if not got:
            raise EOFError(f"{self.kind}: ended at {line}")
        answer = json.loads(got)
        if not answer.pop("ok"):
            raise Refused(answer["error"])
        return answer
