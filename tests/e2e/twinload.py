"""A TCP session that lasts: serve ADDR PORT echoes; connect ADDR PORT sends a numbered line ten times a second and prints each that
comes back, in order. It ends with the session."""

import socket
import sys
import time


def serve(where):
    with socket.create_server(where) as listener:
        session, _ = listener.accept()
        while data := session.recv(4096):
            session.sendall(data)


def connect(where):
    with socket.create_connection(where, timeout=60) as session, session.makefile("r") as lines:
        n = 0
        while True:
            session.sendall(b"%d\n" % n)
            line = lines.readline()
            if line != "%d\n" % n:
                sys.exit("sent %d, got %r" % (n, line))
            print(n, flush=True)
            n += 1
            time.sleep(0.1)


if __name__ == "__main__":
    {"serve": serve, "connect": connect}[sys.argv[1]]((sys.argv[2], int(sys.argv[3])))
