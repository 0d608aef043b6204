"""loopdisk.py DEVICE BYTES: a loop device that ends after so many bytes: what lies beyond is an input/output error of the
kernel's. 0: all of it is there again, as it was."""
import fcntl
import os
import struct
import sys

LOOP_SET_STATUS64, LOOP_GET_STATUS64 = 0x4C04, 0x4C05  # linux/loop.h
INFO_BYTES, SIZELIMIT_AT = 232, 32  # struct loop_info64

fd = os.open(sys.argv[1], os.O_RDWR)
info = bytearray(INFO_BYTES)
fcntl.ioctl(fd, LOOP_GET_STATUS64, info)
struct.pack_into("Q", info, SIZELIMIT_AT, int(sys.argv[2]))
fcntl.ioctl(fd, LOOP_SET_STATUS64, bytes(info))
