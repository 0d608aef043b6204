"""A client that asks a hundred times a second from one socket and says, second by second, how often it was answered.

heartbeat.py ADDRESS PORT → lines "SECOND SENT ANSWERED", each a second late; SECOND as date +%s says it"""
import socket
import struct
import sys
import time

GAP_S = 0.01

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((sys.argv[1], int(sys.argv[2])))
sock.setblocking(False)
sent, answered, said = {}, {}, int(time.time())
due = time.time()
while True:
    now = time.time()
    if now >= due:
        sock.send(struct.pack("!d", now) + bytes(24))
        sent[int(now)] = sent.get(int(now), 0) + 1
        due = max(due + GAP_S, now - 0.1)
    try:
        while True:
            at = int(struct.unpack("!d", sock.recv(100)[:8])[0])
            answered[at] = answered.get(at, 0) + 1
    except BlockingIOError:
        pass
    except ConnectionRefusedError:
        pass
    while said < int(now) - 1:
        print(said, sent.pop(said, 0), answered.pop(said, 0), flush=True)
        said += 1
    time.sleep(0.002)
