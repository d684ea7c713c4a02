#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""layer_standin.py: a slow, trusting estiba-layer for the store's unit tests: the same descriptors and report."""
import gzip, hashlib, io, json, os, stat, sys, tarfile


def report(doc):
    os.write(6, (json.dumps(doc) + "\n").encode())


def unpack():
    raw = open(3, "rb", closefd=False).read()
    data = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    if "--plain" not in sys.argv:
        os.write(5, data)
    os.fchdir(4)
    seen, made, content, entries = set(), [], 0, 0
    for m in tarfile.open(fileobj=io.BytesIO(data), mode="r:"):
        entries += 1
        name = os.path.normpath(m.name)
        parts = name.split("/")
        for i in range(1, len(parts)):
            parent = "/".join(parts[:i])
            if not os.path.isdir(parent):
                os.mkdir(parent, 0o755)
                made.append(parent)
        base = parts[-1]
        if "--plain" in sys.argv:
            tarfile.open(fileobj=io.BytesIO(data)).extract(m)
            continue
        if base == ".wh..wh..opq":
            os.setxattr("/".join(parts[:-1]) or ".", "trusted.overlay.opaque", b"y")
            continue
        if base.startswith(".wh."):
            os.mknod("/".join(parts[:-1] + [base[4:]]), stat.S_IFCHR, 0)
            continue
        seen.add(name)
        if m.isdir():
            os.makedirs(name, exist_ok=True)
        elif m.issym():
            os.symlink(m.linkname, name)
            continue
        elif m.islnk():
            os.link(m.linkname, name)
            continue
        else:
            with open(name, "wb") as f:
                f.write(tarfile.open(fileobj=io.BytesIO(data)).extractfile(m).read())
            content += m.size
        os.chown(name, m.uid, m.gid)
        os.chmod(name, m.mode)
        os.utime(name, (m.mtime, m.mtime))
    implied = [p for p in made if p not in seen]
    if "." not in seen:
        implied.insert(0, ".")
    report({"diff_id": "sha256:" + hashlib.sha256(data).hexdigest(), "digest": "sha256:" + hashlib.sha256(raw).hexdigest(),
            "size": len(raw), "tar_size": len(data), "entries": entries, "content_size": content, "implied": implied})


def pack():
    os.fchdir(4)
    out = io.BytesIO()
    tar = tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT)
    entries = 0
    for top, dirs, files in os.walk("."):
        dirs.sort()
        for name in sorted(dirs + files):
            path = os.path.join(top, name)[2:]
            st = os.lstat(path)
            entries += 1
            if stat.S_ISCHR(st.st_mode) and st.st_rdev == 0:
                tar.addfile(tarfile.TarInfo(os.path.join(top, ".wh." + name)[2:]))
            else:
                tar.add(path, recursive=False)
    tar.close()
    data = out.getvalue()
    os.write(5, data)
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    report({"diff_id": digest, "digest": digest, "size": len(data), "tar_size": len(data), "entries": entries, "content_size": 0})


try:
    {"unpack": unpack, "pack": pack}[sys.argv[1]]()
except Exception as e:
    report({"error": "stand-in: %s" % e})
    sys.exit(1)
