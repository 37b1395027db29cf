"""A narrow, slow, lossy line between two TUN devices, for tests that run programs in network namespaces.

usage: narrow_line.py NEAR FAR KBIT DELAY_MS LOSS_PERCENT LARGEST SEED

Makes the devices NEAR and FAR, says "ready", then carries IP packets between them until its input ends: each direction
sends KBIT kilobits a second one packet after the other, a packet arrives DELAY_MS after it was sent, LOSS_PERCENT of them
are lost, and packets of more than LARGEST bytes vanish without a word. Standard library only.
"""

import collections
import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
# Packets of one direction that wait for their turn, some 5 s of them at 64 kbit/s: the short buffer of a modem. More are
# lost. With a long one TCP fills minutes, and both ends rightly give the other up.
WAITING_MAX = 30


def tun(name):
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    os.set_blocking(device, False)
    return device


def main():
    near, far = tun(sys.argv[1]), tun(sys.argv[2])
    kbit, delay, loss = float(sys.argv[3]), float(sys.argv[4]) / 1000, float(sys.argv[5]) / 100
    largest, dice = int(sys.argv[6]), random.Random(int(sys.argv[7]))
    print("ready", flush=True)
    ends = {near: far, far: near}
    free_at = {near: 0.0, far: 0.0}
    # When each packet that was taken has left, by direction.
    leaves = {near: collections.deque(), far: collections.deque()}
    under_way = []
    count = 0
    while True:
        now = time.monotonic()
        while under_way and under_way[0][0] <= now:
            _, _, to, packet = heapq.heappop(under_way)
            try:
                os.write(to, packet)
            except OSError:
                pass  # The device is not up yet, or not any more: lost.
        wait = max(0.0, under_way[0][0] - now) if under_way else None
        readable, _, _ = select.select([near, far, sys.stdin], [], [], wait)
        if sys.stdin in readable:
            return
        now = time.monotonic()
        for device in readable:
            packet = os.read(device, 65536)
            lost = dice.random() < loss
            waiting = leaves[device]
            while waiting and waiting[0] <= now:
                waiting.popleft()
            if lost or len(packet) > largest or len(waiting) >= WAITING_MAX:
                continue
            free_at[device] = max(now, free_at[device]) + len(packet) * 8 / (kbit * 1000)
            waiting.append(free_at[device])
            count += 1
            heapq.heappush(under_way, (free_at[device] + delay, count, ends[device], packet))


main()
