"""HighwayHash-64, the checksum that nats-server puts behind each record of a block file, of many records at once.

A record's packets are hashed one behind the other, so numpy goes through all records side by side: packet k of each in
one step. Nothing is compiled, and the process that seals needs no compiler.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

PACKET_BYTES = 32
_WORD_BYTES = 4
_LANES = 4
_FINAL_ROUNDS = 4
_MUL0 = np.array([0xDBE6D5D5FE4CCE2F, 0xA4093822299F31D0, 0x13198A2E03707344, 0x243F6A8885A308D3], "<u8")
_MUL1 = np.array([0x3BD39E10CB0EF593, 0xC0ACF169B5F18A8C, 0xBE5466CF34E90C6C, 0x452821E638D01377], "<u8")
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_ZIPPER = np.array([3, 12, 2, 5, 14, 1, 15, 0, 11, 4, 10, 13, 9, 6, 8, 7])  # bytes of two lanes, in a fixed disorder


def key_of(stream: str, number: int) -> np.ndarray:
    """The key of one block file of a stream: uint64[4]."""
    return np.frombuffer(hashlib.sha256(f"{stream}-{number}".encode()).digest(), "<u8").copy()


def highway64(key: np.ndarray, records: Sequence[bytes]) -> np.ndarray:
    """Their hashes under uint64[4]: uint64[n]; github.com/google/highwayhash has the reference and its vectors."""
    sizes = np.array([len(record) for record in records], np.int64)
    order = np.argsort(-(sizes // PACKET_BYTES), kind="stable")  # longest first: who goes on is always in front
    padded = b"".join(records[at] + bytes(-len(records[at]) % PACKET_BYTES) for at in order)
    packets = np.frombuffer(padded, "<u8").reshape(-1, _LANES)
    sizes = sizes[order]
    ends = np.cumsum(-(-sizes // PACKET_BYTES))  # behind the last packet of each, padded ones counted
    state = _begun(key, len(records))
    _whole_packets(state, packets, sizes // PACKET_BYTES, ends - -(-sizes // PACKET_BYTES))
    _rests(state, packets, sizes % PACKET_BYTES, ends)
    for _ in range(_FINAL_ROUNDS):
        state.update(_halves_swapped(state.v0[:, [2, 3, 0, 1]]))
    found = np.empty(len(records), "<u8")
    found[order] = state.v0[:, 0] + state.v1[:, 0] + state.mul0[:, 0] + state.mul1[:, 0]
    return found


class _State:
    """What the hash carries from packet to packet of n records: uint64[n, 4] each."""

    def __init__(self, v0: np.ndarray, v1: np.ndarray, mul0: np.ndarray, mul1: np.ndarray) -> None:
        self.v0, self.v1, self.mul0, self.mul1 = v0, v1, mul0, mul1
        self._one, self._other = np.empty_like(v0), np.empty_like(v0)  # to reckon in
        of_two = (len(v0), 2, len(_ZIPPER))
        self._bytes0, self._bytes1, self._bytes = (x.view(np.uint8).reshape(of_two) for x in (v0, v1, self._one))

    def some(self, at: np.ndarray | slice) -> _State:
        """The state of some of them: of a slice the same memory, else a copy."""
        return _State(self.v0[at], self.v1[at], self.mul0[at], self.mul1[at])

    def put(self, at: np.ndarray, of: _State) -> None:
        """Take back the copy that `some` gave."""
        self.v0[at], self.v1[at], self.mul0[at], self.mul1[at] = of.v0, of.v1, of.mul0, of.mul1

    def update(self, lanes: np.ndarray) -> None:
        """Take one packet of each in: uint64[n, 4]. The calls are few and give no new arrays: each costs its time."""
        v0, v1, one = self.v0, self.v1, self._one
        np.add(v1, self.mul0, v1)
        np.add(v1, lanes, v1)
        self._multiplied(v1, v0)
        np.bitwise_xor(self.mul0, one, self.mul0)
        np.add(v0, self.mul1, v0)
        self._multiplied(v0, v1)
        np.bitwise_xor(self.mul1, one, self.mul1)
        self._bytes1.take(_ZIPPER, 2, self._bytes, "clip")
        np.add(v0, one, v0)
        self._bytes0.take(_ZIPPER, 2, self._bytes, "clip")
        np.add(v1, one, v1)

    def _multiplied(self, low: np.ndarray, high: np.ndarray) -> None:
        """The lower halves of one times the upper halves of the other."""
        np.bitwise_and(low, _LOW, self._one)
        np.right_shift(high, _HALF, self._other)
        np.multiply(self._one, self._other, self._one)

    def turn(self, sizes: np.ndarray) -> None:
        """Mix the sizes of the last packets in: uint64[n], 1 to 31."""
        turn = sizes[:, None]
        self.v0 += (turn << _HALF) + turn
        halves = (self.v1 & _LOW, self.v1 >> _HALF)
        lower, upper = (((half << turn) | (half >> (_HALF - turn))) & _LOW for half in halves)
        self.v1[:] = lower | (upper << _HALF)


def _begun(key: np.ndarray, count: int) -> _State:
    starts = (_MUL0 ^ key, _MUL1 ^ _halves_swapped(key), _MUL0, _MUL1)
    return _State(*(np.tile(start, (count, 1)) for start in starts))


def _whole_packets(state: _State, packets: np.ndarray, counts: np.ndarray, firsts: np.ndarray) -> None:
    done = 0
    for count in range(len(counts), 0, -1):
        if counts[count - 1] == done:
            continue
        going, lanes, places = state.some(slice(count)), np.empty((count, _LANES), "<u8"), firsts[:count] + done
        for _ in range(done, counts[count - 1]):
            packets.take(places, 0, lanes, "clip")
            going.update(lanes)
            places += 1
        done = int(counts[count - 1])


def _rests(state: _State, packets: np.ndarray, sizes: np.ndarray, ends: np.ndarray) -> None:
    """The last packet of each that has one of 1 to 31 bytes."""
    at = np.flatnonzero(sizes)
    sizes, rows = sizes[at], np.arange(len(at))
    rests = packets[ends[at] - 1].view(np.uint8)
    words, over = sizes // _WORD_BYTES * _WORD_BYTES, sizes % _WORD_BYTES
    packet = np.where(np.arange(PACKET_BYTES) < words[:, None], rests, np.uint8(0))
    long = np.flatnonzero(sizes >= PACKET_BYTES // 2)
    for byte in range(_WORD_BYTES):
        packet[long, PACKET_BYTES - _WORD_BYTES + byte] = rests[long, sizes[long] - _WORD_BYTES + byte]
    short = np.flatnonzero((sizes < PACKET_BYTES // 2) & (over > 0))
    for byte, place in enumerate((words, words + over // 2, sizes - 1)):
        packet[short, PACKET_BYTES // 2 + byte] = rests[rows[short], place[short]]
    resting = state.some(at)
    resting.turn(sizes.astype(np.uint64))
    resting.update(packet.view("<u8"))
    state.put(at, resting)


def _halves_swapped(lanes: np.ndarray) -> np.ndarray:
    return np.asarray((lanes >> _HALF) | (lanes << _HALF))
