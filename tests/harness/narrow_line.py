"""A narrow, slow, lossy line between two TUN devices, for tests that run programs in network namespaces.

usage: narrow_line.py NEAR FAR KBIT DELAY_MS LOSS_PERCENT LARGEST SEED

Makes the devices NEAR and FAR, says "ready", then carries IP packets between them until its input ends: each direction
sends KBIT kilobits a second one packet after the other, a packet arrives DELAY_MS after it was sent, LOSS_PERCENT of them
are lost, and packets of more than LARGEST bytes vanish without a word.

On its input, "sent" is answered by the bytes that TCP connections have put into NEAR so far, repeated ones included. "cut"
drops what is under way and ends every TCP connection seen so far, as a modem does that dials again: packets of these are
answered by a reset. Standard library only.
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


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def tcp_of(packet):
    """The connection of an IPv4 packet and its TCP header; nothing where it is another packet."""
    if len(packet) < 20 or packet[0] >> 4 != 4 or packet[9] != 6:
        return None
    start = (packet[0] & 15) * 4
    header = packet[start : start + 20]
    if len(header) < 20:
        return None
    return frozenset([(packet[12:16], header[:2]), (packet[16:20], header[2:4])]), header


def reset_of(packet, header):
    """The packet that tells the sender of this one that its connection is gone."""
    tcp = bytearray(20)
    tcp[:4] = header[2:4] + header[:2]
    tcp[4:8] = header[8:12]  # What the sender waits for next.
    tcp[12], tcp[13] = 5 << 4, 0x04
    ends = packet[16:20] + packet[12:16]
    tcp[16:18] = struct.pack(">H", checksum(ends + bytes([0, 6, 0, 20]) + tcp))
    ip = bytearray(struct.pack(">BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + ends)
    ip[10:12] = struct.pack(">H", checksum(ip))
    return bytes(ip + tcp)


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
    sent = 0
    # Connections of now, and those that a cut has ended.
    living, dead = set(), set()
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
            word = sys.stdin.readline().strip()
            if not word:
                return
            if word == "cut":
                dead |= living
                living.clear()
                under_way.clear()
                for direction in leaves:
                    leaves[direction].clear()
                    free_at[direction] = 0.0
            print(sent, flush=True)
            continue
        now = time.monotonic()
        for device in readable:
            packet = os.read(device, 65536)
            tcp = tcp_of(packet)
            if tcp and tcp[0] in dead:
                # A reset is not answered by a reset.
                if not tcp[1][13] & 0x04:
                    os.write(device, reset_of(packet, tcp[1]))
                continue
            if tcp:
                living.add(tcp[0])
                if device == near:
                    sent += len(packet) - (packet[0] & 15) * 4 - (tcp[1][12] >> 4) * 4
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
