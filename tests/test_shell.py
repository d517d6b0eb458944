"""Of shell text the commands are found that it runs, and nothing that only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from devops_tasks.checks.shell import external_commands, read_shell


def called(text: str) -> list[str | None]:
    found = sorted(external_commands(read_shell(text)), key=lambda command: command.position)
    return [command.words[0] for command in found]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param("kubectl get pods\n", ["kubectl"], id="a line"),
        pytest.param("a | b && c || d; e & f", ["a", "b", "c", "d", "e", "f"], id="operators"),
        pytest.param("if ! a; then b; elif c; then d; else e; fi", ["a", "b", "c", "d", "e"], id="an if"),
        pytest.param("while a; do b; done | c", ["a", "b", "c"], id="a loop"),
        pytest.param("for x in a b; do c; done", ["c"], id="the words of a for"),
        pytest.param("x=$(a) y='b' c d", ["a", "c"], id="assignments before a command"),
        pytest.param("x=a\nb", ["b"], id="an assignment alone"),
        pytest.param("x=(a b $(c))\nd", ["c", "d"], id="a list"),
        pytest.param('a "$(b "$(c)")" \'$(d)\'', ["a", "b", "c"], id="substitutions in quotes"),
        pytest.param("diff <(a) <(b) >out", ["diff", "a", "b"], id="processes as files"),
        pytest.param('echo "a; b | c" # d\n', [], id="quotes and comments"),
        pytest.param("a <<'END' | b\nc d\nEND\ne", ["a", "b", "e"], id="a here-document"),
        pytest.param("a <<-END\n\tc\n\tEND\ne", ["a", "e"], id="an indented here-document"),
        pytest.param("a <<< b >c 2>&1 <d\n", ["a"], id="redirections"),
        pytest.param(">file a b", ["a"], id="a redirection before the command"),
        pytest.param('[[ "$(a)" =~ ^(b|c)$ && d < e ]] && f', ["a", "f"], id="a test"),
        pytest.param("((x > 3)) && a; y=$((x * (2 + 3)))\nb", ["a", "b"], id="arithmetic"),
        pytest.param("case $x in\na | b) c ;;\n*) d ;;\nesac\ne", ["c", "d", "e"], id="a case"),
        pytest.param("case x in (a) case y in b) c ;; esac ;; d) e ;; esac; f", ["c", "e", "f"], id="a case in a case"),
        pytest.param("f() { a; }\nf b\n", ["a"], id="a function"),
        pytest.param("exec a b", ["a"], id="a command in the shell's place"),
        pytest.param("command -v a >/dev/null", [], id="a question for a command"),
        pytest.param('"${kube[@]}" get; ${x} y; ./a/b c; $z', [], id="what only the shell knows"),
        pytest.param("a \\\n  b \\\n  | c", ["a", "c"], id="a line that goes on"),
        pytest.param("{ a; } && (b; c) >d", ["a", "b", "c"], id="groups"),
        pytest.param("x=${y:-$(a)}\nb", ["b"], id="an expansion"),
        pytest.param("echo ${#x} ${x#*/} $'it\\'s'; a", ["a"], id="signs in expansions"),
        pytest.param('trap \'rm -f "${x}"\' EXIT', [], id="the words of a trap"),
    ],
)  # fmt: skip
def test_commands_are_told_from_other_words(text: str, names: list[str]) -> None:
    assert called(text) == names


def test_a_command_has_its_words_and_its_place() -> None:
    (command,) = read_shell('x=1\n  need kubectl "cu rl" $x\n').commands
    assert command.words == ["need", "kubectl", None, None]
    assert command.position == 6


@given(text=st.text(alphabet="ab \n'\"$(){}[]<>|&;#=\\`-", max_size=60))
def test_no_text_is_too_strange(text: str) -> None:
    for command in read_shell(text).commands:
        assert 0 <= command.position <= len(text)


@pytest.mark.parametrize("text", ["$(" * 20_000, '"$(' * 20_000, "x=(" * 20_000, "`" * 20_001, "case x in " * 5_000])
def test_a_nest_without_end_ends(text: str) -> None:
    assert read_shell(f"kubectl\n{text}").commands[0].words == ["kubectl"]
