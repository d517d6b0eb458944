"""A spec in an editor: the YAML language server itself, asked over its protocol, with the schema that we write."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from devops_tasks.fields import Tree
from devops_tasks.schema import defaults_schema, spec_schema
from tests.bundles import EXAMPLES
from tests.command import devops_tasks
from tests.tools import NODE, ROOT, judge, tool

SERVER = NODE / "node_modules/yaml-language-server/bin/yaml-language-server"
SETTINGS = {"validate": True, "completion": True, "hover": True}
BESIDE = "# yaml-language-server: $schema=.devops-tasks/schema.json\n"


class Editor:
    """What an editor says to the language server, and what it shows of the answers."""

    def __init__(self, folder: Path) -> None:
        """Start the server for a folder."""
        self.folder = folder
        self.process = subprocess.Popen(
            [tool("node"), judge(SERVER), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.count = 0
        able = {"textDocument": {"hover": {"contentFormat": ["plaintext"]}, "completion": {"completionItem": {}}}}
        self.ask("initialize", processId=os.getpid(), rootUri=folder.as_uri(), capabilities=able)
        self.tell("initialized")

    def send(self, **message: object) -> None:
        assert self.process.stdin
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(content) + content)
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """Read the next message; answer it where the server asks for settings or the like."""
        assert self.process.stdout
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        message: dict[str, Any] = json.loads(self.process.stdout.read(length))
        if "method" in message and "id" in message:
            asked = message.get("params", {}).get("items", [])
            self.send(id=message["id"], result=[SETTINGS] * len(asked) or None)
        return message

    def tell(self, method: str, **parameters: object) -> None:
        self.send(method=method, params=parameters)

    def ask(self, method: str, **parameters: object) -> Tree:
        self.count += 1
        self.send(id=self.count, method=method, params=parameters)
        while (message := self.receive()).get("id") != self.count or "method" in message:
            pass
        return message["result"]

    def open(self, name: str, text: str) -> list[str]:
        """Open a spec, and give what is marked in it."""
        uri = (self.folder / name).as_uri()
        self.tell("textDocument/didOpen", textDocument={"uri": uri, "languageId": "yaml", "version": 1, "text": text})
        while (message := self.receive()).get("method") != "textDocument/publishDiagnostics":
            pass
        assert message["params"]["uri"] == uri
        starts = [(each["range"]["start"], each["message"]) for each in message["params"]["diagnostics"]]
        return [f"{start['line'] + 1}:{start['character'] + 1}: {told}" for start, told in starts]

    def at(self, method: str, name: str, line: int, column: int) -> Tree:
        place = {"line": line - 1, "character": column - 1}
        return self.ask(method, textDocument={"uri": (self.folder / name).as_uri()}, position=place)


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """An editor in a folder where `init` has written a spec and its schema."""
    folder = tmp_path_factory.mktemp("editor")
    keys = ("feature.name=Shop", "feature.engineer=@kim", "sprint.name=24", "experiment.hypothesis=It helps",
            "experiment.primary_metric.name=Sales", "experiment.primary_metric.target=+5%")  # fmt: skip
    words = [word for each in keys for word in ("--set", each)]
    assert devops_tasks("init", folder / "spec.yaml", "--no-input", *words).code == 0
    editor = Editor(folder)
    yield editor
    editor.process.kill()
    editor.process.communicate()


def test_what_init_writes_is_known_to_the_editor(editor: Editor) -> None:
    text = (editor.folder / "spec.yaml").read_text("utf-8")
    assert text.startswith(BESIDE)
    assert editor.open("spec.yaml", text) == []
    (_, found) = editor.open("wrong.yaml", text.replace("engineer", "engneer"))
    assert found.endswith("Property engneer is not allowed.")


@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_is_marked_in_an_example(editor: Editor, name: str) -> None:
    assert editor.open(f"{name}.yaml", BESIDE + (ROOT / "examples" / f"{name}.yaml").read_text("utf-8")) == []


def test_words_are_completed_explained_and_judged(editor: Editor) -> None:
    text = (editor.folder / "spec.yaml").read_text("utf-8") + "platform: {cloud: asw}\n"
    line = text.count("\n")
    assert editor.open("more.yaml", text) == [f'{line}:19: Value is not accepted. Valid values: "aws", "none", null.']
    offered = editor.at("textDocument/completion", "more.yaml", line, 19)["items"]
    assert {"aws", "none"} <= {each["label"] for each in offered}
    assert "The cloud." in json.dumps(editor.at("textDocument/hover", "more.yaml", line, 14)["contents"])


def test_a_file_of_defaults_has_a_schema_of_its_own(editor: Editor) -> None:
    (editor.folder / "defaults.json").write_text(json.dumps(defaults_schema()), "utf-8")
    text = "# yaml-language-server: $schema=defaults.json\nplatform: {cloud: aws}\nfeature: {team: shop}\n"
    assert editor.open(".devops-tasks.yaml", text) == []
    [found] = editor.open("other.yaml", f"{text}policy: [{{key: platform.cloud, must_be: aws}}]\n")
    assert found.endswith('Missing property "because".')


def test_the_schema_can_be_addressed_by_a_url(editor: Editor, tmp_path: Path) -> None:
    (tmp_path / "devops-tasks.json").write_text(json.dumps(spec_schema()), "utf-8")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        first = f"# yaml-language-server: $schema=http://127.0.0.1:{server.server_port}/devops-tasks.json\n"
        found = editor.open(
            "far.yaml", first + (ROOT / "examples/minimal.yaml").read_text("utf-8") + "\nplatfrom: {}\n"
        )
        server.shutdown()
    assert [each.partition(": ")[2] for each in found] == ["Property platfrom is not allowed."]
