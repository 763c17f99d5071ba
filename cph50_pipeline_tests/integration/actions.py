"""GitHub Actions, as far as our workflows need it: expressions filled in, and the steps of a job really run by bash.

Actions that are used are not run, but for the checkout, which is a clone.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Value = str | bool
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_][\w.-]*)|(?P<sign>\|\||&&|==|!=|[!()]))"
)
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")
_OF_THE_MACHINE = ("PATH", "LANG")


@dataclass
class Expression:
    """One expression, read from the left.

    Args:
        text: What stands between the braces.
        contexts: By dotted name: what `github.token` and the like are; what is not there is empty.
        has_failed: Whether an earlier step of the job failed.
    """

    text: str
    contexts: Mapping[str, Value]
    has_failed: bool = False
    _tokens: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self._tokens = list(self._read())

    def value(self) -> Value:
        """What the expression is."""
        found = self._either()
        assert self._tokens == [], f"{self._tokens} is left of {self.text!r}"
        return found

    def _read(self) -> Iterator[str]:
        position = 0
        while self.text[position:].strip():
            match = _TOKEN.match(self.text, position)
            assert match is not None, f"{self.text[position:]!r} of {self.text!r} is not understood"
            yield match[0].strip()
            position = match.end()

    def _takes(self, sign: str) -> bool:
        if self._tokens[:1] == [sign]:
            del self._tokens[0]
            return True
        return False

    def _either(self) -> Value:
        value = self._both()
        while self._takes("||"):
            other = self._both()
            value = value or other
        return value

    def _both(self) -> Value:
        value = self._compared()
        while self._takes("&&"):
            other = self._compared()
            value = other if value else value
        return value

    def _compared(self) -> Value:
        value = self._single()
        if self._takes("=="):
            return value == self._single()
        if self._takes("!="):
            return value != self._single()
        return value

    def _single(self) -> Value:
        if self._takes("!"):
            return not self._single()
        if self._takes("("):
            value = self._either()
            assert self._takes(")")
            return value
        token = self._tokens.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if self._takes("("):
            assert self._takes(")")
            return {"cancelled": False, "always": True, "success": not self.has_failed}[token]
        return self.contexts.get(token, "")


def filled_in(text: str, contexts: Mapping[str, Value]) -> str:
    """A text with its expressions' values in their places, as GitHub writes them."""
    return _EXPRESSION.sub(lambda match: _written(Expression(match[1], contexts).value()), text)


def _written(value: Value) -> str:
    return value if isinstance(value, str) else str(value).lower()


@dataclass
class JobRun:
    """One run of a job, on a machine that is a folder.

    Args:
        folder: Empty; becomes workspace and temporary folder of the job.
        remote: What a checkout clones.
        contexts: Of the event, the repository's variables and secrets, by dotted name.
        environment: What the machine itself has, beside its PATH.
    """

    folder: Path
    remote: str
    contexts: dict[str, Value]
    environment: Mapping[str, str] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    log: str = ""
    _exported: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in (self.workspace, self.temporary):
            path.mkdir(parents=True)
        self.contexts |= {"github.workspace": str(self.workspace), "runner.temp": str(self.temporary)}

    @property
    def workspace(self) -> Path:
        """Where the steps run."""
        return self.folder / "workspace"

    @property
    def temporary(self) -> Path:
        """What is gone with the machine."""
        return self.folder / "temporary"

    @property
    def summary(self) -> str:
        """What the steps wrote for people."""
        return self._file("summary").read_text()

    @property
    def has_failed(self) -> bool:
        """Whether a step failed."""
        return "failure" in self.outcomes.values()

    def run(self, job: Mapping[str, Any]) -> None:
        """Run a job's steps, one after another."""
        given = {name: self._filled_in(value) for name, value in job.get("env", {}).items()}
        for step in job["steps"]:
            self._run_step(step, given)

    def outputs(self, job: Mapping[str, Any]) -> dict[str, str]:
        """What the job hands on."""
        return {name: self._filled_in(value) for name, value in job["outputs"].items()}

    def _run_step(self, step: Mapping[str, Any], given: Mapping[str, str]) -> None:
        name = step.get("id") or step.get("name") or step["uses"]
        if not self._is_wanted(step.get("if", "success()")):
            outcome = "skipped"
        elif "uses" in step:
            outcome = self._use(step)
        else:
            outcome = self._execute(step, given)
        self.outcomes[name] = outcome
        self.contexts[f"steps.{name}.outcome"] = outcome

    def _is_wanted(self, condition: str) -> bool:
        text = condition.removeprefix("${{").removesuffix("}}")
        return bool(Expression(text, self.contexts, self.has_failed).value())

    def _use(self, step: Mapping[str, Any]) -> str:
        if step["uses"].startswith("actions/checkout@"):
            options = {name: self._filled_in(value) for name, value in step["with"].items()}
            command = ["git", "clone", "--quiet", "--depth=1", f"--branch={options['ref']}", self.remote]
            subprocess.run([*command, options["path"]], cwd=self.workspace, check=True)
        return "success"

    def _execute(self, step: Mapping[str, Any], given: Mapping[str, str]) -> str:
        own = {name: self._filled_in(value) for name, value in step.get("env", {}).items()}
        script = self._file("script.sh")
        script.write_text(step["run"])
        done = subprocess.run(
            ["bash", "-e", str(script)],
            env=self._of_the_machine() | given | self._exported | own,
            cwd=self.workspace,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.log += done.stdout
        self._exported |= self._said("environment")
        for name, value in self._said("output").items():
            self.contexts[f"steps.{step.get('id')}.outputs.{name}"] = value
        self._file("output").unlink()
        return "success" if done.returncode == 0 else "failure"

    def _of_the_machine(self) -> dict[str, str]:
        files = {
            f"GITHUB_{name}": str(self._file(file))
            for name, file in (("ENV", "environment"), ("OUTPUT", "output"), ("STEP_SUMMARY", "summary"))
        }
        for file in files.values():
            Path(file).touch()
        kept = {name: os.environ[name] for name in _OF_THE_MACHINE if name in os.environ}
        named = {"CI": "true", "HOME": str(self.folder), "RUNNER_TEMP": str(self.temporary)}
        return kept | named | files | dict(self.environment)

    def _said(self, file: str) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self._file(file).read_text().splitlines())

    def _file(self, name: str) -> Path:
        return self.folder / name

    def _filled_in(self, value: str) -> str:
        return filled_in(value, self.contexts)


def load_workflow(data: bytes) -> dict[str, Any]:
    """A workflow; every value as it is written, because YAML 1.1 reads the key `on` as a boolean."""
    loaded: dict[str, Any] = yaml.load(data, yaml.BaseLoader)
    return loaded
