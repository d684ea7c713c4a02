# SPDX-License-Identifier: Apache-2.0
"""Check programs of the small tier: static-pie (ET_DYN, no interpreter, no needed library), full RELRO, NX stack, stack protector."""

import struct
import sys

PT_DYNAMIC, PT_INTERP, PT_GNU_STACK, PT_GNU_RELRO = 2, 3, 0x6474E551, 0x6474E552
DT_NEEDED, DT_FLAGS, DT_FLAGS_1, DT_NULL = 1, 30, 0x6FFFFFFB, 0
DF_BIND_NOW, DF_1_NOW = 8, 1


def problems(path):
    data = open(path, "rb").read()
    if data[:6] != b"\x7fELF\x02\x01":
        return ["not a 64-bit little-endian ELF file"]
    kind = struct.unpack_from("<H", data, 16)[0]
    phoff, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    headers = [struct.unpack_from("<IIQQQQQQ", data, phoff + i * size) for i in range(count)]
    types = {h[0]: h for h in headers}
    out = []
    if kind != 3:
        out.append("not position independent (ET_DYN)")
    if PT_INTERP in types:
        out.append("has an interpreter: not static")
    if PT_GNU_RELRO not in types:
        out.append("no RELRO segment")
    if types.get(PT_GNU_STACK, (0, 1))[1] & 1:
        out.append("executable stack")
    dynamic = []
    if PT_DYNAMIC in types:
        at, length = types[PT_DYNAMIC][2], types[PT_DYNAMIC][5]
        dynamic = [struct.unpack_from("<qQ", data, at + i) for i in range(0, length, 16)]
    flags = dict(dynamic)
    if DT_NEEDED in flags:
        out.append("needs shared libraries")
    if not flags.get(DT_FLAGS, 0) & DF_BIND_NOW and not flags.get(DT_FLAGS_1, 0) & DF_1_NOW:
        out.append("RELRO is not full (no BIND_NOW)")
    if b"__stack_chk_fail" not in data:
        out.append("no stack protector")
    return out


bad = {p: problems(p) for p in sys.argv[1:]}
for path, list_ in bad.items():
    for text in list_:
        print(f"{path}: {text}")
sys.exit(any(bad.values()))
