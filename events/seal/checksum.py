"""HighwayHash-64, the checksum that nats-server puts behind each record of a block file."""

from __future__ import annotations

import hashlib

import numpy as np
from numba import njit, uint64

KEY_BYTES = 32
PACKET_BYTES = 32
_LANES = 4
_FINAL_ROUNDS = 4
_MUL0 = np.array([0xDBE6D5D5FE4CCE2F, 0xA4093822299F31D0, 0x13198A2E03707344, 0x243F6A8885A308D3], np.uint64)
_MUL1 = np.array([0x3BD39E10CB0EF593, 0xC0ACF169B5F18A8C, 0xBE5466CF34E90C6C, 0x452821E638D01377], np.uint64)
_LOW = 0xFFFFFFFF


def key_of(stream: str, number: int) -> np.ndarray:
    """The key of one block file of a stream: uint64[4]."""
    return np.frombuffer(hashlib.sha256(f"{stream}-{number}".encode()).digest(), "<u8").copy()


@njit(cache=True, nogil=True)
def highway64(key: np.ndarray, data: np.ndarray) -> np.uint64:
    """The hash of uint8[n] under uint64[4]; github.com/google/highwayhash has the reference and its vectors."""
    state = np.empty((4, _LANES), np.uint64)  # v0, v1, mul0, mul1
    for i in range(_LANES):
        state[2, i], state[3, i] = _MUL0[i], _MUL1[i]
        state[0, i] = _MUL0[i] ^ key[i]
        state[1, i] = _MUL1[i] ^ _halves_swapped(key[i])
    lanes = np.empty(_LANES, np.uint64)
    whole = len(data) // PACKET_BYTES * PACKET_BYTES
    for at in range(0, whole, PACKET_BYTES):
        _fill(lanes, data[at : at + PACKET_BYTES])
        _update(state, lanes)
    if whole < len(data):
        _update_rest(state, lanes, data[whole:])
    for _ in range(_FINAL_ROUNDS):
        for i in range(_LANES):
            lanes[i] = _halves_swapped(state[0, (i + 2) % _LANES])
        _update(state, lanes)
    return state[0, 0] + state[1, 0] + state[2, 0] + state[3, 0]


@njit(cache=True, nogil=True)
def _halves_swapped(value: np.uint64) -> np.uint64:
    return (value >> uint64(32)) | (value << uint64(32))


@njit(cache=True, nogil=True)
def _fill(lanes: np.ndarray, packet: np.ndarray) -> None:
    for i in range(_LANES):
        lane = uint64(0)
        for j in range(8):
            lane |= uint64(packet[i * 8 + j]) << uint64(8 * j)
        lanes[i] = lane


@njit(cache=True, nogil=True)
def _update(state: np.ndarray, lanes: np.ndarray) -> None:
    v0, v1, mul0, mul1 = state[0], state[1], state[2], state[3]
    low, half = uint64(_LOW), uint64(32)
    for i in range(_LANES):
        v1[i] += mul0[i] + lanes[i]
        mul0[i] ^= (v1[i] & low) * (v0[i] >> half)
        v0[i] += mul1[i]
        mul1[i] ^= (v0[i] & low) * (v1[i] >> half)
    for i in (0, 2):
        _zipper(v0, v1, i)
    for i in (0, 2):
        _zipper(v1, v0, i)


@njit(cache=True, nogil=True)
def _zipper(to: np.ndarray, of: np.ndarray, i: int) -> None:
    """Add the bytes of two lanes of `of`, in a fixed disorder, to those of `to`."""
    low, high = of[i], of[i + 1]
    to[i] += (
        (((low & uint64(0xFF000000)) | (high & uint64(0xFF00000000))) >> uint64(24))
        | (((low & uint64(0xFF0000000000)) | (high & uint64(0xFF000000000000))) >> uint64(16))
        | (low & uint64(0xFF0000))
        | ((low & uint64(0xFF00)) << uint64(32))
        | ((high & uint64(0xFF00000000000000)) >> uint64(8))
        | (low << uint64(56))
    )
    to[i + 1] += (
        (((high & uint64(0xFF000000)) | (low & uint64(0xFF00000000))) >> uint64(24))
        | (high & uint64(0xFF0000))
        | ((high & uint64(0xFF0000000000)) >> uint64(16))
        | ((high & uint64(0xFF00)) << uint64(24))
        | ((low & uint64(0xFF000000000000)) >> uint64(8))
        | ((high & uint64(0xFF)) << uint64(48))
        | (low & uint64(0xFF00000000000000))
    )


@njit(cache=True, nogil=True)
def _update_rest(state: np.ndarray, lanes: np.ndarray, rest: np.ndarray) -> None:
    """The last packet, of 1 to 31 bytes."""
    size = len(rest)
    words = size // 4 * 4
    over = size % 4
    packet = np.zeros(PACKET_BYTES, np.uint8)
    packet[:words] = rest[:words]
    if size >= PACKET_BYTES // 2:
        packet[28:32] = rest[size - 4 :]
    elif over:
        packet[16] = rest[words]
        packet[17] = rest[words + over // 2]
        packet[18] = rest[size - 1]
    turn, back, low = uint64(size), uint64(32 - size), uint64(_LOW)
    for i in range(_LANES):
        state[0, i] += (turn << uint64(32)) + turn
        lower, upper = state[1, i] & low, state[1, i] >> uint64(32)
        lower = ((lower << turn) | (lower >> back)) & low
        upper = ((upper << turn) | (upper >> back)) & low
        state[1, i] = lower | (upper << uint64(32))
    _fill(lanes, packet)
    _update(state, lanes)
