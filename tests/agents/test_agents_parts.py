"""The parts of the loop that need no model: choice, verdicts, redaction, prompts, limits."""

import json
import subprocess
import sys
from pathlib import Path
from string import Template

import pytest
from conftest import Record

from openglia.discovery.experiment import Limits, Usage, Used
from openglia.discovery.limits import CLOSING_CALLS, Budget, LimitReached, left
from openglia.discovery.models import NOT_BY_KEY, PROVIDERS, adopt_dotenv, choose
from openglia.discovery.prompts import prompt
from openglia.discovery.redaction import Redactor, redactor
from openglia.discovery.verdict import Verdict, parse
from openglia.errors import UsageError

REPOSITORY = Path(__file__).parent.parent.parent


class TestChoice:
    @pytest.mark.parametrize(
        ("option", "environ", "model", "why"),
        [
            ("haiku", {"OPENGLIA_MODEL": "opus"}, "haiku", "--model"),
            (None, {"OPENGLIA_MODEL": "opus", "OPENAI_API_KEY": "k"}, "opus", "OPENGLIA_MODEL"),
            (None, {"FAST_AGENT_MODEL": "gpt55"}, "gpt55", "FAST_AGENT_MODEL"),
            (None, {"ANTHROPIC_API_KEY": "k"}, "sonnet", "ANTHROPIC_API_KEY"),
            (None, {"GEMINI_API_KEY": "k"}, "gemini31pro", "GEMINI_API_KEY"),
            (None, {"OPENROUTER_API_KEY": "k"}, "openrouter.openrouter/auto", "OPENROUTER"),
            (None, {"ANTHROPIC_API_KEY": " "}, "offline", "no provider key"),
            ("", {}, "offline", "no provider key"),
        ],
    )
    def test_order(self, tmp_path, option, environ, model, why):
        choice = choose(option, environ, root=tmp_path)
        assert choice.model == model
        assert why in choice.why

    def test_several_keys_take_the_first_and_say_so(self, tmp_path):
        environ = {"GROQ_API_KEY": "k", "XAI_API_KEY": "k", "OPENAI_API_KEY": "k"}
        choice = choose(None, environ, root=tmp_path)
        assert choice.model == "gpt6sol"
        assert "XAI_API_KEY, GROQ_API_KEY too" in choice.why

    @pytest.mark.parametrize("name", ["fast-agent.yaml", "fastagent.config.yaml"])
    def test_fast_agents_own_setting(self, tmp_path, name):
        (tmp_path / name).write_text("default_model: kimi\n")
        choice = choose(None, {"OPENAI_API_KEY": "k"}, root=tmp_path)
        assert (choice.model, choice.why) == ("kimi", f"named by default_model in {name}")

    def test_a_key_in_the_secrets_file(self, tmp_path):
        (tmp_path / "fast-agent.secrets.yaml").write_text("openai: {api_key: sk-1}\n")
        choice = choose(None, {}, root=tmp_path)
        assert choice.model == "gpt6sol"
        assert "openai.api_key" in choice.why

    @pytest.mark.parametrize("text", ["a: [", "- a list", "\x00"])
    def test_an_unreadable_configuration_is_one_line(self, tmp_path, text):
        (tmp_path / "fast-agent.yaml").write_text(text)
        with pytest.raises(UsageError) as error:
            choose(None, {}, root=tmp_path)
        assert "\n" not in str(error.value)

    def test_two_configurations_are_refused(self, tmp_path):
        for name in ("fast-agent.yaml", "fastagent.config.yaml"):
            (tmp_path / name).write_text("")
        with pytest.raises(UsageError, match="both lie in"):
            choose(None, {}, root=tmp_path)

    def test_fast_agent_knows_the_usual_models(self):
        from fast_agent.llm.model_factory import ModelFactory
        from fast_agent.llm.provider_key_manager import ProviderKeyManager

        for provider in PROVIDERS:
            resolved = ModelFactory.resolve_model_spec(provider.model).provider.config_name
            assert ProviderKeyManager.get_env_key_name(resolved) in provider.keys, provider

    def test_every_provider_of_fast_agent_is_known_or_left_out_for_a_reason(self):
        from fast_agent.llm.provider_types import Provider

        by_key = {provider.section for provider in PROVIDERS}
        assert by_key.isdisjoint(NOT_BY_KEY)
        assert by_key | set(NOT_BY_KEY) == {provider.config_name for provider in Provider}


class TestDotenv:
    def test_a_key_in_it_chooses_the_provider(self, tmp_path):
        (tmp_path / ".env").write_text(
            "# ours\nexport OPENROUTER_API_KEY='sk-or-1 2'\nOPENGLIA_MODEL=\nEMPTY\n", "utf-8-sig"
        )
        environ = {"HOME": "/home/somebody"}
        adopt_dotenv(environ, root=tmp_path)
        assert environ["OPENROUTER_API_KEY"] == "sk-or-1 2"
        assert choose(None, environ, root=tmp_path).model == "openrouter.openrouter/auto"

    def test_the_environment_comes_first(self, tmp_path):
        (tmp_path / ".env").write_text("OPENGLIA_MODEL=opus\nA=1\n")
        environ = {"OPENGLIA_MODEL": "haiku"}
        adopt_dotenv(environ, root=tmp_path)
        assert environ == {"OPENGLIA_MODEL": "haiku", "A": "1"}

    def test_its_keys_are_redacted(self, tmp_path):
        (tmp_path / ".env").write_text("SOME_API_KEY=sk-in-dotenv\nNAME=ordinary-word\n")
        assert redactor({}, tmp_path).text("sk-in-dotenv ordinary-word") == (
            "[redacted] ordinary-word"
        )

    def test_without_one_nothing_changes(self, tmp_path):
        environ = {}
        adopt_dotenv(environ, root=tmp_path)
        assert environ == {}

    def test_an_unreadable_one_is_one_line(self, tmp_path):
        (tmp_path / ".env").write_bytes(b"A=\xff\xfe\n")
        with pytest.raises(UsageError, match="is not UTF-8 text"):
            adopt_dotenv({}, root=tmp_path)


class TestVerdict:
    GOOD = '{"rating": "GOOD", "feedback": "Why?", "needs_improvement": true}'

    @pytest.mark.parametrize(
        "text",
        [
            GOOD,
            f"```json\n{GOOD}\n```",
            f"Let me think {{first}}.\n{GOOD}\nThat is all.",
            GOOD.replace("GOOD", "good"),
            f'{{"rating": "POOR"}} {GOOD}',
        ],
    )
    def test_is_found(self, text):
        assert parse(text) == Verdict("GOOD", "Why?", True)

    def test_a_line_break_in_a_string_is_forgiven(self):
        verdict = parse('{"rating": "FAIR", "feedback": "a\nb", "needs_improvement": true}')
        assert verdict == Verdict("FAIR", "a\nb", True)

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "no JSON object"),
            ("GOOD", "no JSON object"),
            ("{" * 10000, "no JSON object"),
            ('{"rating": "GREAT", "feedback": "x", "needs_improvement": true}', "rating"),
            ('{"rating": "GOOD", "feedback": " ", "needs_improvement": true}', "feedback"),
            ('{"rating": "GOOD", "feedback": "x", "needs_improvement": "no"}', "true or false"),
            ('{"rating": 3}', "rating"),
        ],
    )
    def test_is_missed_with_the_reason(self, text, problem):
        assert problem in parse(text)

    @pytest.mark.parametrize(
        ("rating", "improvement", "content"),
        [
            ("POOR", False, False),
            ("FAIR", False, False),
            ("GOOD", True, False),
            ("GOOD", False, True),
            ("EXCELLENT", True, True),
        ],
    )
    def test_decides(self, rating, improvement, content):
        assert Verdict(rating, "x", improvement).content is content


class TestRedaction:
    def test_keys_of_the_environment_and_the_secrets_file(self, tmp_path):
        (tmp_path / "fast-agent.secrets.yaml").write_text(
            "openai: {api_key: sk-in-the-file, base_url: http://localhost:8000/v1}\n"
        )
        environ = {
            "SOME_API_KEY": "sk-in-the-environment",
            "GITHUB_TOKEN": "ghp-0123456789",
            "HTTPS_PROXY": "http://user:hunter2hunter2@proxy:3128",
            "HOME": "/home/somebody",
            "SHORT_KEY": "abc",
            "KEYBOARD": "qwertyuiop",
        }
        redact = redactor(environ, tmp_path)
        text = (
            "sk-in-the-file sk-in-the-environment ghp-0123456789 hunter2hunter2 "
            "/home/somebody abc qwertyuiop http://localhost:8000/v1"
        )
        assert redact.text(text) == (
            "[redacted] [redacted] [redacted] [redacted] "
            "/home/somebody abc qwertyuiop http://localhost:8000/v1"
        )

    def test_values_inside_json(self):
        redact = Redactor(["secret-value"])
        value = {"a": ["x secret-value y", {"secret-value": 1}], "b": None}
        assert "secret-value" not in json.dumps(redact.value(value))

    def test_a_key_that_contains_another_is_redacted_whole(self):
        assert Redactor(["12345678", "12345678-9"]).text("12345678-9") == "[redacted]"

    def test_without_secrets_nothing_changes(self):
        assert Redactor([]).text("text") == "text"


class TestPrompts:
    def test_every_prompt_names_its_values(self):
        with pytest.raises(KeyError):
            prompt("refine", rating="GOOD")

    def test_texts_are_put_in_as_they_are(self):
        text = prompt("refine", rating="GOOD", feedback="a $b {{c}}", evaluations=3)
        assert "a $b {{c}}" in text

    def test_instructions_hold_nothing_that_is_filled_in(self):
        # fast-agent fills in {{...}}; ours are given as they are.
        for name in ("researcher", "supervisor"):
            text = prompt(name, case="instance")
            assert "{{" not in text
            assert "on all evaluation instances" in " ".join(text.split())
            assert set(Template(text).get_identifiers()) <= {"OPENGLIA_SCRATCH_DIR"}


class TestBudget:
    def test_tokens_of_both_agents_count(self):
        usage = {"researcher": Usage(input_tokens=60), "supervisor": Usage(output_tokens=40)}
        budget = Budget(Limits(max_tokens=100), Record(), lambda: usage)
        with pytest.raises(LimitReached, match=r"100 of 100"):
            budget.before_call(by_researcher=False)
        Budget(Limits(max_tokens=101), Record(), lambda: usage).before_call(by_researcher=True)

    def test_closing_calls_are_the_researchers(self):
        budget = Budget(Limits(max_evaluations=1), Record(evaluations_used=1), dict)
        for _ in range(3 * CLOSING_CALLS):
            budget.before_call(by_researcher=False)
        for _ in range(CLOSING_CALLS):
            budget.before_call(by_researcher=True)
        with pytest.raises(LimitReached, match="evaluations are used up"):
            budget.before_call(by_researcher=True)

    def test_no_limits(self):
        limits = Limits(max_evaluations=None, max_tokens=None, time_limit=None)
        usage = {"researcher": Usage(input_tokens=10**12)}
        budget = Budget(limits, Record(evaluations_used=10**6), lambda: usage)
        budget.before_call(by_researcher=True)
        budget.after_round(0)
        assert budget.evaluations_left() == "unlimited"

    def test_what_is_left(self):
        limits = Limits(max_evaluations=None, max_refinements=1, max_tokens=2000, time_limit=90)
        assert left(limits, Used(tokens=2500, seconds=30), 7) == (
            "evaluations unlimited, refinements 1 of 1, tokens 0 of 2,000, time 0:01:00 of 0:01:30"
        )


def test_the_light_modules_do_not_import_fast_agent():
    # Its import takes seconds: only a command that runs agents may wait for it.
    code = (
        "import sys; from openglia.discovery import loop, models, redaction;"
        "sys.exit('fast_agent' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0
