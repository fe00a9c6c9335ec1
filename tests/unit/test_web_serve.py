"""`kmeta serve`: the port, the address it prints, and how it stops."""

import json
import re
import runpy
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kmeta.cli.app import app
from kmeta.core.errors import InputError
from kmeta.web import server, source

SAMPLE = Path(__file__).parents[1] / "samples" / "web_contents.py"
SERVE = f"""
import runpy, sys
from kmeta.web.server import run
review = runpy.run_path({str(SAMPLE)!r})["review"](n_records=5)
run(lambda: review, None, 0, announce=lambda address: print(address, flush=True), open_browser=False)
print("stopped", flush=True)
"""


@pytest.fixture
def taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_port_in_use_is_an_error_that_names_a_free_one(taken):
    with pytest.raises(InputError) as caught:
        server.listen(taken)
    assert f"port {taken} is in use" in str(caught.value)
    suggested = int(re.search(r"--port (\d+)", caught.value.hint)[1])
    server.listen(suggested).close()


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_cannot_be_is_refused(port):
    with pytest.raises(InputError, match="there is no port"):
        server.listen(port)


def test_only_this_computer_is_listened_to():
    with server.listen(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"


def test_the_command_prints_the_address_and_opens_the_browser_unless_told_not_to(monkeypatch, tmp_path):
    opened, shown = [], runpy.run_path(str(SAMPLE))["review"](n_records=5)
    monkeypatch.setattr(source, "project_source", lambda directory: (lambda: shown, lambda: "state"))
    monkeypatch.setattr(server, "_open", opened.append)
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    plain = CliRunner().invoke(app, ["serve", str(tmp_path), "--port", "0"])
    assert plain.exit_code == 0
    address = re.search(r"http://127\.0\.0\.1:\d+/", plain.output)[0]
    assert opened == [address]
    told = CliRunner().invoke(app, ["serve", str(tmp_path), "--port", "0", "--no-open", "--json"])
    assert json.loads(told.stdout)["read_only"] is True
    assert opened == [address]


def test_the_command_says_when_the_port_is_taken(monkeypatch, tmp_path, taken):
    shown = runpy.run_path(str(SAMPLE))["review"](n_records=5)
    monkeypatch.setattr(source, "project_source", lambda directory: (lambda: shown, lambda: "state"))
    answer = CliRunner().invoke(app, ["serve", str(tmp_path), "--port", str(taken), "--no-open"])
    assert answer.exit_code == 2
    assert "is in use" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process on Windows")
def test_it_serves_and_stops_cleanly_on_ctrl_c():
    running = subprocess.Popen(
        [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        address = running.stdout.readline().strip()
        with urllib.request.urlopen(address, timeout=30) as answer:
            assert answer.status == 200
            assert "server" not in {name.lower() for name in answer.headers}
        rebound = urllib.request.Request(address, headers={"Host": "rebound.example"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(rebound, timeout=30)
        assert refused.value.code == 400
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    finally:
        running.kill()
    assert out.strip() == "stopped"
    assert err == ""
    assert running.returncode == 0
