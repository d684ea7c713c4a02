# SPDX-License-Identifier: Apache-2.0
"""estiba-layer: real trees there and back, overlays, and archives that mean harm."""
import fcntl, gzip, hashlib, io, json, os, shutil, stat, subprocess, tarfile, tempfile, time

import pytest

BIN = os.environ.get("ESTIBA_BIN") or os.path.join(os.path.dirname(__file__), "../../build/src/bin")
LAYER = os.path.join(BIN, "estiba-layer")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners, devices, trusted xattrs")


def layer(args, stdin=None, dir=None, out=None, lowers=()):
    """Run with descriptors 3 (bytes or a file), 4, 5, 6, 7…; the report and the bytes of descriptor 5."""
    source = None
    if stdin is not None:
        source = tempfile.TemporaryFile()
        source.write(stdin)
        source.seek(0)
    wants_out = out if out is not None else args[0] in ("pack", "compress")
    target = tempfile.TemporaryFile() if wants_out else None
    read_end, write_end = os.pipe()
    fds = {6: write_end}
    if source:
        fds[3] = source.fileno()
    if dir is not None:
        fds[4] = os.open(dir, os.O_RDONLY | os.O_DIRECTORY)
    if target:
        fds[5] = target.fileno()
    for i, low in enumerate(lowers):
        fds[7 + i] = os.open(low, os.O_PATH | os.O_DIRECTORY)
    high = {to: fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for to, fd in fds.items()}

    def place():
        for to, fd in high.items():
            os.dup2(fd, to)
        for fd in range(3, 200):
            if fd not in high:
                try:
                    os.close(fd)
                except OSError:
                    pass

    p = subprocess.Popen([LAYER, *args], preexec_fn=place, close_fds=False, stderr=subprocess.PIPE)
    for fd in high.values():
        os.close(fd)
    os.close(write_end)
    with os.fdopen(read_end) as f:
        text = f.read()
    err = p.communicate()[1].decode()
    assert text, f"no report: {p.returncode} {err}"
    report = json.loads(text)
    assert p.returncode == (1 if "error" in report else 0), err
    body = None
    if target:
        target.seek(0)
        body = target.read()
    return report, body


def entry(name, type=tarfile.REGTYPE, data=b"", **kw):
    t = tarfile.TarInfo(name)
    t.type = type
    t.size = len(data)
    t.mode = kw.pop("mode", 0o755 if type == tarfile.DIRTYPE else 0o644)
    for k, v in kw.items():
        setattr(t, k, v)
    return t, data


def archive(*entries, format=tarfile.PAX_FORMAT):
    b = io.BytesIO()
    with tarfile.open(fileobj=b, mode="w", format=format) as t:
        for info, data in entries:
            t.addfile(info, io.BytesIO(data))
    return b.getvalue()


def snapshot(root, whiteouts=False):
    """Everything that a tree is, by path."""
    seen, inodes = {}, {}
    for base, dirs, files in os.walk(root):
        for name in sorted(dirs + files):
            p = os.path.join(base, name)
            st = os.lstat(p)
            rel = os.path.relpath(p, root)
            what = [stat.S_IFMT(st.st_mode), st.st_mode & 0o7777, st.st_uid, st.st_gid, int(st.st_mtime)]
            if stat.S_ISREG(st.st_mode):
                what.append(hashlib.sha256(open(p, "rb").read()).hexdigest())
                if st.st_nlink > 1:
                    what.append(inodes.setdefault(st.st_ino, rel))
            elif stat.S_ISLNK(st.st_mode):
                what.append(os.readlink(p))
            elif stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode):
                what.append(st.st_rdev)
            what.append({k: os.getxattr(p, k, follow_symlinks=False) for k in os.listxattr(p, follow_symlinks=False)})
            seen[rel] = what
    return seen


@pytest.fixture
def tree(tmp_path):
    """A bit of everything, besides real files."""
    root = tmp_path / "tree"
    shutil.copytree("/usr/share/doc/bash" if os.path.isdir("/usr/share/doc/bash") else "/etc", root / "real", symlinks=True)
    (root / "d").mkdir()
    (root / "d" / "file").write_bytes(b"x" * 100000)
    os.chown(root / "d" / "file", 1234, 4321)
    os.chmod(root / "d" / "file", 0o6755)
    os.link(root / "d" / "file", root / "hard")
    os.symlink("../../../etc/passwd", root / "d" / "link")
    os.mknod(root / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mkfifo(root / "pipe")
    os.chmod(root / "d", 0o1777)
    (root / ("long-" * 40)).write_text("long")
    (root / "ümläut").write_text("utf-8")
    (root / "empty").touch()
    os.setxattr(root / "d" / "file", "user.note", b"a\0b")
    os.setxattr(root / "empty", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    for p in [root / "d", root / "real", root / "d" / "file"]:
        os.utime(p, (1000000000, 1000000000))
    return root


def test_tree_there_and_back(tree, tmp_path):
    report, tar = layer(["pack"], dir=tree)
    assert report["diff_id"] == "sha256:" + hashlib.sha256(tar).hexdigest()
    assert report["tar_size"] == len(tar)
    assert layer(["pack"], dir=tree)[1] == tar, "the same tree gives the same bytes"
    for packed in (tar, gzip.compress(tar)):
        out = tmp_path / hashlib.md5(packed).hexdigest()
        out.mkdir()
        back, copy = layer(["unpack"], stdin=packed, dir=out, out=True)
        assert copy == tar
        assert back["diff_id"] == report["diff_id"] and back["size"] == len(packed)
        assert back["digest"] == "sha256:" + hashlib.sha256(packed).hexdigest()
        assert back["entries"] == report["entries"] and back["content_size"] == report["content_size"]
        assert back["implied"] == ["."]
        assert snapshot(out) == snapshot(tree)


def test_other_readers_agree(tree, tmp_path):
    _, tar = layer(["pack"], dir=tree)
    out = tmp_path / "gnu"
    out.mkdir()
    subprocess.run(["tar", "-x", "-p", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-C", out], input=tar, check=True)
    assert snapshot(out) == snapshot(tree)


@pytest.mark.parametrize("format", ["gnu", "pax", "ustar", "v7"])
def test_other_writers(tmp_path, format):
    src = tmp_path / "src"
    shutil.copytree("/usr/share/doc/tar" if os.path.isdir("/usr/share/doc/tar") else "/etc/apt", src, symlinks=True)
    with open(src / "sparse", "wb") as f:
        f.seek(5 << 20)
        f.write(b"end")
        f.truncate(6 << 20)
    os.utime(src / "sparse", (1, 1))
    sparse = ["-S"] if format in ("gnu", "pax") else []
    tar = subprocess.run(["tar", "-c", f"--format={format}", *sparse, "-C", src, "."], stdout=subprocess.PIPE, check=True).stdout
    out = tmp_path / "out"
    out.mkdir()
    report, _ = layer(["unpack"], stdin=tar, dir=out)
    assert "error" not in report, report
    assert snapshot(out) == snapshot(src)
    if sparse:
        assert os.stat(out / "sparse").st_blocks * 512 < 1 << 20


def unpack(tmp_path, *entries, args=(), name="out", **kw):
    out = tmp_path / name
    out.mkdir(exist_ok=True)
    return layer(["unpack", *args], stdin=archive(*entries, **kw), dir=out)[0], out


def test_names_that_leave(tmp_path):
    (tmp_path / "victim").write_text("safe")
    for name in ("../victim", "a/../../victim", "../../../../../../etc/estiba-evil"):
        report, out = unpack(tmp_path, entry(name, data=b"evil"))
        assert "outside of the root" in report["error"]
    report, out = unpack(tmp_path, entry("/abs/file", data=b"in"), entry("a/../b", data=b"b"))
    assert "error" not in report and (out / "abs/file").read_text() == "in" and (out / "b").exists()
    assert (tmp_path / "victim").read_text() == "safe"


def test_symlinks_that_leave(tmp_path):
    (tmp_path / "victim").mkdir()
    for n, target in enumerate(("../victim", "/../victim", str(tmp_path / "victim"))):
        report, out = unpack(tmp_path, entry("l", tarfile.SYMTYPE, linkname=target), entry("l/evil", data=b"x"), name=f"o{n}")
        assert list((tmp_path / "victim").iterdir()) == []
    # a link inside is followed, as below a chroot
    report, out = unpack(tmp_path, entry("usr/lib", tarfile.DIRTYPE), entry("lib", tarfile.SYMTYPE, linkname="/usr/lib"),
                         entry("lib/x", data=b"x"))
    assert (out / "usr/lib/x").read_text() == "x" and report["implied"] == [".", "usr"]


def test_a_file_is_not_written_through_a_link(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("safe")
    report, out = unpack(tmp_path, entry("f", tarfile.SYMTYPE, linkname=str(victim)), entry("f", data=b"new"))
    assert victim.read_text() == "safe" and (out / "f").read_text() == "new" and not (out / "f").is_symlink()


def test_hard_links_that_leave(tmp_path):
    (tmp_path / "victim").write_text("safe")
    rows = [("../victim", "outside of the root"), ("victim", "no victim before it"), ("/etc/passwd", "no etc/passwd before it"),
            ("d", "is a directory"), (".", "its target is the root"), ("h", "its own target")]
    for n, (target, want) in enumerate(rows):
        report, _ = unpack(tmp_path, entry("d", tarfile.DIRTYPE), entry("h", tarfile.LNKTYPE, linkname=target), name=f"o{n}")
        assert want in report["error"], (target, report)
    report, out = unpack(tmp_path, entry("s", tarfile.SYMTYPE, linkname="../victim"), entry("h", tarfile.LNKTYPE, linkname="s"))
    assert os.readlink(out / "h") == "../victim", "the link itself is linked, not what it points to"


def test_whiteouts(tmp_path):
    report, out = unpack(tmp_path, entry("d", tarfile.DIRTYPE), entry("d/.wh.gone"), entry("o", tarfile.DIRTYPE),
                         entry("o/.wh..wh..opq"), entry(".wh..wh.plnk"), entry("stays", data=b"x"), entry(".wh.stays"),
                         entry(".wh.new"), entry("new", tarfile.DIRTYPE))
    assert "error" not in report, report
    st = os.lstat(out / "d/gone")
    assert stat.S_ISCHR(st.st_mode) and st.st_rdev == 0
    assert os.getxattr(out / "o", "trusted.overlay.opaque") == b"y"
    assert (out / "stays").read_text() == "x" and sorted(os.listdir(out)) == ["d", "new", "o", "stays"]
    assert os.getxattr(out / "new", "trusted.overlay.opaque") == b"y"
    for name in (".wh.", ".wh..", ".wh...", "d/.wh..."):
        report, _ = unpack(tmp_path, entry(name), name="bad")
        assert "names nothing" in report["error"], name


def test_orders_to_overlayfs_are_dropped(tmp_path):
    x = {"SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.user.overlay.opaque": "y",
         "SCHILY.xattr.security.selinux": "evil", "SCHILY.xattr.user.ok": "1"}
    report, out = unpack(tmp_path, entry("d", tarfile.DIRTYPE, pax_headers=x),
                         entry("c", tarfile.CHRTYPE, devmajor=0, devminor=0))
    assert "error" not in report and report["dropped"] == 4, report
    assert os.listxattr(out / "d") == ["user.ok"] and not os.path.lexists(out / "c")


def test_limits(tmp_path):
    bomb = gzip.compress(archive(entry("zeros", data=bytes(20 << 20))))
    report, _ = layer(["unpack", "--max-size", "10m"], stdin=bomb, dir=tmp_path)
    assert "larger than the maximum of 10485760 bytes" in report["error"] and report["class"] == "limit"
    report, _ = unpack(tmp_path, *[entry(f"f{i}") for i in range(11)], args=["--max-entries", "10"])
    assert report["error"] == "more than 10 entries"
    report, _ = unpack(tmp_path, entry("a/" * 3000 + "b"))
    assert "too long" in report["error"]
    report, _ = unpack(tmp_path, entry("n" * 300))
    assert "File name too long" in report["error"]


def test_damaged(tmp_path):
    tar = archive(entry("f", data=b"x" * 5000), entry("g"))
    for packed in (tar, gzip.compress(tar)):
        for cut in (1, 100, len(packed) // 2):
            report, _ = layer(["unpack"], stdin=packed[:cut], dir=tmp_path)
            assert "error" in report, cut
    report, _ = layer(["unpack"], stdin=b"#!/bin/sh\n" * 100, dir=tmp_path)
    assert "not a tar archive" in report["error"]
    report, _ = layer(["unpack"], stdin=gzip.compress(tar) + b"more", dir=tmp_path)
    assert "something else follows" in report["error"]
    report, _ = layer(["unpack"], stdin=b"", dir=tmp_path)
    assert report["entries"] == 0


def test_no_extract(tmp_path):
    tar = archive(entry("f", data=b"x" * 5000))
    report, copy = layer(["unpack", "--no-extract"], stdin=gzip.compress(tar), out=True)
    assert copy == tar and report["entries"] == 1 and report["content_size"] == 5000 and report["compression"] == "gzip"


def test_plain(tmp_path):
    out = tmp_path / "out"
    (out / "in/dir").mkdir(parents=True)
    (out / "in/file").write_text("old")
    os.symlink("/in", out / "way")
    report, _ = unpack(tmp_path, entry(".wh.x", data=b"1"), entry("file", data=b"new"), entry("dir", tarfile.DIRTYPE, mode=0o700),
                       args=["--plain", "--subdir", "/way", "--chown", "77:88"])
    assert "error" not in report, report
    assert (out / "in/.wh.x").read_text() == "1" and (out / "in/file").read_text() == "new"
    assert os.stat(out / "in/file").st_uid == 77 and os.stat(out / "in/dir").st_gid == 88
    report, _ = unpack(tmp_path, entry("dir", data=b""), args=["--plain", "--subdir", "in", "--no-overwrite-dir-non-dir"])
    assert report["error"] == 'cannot overwrite directory "/in/dir" with non-directory "/in"'
    report, _ = unpack(tmp_path, entry("x", uid=5, gid=6), args=["--plain", "--uidmap", "0:100000:65536", "--gidmap", "0:200000:65536"])
    assert os.stat(out / "x").st_uid == 100005 and os.stat(out / "x").st_gid == 200006


def test_missing_parents_below_an_entry(tmp_path):
    report, out = unpack(tmp_path, entry("a", tarfile.DIRTYPE), entry("a/b/c/f", data=b"x"), entry("a/b/d/e/f", data=b"y"))
    assert report["implied"] == [".", "a/b", "a/b/c", "a/b/d", "a/b/d/e"], report
    assert (out / "a/b/d/e/f").read_text() == "y"


def test_pack_path(tree):
    os.symlink("d", tree / "way")
    report, tar = layer(["pack", "--plain", "--path", "/way/file"], dir=tree)
    assert [m.name for m in tarfile.open(fileobj=io.BytesIO(tar))] == ["file"]
    report, tar = layer(["pack", "--plain", "--path", "d/", "--rename", "new"], dir=tree)
    assert [m.name for m in tarfile.open(fileobj=io.BytesIO(tar))] == ["new", "new/file", "new/link"]
    report, _ = layer(["pack", "--path", "nothing"], dir=tree)
    assert report["error"] == "no nothing" and report["class"] == "not-found"
    report, _ = layer(["pack", "--path", "../../etc"], dir=tree)
    assert report["error"] == "no ../../etc"


def names(tar):
    return [m.name for m in tarfile.open(fileobj=io.BytesIO(tar))]


def test_overlay_there_and_back(tmp_path):
    for d in ("l1", "l2", "u", "w", "m"):
        (tmp_path / d).mkdir()
    for f in ("l1/keep", "l1/gone", "l1/dir/a", "l1/dir/b", "l1/swap/old", "l2/top"):
        (tmp_path / f).parent.mkdir(exist_ok=True)
        (tmp_path / f).write_text(f)
    m = tmp_path / "m"
    mount = f"lowerdir={tmp_path}/l2:{tmp_path}/l1,upperdir={tmp_path}/u,workdir={tmp_path}/w"
    if subprocess.run(["mount", "-t", "overlay", "overlay", "-o", mount, m], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("overlayfs does not take this file system")
    try:
        (m / "gone").unlink()
        shutil.rmtree(m / "swap")
        (m / "swap").mkdir()
        (m / "swap/new").write_text("new")
        (m / "fresh/deep").mkdir(parents=True)
        (m / "fresh/deep/file").write_text("x")
        (m / "dir/b").write_text("changed")
        (m / "made").write_text("")
        (m / "made").unlink()
        os.link(m / "keep", m / "link")
        want = snapshot(m)
    finally:
        subprocess.run(["umount", m], check=True)
    report, tar = layer(["pack", "--upper"], dir=tmp_path / "u", lowers=[tmp_path / "l2", tmp_path / "l1"])
    # no mark for "made", which no lower has; none for "fresh", opaque though overlayfs made it
    assert names(tar) == ["dir", "dir/b", "fresh", "fresh/deep", "fresh/deep/file", ".wh.gone", "keep", "link", "swap",
                          "swap/.wh..wh..opq", "swap/new"]
    (tmp_path / "l3").mkdir()
    report, _ = layer(["unpack"], stdin=tar, dir=tmp_path / "l3")
    assert "error" not in report
    lower = f"lowerdir={tmp_path}/l3:{tmp_path}/l2:{tmp_path}/l1"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", lower, m], check=True)
    try:
        assert snapshot(m) == want
    finally:
        subprocess.run(["umount", m], check=True)


def test_compress_and_hash():
    data = os.urandom(100000) + bytes(1000000)
    for kind, magic in (("gzip", b"\x1f\x8b"), ("zstd", b"\x28\xb5\x2f\xfd")):
        report, out = layer(["compress", "--kind", kind], stdin=data)
        assert out.startswith(magic) and report["digest"] == "sha256:" + hashlib.sha256(out).hexdigest()
        assert report["diff_id"] == "sha256:" + hashlib.sha256(data).hexdigest() and report["size"] == len(out)
        assert layer(["compress", "--kind", kind], stdin=data)[1] == out
        if kind == "gzip":
            assert gzip.decompress(out) == data
    report, _ = layer(["hash"], stdin=data)
    assert report == {"digest": "sha256:" + hashlib.sha256(data).hexdigest(), "size": len(data)}
    assert "unknown compression" in layer(["compress", "--kind", "lzw"], stdin=b"")[0]["error"]


def test_options_that_do_not_exist():
    assert layer(["unpack", "--no-such"], stdin=b"")[0]["error"] == "unknown flag: --no-such"
    assert subprocess.run([LAYER, "explode"], stderr=subprocess.DEVNULL).returncode == 2


def test_the_sandbox_holds(tmp_path):
    """While it waits for its stream: no capability but the named ones, no new privileges, a filter, another root."""
    r, w = os.pipe()
    rr, rw = os.pipe()
    d = os.open(tmp_path, os.O_RDONLY)
    hi = [fcntl.fcntl(x, fcntl.F_DUPFD, 100) for x in (r, d, rw)]
    p = subprocess.Popen([LAYER, "unpack", "--plain"], close_fds=False,
                         preexec_fn=lambda: [os.dup2(hi[0], 3), os.dup2(hi[1], 4), os.dup2(hi[2], 6)])
    try:
        for _ in range(200):
            status = open(f"/proc/{p.pid}/status").read()
            if "Seccomp:\t2" in status:
                break
            time.sleep(0.01)
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert fields["Seccomp"] == "2" and fields["NoNewPrivs"] == "1"
        allowed = sum(1 << n for n in (0, 1, 3, 4, 27, 31))  # chown dac_override fowner fsetid mknod setfcap
        assert int(fields["CapEff"], 16) & ~allowed == 0 and int(fields["CapBnd"], 16) & ~allowed == 0
        assert os.path.samefile(f"/proc/{p.pid}/root", tmp_path)
    finally:
        os.close(w)
        for fd in hi:
            os.close(fd)
        p.kill()
        p.wait()
