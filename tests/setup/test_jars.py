"""The lock file, and downloads against a server on loopback that breaks off and tells lies."""

import hashlib
import io
import re
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from hypothesis import given, strategies as st

from fink_like import jars
from fink_like.errors import SetupError
from fink_like.steps import Steps

CONTENT = bytes(range(256)) * 4000  # 1 MB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LINE = f"org.example:thing_2.13:1.0 {SHA256} {len(CONTENT)} spark"
URL = "/org/example/thing_2.13/1.0/thing_2.13-1.0.jar"


class Mirror(ThreadingHTTPServer):
    """Serves one file; a test sets its faults and reads what was asked for."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.content, self.break_after, self.ranges, self.asked = CONTENT, [], True, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/"


class Answer(BaseHTTPRequestHandler):
    """GET with Range; no HEAD, as on the mirrors that refuse it."""

    def do_GET(self):  # noqa: N802 (the standard library's name)
        server, wanted = self.server, self.headers.get("Range", "")
        server.asked.append((self.path, wanted))
        if self.path != URL:
            self.send_error(404)
            return
        start = int(re.match(r"bytes=(\d+)-", wanted).group(1)) if wanted and server.ranges else 0
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:server.break_after.pop(0)] if server.break_after else body)

    def log_message(self, *words):
        """Keep the test's output clean."""


@pytest.fixture
def mirror():
    server = Mirror()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A lock file of one jar, and an empty cache whose path has a space."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "my cache"))
    monkeypatch.setattr(jars, "LOCK", tmp_path / "jars.lock")
    jars.LOCK.write_text(LINE)
    return tmp_path / "my cache" / "fink_like" / "jars" / "thing_2.13-1.0.jar"


def fetch(mirror):
    said = io.StringIO()
    return jars.fetch(Steps(said), mirror.url), said.getvalue()


def test_the_real_lock_file_names_two_sets_with_whole_hashes():
    locked = jars.locked()
    assert {jar.set for jar in locked} == set(jars.SETS)
    assert all(re.fullmatch("[0-9a-f]{64}", jar.sha256) and jar.size > 0 for jar in locked)
    clients = {jar.set: jar.version for jar in locked if jar.artifact == "kafka-clients"}
    assert clients["spark"] != clients["kafka"]  # why the sets must stay apart


@given(st.from_regex(r"[a-z]{1,9}(\.[a-z]{1,9}){0,3}", fullmatch=True),
       st.from_regex(r"[a-z][a-z0-9_.-]{0,20}", fullmatch=True),
       st.from_regex(r"[0-9][0-9a-z.-]{0,8}", fullmatch=True), st.integers(1, 10**9))
def test_a_lock_line_survives_reading_and_writing(group, artifact, version, size):
    jar = jars.Jar(group, artifact, version, SHA256, size, "kafka")
    assert jars.read_lock(f"# comment\n\n{jar}  # more\n") == [jar]


@pytest.mark.parametrize("line, said", [
    ("org.example:thing 00 12 spark", "line 2: should read"),
    ("org.example:thing:1.0 00 many spark", "line 2: should read"),
    ("org.example:thing:1.0 00 12 flink", "no set called 'flink'"),
    (LINE, "there twice"),
])
def test_a_wrong_lock_line_is_named(line, said):
    with pytest.raises(SetupError, match=said):
        jars.read_lock(f"{LINE}\n{line}")


def test_paths_before_the_fetch_say_what_to_run(cached):
    with pytest.raises(SetupError, match="run `fink-like setup`"):
        jars.paths("spark")


def test_fetch_brings_the_jar_once(cached, mirror):
    assert fetch(mirror)[0] == len(CONTENT)
    assert jars.paths("spark") == [cached] and cached.read_bytes() == CONTENT
    assert fetch(mirror)[0] == 0 and mirror.asked == [(URL, "")]


def test_a_broken_connection_is_resumed_where_it_ended(cached, mirror):
    mirror.break_after = [300_000]
    fetch(mirror)
    assert mirror.asked == [(URL, ""), (URL, "bytes=300000-")]
    assert cached.read_bytes() == CONTENT


def test_an_interrupted_setup_is_resumed_by_the_next_one(cached, mirror):
    cached.parent.mkdir(parents=True)
    cached.with_name(cached.name + ".part").write_bytes(CONTENT[:777_777])
    fetch(mirror)
    assert mirror.asked == [(URL, "bytes=777777-")]
    assert cached.read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(cached, mirror):
    mirror.ranges, mirror.break_after = False, [300_000]
    fetch(mirror)
    assert cached.read_bytes() == CONTENT


def test_half_a_file_of_other_bytes_is_replaced(cached, mirror):
    cached.parent.mkdir(parents=True)
    cached.with_name(cached.name + ".part").write_bytes(b"x" * 1000)
    fetch(mirror)
    assert mirror.asked == [(URL, "bytes=1000-"), (URL, "")]
    assert cached.read_bytes() == CONTENT


def test_changed_bytes_are_refused_and_not_kept(cached, mirror):
    mirror.content = CONTENT[:-1] + b"!"
    with pytest.raises(SetupError) as refusal:
        fetch(mirror)
    found = hashlib.sha256(mirror.content).hexdigest()
    assert all(word in str(refusal.value) for word in (URL, SHA256, found))
    assert len(mirror.asked) == 2 and list(cached.parent.glob("*.jar*")) == []


def test_a_file_that_is_not_there_is_not_asked_for_again(cached, mirror):
    jars.LOCK.write_text(LINE.replace("1.0", "2.0"))
    with pytest.raises(SetupError, match="answers 404.*FINK_LIKE_MAVEN"):
        fetch(mirror)
    assert len(mirror.asked) == 1


def test_a_cache_that_cannot_be_made_is_named(tmp_path, monkeypatch, mirror):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(SetupError, match="set XDG_CACHE_HOME"):
        fetch(mirror)


def test_no_room_is_told_before_the_fetch(cached, mirror, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    with pytest.raises(SetupError, match=r"0\.0 GB free and set-up needs 0\.4 GB"):
        fetch(mirror)
    assert mirror.asked == []


def test_two_setups_at_once_fetch_once(cached, mirror):
    both = [threading.Thread(target=fetch, args=(mirror,)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert mirror.asked == [(URL, "")] and cached.read_bytes() == CONTENT
