# SPDX-License-Identifier: Apache-2.0
"""Layer files: the same archive as a mounted layer file and as an extracted directory is the same tree."""
import ctypes, gzip, hashlib, io, json, os, random, shutil, stat, subprocess, tarfile, tempfile

import pytest

from test_layer import LAYER, archive, entry, layer

CHECK = os.path.join(os.path.dirname(LAYER), "../../tests/system/layercheck")
libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, MS_REC, MS_PRIVATE, MS_RDONLY = 0x20000, 0x4000, 1 << 18, 1
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, owners, devices")


def mount(source, target, kind, data="", flags=MS_RDONLY):
    if libc.mount(os.fsencode(source), os.fsencode(target), kind.encode(), flags, data.encode()):
        e = ctypes.get_errno()
        raise OSError(e, f"mount {kind}: {os.strerror(e)}")


@pytest.fixture(scope="module", autouse=True)
def private_mounts():
    """All mounts of these tests are in a namespace of this process, put back afterwards."""
    host = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    cwd = os.getcwd()
    assert libc.unshare(CLONE_NEWNS) == 0
    assert libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) == 0
    yield
    libc.setns(host, CLONE_NEWNS)
    os.chdir(cwd)


def file_of(tar, tmp_path, name="layer", args=()):
    """The report, and the layer file's path."""
    path = tmp_path / name
    report, body = layer(["unpack", "--file", *args], stdin=tar, out=True)
    path.write_bytes(body)
    if "error" not in report and "unindexed" not in report:
        checked = json.loads(subprocess.run([CHECK, path], check=True, stdout=subprocess.PIPE).stdout)
        assert checked["diff_id"] == report["diff_id"]
    return report, path


def mounted(path):
    at = path.with_name(path.name + ".mnt")
    at.mkdir()
    mount(path, at, "erofs")
    return at


def describe(root):
    """Everything that a tree is, by path (bytes, for names may be anything)."""
    root, seen, inodes = os.fsencode(root), {}, {}
    todo = [b""]
    while todo:
        rel = todo.pop()
        p = os.path.join(root, rel) if rel else root
        st = os.lstat(p)
        dev0 = stat.S_ISCHR(st.st_mode) and st.st_rdev == 0
        what = [oct(st.st_mode), st.st_uid, st.st_gid, None if dev0 else (st.st_mtime_ns)]
        if not stat.S_ISDIR(st.st_mode):
            what.append(inodes.setdefault(st.st_ino, rel) if st.st_nlink > 1 else None)
            what.append(st.st_nlink)
        if stat.S_ISREG(st.st_mode):
            with open(p, "rb") as f:
                what += [st.st_size, hashlib.file_digest(f, "sha256").hexdigest() if hasattr(hashlib, "file_digest")
                         else hashlib.sha256(f.read()).hexdigest()]
        elif stat.S_ISLNK(st.st_mode):
            what.append(os.readlink(p))
        elif stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode):
            what.append(st.st_rdev)
        elif stat.S_ISDIR(st.st_mode):
            names = sorted(os.listdir(p), reverse=True)
            assert len(names) == len(set(names))
            todo += [os.path.join(rel, n) for n in names]
        what.append({k: os.getxattr(p, k, follow_symlinks=False) for k in os.listxattr(p, follow_symlinks=False)})
        seen[rel] = what
    return seen


def forget_times(tree, implied):
    """Directories that no entry describes have no time of their own."""
    for path in implied:
        tree[b"" if path == "." else os.fsencode(path)][3] = None
    return tree


def fsck(path):
    """A second opinion, where there is a fsck.erofs that knows blocks of 512 bytes (erofs-utils 1.6 and later)."""
    if not shutil.which("fsck.erofs"):
        return
    p = subprocess.run(["fsck.erofs", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert p.returncode == 0 or b"blksize 512 isn't supported" in p.stdout, p.stdout.decode()


def compare(tar, tmp_path):
    out = tmp_path / "dir"
    out.mkdir()
    os.chmod(out, 0o755)
    want, _ = layer(["unpack"], stdin=tar, dir=out)
    got, path = file_of(tar, tmp_path)
    assert "error" not in want and "error" not in got, (want, got)
    assert {k: v for k, v in got.items() if k not in ("meta_offset", "file_size")} == want
    plain = gzip.decompress(tar) if tar[:2] == b"\x1f\x8b" else tar
    with open(path, "rb") as f:
        f.seek(4096)
        assert f.read(len(plain)) == plain
    assert got["meta_offset"] % 512 == 0 and 0 <= got["meta_offset"] - 4096 - len(plain) < 512
    assert os.path.getsize(path) == got["file_size"]
    fsck(path)
    at = mounted(path)
    implied = want.get("implied", [])
    a, b = forget_times(describe(at), implied), forget_times(describe(out), implied)
    assert list(a) == list(b)
    for k in b:
        assert a[k] == b[k], k
    return at, out, got


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_a_bit_of_everything(tmp_path, format):
    pax = format == tarfile.PAX_FORMAT
    big = {} if format == tarfile.USTAR_FORMAT else {"uid": 3000000, "gid": 4000000000 if pax else 70000}
    caps = {"pax_headers": {"SCHILY.xattr.security.capability": bytes.fromhex("0100000200040000000000000000000000000000").decode("latin-1"),
                            "SCHILY.xattr.user.note": "hello", "SCHILY.xattr.user.empty-not": "x" * 3000}} if pax else {}
    long = "n" * (90 if format == tarfile.USTAR_FORMAT else 255)
    tar = archive(
        entry("./", tarfile.DIRTYPE, mode=0o1777, mtime=12345),
        entry("dir", tarfile.DIRTYPE, mode=0o2750, mtime=999999999, uid=7, gid=8),
        entry("dir/file", data=b"x" * 100001, mode=0o6755, mtime=1700000000, **big),
        entry("dir/caps", data=b"c", **caps),
        entry("empty"),
        entry("one", data=b"1"),
        entry("block", data=b"b" * 512),
        entry("link", tarfile.SYMTYPE, linkname="../../somewhere/" + "l" * 80, mtime=5),
        entry("hard", tarfile.LNKTYPE, linkname="dir/file"),
        entry("dir/hard2", tarfile.LNKTYPE, linkname="./hard"),
        entry("null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        entry("disk", tarfile.BLKTYPE, devmajor=259, devminor=70000 if pax else 5, mode=0o660),
        entry("pipe", tarfile.FIFOTYPE, mode=0o600, uid=1),
        entry("implied/deep/er/" + long, data=b"n"),
        entry("gone/.wh.a"), entry(".wh.b"), entry("opaque/.wh..wh..opq"), entry("opaque/x", data=b"o"),
        entry(".wh.again"), entry("again", tarfile.DIRTYPE), entry("again/x", data=b"2"),
        entry(".wh..wh.plnk", tarfile.DIRTYPE),
        format=format)
    compare(tar, tmp_path)


def test_names_of_every_byte(tmp_path):
    def header(name, n):
        t = tarfile.TarInfo("x" * len(name))
        t.size, t.mode = n, 0o644
        b = bytearray(t.tobuf(tarfile.GNU_FORMAT))
        b[: len(name)] = name
        b[148:156] = b" " * 8
        b[148:156] = b"%06o\0 " % sum(b)
        return bytes(b)

    names = [bytes([c]) for c in range(1, 256) if c not in b"/."] + [bytes([c, 255 - c or 1, c]) for c in range(1, 256) if 47 not in (c, 255 - c)]
    names += [b"dir/" + n for n in names]
    tar = b"".join(header(n, 2) + b"ab".ljust(512, b"\0") for n in names) + bytes(1024)
    compare(tar, tmp_path)


def test_a_directory_of_100000(tmp_path):
    b = io.BytesIO()
    r = random.Random(1)
    names = [f"{i:x}" * r.randint(1, 9) + f"-{i}" for i in range(100_000)]
    with tarfile.open(fileobj=b, mode="w", format=tarfile.USTAR_FORMAT) as t:
        for n in names:
            t.addfile(entry("big/" + n[-90:], mode=0o600)[0])
    report, path = file_of(b.getvalue(), tmp_path)
    index = report["file_size"] - report["meta_offset"]
    print("index bytes per entry:", index / report["entries"])
    assert index / report["entries"] < 150
    at = mounted(path)
    assert sorted(os.listdir(at / "big")) == sorted(n[-90:] for n in names)
    for n in r.sample(names, 500):
        assert (at / "big" / n[-90:]).stat().st_mode & 0o777 == 0o600
        assert not os.path.exists(at / "big" / (n[-90:] + "x"))


@pytest.mark.parametrize("n", [*range(30, 45), 511, 512, 513])
def test_directories_around_a_block(tmp_path, n):
    compare(archive(*[entry(f"d/{i:0{1 + i % 3}d}-{i}") for i in range(n)],
                    *[entry(f"l{i}", tarfile.SYMTYPE, linkname="t" * (i + 1)) for i in (n, 3 * n, 4000)]), tmp_path)


@pytest.mark.parametrize("format", ["gnu", "pax"])
@pytest.mark.parametrize("where", [4096 * 5, 12345])
def test_sparse_files(tmp_path, format, where):
    src = tmp_path / "src"
    src.mkdir()
    for name, size, pieces in (("a", 1 << 20, [(where, b"middle" * 1000)]), ("holes", 1 << 22, []), ("end", 300000, [(0, b"s"), (299990, b"1234567890")]),
                               ("huge", 20 << 30, [(1 << 30, b"x" * 4096), (20 << 30 - 1, b"z")])):
        with open(src / name, "wb") as f:
            f.truncate(size)
            for at, data in pieces:
                if at < size:
                    f.seek(at)
                    f.write(data)
        os.utime(src / name, (1, 1))
    huge = src / "huge"
    tar = subprocess.run(["tar", "-cS", f"--format={format}", "-C", src, "a", "holes", "end"], stdout=subprocess.PIPE, check=True).stdout
    compare(tar, tmp_path)
    tar = subprocess.run(["tar", "-cS", f"--format={format}", "-C", src, huge.name], stdout=subprocess.PIPE, check=True).stdout
    report, path = file_of(tar, tmp_path, name="huge.layer")
    at = mounted(path)
    assert os.stat(at / "huge").st_size == 20 << 30 and report["file_size"] < 16 << 20
    with open(at / "huge", "rb") as f:
        f.seek((1 << 30) - 10)
        assert f.read(4116) == bytes(10) + b"x" * 4096 + bytes(10)


def test_pieces_that_lie_on_no_block(tmp_path):
    """A sparse map that no tar would write: three bytes here, seven there."""
    data, pieces = b"", []
    for i in range(200):
        piece = bytes([65 + i % 26]) * (i % 7 + 1)
        pieces.append((i * 3001 + 13, len(piece)))
        data += piece
    size = 700001
    info, _ = entry("s", data=data)
    info.pax_headers = {"GNU.sparse.map": ",".join(f"{a},{b}" for a, b in pieces), "GNU.sparse.size": str(size), "GNU.sparse.numblocks": "200"}
    compare(archive((info, data)), tmp_path)


def test_the_last_of_several_entries_wins(tmp_path):
    compare(archive(
        entry("a", data=b"1"), entry("a", data=b"22"),
        entry("b", tarfile.DIRTYPE), entry("b/x", data=b"x"), entry("b", data=b"file now"),
        entry("c", data=b"c"), entry("c", tarfile.DIRTYPE), entry("c/y", data=b"y"), entry("c", tarfile.DIRTYPE, mode=0o700),
        entry("h1", data=b"h"), entry("h2", tarfile.LNKTYPE, linkname="h1"), entry("h1", data=b"other"),
        entry("usr/lib", tarfile.DIRTYPE), entry("lib", tarfile.SYMTYPE, linkname="/usr/../../usr/lib"), entry("lib/through", data=b"t"),
        entry("dev0", data=b"x"), entry("dev0", tarfile.CHRTYPE, devmajor=0, devminor=0),
        entry("keep", data=b"k"), entry(".wh.keep"), entry("kd", tarfile.DIRTYPE), entry(".wh.kd")), tmp_path)


def test_what_layers_may_not_carry(tmp_path):
    info, data = entry("x", data=b"x", pax_headers={f"SCHILY.xattr.{n}": "y" for n in (
        "trusted.overlay.opaque", "trusted.overlay.redirect", "user.overlay.whiteout", "security.selinux", "trusted.other")})
    d, _ = entry("d", tarfile.DIRTYPE, pax_headers={"SCHILY.xattr.trusted.overlay.opaque": "y"})
    report, path = file_of(archive((info, data), (d, b"")), tmp_path)
    at = mounted(path)
    assert report["dropped"] == 6 and os.listxattr(at / "x") == [] and os.listxattr(at / "d") == []


@pytest.mark.parametrize("entries, text", [
    ([entry("../x")], "outside of the root"),
    ([entry("h", tarfile.LNKTYPE, linkname="../../etc/passwd")], "outside of the root"),
    ([entry("h", tarfile.LNKTYPE, linkname="nothing")], "no nothing before it"),
    ([entry("h", tarfile.LNKTYPE, linkname="h")], "own target"),
    ([entry("d", tarfile.DIRTYPE), entry("h", tarfile.LNKTYPE, linkname="d")], "is a directory"),
    ([entry("f"), entry("f/x")], "not a directory"),
    ([entry("l", tarfile.SYMTYPE, linkname="l"), entry("l/x")], "too many links"),
    ([entry("l", tarfile.SYMTYPE, linkname="/etc"), entry("l/x")], "no directory etc"),
    ([entry(".wh.")], "names nothing"),
    ([entry(".", tarfile.SYMTYPE, linkname="x")], "something else than a directory"),
    ([entry("n" * 256)], "a name of 256 bytes"),
    ([entry("c", pax_headers={"SCHILY.xattr.security.capability": "junk"})], "a value that it cannot have"),
    ([entry("y", type=b"Q")], "not known"),
])
def test_archives_that_mean_harm(tmp_path, entries, text):
    report, path = file_of(archive(*entries), tmp_path)
    assert text in report.get("unindexed", "") or text in report["error"] and report["class"] == "invalid"
    assert path.read_bytes()[:4096].strip(b"\0") == b"", "nothing that could be mounted"


def test_truncated(tmp_path):
    tar = archive(entry("a", data=b"a" * 5000))
    for n in (100, 600, 3000, 5500):
        report, path = file_of(tar[:n], tmp_path, name=f"l{n}")
        assert "error" in report and path.read_bytes()[:4096].strip(b"\0") == b""


def test_limits_and_options(tmp_path):
    tar = archive(*[entry(f"d{i}/x") for i in range(100)])
    assert "more than 50 entries" in file_of(tar, tmp_path, args=["--max-entries", "50"])[0]["error"]
    for other in (["--plain"], ["--chown", "1:1"], ["--subdir", "x"], ["--no-extract"], ["--uidmap", "0:1:2"]):
        assert f"--file does not go with {other[0]}" in file_of(tar, tmp_path, args=other)[0]["error"]
    deep = archive(entry("/".join("a" * 2000)), entry("l", tarfile.SYMTYPE, linkname="/".join("a" * 1999)), entry("l/" + "/".join("b" * 1900)),
                   entry("m", tarfile.SYMTYPE, linkname="l/" + "/".join("b" * 1899)), entry("m/" + "/".join("c" * 1900)))
    report, path = file_of(deep, tmp_path)
    assert "below each other" in report["unindexed"] and path.read_bytes() == bytes(4096) + deep


def test_the_same_tar_gives_the_same_file(tmp_path):
    tar = archive(entry("a", data=b"a"), entry("b/c", data=b"c"))
    a, b, c = file_of(tar, tmp_path, "a")[1], file_of(gzip.compress(tar), tmp_path, "b")[1], file_of(archive(entry("x")), tmp_path, "c")[1]
    assert a.read_bytes() == b.read_bytes()
    uuid = slice(1024 + 48, 1024 + 64)
    assert a.read_bytes()[uuid] != c.read_bytes()[uuid]


def test_overlay_of_two(tmp_path):
    low = archive(entry("keep", data=b"k"), entry("gone", data=b"g"), entry("d", tarfile.DIRTYPE), entry("d/old", data=b"o"),
                  entry("e", tarfile.DIRTYPE), entry("e/stays", data=b"s"), entry("f/g/h", data=b"h"))
    top = archive(entry(".wh.gone"), entry("d/.wh..wh..opq"), entry("d/new", data=b"n"), entry("e/more", data=b"m"), entry("f/g/.wh.h"))
    lowers = [mounted(file_of(t, tmp_path, n)[1]) for n, t in (("top", top), ("low", low))]
    for d in ("upper", "work", "all"):
        (tmp_path / d).mkdir()
    at = tmp_path / "all"
    mount("overlay", at, "overlay", f"lowerdir={lowers[0]}:{lowers[1]},upperdir={tmp_path}/upper,workdir={tmp_path}/work,xino=off", flags=0)
    tree = sorted(os.path.relpath(os.path.join(b, n), at) for b, d, f in os.walk(at) for n in d + f)
    assert tree == ["d", "d/new", "e", "e/more", "e/stays", "f", "f/g", "keep"]
    (at / "keep").write_text("changed")
    (at / "gone").write_text("back")
    shutil.rmtree(at / "e")
    assert (lowers[1] / "keep").read_text() == "k" and (lowers[1] / "e/stays").exists()


def test_a_real_system(tmp_path):
    """A minimal Debian, made once; without a mirror, this machine's own /usr/lib."""
    tar = os.environ.get("ESTIBA_TEST_ROOTFS")
    if not tar:
        tar = tmp_path / "tree.tar"
        subprocess.run(["tar", "-cf", tar, "--xattrs", "--one-file-system", "-C", "/", "etc", "usr/bin", "usr/sbin", "usr/share/doc", "var/lib/dpkg"], check=True)
    with open(tar, "rb") as f:
        at, out, report = compare(f.read(), tmp_path)
    print("index bytes per entry:", (report["file_size"] - report["meta_offset"]) / report["entries"], "entries:", report["entries"])
