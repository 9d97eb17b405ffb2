"""What the server answers, what it refuses, and that nobody is kept from an answer by somebody else."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
import struct
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serve_running import Echo, echo_service, read_reply, request, running, wait_until
from subcases import each

from albert_cli.errors import UsageError
from albert_cli.recipe.serving import ServeLimits
from albert_cli.stages.serve.app import Variant
from albert_cli.stages.serve.gate import is_known_host
from albert_cli.stages.serve.server import bind, is_loopback, room_for_connections, url_of

SMALL = ServeLimits(body=2000, text=100, inputs=3, queue=4, connections=8, timeout=20, read_timeout=10)
IMPATIENT = dataclasses.replace(SMALL, read_timeout=1.0)
TASK = "/text-classification"


@pytest.fixture(scope="module")
def server():
    """A server without a model, with small limits."""
    with running(echo_service(Echo(bad="bad"), limits=SMALL)) as found:
        yield found


def test_one_object_gives_one_and_a_list_a_list(server):
    one, many = server.post(TASK, {"text": "abc"}), server.post(TASK, [{"text": "abc"}, "de"])
    assert one.json() == {"index": 0, "results": [{"label": "cba", "score": 1.0}]}
    assert [answer["results"][0]["label"] for answer in many.json()] == ["cba", "ed"]
    assert [answer["index"] for answer in many.json()] == [0, 1]
    assert (one.status, many.status, one.headers["content-type"]) == (200, 200, "application/json")


def test_a_bad_input_among_others_gets_an_error_of_its_own(server):
    reply = server.post(TASK, [{"text": "a"}, {"text": 5}, {"text": "x" * 101}])
    assert reply.status == 200
    assert reply.json() == [
        {"index": 0, "results": [{"label": "a", "score": 1.0}]},
        {"index": 1, "error": '"text" is not a string'},
        {"index": 2, "error": "101 characters; at most 100 are read"},
    ]


@each(
    "path, body, status, said",
    [
        (TASK, b'{"text": ', 400, "not JSON"),
        (TASK, b"\xff\xfe", 400, "not JSON"),
        (TASK, b"[" * 1900, 400, "nested too deeply"),
        (TASK, b'{"text": "x"} {', 400, "not JSON"),
        (TASK, b"7", 422, "not a JSON object or string"),
        (TASK, b'{"no": "text"}', 422, 'no "text" in the object'),
        (TASK, json.dumps({"text": "x" * 101}).encode(), 422, "101 characters; at most 100 are read"),
        (TASK, b"[]", 422, "a list of 0 inputs"),
        (TASK, b'["a","b","c","d"]', 422, "a list of 4 inputs"),
        (TASK, b" " * 2001, 413, "more than 2,000 bytes"),
        (TASK, b"0" * 1_000_000, 413, "more than 2,000 bytes"),
        (TASK, b'{"text": "bad"}', 500, "the model failed: RuntimeError"),
        (f"{TASK}?top_k=0", b'"a"', 400, "top_k is 0"),
        (f"{TASK}?top_k=101", b'"a"', 400, "top_k is 101"),
        (f"{TASK}?top_k=%C2%B2", b'"a"', 400, "top_k is ²"),
        (f"{TASK}?top_q=1", b'"a"', 400, "no parameter top_q"),
        ("/fill-mask", b'"a"', 404, "nothing is at /fill-mask"),
        ("/../../etc/passwd", b'"a"', 404, "nothing is at"),
        ("/health", b'"a"', 405, "/health takes"),
    ],
)
def test_what_is_wrong_is_said_in_json_with_what_to_do(server, path, body, status, said):
    reply = server.post(path, body)
    assert (reply.status, reply.headers["content-type"]) == (status, "application/json")
    assert said in reply.json()["error"]
    assert reply.json()["try"]
    assert "secret" not in reply.body.decode()


def test_a_get_of_the_task_says_which_method_it_takes(server):
    reply = server.get(TASK)
    assert (reply.status, reply.headers["allow"], reply.json()["try"]) == (405, "POST", "use POST")


def test_a_body_in_parts_of_unknown_length_is_read_and_limited(server):
    head = request("POST", TASK, headers={"Transfer-Encoding": "chunked"})
    assert server.send(head + b'5\r\n{"tex\r\n7\r\nt":"a"}\r\n0\r\n\r\n').json()["results"][0]["label"] == "a"
    assert (
        server.send(head + b"400\r\n" + b"x" * 1024 + b"\r\n" + b"400\r\n" + b"x" * 1024 + b"\r\n0\r\n\r\n").status
        == 413
    )


def test_a_compressed_body_is_refused(server):
    assert server.post(TASK, b"\x1f\x8b", headers={"Content-Encoding": "gzip"}).status == 415


@each(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 100_000,  # and so on
        b"POST /text-classification HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the beginning of TLS
        bytes(range(256)) * 20,
    ],
)
def test_what_is_no_http_is_refused_in_json(server, data):
    reply = server.send(data)
    assert (reply.status, reply.headers["connection"]) == (400, "close")
    assert set(reply.json()) == {"error", "try"}


def test_every_response_forbids_what_a_browser_need_not_do(server):
    for reply in (server.get("/"), server.get("/health"), server.post(TASK, b"{"), server.send(b"nonsense\r\n\r\n")):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["x-frame-options"] == "DENY"
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["content-security-policy"].startswith("default-src 'none'")
        assert "access-control-allow-origin" not in reply.headers
        assert "server" not in reply.headers


def test_the_page_may_run_its_own_script_alone(server):
    reply = server.get("/")
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    policy = reply.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'sha256-" in policy
    page = reply.body.decode()
    assert "innerHTML" not in page
    assert not any(f'{attribute}="http' in page or f'{attribute}="//' in page for attribute in ("src", "href"))


def test_only_names_of_this_machine_are_answered(server):
    for name in ("localhost", "LOCALHOST:99", "127.0.0.1:8000", "[::1]:80", "127.8.9.1", "localhost."):
        assert server.get("/health", headers={"Host": name}).status == 200
    for name in ("evil.example", "localhost.evil.example", "10.0.0.1", "evil@localhost:x", ""):
        assert server.get("/health", headers={"Host": name}).status == 403


def test_any_name_is_answered_where_none_is_asked_for():
    with running(echo_service(hosts=())) as found:
        assert found.get("/health", headers={"Host": "some.example"}).status == 200


@pytest.mark.parametrize(
    ("header", "known"), [("a.example:80", True), ("b.example", False), ("[", False), (":", False)]
)
def test_hosts_that_are_allowed_by_name(header, known):
    assert is_known_host(header, {"a.example"}) is known


def test_pages_of_others_may_not_ask(server):
    body = json.dumps({"text": "a"}).encode()
    host = {"Host": f"localhost:{server.port}"}
    assert server.post(TASK, body, headers={**host, "Origin": f"http://localhost:{server.port}"}).status == 200
    for origin in ("http://evil.example", "null", "http://localhost:1", "http://localhost"):
        assert server.post(TASK, body, headers={**host, "Origin": origin}).status == 403


def test_health_about_and_metrics(server):
    health, about = server.get("/health").json(), server.get("/about").json()
    assert (health["status"], health["task"], health["queue"]) == ("ok", "text-classification", 0)
    assert (about["task"], about["path"], about["parameters"]) == ("text-classification", TASK, ["top_k"])
    assert about["limits"] == {"body": 2000, "text": 100, "inputs": 3, "seconds": 20}
    assert json.loads(about["example"]) == {"text": "..."}
    counted = 'albert_requests_total{path="/health",status="200"}'
    before = server.metric(counted)
    server.get("/health")
    assert server.metric(counted) == before + 1
    server.get("/some/odd/path")
    metrics = server.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "odd" not in metrics.body.decode()
    assert server.metric("albert_queue_inputs") == 0


def test_a_connection_serves_several_requests_and_ends_when_idle_or_asked():
    with running(echo_service()) as found, found.connect() as connection:
        for word in ("one", "two"):
            body = json.dumps(word).encode()
            connection.sendall(request("POST", TASK, body, headers={"Connection": "keep-alive"}))
            assert read_reply(connection).json()["results"][0]["label"] == word[::-1]
        connection.sendall(request("GET", "/health"))
        assert read_reply(connection).status == 200
        assert connection.recv(1) == b""


def test_requests_sent_at_once_on_one_connection_are_answered_in_order():
    with running(echo_service()) as found, found.connect() as connection:
        words = ["one", "two", "three"]
        keep = {"Connection": "keep-alive"}
        connection.sendall(b"".join(request("POST", TASK, json.dumps(word).encode(), headers=keep) for word in words))
        data = b""
        while data.count(b"results") < 3:
            data += connection.recv(65536)
        places = [data.index(word[::-1].encode()) for word in words]
        assert places == sorted(places)


def test_more_than_the_queue_holds_is_told_to_come_again():
    opened = threading.Event()
    with running(echo_service(Echo(opened=opened), limits=SMALL)) as found:
        with found.connect() as first:
            first.sendall(request("POST", TASK, b'["a","b","c"]'))
            wait_until(lambda: found.service.admission.num_inputs == 3)
            refused = found.post(TASK, ["d", "e"])
            assert (refused.status, refused.json()["error"]) == (503, "3 inputs are waiting, and at most 4 may")
            assert 1 <= int(refused.headers["retry-after"]) <= 60
            assert found.get("/health").json()["queue"] == 3
            opened.set()
            assert len(read_reply(first).json()) == 3
        wait_until(lambda: found.service.admission.num_inputs == 0)
        assert found.post(TASK, ["d", "e"]).status == 200


def test_answers_that_would_be_huge_are_refused_and_large_ones_wait_for_each_other():
    opened = threading.Event()
    task = Echo(opened=opened)
    sizes = {"huge": 2**30, "large": 400 * 2**20, "small": 100}
    service = echo_service(task, make_variant=lambda given: Variant(task, lambda query: sizes[query.text]))
    with running(service) as found:
        assert found.post(TASK, {"text": "huge"}).status == 422
        assert found.post(TASK, ["large", "small"]).status == 422
        with found.connect() as first:
            first.sendall(request("POST", TASK, b'"large"'))
            wait_until(lambda: found.service.admission.num_inputs == 1)
            assert found.post(TASK, "large").status == 503
            opened.set()
            assert found.post(TASK, "small").status == 200
            assert read_reply(first).status == 200


def test_a_request_that_takes_too_long_is_given_up():
    opened = threading.Event()
    limits = dataclasses.replace(SMALL, timeout=0.3)
    task = Echo(opened=opened)
    with running(echo_service(task, limits=limits)) as found:
        first = found.post(TASK, "a")
        assert (first.status, first.json()["error"]) == (504, "no answer within 0.3 s")
        assert found.post(TASK, "never computed").status == 504
        opened.set()
        assert found.post(TASK, "b").json()["results"][0]["label"] == "b"
    assert ["never computed"] not in task.batches


def test_who_leaves_is_not_computed_for():
    opened = threading.Event()
    task = Echo(opened=opened)
    with running(echo_service(task)) as found:
        with found.connect() as first:
            first.sendall(request("POST", TASK, b'"first"'))
            wait_until(lambda: bool(task.batches))
            with found.connect() as second:
                second.sendall(request("POST", TASK, b'"second"'))
                wait_until(lambda: found.service.admission.num_inputs == 2)
            wait_until(lambda: found.service.admission.num_inputs == 1)
            opened.set()
            assert read_reply(first).status == 200
        assert found.post(TASK, "third").status == 200
    assert task.batches == [["first"], ["third"]]


def test_slow_clients_are_refused_and_others_are_answered_meanwhile():
    limits = dataclasses.replace(IMPATIENT, connections=60)
    with running(echo_service(limits=limits)) as found:
        heads = [found.connect() for _ in range(20)]
        bodies = [found.connect() for _ in range(20)]
        for connection in heads:
            connection.sendall(b"POST /text-class")
        for connection in bodies:
            connection.sendall(request("POST", TASK, headers={"Content-Length": "100"}) + b'{"te')
        for number in range(10):
            assert found.post(TASK, f"quick {number}").status == 200
        for connection in (*heads, *bodies):
            reply = read_reply(connection)
            assert (reply.status, set(reply.json())) == (408, {"error", "try"})
            connection.close()
        wait_until(lambda: found.metric("albert_connections") == 1)


def test_a_byte_now_and_then_does_not_win_time():
    with running(echo_service(limits=IMPATIENT)) as found, found.connect() as connection:
        begin = time.monotonic()
        with pytest.raises(OSError):  # noqa: PT012 - the server may close at any of them
            for letter in request("POST", TASK, headers={"X": "y" * 2000}):
                connection.sendall(bytes([letter]))
                time.sleep(0.05)
        assert time.monotonic() - begin < 15


def test_a_body_that_nobody_wants_ends_the_connection():
    with running(echo_service(limits=IMPATIENT)) as found, found.connect() as connection:
        connection.sendall(request("POST", "/nowhere", headers={"Content-Length": "100", "Connection": "keep-alive"}))
        assert read_reply(connection).status == 404
        connection.sendall(b"x")
        assert connection.recv(1) == b""


def test_who_does_not_take_the_answer_is_cut():
    class Talkative(Echo):
        def answer(self, queries):
            return [{"results": "x" * 8_000_000} for _ in queries]

    def small_buffers(listening: socket.socket) -> None:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    service = echo_service(Talkative(), limits=IMPATIENT)
    with running(service, prepare=small_buffers) as found, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", found.port))
        connection.sendall(request("POST", TASK, b'"a"', headers={"Connection": "keep-alive"}))
        wait_until(lambda: found.service.admission.num_inputs == 1)
        wait_until(lambda: found.service.admission.num_inputs == 0)
        assert found.metric('albert_refused_total{reason="slow reader"}') == 1
        with pytest.raises(ConnectionError):  # noqa: PT012 - until what the system held is read
            while connection.recv(65536):
                continue
            raise ConnectionError


def test_connections_beyond_the_limit_are_told_so_and_others_stay():
    limits = dataclasses.replace(SMALL, read_timeout=20)
    with running(echo_service(limits=limits)) as found:
        held = [found.connect() for _ in range(limits.connections)]
        wait_until(lambda: len(found.server.server_state.connections) == limits.connections)
        refused = found.get("/health")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["error"] == "too many connections"
        many = [found.connect() for _ in range(200)]
        wait_until(lambda: len(found.server.server_state.connections) <= limits.connections + 65)
        held[0].sendall(request("POST", TASK, b'"abc"'))
        assert read_reply(held[0]).status == 200
        for connection in (*held, *many):
            connection.close()
        wait_until(lambda: not found.server.server_state.connections)
        assert found.get("/health").status == 200


def test_a_client_that_resets_harms_nobody(server):
    for _ in range(20):
        connection = server.connect()
        connection.sendall(request("POST", TASK, b'"a"'))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    wait_until(lambda: server.post(TASK, "abc").status == 200)
    wait_until(lambda: server.service.admission.num_inputs == 0)


def test_stopping_finishes_what_was_asked_and_takes_nothing_more():
    opened = threading.Event()
    with running(echo_service(Echo(opened=opened))) as found:
        asked = [found.connect() for _ in range(10)]
        idle = found.connect()
        for number, connection in enumerate(asked):
            connection.sendall(
                request("POST", TASK, json.dumps(f"text {number}").encode(), headers={"Connection": "x"})
            )
        wait_until(lambda: found.service.admission.num_inputs == 10)
        found.service.is_stopping = found.server.should_exit = True
        assert idle.recv(1) == b""
        with pytest.raises(OSError):
            found.connect(timeout=2)
        opened.set()
        for number, connection in enumerate(asked):
            assert read_reply(connection).json()["results"][0]["label"] == f"text {number}"[::-1]
            assert connection.recv(1) == b""
            connection.close()
        idle.close()
        found.thread.join(20)
        assert not found.thread.is_alive()


def test_a_model_thread_that_has_ended_is_no_silence():
    with running(echo_service()) as found:
        found.service.batcher.stop(5)
        assert found.get("/health").status == 503
        assert found.post(TASK, "a").status == 503


PARTS = st.sampled_from(
    [
        b"POST /text-classification HTTP/1.1\r\n",
        b"GET / HTTP/1.0\r\n",
        b"Host: localhost\r\n",
        b"Content-Length: 3\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: upgrade\r\nUpgrade: websocket\r\n",
        b"Expect: 100-continue\r\n",
        b"\r\n",
        b'"a"',
        b"3\r\n",
        b"0\r\n\r\n",
    ]
)


def test_whatever_bytes_come_the_server_goes_on(caplog):
    defects: list[Exception] = []
    with running(echo_service(limits=SMALL, on_defect=defects.append)) as found:

        @settings(max_examples=300, deadline=None, database=None)
        @given(st.lists(PARTS | st.binary(max_size=40), max_size=12))
        def send(parts: list[bytes]) -> None:
            with found.connect() as connection, contextlib.suppress(OSError):
                for part in parts:
                    connection.sendall(part)

        send()
        wait_until(lambda: not found.server.server_state.connections)
        assert found.post(TASK, "abc").status == 200
        wait_until(lambda: found.service.admission.num_inputs == 0)
    assert defects == []
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_addresses(monkeypatch):
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        assert is_loopback(first)
        assert url_of(first, "localhost") == f"http://localhost:{port}/"
        first.listen()
        with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}"):
            bind("127.0.0.1", port)
    with bind("0.0.0.0", 0) as every:
        assert not is_loopback(every)
        assert url_of(every, "0.0.0.0") == f"http://127.0.0.1:{every.getsockname()[1]}/"
    for host in ("x" * 300, "203.0.113.7"):
        with pytest.raises(UsageError):
            bind(host, 0)
    resource = pytest.importorskip("resource", reason="no limits of open files here")
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (500, 600))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: None)
    assert room_for_connections(2000) == 600 - 64 - 192
    assert room_for_connections(100) == 100
