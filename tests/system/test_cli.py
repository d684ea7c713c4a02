# SPDX-License-Identifier: Apache-2.0
"""estiba against a small fake of the Docker Engine API: what only the client decides, without any daemon."""
import base64
import io
import json
import os
import pathlib
import socketserver
import struct
import subprocess
import tarfile
import threading
import urllib.parse

import pytest

BIN = pathlib.Path(os.environ.get("ESTIBA_BIN", pathlib.Path(__file__).resolve().parents[2] / "build" / "bin")) / "estiba"
ID = "0123456789ab" + "c" * 52


def frame(kind, data):
    return struct.pack(">BxxxI", kind, len(data)) + data


class Handler(socketserver.StreamRequestHandler):
    """One request after the other; the server's table says what to answer."""

    def handle(self):
        while self.one():
            pass

    def body(self, head):
        if head.get("transfer-encoding") == "chunked":
            data = b""
            while n := int(self.rfile.readline(), 16):
                data += self.rfile.read(n)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(head.get("content-length", 0)))

    def one(self):
        line = self.rfile.readline()
        if not line:
            return False
        method, target, _ = line.decode().split()
        head = {}
        while (field := self.rfile.readline().strip()):
            name, value = field.decode().split(":", 1)
            head[name.lower()] = value.strip()
        url = urllib.parse.urlsplit(target)
        query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        body = self.body(head)
        self.server.seen.append((method, url.path, query, head, body))
        path = "/" + url.path.split("/", 2)[2] if url.path.startswith("/v1") else url.path
        answer = self.server.answers.get((method, path), (404, {"message": "nothing at " + path}))
        if callable(answer):
            return answer(self, query, body)
        self.reply(method, *answer)
        return True

    def reply(self, method, status, doc=None, kind="application/json"):
        data = b"" if doc is None else doc if isinstance(doc, bytes) else json.dumps(doc).encode()
        self.wfile.write(b"HTTP/1.1 %d X\r\nApi-Version: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (
            status, self.server.api.encode(), kind.encode(), len(data)) + (b"" if method == "HEAD" else data))
        self.wfile.flush()


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class Fake:
    def __init__(self, tmp):
        self.home = tmp
        self.server = Server(str(tmp / "api.sock"), Handler)
        self.server.api, self.server.seen = "1.45", []
        self.server.answers = {("HEAD", "/_ping"): (200,)}
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def on(self, method, path, *answer):
        self.server.answers[method, path] = answer if not callable(answer[0]) else answer[0]

    def run(self, *argv, stdin=b"", env=None):
        full = {"PATH": os.environ["PATH"], "HOME": str(self.home), "TZ": "UTC", "DOCKER_HOST": "unix://%s/api.sock" % self.home, **(env or {})}
        r = subprocess.run([str(BIN), *argv], input=stdin, capture_output=True, env=full, cwd=self.home, timeout=20)
        return r.returncode, r.stdout.decode(), r.stderr.decode()

    def requests(self):
        return [(m, p) for m, p, _, _, _ in self.server.seen if p != "/_ping"]


@pytest.fixture
def fake(tmp_path):
    f = Fake(tmp_path)
    yield f
    f.server.shutdown()
    f.server.server_close()


def test_help_needs_no_daemon(fake):
    code, out, err = fake.run("ps", "--help", env={"DOCKER_HOST": "unix:///nonexistent"})
    assert (code, err) == (0, "")
    assert out.startswith("Usage:  estiba ps [OPTIONS]\n\nList containers\n\nAliases:\n  estiba container ls,")
    assert fake.requests() == []


@pytest.mark.parametrize("argv, code, text", [
    (["ps", "--nosuch"], 125, "unknown flag: --nosuch\n\nUsage:  estiba ps [OPTIONS]\n\nRun 'estiba ps --help' for more information\n"),
    (["nosuch"], 1, "estiba: unknown command: estiba nosuch\n\nRun 'estiba --help' for more information\n"),
    (["swarm", "init"], 1, "estiba: no command 'swarm': there is no swarm mode\n"),
    (["trust", "--help"], 1, "estiba: no command 'trust': images are not signed with Notary\n"),
    (["run", "-v", ":/x", "i"], 125, "estiba: invalid spec: :/x: empty section between colons\n\nRun 'estiba run --help' for more information\n"),
    (["ps", "extra"], 1, "estiba: 'estiba ps' accepts no arguments\n\nUsage:  estiba ps [OPTIONS]\n\nRun 'estiba ps --help' for more information\n"),
    (["stop", "-t", "x", "c"], 125, "invalid argument \"x\" for \"-t, --timeout\" flag: strconv.ParseInt: parsing \"x\": invalid syntax\n"),
    (["run", "-d", "-a", "stdout", "x"], 1, "conflicting options: cannot specify both --attach and --detach\n"),
    (["run", "-it", "x"], 1, "the input device is not a TTY\n"),
    (["cp", "a:b", "c:d"], 1, "copying between containers is not supported\n"),
])
def test_refused_before_any_request(fake, argv, code, text):
    got, out, err = fake.run(*argv)
    assert (got, out) == (code, "") and err.startswith(text)
    assert fake.requests() == []


def test_no_listener_is_told_as_docker_does(fake):
    code, _, err = fake.run("ps", env={"DOCKER_HOST": "unix:///nonexistent/x.sock"})
    assert (code, err) == (1, "Cannot connect to the Docker daemon at unix:///nonexistent/x.sock. Is the docker daemon running?\n")


def test_ps_table_and_filters(fake):
    fake.on("GET", "/containers/json", 200, [{
        "Id": ID, "Names": ["/web"], "Image": "alpine:3", "ImageID": "sha256:" + "d" * 64, "Command": "sleep 3600", "Created": 1,
        "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
                  {"IP": "0.0.0.0", "PrivatePort": 81, "PublicPort": 8081, "Type": "tcp"}],
        "State": "running", "Status": "Up 2 seconds", "Labels": {"b": "2", "a": "1"}, "Mounts": [], "NetworkSettings": {"Networks": {}}}])
    code, out, err = fake.run("ps", "-a", "-f", "label=a", "-f", "label=b", "--format", "table {{.ID}}\\t{{.Ports}}\\t{{.Labels}}")
    assert (code, err) == (0, "")
    assert out == ("CONTAINER ID   PORTS                          LABELS\n"
                   "0123456789ab   0.0.0.0:8080-8081->80-81/tcp   a=1,b=2\n")
    query = fake.server.seen[-1][2]
    assert query["all"] == ["1"] and json.loads(query["filters"][0]) == {"label": {"a": True, "b": True}}


def test_speaks_the_older_version_of_an_older_daemon(fake):
    fake.server.api = "1.41"
    fake.on("GET", "/containers/json", 200, [])
    fake.run("ps")
    assert fake.requests() == [("GET", "/v1.41/containers/json")]


def test_error_of_the_daemon(fake):
    fake.on("POST", "/containers/x/stop", 500, {"message": "no way"})
    assert fake.run("stop", "x") == (1, "", "Error response from daemon: no way\n")


def serve_container(fake, output, code):
    """create, attach, wait and start of one container that prints OUTPUT (frames) and ends with CODE."""
    started, ended, got = threading.Event(), threading.Event(), {}

    def attach(h, query, body):
        h.wfile.write(b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        h.wfile.flush()
        started.wait(10)
        if "stdin" in query:
            got["stdin"] = h.rfile.read()
        h.wfile.write(output)
        h.wfile.flush()
        ended.set()
        return False

    def wait(h, query, body):
        got["condition"] = query["condition"]
        h.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        h.wfile.flush()
        ended.wait(10)
        doc = json.dumps({"StatusCode": code}).encode()
        h.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(doc), doc))
        h.wfile.flush()
        return True

    def start(h, query, body):
        h.reply("POST", 204)
        started.set()
        return True

    fake.on("POST", "/containers/create", 201, {"Id": ID, "Warnings": []})
    fake.on("POST", f"/containers/{ID}/attach", attach)
    fake.on("POST", f"/containers/{ID}/wait", wait)
    fake.on("POST", f"/containers/{ID}/start", start)
    return got


def test_run_goes_create_attach_wait_start(fake):
    got = serve_container(fake, frame(1, b"out\n") + frame(2, b"err\n") + frame(1, b"more\n"), 7)
    assert fake.run("run", "--rm", "alpine", "true") == (7, "out\nmore\n", "err\n")
    assert [p.rsplit("/", 1)[1] for _, p in fake.requests()] == ["create", "attach", "wait", "start"]
    assert got["condition"] == ["removed"]


def test_run_i_closes_stdin_at_its_end(fake):
    got = serve_container(fake, frame(1, b"x"), 0)
    assert fake.run("run", "-i", "alpine", "cat", stdin=b"typed" * 20000) == (0, "x", "")
    assert got["stdin"] == b"typed" * 20000


def test_run_d_prints_the_id_and_does_not_attach(fake):
    serve_container(fake, b"", 0)
    assert fake.run("run", "-d", "alpine") == (0, ID + "\n", "")
    assert [p.rsplit("/", 1)[1] for _, p in fake.requests()] == ["create", "start"]


@pytest.mark.parametrize("message, code", [
    ("exec: \"x\": executable file not found in $PATH: unknown", 127),
    ("exec: \"/\": permission denied: unknown", 126),
    ("driver failed programming external connectivity", 125),
])
def test_status_of_a_failed_start(fake, message, code):
    serve_container(fake, b"", 0)
    fake.on("POST", f"/containers/{ID}/start", 500, {"message": message})
    got, out, err = fake.run("run", "-d", "alpine", "x")
    assert (got, out) == (code, ID + "\n")  # it exists, though it did not start
    assert err == f"estiba: Error response from daemon: {message}\n\nRun 'estiba run --help' for more information\n"


def test_create_pulls_a_missing_image_with_the_credentials(fake):
    (fake.home / ".docker").mkdir()
    (fake.home / ".docker/config.json").write_text(json.dumps({"auths": {"reg.example": {"auth": base64.b64encode(b"me:secret").decode()}}}))
    tries = []

    def create(h, query, body):
        tries.append(1)
        h.reply("POST", *((404, {"message": "No such image: reg.example/x:latest"}) if len(tries) == 1 else (201, {"Id": ID})))
        return True

    fake.on("POST", "/containers/create", create)
    fake.on("POST", "/images/create", 200, b'{"status":"Pulling from x","id":"latest"}\r\n{"status":"Downloading","progressDetail":{"current":1,"total":9},"id":"aa"}\r\n{"status":"Status: done"}\r\n')
    code, out, err = fake.run("create", "reg.example/x")
    assert (code, out) == (0, ID + "\n")
    assert err == "Unable to find image 'reg.example/x:latest' locally\nlatest: Pulling from x\nStatus: done\n"
    pull = next(s for s in fake.server.seen if s[1].endswith("/images/create"))
    assert pull[2] == {"fromImage": ["reg.example/x"], "tag": ["latest"]}
    assert json.loads(base64.urlsafe_b64decode(pull[3]["x-registry-auth"])) == {
        "username": "me", "password": "secret", "serveraddress": "reg.example"}


def test_build_sends_what_dockerignore_leaves(fake):
    ctx = fake.home / "ctx"
    (ctx / "sub").mkdir(parents=True)
    for name in ("Dockerfile", "keep.txt", "drop.log", "sub/drop.log", "sub/back.log"):
        (ctx / name).write_text(name)
    (ctx / ".dockerignore").write_text("**/*.log\n!sub/back.log\n")
    fake.on("POST", "/build", 200, b'{"stream":"Step 1/1 : FROM scratch"}\r\n{"stream":"\\n"}\r\n{"aux":{"ID":"sha256:abc"}}\r\n')
    code, out, err = fake.run("build", "-t", "x:1", "--build-arg", "A=1", "--iidfile", "id", "ctx")
    assert (code, err) == (0, "")
    assert out.startswith("Sending build context to Docker daemon ") and out.endswith("\r\r\nStep 1/1 : FROM scratch\n")
    query, body = fake.server.seen[-1][2], fake.server.seen[-1][4]
    assert query["t"] == ["x:1"] and json.loads(query["buildargs"][0]) == {"A": "1"} and query["dockerfile"] == ["Dockerfile"]
    assert tarfile.open(fileobj=io.BytesIO(body)).getnames() == [".dockerignore", "Dockerfile", "keep.txt", "sub", "sub/back.log"]
    assert (fake.home / "id").read_text() == "sha256:abc"


def test_build_failure_has_the_code_of_the_step(fake):
    (fake.home / "Dockerfile").write_text("FROM x\nRUN exit 9\n")
    fake.on("POST", "/build", 200, b'{"errorDetail":{"code":9,"message":"returned a non-zero code: 9"},"error":"returned a non-zero code: 9"}\r\n')
    code, _, err = fake.run("build", ".")
    assert (code, err) == (9, "returned a non-zero code: 9\n")


def test_cp_out_cannot_leave_its_target(fake):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as t:
        link = tarfile.TarInfo("d/link")
        link.type, link.linkname = tarfile.SYMTYPE, str(fake.home / "outside")
        for info, data in ((tarfile.TarInfo("d/"), None), (link, None), (tarfile.TarInfo("d/link/x"), b"bad"), (tarfile.TarInfo("d/../../up"), b"bad")):
            if info.name.endswith("/"):
                info.type = tarfile.DIRTYPE
            info.size, info.mode = len(data or b""), 0o755
            t.addfile(info, io.BytesIO(data) if data else None)
    (fake.home / "outside").mkdir()
    (fake.home / "in").mkdir()
    stat = base64.b64encode(json.dumps({"name": "d", "mode": 1 << 31}).encode()).decode()

    def get(h, query, body):
        data = tar.getvalue()
        h.wfile.write(b"HTTP/1.1 200 OK\r\nX-Docker-Container-Path-Stat: %s\r\nContent-Length: %d\r\n\r\n" % (stat.encode(), len(data)) + data)
        h.wfile.flush()
        return True

    fake.on("GET", "/containers/c/archive", get)
    code, _, _ = fake.run("cp", "c:/d", "in")
    assert code == 1
    assert list((fake.home / "outside").iterdir()) == [] and not (fake.home / "up").exists()


def test_inspect_prints_what_there_is_and_reports_the_rest(fake):
    fake.on("GET", "/volumes/v", 200, {"Name": "v", "Options": None})
    code, out, err = fake.run("volume", "inspect", "v", "w")
    assert (code, out) == (1, '[\n    {\n        "Name": "v",\n        "Options": null\n    }\n]\n')
    assert err == "Error response from daemon: nothing at /volumes/w\n"
    assert fake.run("volume", "inspect", "-f", "{{.Name", "v")[0] == 64


def test_stop_of_several_is_side_by_side_and_in_order(fake):
    together = threading.Barrier(3)

    def stop(h, query, body):
        together.wait(10)
        h.reply("POST", 204)
        return True

    for name in ("a", "b", "c"):
        fake.on("POST", f"/containers/{name}/stop", stop)
    assert fake.run("stop", "a", "b", "c") == (0, "a\nb\nc\n", "")


def test_credential_helper(fake):
    helper = fake.home / "docker-credential-test"
    helper.write_text('#!/bin/sh\nread key\n[ "$1" = get ] && echo "{\\"Username\\":\\"u-$key\\",\\"Secret\\":\\"s\\"}"\n')
    helper.chmod(0o755)
    (fake.home / ".docker").mkdir()
    (fake.home / ".docker/config.json").write_text('{"credsStore": "test"}')
    fake.on("POST", "/images/reg.example%2Fx/push", 200, b'{"status":"ok"}\r\n')
    assert fake.run("push", "reg.example/x:1", env={"PATH": f"{fake.home}:{os.environ['PATH']}"}) == (0, "ok\n", "")
    auth = json.loads(base64.urlsafe_b64decode(fake.server.seen[-1][3]["x-registry-auth"]))
    assert auth["username"] == "u-reg.example" and auth["password"] == "s"


def test_called_docker_it_is_docker(fake):
    (fake.home / "docker").symlink_to(BIN)
    out = subprocess.run([str(fake.home / "docker"), "--version"], capture_output=True, text=True).stdout
    assert out.startswith("Docker version 28.")
    assert subprocess.run([str(fake.home / "docker"), "nosuch"], capture_output=True, text=True).stderr.startswith("docker: unknown command: docker nosuch")


def test_completion_is_a_script(fake):
    for shell in ("bash", "zsh"):
        code, out, _ = fake.run("completion", shell)
        assert code == 0 and "--publish" in out
    check = "%s\nCOMP_WORDS=(estiba container ls --no); COMP_CWORD=3; _estiba; echo ${COMPREPLY[@]}" % fake.run("completion", "bash")[1]
    assert subprocess.run(["bash", "-c", check], capture_output=True, text=True).stdout == "--no-trunc\n"


def test_context_export_and_import(fake):
    archive, bad = str(fake.home / "c.tar"), str(fake.home / "bad.tar")
    fake.run("context", "create", "--docker", "host=tcp://far:1", "--description", "far away", "far")
    assert fake.run("context", "export", "far", archive) == (0, "", f'Written file "{archive}"\n')
    assert fake.run("context", "export", "far", archive)[0] == 1, "a file that exists is kept"
    assert fake.run("context", "import", "near", archive)[:2] == (0, "near\n")
    assert fake.run("context", "inspect", "-f", "{{.Endpoints.docker.Host}} {{.Metadata.Description}}", "near")[1] == "tcp://far:1 far away\n"
    assert "already exists" in fake.run("context", "import", "near", archive)[2]
    with tarfile.open(bad, "w") as t:
        t.addfile(tarfile.TarInfo("../meta.json"))
    assert "unexpected context file" in fake.run("context", "import", "bad", bad)[2]
