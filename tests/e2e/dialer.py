"""Dials a port again and again from many loopback addresses, as an attacker would: `dialer.py PORT RATE SECONDS [HELLO]`.

Each connection says nothing, or only the bytes of the file HELLO, and is held until there are too many of them. Prints
how many connections were made.
"""

import collections
import resource
import socket
import struct
import sys
import time

ADDRESSES = [f"127.9.0.{number}" for number in range(1, 33)]
HELD_SILENT, HELD_TALKING = 12_000, 32
BIND_ADDRESS_NO_PORT = 24  # IP_BIND_ADDRESS_NO_PORT


def main(port, rate, seconds, hello=b""):
    _, descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    held, made, begun = collections.deque(), 0, time.monotonic()
    most = HELD_TALKING if hello else min(HELD_SILENT, descriptors - 100)
    while (passed := time.monotonic() - begun) < seconds:
        if made > rate * passed:
            time.sleep(0.001)  # tidy: allow (it dials at a rate)
            continue
        dialed = socket.socket()
        dialed.setblocking(False)
        dialed.setsockopt(socket.SOL_IP, BIND_ADDRESS_NO_PORT, 1)
        dialed.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        dialed.bind((ADDRESSES[made % len(ADDRESSES)], 0))
        dialed.connect_ex(("127.0.0.1", port))
        if hello:
            try:
                dialed.send(hello)
            except OSError:  # the server's backlog is full
                pass
        held.append(dialed)
        made += 1
        if len(held) > most:
            held.popleft().close()
    print(made)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]),
         open(sys.argv[4], "rb").read() if len(sys.argv) > 4 else b"")
