"""The trial of a model before a run: one request, and one line on what cannot work."""

import asyncio
import socket
from dataclasses import replace

import pytest
from conftest import MODELS, PLANTED_KEY
from stand_in import StandIn, fail, page, say

from openglia.errors import OpenGliaError


@pytest.fixture
def preflight(lab):
    def trial(model, **how):
        from openglia.discovery.preflight import preflight

        lab.root.mkdir(exist_ok=True)
        return asyncio.run(preflight(model, lab.root, **how))

    return trial


def test_a_model_that_answers_passes_and_its_tokens_count(lab, preflight, protocol, capfd):
    with StandIn([say("ready")]) as server:
        lab.serve(server)
        trial = preflight(MODELS[protocol])
    assert trial.warning is None
    assert (trial.usage.calls, trial.usage.total) == (1, 110)
    (_, body), *others = server.requests
    assert others == []
    assert not body.get("tools")  # no shell
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (fail(401, f"no such key {PLANTED_KEY}"), "no such key [redacted]"),
        (fail(401, "no"), "set a key of this provider"),
        (fail(402, "no"), "no credit"),
        (fail(403, "no"), "set a key"),
        (fail(404, "model not found"), "--model"),
        (fail(429, "insufficient_quota"), "no credit"),
        (page(), "correct the base URL"),
    ],
)
def test_what_cannot_work_is_one_line_after_one_request(lab, preflight, protocol, reply, said):
    with StandIn([reply]) as server:
        lab.serve(server)
        with pytest.raises(OpenGliaError) as error:
            preflight(MODELS[protocol])
    line = str(error.value)
    assert said in line
    assert f"model {MODELS[protocol]}: http://127.0.0.1:{server.port}/v1/" in line
    assert str(reply.status) in line
    assert "\n" not in line
    assert PLANTED_KEY not in line
    assert len(server.requests) == 1
    assert error.value.exit_status == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_a_warning(lab, preflight, protocol, status):
    with StandIn([replace(fail(status, f"busy {PLANTED_KEY}"), headers={})]) as server:
        lab.serve(server)
        trial = preflight(MODELS[protocol])
    assert f"http://127.0.0.1:{server.port}/v1/" in trial.warning
    assert str(status) in trial.warning
    assert "busy [redacted]" in trial.warning
    assert len(server.requests) == 1
    assert trial.usage.total == 0


def test_a_slow_model_is_not_refused(lab, preflight, protocol):
    with StandIn([say("rea", hang=True)]) as server:
        lab.serve(server)
        trial = preflight(MODELS[protocol], seconds=3)
    assert trial.warning
    assert len(server.requests) == 1


def closed():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (closed(), "nobody listens there"),
        ("http://no-such-host.invalid", "the host is not known"),
    ],
    ids=["refused", "unknown-host"],
)
def test_an_address_that_nobody_answers_at(lab, preflight, protocol, address, said):
    lab.environ["GENERIC_BASE_URL"] = f"{address}/v1"
    lab.environ["ANTHROPIC_BASE_URL"] = address
    with pytest.raises(OpenGliaError) as error:
        preflight(MODELS[protocol])
    line = str(error.value)
    assert f"{address}/v1/" in line
    assert said in line
    assert "\n" not in line


def test_plain_http_where_https_is_asked_for(lab, preflight, protocol):
    with StandIn() as server:
        lab.environ["GENERIC_BASE_URL"] = f"https://127.0.0.1:{server.port}/v1"
        lab.environ["ANTHROPIC_BASE_URL"] = f"https://127.0.0.1:{server.port}"
        with pytest.raises(OpenGliaError, match="no secure connection"):
            preflight(MODELS[protocol])


@pytest.mark.parametrize("model", ["no-such-model", "anthropic.claude-sonnet-5-5"])
def test_what_fast_agent_refuses_itself(preflight, model, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(OpenGliaError) as error:
        preflight(model)
    assert f"model {model}: " in str(error.value)
    assert "\n" not in str(error.value)
