"""`new --cookiecutter`: a team's own template beside the bundle, answered from the spec; nothing runs or escapes."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from devops_tasks.bootstrap import project
from devops_tasks.bootstrap.project import answers_of, render_project
from devops_tasks.errors import UserError
from devops_tasks.packs.budget import LIMITS
from tests.bundles import load_example
from tests.command import devops_tasks
from tests.specs import MINIMAL
from tests.tools import ROOT as CHECKOUT

# The tests' own runner has threads, and nothing of what they hold is used by the child.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
PAGE = CHECKOUT / "docs/how-to/start-a-feature.md"
ROOT = "{{cookiecutter.project_slug}}"
VARIABLES = {"project_slug": "unknown"}
ANSWERS = {"project_slug": "reports", "feature_name": "Saved Reports", "platform_cloud": "aws", "kind": "{{ 7*7 }}"}


def template(folder: Path, texts: Mapping[str, str], **variables: object) -> Path:
    """Write a template; the paths of its texts begin in its own folder."""
    made = folder / "template"
    for path, text in {"cookiecutter.json": json.dumps(VARIABLES | variables), **texts}.items():
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_text(text, "utf-8")
    return made


def rendered(made: Path, answers: Mapping[str, str] = ANSWERS) -> dict[str, str]:
    folder = made.parent / "out"
    folder.mkdir()
    paths = render_project(made, answers, folder, ["design.md", "devops", "requirements.md"])
    return {path: (folder / path).read_text("utf-8") for path in paths}


def refused(made: Path) -> str:
    before = sorted(made.parent.rglob("*"))
    with pytest.raises(UserError) as caught:
        rendered(made)
    (problem,) = caught.value.problems
    assert problem.code in {"cookiecutter", "pack", "pack-limit"}
    left = [path for path in made.parent.rglob("*") if path not in before and made.parent / "out" not in path.parents]
    assert left == [made.parent / "out"], "nothing was written elsewhere"
    return str(problem).replace(str(made.parent), "HERE")


def test_a_team_s_template_stands_beside_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = "import pathlib; pathlib.Path('ran').touch()\n"
    made = template(
        tmp_path,
        {
            f"{ROOT}/README.md": "# {{ cookiecutter.feature_name }} by {{ cookiecutter.engineer }}\n",
            f"{ROOT}/{{{{cookiecutter.slug}}}}/run.sh": "#!/bin/sh\n",
            "hooks/pre_gen_project.py": hook,
            "hooks/post_gen_project.py": hook,
            "hooks/pre_prompt.py": hook,
        },
        feature_name="nobody", engineer="nobody", slug="nobody",
    )  # fmt: skip
    (made / ROOT / "{{cookiecutter.slug}}/run.sh").chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".cookiecutterrc").write_text("default_context: {engineer: '@config'}\n", "utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("COOKIECUTTER_CONFIG", str(home / ".cookiecutterrc"))
    monkeypatch.chdir(tmp_path)
    Path("spec.yaml").write_text(MINIMAL.replace("Saved Reports", "'{{ 7*7 }} Reports'"), "utf-8")
    done = devops_tasks("new", "feature", "spec.yaml", "--cookiecutter", "template")
    assert done.code == 0, done.err
    assert "create    feature/reports/README.md\n" in done.out
    assert Path("feature/reports/README.md").read_text("utf-8") == "# {{ 7*7 }} Reports by @dana\n"
    assert os.access("feature/reports/reports/run.sh", os.X_OK)
    assert {child.name for child in Path("feature").iterdir()} == {
        *("reports", "design.md", "devops", "requirements.md"),
    }
    assert [child.name for child in home.iterdir()] == [".cookiecutterrc"], "nothing of the user's is written"
    assert list(Path("feature").rglob("ran")) == []
    assert devops_tasks("generate", "feature/devops/devops-tasks.yaml", "--check").code == 0


def test_a_template_that_is_refused_leaves_nothing_of_the_feature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template(tmp_path, {f"{ROOT}/a.md": "{{ cookiecutter.nobody }}"})
    monkeypatch.chdir(tmp_path)
    Path("spec.yaml").write_text(MINIMAL, "utf-8")
    done = devops_tasks("new", "a/feature", "spec.yaml", "--cookiecutter", "template")
    assert (done.code, done.out) == (2, "")
    assert "cannot be rendered: Unable to create file 'a.md': 'collections.OrderedDict object' has no " in done.err
    assert {child.name for child in tmp_path.iterdir()} == {"spec.yaml", "template"}


# Answers


def test_every_key_has_its_name_and_those_of_the_feature_shorter_ones_too() -> None:
    answers = answers_of(load_example("saved-reports").tree)
    names = ("feature_name", "project_name", "name", "slug", "project_slug", "team", "platform_cloud", "sprint_starts")
    assert [answers[name] for name in names] == [
        *("Saved Reports", "Saved Reports", "Saved Reports", "saved-reports", "saved-reports", "reporting", "aws"),
        "2026-12-01",
    ]
    assert answers["experiment_primary_metric_target"] == "+20%"
    assert "feature_id" not in answers_of(load_example("minimal").tree), "what nobody has decided is no answer"


@pytest.mark.parametrize(
    ("default", "answer", "printed"),
    [
        ("x", "{{ cookiecutter.project_slug }}", "{{ cookiecutter.project_slug }}"),
        ("x", "a'\"\\\n\U0001f600", "a'\"\\\n\U0001f600"),
        (["gcp", "aws"], "aws", "aws"),
        (True, "false", "False"),
        (5, "7", "7"),
    ],
    ids=["a text that is a template", "a text of odd letters", "a choice", "a switch", "a number"],
)
def test_an_answer_arrives_as_it_is(tmp_path: Path, default: object, answer: str, printed: str) -> None:
    made = template(tmp_path, {f"{ROOT}/a": "{{ cookiecutter.kind }}|{{ cookiecutter.after }}"},
                    kind=default, after="{{ cookiecutter.kind }}")  # fmt: skip
    assert rendered(made, {"project_slug": "reports", "kind": answer}) == {"reports/a": f"{printed}|{printed}"}


def test_what_the_spec_does_not_know_keeps_the_template_s_own_default_and_nothing_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = template(tmp_path, {f"{ROOT}/a": "{{ cookiecutter.licence }} [[ x ]] {{ cookiecutter._template }}"},
                    licence=["MIT", "none"], __prompts__={"licence": "Which licence?"}, group={"a": "b"})  # fmt: skip
    monkeypatch.setattr(sys, "stdin", None)
    assert rendered(made) == {"reports/a": "MIT [[ x ]] template"}


def test_a_template_sees_its_own_variables_and_no_others(tmp_path: Path) -> None:
    made = template(tmp_path, {f"{ROOT}/a": "{{ cookiecutter | list | join(' ') }}"}, kind="x")
    assert rendered(made) == {"reports/a": "project_slug kind _template"}


def test_a_template_with_marks_of_its_own_is_answered_too(tmp_path: Path) -> None:
    marks = {"variable_start_string": "[[", "variable_end_string": "]]"}
    made = template(tmp_path, {"[[cookiecutter.project_slug]]/a": "[[ cookiecutter.kind ]] {{ x }}"},
                    _jinja2_env_vars=marks, kind="x")  # fmt: skip
    assert rendered(made) == {"reports/a": "{{ 7*7 }} {{ x }}"}


def test_what_is_only_copied_and_what_is_no_text_stays_what_it_is(tmp_path: Path) -> None:
    made = template(tmp_path, {f"{ROOT}/raw/a.html": "{{ x }}", f"{ROOT}/.github/b.yml": "b"},
                    _copy_without_render=["raw"], _extensions=["jinja2.ext.do"])  # fmt: skip
    (made / ROOT / "c.png").write_bytes(b"\x89PNG\0{{ x }}")
    (made / ".git").mkdir()
    (made / ".git/link").symlink_to("/")
    folder = tmp_path / "out"
    folder.mkdir()
    paths = render_project(made, ANSWERS, folder, [])
    assert paths == ["reports/.github/b.yml", "reports/c.png", "reports/raw/a.html"]
    assert (folder / "reports/c.png").read_bytes() == b"\x89PNG\0{{ x }}"
    assert (folder / "reports/c.png").stat().st_mode == (made / ROOT / "c.png").stat().st_mode


# What is refused

ELSEWHERE = "/tmp/devops-tasks-escaped"  # noqa: S108 - nothing may ever be there
LOOP = "{% for a in range(99999999) %}{% for b in range(99) %}{% endfor %}{% endfor %}"
WRITE = "{{ lipsum.__globals__['os'].%s }}"


@pytest.mark.parametrize(
    ("texts", "variables", "told"),
    [
        ({"{{cookiecutter.kind}}/a": ""}, {"kind": "../escaped"}, "would write HERE/out/../escaped, which is outside"),
        ({"{{cookiecutter.kind}}/a": ""}, {"kind": ELSEWHERE}, f"would write {ELSEWHERE}"),
        ({f"{ROOT}/{{{{cookiecutter.kind}}}}": ""}, {"kind": "../../../a"}, "which is outside of its folder"),
        ({f"{ROOT}/{{{{cookiecutter.kind}}}}/a": ""}, {"kind": "../../.."}, "directory already exists"),
        ({f"{ROOT}/a": WRITE % f"mkdir('{ELSEWHERE}')"}, {}, f"would write {ELSEWHERE}"),
        ({f"{ROOT}/a": WRITE % "system('touch x')"}, {}, "does more than write files (os.system)"),
        ({f"{ROOT}/a": WRITE % "kill(1, 0)"}, {}, "does more than write files (os.kill)"),
        ({f"{ROOT}/a": WRITE % f"setxattr('{ELSEWHERE}', 'user.a', 'x'.encode())"}, {}, f"would write {ELSEWHERE}"),
        ({f"{ROOT}/a": LOOP}, {}, "takes more"),
        ({"devops/{{cookiecutter}}": "", ROOT.replace("slug", "name") + "/a": ""}, {"project_name": "devops"},
         "makes devops, which is made here already (give the folder of the template another name)"),
        ({"{{cookiecutter.kind}}/a": ""}, {"kind": "DevOps"}, "collides with 'devops': some disks know no case"),
        ({"{{cookiecutter.kind}}/hooks/a": ""}, {"kind": ".git"}, "is in a folder that Git or this tool keeps"),
        ({f"{ROOT}/a": "{{ cookiecutter.nobody }}"}, {}, "Unable to create file 'a': "),
        ({f"{ROOT}/a": "{% nothing %}"}, {}, "cannot be rendered: Encountered unknown tag 'nothing'."),
        ({"{{cookiecutter.nobody}}/a": ""}, {}, "Unable to create project directory"),
        ({"plain/a": ""}, {}, "cannot be rendered: NonTemplatedInputDirException"),
        ({f"{ROOT}/a": ""}, {"_extensions": ["local.Extension"]}, "loads local.Extension: an extension"),
        ({f"{ROOT}/a": ""}, {"templates": {"a": {"path": "."}}}, "names several templates"),
        ({f"{ROOT}/a": ""}, {"platform_cloud": ["gcp", "azure"]}, "platform_cloud takes gcp or azure, and"),
        ({f"{ROOT}/a": ""}, {"platform_cloud": {"a": "b"}}, "takes a group of values, and the spec has aws"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_escapes_runs_or_clashes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, texts: dict[str, str], variables: dict[str, object], told: str
) -> None:
    monkeypatch.setattr(project, "LIMITS", LIMITS._replace(seconds=1))
    answers = {name: str(text) for name, text in variables.items() if name in {"kind", "project_name"}}
    made = template(tmp_path, texts, **variables)
    monkeypatch.setitem(ANSWERS, "kind", answers.get("kind", "x"))
    assert told in refused(made)
    assert not Path(ELSEWHERE).exists()


@pytest.mark.parametrize(
    ("name", "target"),
    [(f"{ROOT}/a", "/etc/passwd"), (f"{ROOT}/b", "nowhere"), (f"{ROOT}/c", ".."), ("templates", "/etc")],
    ids=["a file", "a dangling one", "a folder", "the folder of what is included"],
)
def test_a_link_is_refused(tmp_path: Path, name: str, target: str) -> None:
    made = template(tmp_path, {f"{ROOT}/x": ""})
    (made / name).symlink_to(target)
    assert refused(made) == f"HERE/template/{name}: is a link, and links are not followed (put the file itself there)"


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    made = template(tmp_path, {f"{ROOT}/x": ""})
    os.mkfifo(made / ROOT / "pipe")
    assert "is a pipe or a device, not a file" in refused(made)


@pytest.mark.parametrize(
    "place", ["gh:team/template", "https://example.com/t.git", "template/cookiecutter.json", "none"]
)
def test_only_a_folder_of_this_machine_is_a_template(tmp_path: Path, place: str) -> None:
    template(tmp_path, {f"{ROOT}/x": ""})
    with pytest.raises(UserError, match="is no folder of a cookiecutter template"):
        render_project(tmp_path / place if ":" not in place else Path(place), ANSWERS, tmp_path, [])


def test_without_the_extra_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cookiecutter", None)
    made = template(tmp_path, {f"{ROOT}/x": ""})
    assert refused(made) == (
        "--cookiecutter: needs cookiecutter, which is not installed (pip install 'devops-tasks[cookiecutter]')"
    )


# The page, and the way in on an empty machine


def fenced(text: str, language: str) -> list[str]:
    return [token.content for token in MarkdownIt().parse(text) if token.type == "fence" and token.info == language]


def run_all(text: str) -> None:
    for block in fenced(text, "bash"):
        for words in (shlex.split(line) for line in block.replace("\\\n", " ").splitlines()):
            done = devops_tasks(*words[1:])
            assert done.code == 0, f"{words}: {done.err}"


def test_the_commands_of_the_page_run_in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGE.read_text("utf-8")
    (variables,) = fenced(text, "json")
    (page,) = fenced(text, "markdown")
    template(tmp_path, {f"{ROOT}/README.md": page})
    (tmp_path / "template/cookiecutter.json").write_text(variables, "utf-8")
    monkeypatch.chdir(tmp_path)
    run_all(text)
    assert Path("next-sprint/devops/tasks.md").exists()
    made = Path("reports/saved-reports/README.md").read_text("utf-8")
    assert made == "# Saved Reports\n\nAsk @dana. Licence: MIT.\n"
    assert devops_tasks("check", "reports/devops").code == 0


def test_the_readme_s_way_to_a_feature_from_nothing_needs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = (CHECKOUT / "README.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    run_all(readme.partition("**Start a feature from nothing.**")[2].partition("**Write the spec.**")[0])
    made = {path.as_posix() for path in Path("saved-reports").rglob("*.md")}
    assert made >= {f"saved-reports/{name}.md" for name in ("requirements", "design", "devops/design", "devops/tasks")}
    assert devops_tasks("check", "saved-reports/devops").code == 0
