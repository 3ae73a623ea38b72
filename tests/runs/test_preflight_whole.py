"""A run whose model cannot work ends before anything is measured, and before it has a folder."""

import socket

import pytest


@pytest.mark.parametrize("trial", [True, False])
def test_a_closed_port(project, trial):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        words = ["--model", "generic.foo", "--benchmark", "tiny", "--sandbox", "none"]
        words += ["--time-limit", "0.2", *([] if trial else ["--no-preflight"])]
        status, output = project.run("-m", "openglia", "run", *words, GENERIC_BASE_URL=address)
    assert status == 1, output
    assert ("measuring the baselines" in output) is not trial
    assert len(project.runs()) == (0 if trial else 1)
    if trial:
        last = output.splitlines()[-1]
        assert last.startswith("openglia run: model generic.foo: http://127.0.0.1:")
        assert "nobody listens there" in last


def test_a_limit_of_cost_that_could_not_hold(project):
    words = ["--model", "generic.foo", "--benchmark", "tiny", "--sandbox", "none"]
    status, output = project.run("-m", "openglia", "run", *words, "--max-cost", "2.50")
    assert status == 2, output
    assert "--max-cost cannot hold: the price of model generic.foo is not known" in output
    assert project.runs() == []


def test_dotenv_in_the_checkout_names_model_and_provider(project):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        dotenv = f"OPENGLIA_MODEL=generic.from-dotenv\nGENERIC_BASE_URL={address}\n"
        (project.root / ".env").write_text(dotenv)
        words = ["--benchmark", "tiny", "--sandbox", "none"]
        status, output = project.run("-m", "openglia", "run", *words)
    assert status == 1, output
    assert f"model generic.from-dotenv: {address}/chat/completions" in output
