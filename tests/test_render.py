"""Templates to files: paths, blanks, the order, the parts that the document shows, the cache."""

import os
from pathlib import Path

import pytest
from jinja2 import Environment, UndefinedError

from devops_tasks.render import SHOWN_LINES, TELLING_LINES, Renderer, excerpt, templates_folder


def _renderer(folder: Path, cache: Path | None = None, /, **templates: str) -> Renderer:
    for name, text in templates.items():
        place = folder / f"{name.replace('__', '/')}.j2"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return Renderer(folder, cache)


def test_the_output_path_is_the_template_path_without_its_suffix(tmp_path: Path) -> None:
    assert _renderer(tmp_path, a__b="x\n").render({}) == {"a/b": "x\n"}


def test_a_placeholder_makes_one_file_per_item(tmp_path: Path) -> None:
    renderer = _renderer(tmp_path, None, **{"{service}__port": "{{ service.port | yaml }}"})
    plan = {"services": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]}
    assert renderer.render(plan) == {"a/port": "1\n", "b/port": "2\n"}


def test_a_template_that_renders_blank_makes_no_file(tmp_path: Path) -> None:
    assert _renderer(tmp_path, a="{% if x %}text{% endif %}\n\n").render({"x": False}) == {}


def test_what_is_no_template_is_no_file(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").write_bytes(b"\xff\x00")
    (tmp_path / "a.j2~").write_text("old")
    assert _renderer(tmp_path, a="new").render({}) == {"a": "new\n"}


def test_parts_are_never_files(tmp_path: Path) -> None:
    renderer = _renderer(tmp_path, _parts__a="text", b="{% include '_parts/a.j2' %}")
    assert renderer.render({}) == {"b": "text\n"}


def test_a_name_that_the_plan_lacks_is_an_error_and_no_blank(tmp_path: Path) -> None:
    with pytest.raises(UndefinedError):
        _renderer(tmp_path, a="{{ feature.nme | md }}").render({"feature": {"name": "x"}})


def test_a_key_named_like_a_method_of_dict_is_a_key(tmp_path: Path) -> None:
    assert _renderer(tmp_path, a="{{ x.items | md }}{{ x.keys | md }}").render({"x": {"items": "1", "keys": "2"}}) == {
        "a": "12\n"
    }


def test_the_document_sees_the_other_files_verbatim(tmp_path: Path) -> None:
    (tmp_path / "tasks.md.j2").write_text("{% set f = show('z.yml', '') %}{{ f.text | md_fence(f.language) }}\n")
    (tmp_path / "z.yml.j2").write_text("a: {{ x | yaml }}\n")
    assert Renderer(tmp_path).render({"x": "```{{"})["tasks.md"] == '````yaml\na: "```{{"\n````\n'


def test_files_come_in_one_order_whatever_the_disk_says(tmp_path: Path) -> None:
    assert list(_renderer(tmp_path, c="1", a="1", b__d="1").render({})) == ["a", "b/d", "c"]


LINES = [f"  step {number}\n" for number in range(30)]
LONG = (
    "head:\n" + "".join(f"key{number}: 1\n" for number in range(40)) + "- alert: A\n" + "".join(LINES) + "- alert: B\n"
)


def test_a_short_file_is_shown_whole() -> None:
    text = "a\n" * SHOWN_LINES
    assert excerpt(text, "nowhere") == text


def test_of_a_long_file_one_whole_block_is_shown_verbatim() -> None:
    shown = excerpt(LONG, "- alert: A")
    assert shown == "- alert: A\n" + "".join(LINES)
    assert shown in LONG
    assert shown.count("\n") >= TELLING_LINES


def test_a_start_that_the_file_lacks_is_an_error() -> None:
    with pytest.raises(ValueError, match="no line begins with"):
        excerpt(LONG, "- alert: C")


def test_the_built_in_templates_are_found() -> None:
    assert (templates_folder() / "tasks.md.j2").is_file()


def _entries(cache: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in cache.iterdir()}


def test_compiled_templates_are_kept_and_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, templates = tmp_path / "cache", tmp_path / "templates"
    cache.mkdir()
    first = _renderer(templates, cache, a="{{ x | md }}", _new__b="{{ x | yaml }}")
    assert first.render({"x": "1"}) == {"a": "1\n"}
    monkeypatch.setattr(Environment, "compile", _never)
    kept = _entries(cache)
    assert Renderer(templates, cache).render({"x": "2"}) == {"a": "2\n"}
    assert _entries(cache) == kept


def _never(*_: object) -> None:
    pytest.fail("compiled again")


def test_what_is_compiled_later_joins_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, templates = tmp_path / "cache", tmp_path / "templates"
    cache.mkdir()
    _renderer(templates, cache, a="{{ x | md }}", _new__b="{{ x | yaml }}").render({"x": "1"})
    Renderer(templates, cache).render_folder("_new", {"x": "1"})
    monkeypatch.setattr(Environment, "compile", _never)
    both = Renderer(templates, cache)
    assert both.render({"x": "2"}) | both.render_folder("_new", {"x": "2"}) == {"a": "2\n", "b": '"2"\n'}


def test_a_template_that_changes_is_compiled_anew_whatever_its_date(tmp_path: Path) -> None:
    cache, templates = tmp_path / "cache", tmp_path / "templates"
    cache.mkdir()
    for text in ("old", "new", "old"):
        renderer = _renderer(templates, cache, a=text)
        os.utime(templates / "a.j2", (0, 0))
        assert renderer.render({}) == {"a": f"{text}\n"}


def test_an_entry_of_another_version_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, templates = tmp_path / "cache", tmp_path / "templates"
    cache.mkdir()
    for version in ("1", "2"):
        monkeypatch.setattr("devops_tasks.render.__version__", version)
        _renderer(templates, cache, a="x").render({})
    assert len(_entries(cache)) == 2


def test_a_damaged_entry_is_made_anew(tmp_path: Path) -> None:
    cache, templates = tmp_path / "cache", tmp_path / "templates"
    cache.mkdir()
    _renderer(templates, cache, a="x").render({})
    (entry,) = cache.iterdir()
    whole = entry.read_bytes()
    for damaged in (b"", whole[:-1], whole[:40], b"\xff" + whole[1:], whole + b"x"):
        entry.write_bytes(damaged)
        assert Renderer(templates, cache).render({}) == {"a": "x\n"}
        assert entry.read_bytes() != damaged
        assert set(Renderer(templates, cache).templates.kept) == {"a.j2"}


DOCUMENTS = "---\n".join("".join(f"{name}{number}: 1\n" for number in range(30)) for name in "abc")


def test_of_several_yaml_documents_whole_ones_are_shown() -> None:
    shown = excerpt(DOCUMENTS, "b7:")
    assert shown == "".join(f"b{number}: 1\n" for number in range(30))


def test_a_part_near_the_end_of_a_file_begins_earlier_than_asked() -> None:
    paragraphs = "\n".join("".join(f"{name}{number}\n" for number in range(15)) for name in "abcde")
    shown = excerpt(paragraphs, "e0")
    assert shown.startswith("d0\n")
    assert shown.endswith("e14\n")
    assert shown in paragraphs


def test_a_function_is_shown_with_the_line_that_closes_it() -> None:
    script = "#!/bin/sh\n" + "true\n" * 50 + "\nrun() {\n" + "    true\n" * 30 + "}\n\nother\n"
    assert excerpt(script, "run()") == "run() {\n" + "    true\n" * 30 + "}\n"


def test_a_named_folder_of_templates_is_rendered_for_itself(tmp_path: Path) -> None:
    renderer = _renderer(tmp_path, _new__a="{{ x | md }}", _new__b__c="2", d="no")
    assert renderer.render_folder("_new", {"x": "1"}) == {"a": "1\n", "b/c": "2\n"}
    assert renderer.render({"x": "1"}) == {"d": "no\n"}
