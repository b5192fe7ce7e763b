"""Reads the tensors of a TensorFlow V2 checkpoint without TensorFlow.

A checkpoint is two files. The `.index` is a table in LevelDB's format (sorted, keys sharing
prefixes with their predecessors, here uncompressed): the key is a variable's name, the value a
protobuf message BundleEntryProto that says where the tensor lies in the `.data-00000-of-00001`
file, which is raw little-endian numbers. Only unpartitioned, single-file checkpoints are read.

Sources: LevelDB doc/table_format.md; tensorflow/core/protobuf/tensor_bundle.proto.

The checksums inside are not verified (CRC-32C is slow in plain Python): whoever calls this has
checked the SHA-256 of the whole archive that the files came in.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens_bridge.errors import StemlensError

MAGIC = 0xDB4775248B80FB57
FOOTER = 48  # bytes: two block handles, padding, magic number
DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}  # tensorflow/core/framework/types.proto


def read(index: bytes, data: bytes) -> dict[str, NDArray[Any]]:
    """All tensors by variable name, as read-only views of `data`.

    Raises StemlensError (weights_damaged) on anything that is not such a checkpoint.
    """
    try:
        if int.from_bytes(index[-8:], "little") != MAGIC or len(index) < FOOTER:
            raise ValueError("the index is not a table")
        footer = index[-FOOTER:]
        _, at = _handle(footer, 0)  # the metaindex, of no use here
        root, _ = _handle(footer, at)
        tensors = {}
        for _, value in _block(index, root):
            leaf, _ = _handle(value, 0)
            for key, entry in _block(index, leaf):
                if key:  # the empty key holds the header
                    tensors[key.decode()] = _tensor(entry, data)
        return tensors
    except (ValueError, IndexError, struct.error) as error:
        raise StemlensError(
            "weights_damaged",
            f"The TensorFlow checkpoint cannot be read ({error}). Fetch its archive again.",
        ) from error


def _varint(buffer: bytes, at: int) -> tuple[int, int]:
    """The base-128 number at `at`, and where it ends."""
    value = shift = 0
    while True:
        byte = buffer[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _handle(buffer: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = _varint(buffer, at)
    size, at = _varint(buffer, at)
    return (offset, size), at


def _block(table: bytes, handle: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of one block."""
    offset, size = handle
    block = table[offset : offset + size]
    if len(block) < size or table[offset + size] != 0:  # the byte behind it: compression
        raise ValueError("a block is cut off or compressed")
    (restarts,) = struct.unpack_from("<I", block, size - 4)
    end = size - 4 * (restarts + 1)
    if end < 0:
        raise ValueError("a block has more restart points than bytes")
    key, at = b"", 0
    while at < end:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or at + fresh + length > end:
            raise ValueError("an entry reaches beyond its block")
        key = key[:shared] + block[at : at + fresh]
        at += fresh + length
        yield key, block[at - length : at]


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of a protobuf message's fields."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
        elif wire in (2, 5):
            size, at = _varint(message, at) if wire == 2 else (4, at)
            if at + size > len(message):
                raise ValueError("a field reaches beyond its message")
            yield number, message[at : at + size]
            at += size
        else:
            raise ValueError(f"unexpected protobuf wire type {wire}")


def _tensor(entry: bytes, data: bytes) -> NDArray[Any]:
    """The tensor that a BundleEntryProto describes: 1 dtype, 2 shape, 3 shard, 4 offset, 5 size."""
    values: dict[int, int] = {}
    shape: list[int] = []
    for number, value in _fields(entry):
        if isinstance(value, int):
            values[number] = value
        elif number == 2:
            for part, dimension in _fields(value):
                if part == 2 and isinstance(dimension, bytes):
                    # proto3 leaves out zeros, so a dimension without a size is 0
                    sizes = [size for field, size in _fields(dimension) if field == 1]
                    shape.append(int(sizes[0]) if sizes else 0)
        elif number == 7:
            raise ValueError("a tensor is stored in slices")
    if values.get(1) not in DTYPES or values.get(3, 0) != 0:
        raise ValueError("a tensor is of an unknown type or in another file")
    dtype = np.dtype(DTYPES[values[1]])
    offset, count = values.get(4, 0), math.prod(shape)
    if count * dtype.itemsize != values.get(5, 0) or offset + values.get(5, 0) > len(data):
        raise ValueError("a tensor reaches beyond the data or its size does not fit its shape")
    return np.frombuffer(data, dtype, count, offset).reshape(shape)
