"""ARP requests from link addresses drawn at random: arpflood.py DEVICE NETWORK TARGET RATE SECONDS. NETWORK, A.B.C: the senders'
addresses are drawn from .3 to .250 in it; .1 and .2 are the relay and who must not be taken for another."""
import os
import socket
import sys
import time


def main(device, network, target, rate, seconds):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((device, 0))
    began, sent = time.monotonic(), 0
    while (now := time.monotonic()) - began < float(seconds):
        while sent < (now - began) * int(rate):
            mac = b"\x02" + os.urandom(5)
            own = "%s.%d" % (network, 3 + os.urandom(1)[0] % 248)
            sock.send(b"\xff" * 6 + mac + b"\x08\x06\0\x01\x08\0\x06\x04\0\x01" + mac + socket.inet_aton(own) +
                      b"\0" * 6 + socket.inet_aton(target) + b"\0" * 18)
            sent += 1
        time.sleep(0.001)


main(*sys.argv[1:])
