"""What the end-to-end tests in Python say and wait for."""
import time


def ok(text):
    print(f"ok {text}", flush=True)


def check(what, good, got=""):
    if not good:
        raise SystemExit(f"FAILED: {what}: {got}")


def wait_for(what, true, seconds=10.0):
    """Until true() gives something; that."""
    end = time.monotonic() + seconds
    while not (got := true()):
        check(what, time.monotonic() < end, f"not within {seconds} s")
        time.sleep(0.05)
    return got


def inside(space):
    """The words before a command that runs in the network namespace."""
    return ("nsenter", f"--net=/run/netns/{space}", "--")
