"""The flow of the wizard without a terminal: where each answer leads, what is kept, and that no way ends in a fault."""

from __future__ import annotations

import json
import os
import random

import pytest
from hypothesis import given, settings, strategies as st

from devops_tasks.errors import KeyPath, key_text
from devops_tasks.fields import Listing, Tree, field_at, shape_at
from devops_tasks.spec import SPEC, Spec
from devops_tasks.specfile import Place as At, Source, assignments_of, load_spec, parse_spec
from devops_tasks.spectext import essential, remarks, spec_text
from devops_tasks.wizard.answers import Answers, complaint, default_at, give, load_faults, put, singular, write_out
from devops_tasks.wizard.flow import Outlook, Place, Reply, State, begin, resume, screen_of, step
from devops_tasks.wizard.questions import GROUPS, PACKS, STORES, Screen, applies, quick_keys
from tests.bundles import load_tree, render_bundle
from tests.specs import MINIMAL
from tests.test_specfile import FREE

ANSWERS = Answers(parse_spec(MINIMAL, "x").tree)
NONE = Answers({})
REVIEW = Place("review")


def look(answers: Answers) -> Outlook:
    """Say of the answers only what is wrong with them."""
    return Outlook(tuple(map(str, load_faults(answers.tree))), files=(("a.yml", "x\n" * 70), ("b.yml", "x\n" * 60)))


def screen(state: State) -> Screen:
    return screen_of(state, look)


def walk(state: State, *replies: str | Reply) -> State:
    """Give some replies, each by its text or the beginning of an option's words."""
    for reply in replies:
        if isinstance(reply, Reply):
            state = step(state, reply)
            continue
        shown = screen(state)
        chosen = [each.value for each in shown.options if reply in {each.value, each.label.split(":")[0]}]
        assert chosen or not shown.options, (reply, shown.options)
        state = step(state, Reply(chosen[0] if shown.options else reply))
    return state


def at_review(answers: Answers = ANSWERS) -> State:
    return State(answers, REVIEW, pace="required")


# Groups and questions


def test_every_key_of_the_spec_is_in_one_group() -> None:
    named = [key for group in (*GROUPS, PACKS) for key in group.keys]
    built = [name for name, field in Spec.fields.items() if not field.later and name != "format"]
    assert sorted([*named, "extends", "policy"]) == sorted(built), "what is above a spec is written there"


def test_the_quick_path_asks_what_has_no_good_default() -> None:
    asked = [path for index in range(len(GROUPS)) for path in quick_keys(NONE, index)]
    fields = [field_at(SPEC, path) for path in asked]
    assert 10 <= len(asked) <= 14
    assert all(field and (field.required or field.ask) for field in fields)
    assert [path[-1] for path in asked if path[0] == "services"] == ["name", "kind"]


def test_a_screen_has_the_words_the_default_and_the_limits_of_its_field() -> None:
    state = State(ANSWERS, Place("key", ("delivery", "pause")))
    shown = screen(state)
    field = field_at(SPEC, ("delivery", "pause"))
    assert field
    assert (shown.title, shown.message, shown.default) == ("6 of 6 · Delivery and thresholds", field.question, "10m")
    assert shown.help == "Write a duration such as 500ms, 5m or 30d."
    assert shown.judge("5m") == ""
    assert shown.judge("soon") == "expected a duration such as 500ms, 5m or 30d, found 'soon'"


@pytest.mark.parametrize(
    ("word", "one"),
    [("services", "service"), ("databases", "database"), ("criteria", "criterion"), ("queues", "queue"),
     ("external_services", "external service"), ("caches", "cache"), ("dependencies", "dependency")],
)  # fmt: skip
def test_one_of_many_is_named(word: str, one: str) -> None:
    assert singular(word) == one


# Steps


def test_back_leads_through_every_place_to_the_first_and_keeps_the_answers() -> None:
    state = walk(begin(NONE), "Saved Reports", "@dana", "24", "", "", "", "next", "We believe it")
    places = [state.place]
    while state.history:
        state = step(state, Reply(back=True))
        places.append(state.place)
    assert places[-1] == Place("key", ("feature", "name"))
    assert len(places) == 9
    assert state.answers.at(("experiment", "hypothesis")) == "We believe it"
    assert screen(state).default == "Saved Reports"
    assert step(state, Reply(back=True)).notes == ("This is the first question.",)


def test_an_answer_that_is_the_default_is_not_kept_so_that_it_follows() -> None:
    state = walk(State(ANSWERS, Place("key", ("services", 0, "name"))), "saved-reports-api", "api")
    assert state.answers == ANSWERS
    renamed = walk(state._replace(place=Place("key", ("feature", "name"))), "Other")
    assert "service other-api: name follows: saved-reports-api -> other-api" in renamed.notes
    assert walk(begin(NONE), "Other").notes == ()  # nobody has seen another one


def test_a_wrong_choice_stays_at_its_question_and_says_why() -> None:
    answers = put(ANSWERS, ("services",), [{"name": "a", "slo": {"availability": "99%"}}])
    place = Place("key", ("services", 0, "metrics", "convention"), detour=True)
    state = walk(State(answers, place), "none")
    assert state.place == place
    assert "nothing to judge an objective by" in state.notes[0]


def test_services_and_databases_are_added_one_after_another() -> None:
    state = State(ANSWERS, Place("group", (2,)))
    state = walk(state, "add another service", "indexer", "worker", "add another service", "web", "web", "next")
    state = walk(
        state,
        "postgresql database and redis cache",
        "add another database",
        "archive",
        "add a queue",
        "orders",
        "next",
    )
    assert state.answers.tree["services"] == [
        {"name": "saved-reports-api"},
        {"name": "indexer", "kind": "worker"},
        {"name": "web", "kind": "web"},
    ]
    assert state.answers.tree["databases"] == [{"name": "saved-reports-db"}, {"name": "archive"}]
    assert state.answers.tree["queues"] == [{"name": "orders"}]
    assert state.place == Place("group", (4,))
    assert load_faults(state.answers.tree) == []


def test_a_group_that_needs_two_keys_asks_for_both() -> None:
    state = walk(State(ANSWERS, Place("menu", ("platform",), detour=True), (REVIEW,)), "gateway", "public")
    assert state.place.path == ("platform", "gateway", "namespace")
    state = walk(state, "gateway-system")
    assert state.place == Place("menu", ("platform",), detour=True)
    assert state.answers.tree["platform"] == {"gateway": {"name": "public", "namespace": "gateway-system"}}


def test_a_list_can_be_emptied_and_filled_and_left_to_its_default() -> None:
    menu = State(ANSWERS, Place("menu", ("databases",), detour=True), (REVIEW,))
    none = walk(menu, "none", "yes")
    assert none.answers.tree["databases"] == []
    assert walk(none, "default").answers == ANSWERS
    one = walk(menu, "add", "archive")
    assert [item["name"] for item in one.answers.tree["databases"]] == ["saved-reports-db", "archive"]
    assert walk(one, "database saved-reports-db", "remove", "yes").answers.tree["databases"] == [{"name": "archive"}]


def test_nothing_is_removed_before_it_is_said_once_more() -> None:
    menu = State(
        ANSWERS, Place("menu", ("databases", 0), detour=True), (REVIEW, Place("menu", ("databases",), detour=True))
    )
    asked = walk(menu, "remove")
    assert screen(asked).message == "Remove database saved-reports-db?"
    assert screen(asked).default == "no"
    assert walk(asked, "no") == menu
    gone = walk(asked, "yes")
    assert (gone.answers.tree["databases"], gone.place.path) == ([], ("databases",))
    whole_list = walk(menu._replace(place=Place("menu", ("databases",), detour=True)), "none")
    assert screen(whole_list).message == "Have no databases at all?"


STORED = Place("stores")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("postgresql database and redis cache", {}),
        ("postgresql database", {"caches": []}),
        ("redis cache", {"databases": []}),
        ("none of them", {"databases": [], "caches": []}),
    ],
)
def test_what_data_is_kept_in_is_one_question(answer: str, expected: Tree) -> None:
    state = walk(State(ANSWERS, STORED), answer)
    assert state.place == Place("group", (3,))
    assert {name: value for name, value in state.answers.tree.items() if name in STORES} == expected
    again = walk(step(state, Reply(back=True)), "postgresql database and redis cache")
    assert again.answers == ANSWERS


def test_a_worker_is_offered_a_queue_which_is_then_named() -> None:
    answers = put(ANSWERS, ("services",), [{"name": "indexer", "kind": "worker"}])
    state = State(answers, STORED)
    assert screen(state).default == "databases caches queues"
    assert screen(State(ANSWERS, STORED)).default == "databases caches"
    state = walk(state, "postgresql database and kafka queue")
    assert state.place.path == ("queues", 0, "name")
    assert (
        screen(state).judge("")
        == "expected a name of lower-case letters, digits and '-', at most 40, starting with a letter, not blank"
    )
    state = walk(state, "orders")
    assert (state.answers.tree["caches"], state.answers.tree["queues"]) == ([], [{"name": "orders"}])
    assert state.place == Place("group", (3,))
    assert screen(step(step(state, Reply(back=True)), Reply(back=True))).default == "databases queues"


def test_a_worker_is_not_asked_what_means_nothing_to_it() -> None:
    answers = put(ANSWERS, ("services",), [{"name": "indexer", "kind": "worker"}, {"name": "api"}])
    shown = {
        index: [each.value for each in screen(State(answers, Place("menu", ("services", index), detour=True))).options]
        for index in (0, 1)
    }
    for name in ("host", "path", "requests_per_second", "latency_buckets"):
        assert f"open services[0].{name}" not in shown[0]
        assert f"open services[1].{name}" in shown[1]
    assert "open services[0].migrate" in shown[0]
    assert not applies(answers, ("services", 0, "slo", "latency"))


def test_what_means_nothing_to_a_worker_changes_nothing_of_its_bundle() -> None:
    def files(service: Tree) -> Tree:
        tree = {**ANSWERS.tree, "services": [{"name": "indexer", "kind": "worker", **service}]}
        return {path: text for path, text in render_bundle(load_tree(tree)).items() if not path.startswith(".devops")}

    ignored = {
        "path": "/other",
        "latency_buckets": ["1s", "2s"],
        "metric_names": {"requests": "a_total", "duration": "b_seconds", "status_label": "c", "auth": "d_total"},
    }
    assert files(ignored) == files({})


def test_what_is_removed_although_something_needs_it_is_told_and_stops_the_writing() -> None:
    answers = put(ANSWERS, ("services",), [{"name": "a", "needs": ["saved-reports-db"]}])
    state = walk(State(answers, Place("menu", ("databases",), detour=True), (REVIEW,)), "none", "yes")
    assert state.notes[0].startswith("now wrong: service a: need 1: ")
    options = [option.value for option in screen(walk(state, "done")).options]
    assert options == ["edit", "preview", "save", "cancel"], "and nothing is undecided while something is wrong"


def test_settings_are_written_as_pairs() -> None:
    place = Place("menu", ("services", 0, "config"), detour=True)
    state = walk(State(ANSWERS, place, (REVIEW,)), "add")
    assert screen(state).judge("LOG_LEVEL") == "expected NAME=VALUE"
    assert "expected a setting's name" in screen(state).judge("a-b=c")
    state = walk(state, "LOG_LEVEL=a=b")
    assert state.answers.at(("services", 0, "config")) == {"LOG_LEVEL": "a=b"}


def test_a_line_of_names_is_a_list() -> None:
    state = walk(State(ANSWERS, Place("key", ("delivery", "steps"), detour=True)), "5%, 50% ,100%")
    assert state.answers.tree["delivery"] == {"steps": ["5%", "50%", "100%"]}


def test_only_what_is_open_is_asked_after_an_import() -> None:
    asked = []
    state = begin(Answers({"feature": {"name": "Reports"}, "sprint": {"name": "24", "starts": "2026-12-01"}}), "open")
    while state.place != REVIEW:
        asked.append(state.place.path[-1] if state.place.path else state.place.kind)
        field = field_at(SPEC, state.place.path) if state.place.path else None
        state = step(state, Reply(str(field.sample) if field and field.required else screen(state).default))
    assert asked == ["engineer", "ends", "capacity", "hypothesis", "name", "target", "name", "kind", "stores"]


def test_a_key_of_an_item_that_is_there_is_asked_alone() -> None:
    menu = Place("menu", ("services", 0), detour=True)
    assert walk(State(ANSWERS, menu, (REVIEW,)), "name", "other-api").place == menu


def test_a_file_that_ends_with_a_page_has_no_empty_one() -> None:
    state = State(ANSWERS, Place("file", ("b.yml", 1)), (REVIEW,))
    assert [option.value for option in screen(state).options] == [""]


def test_a_file_is_shown_page_by_page() -> None:
    state = walk(at_review(), "preview", "a.yml")
    seen = [screen(state).message]
    for _ in range(2):
        state = walk(state, "next")
        seen.append(screen(state).message)
    assert seen == [f"a.yml: {count} of 70 lines. Go on?" for count in (30, 60, 70)]
    assert [option.value for option in screen(state).options] == [""]
    assert walk(state, "").place == Place("preview")


# What is undecided


def test_what_is_undecided_is_answered_one_after_another_and_may_stay_open() -> None:
    state = State(ANSWERS, Place("group", (4,)))
    option = next(each for each in screen(state).options if each.value == "open")
    count = int(option.label.split(": ")[1].split()[0])
    asked = []
    state = walk(state, "open")
    while state.place.kind == "open":
        asked.append(key_text(state.place.path))
        state = step(state, Reply({"name": "public", "namespace": "gateways"}.get(str(state.place.path[-1]), "")))
        assert len(asked) < 40
    assert state.place == Place("group", (4,))
    assert asked[:3] == ["platform.load_balancer.cidr", "platform.gateway.name", "platform.gateway.namespace"]
    assert state.answers.tree["platform"]["gateway"] == {"name": "public", "namespace": "gateways"}
    assert len(asked) <= count + 2, "both groups that were begun asked for what they must have"
    everything = walk(at_review(), "open")
    assert everything.place == Place("open", ("sprint", "starts"))
    assert step(everything, Reply(back=True)).place == REVIEW


# What is inherited


BELOW = Source(
    "x",
    {"feature": {"engineer": "@platform"}, "delivery": {"pause": "30m"}, "services": [{"name": "edge", "port": "8080"}],
     "policy": [{"key": "delivery.pause", "at_least": "20m", "because": "We watch"}]},
    {(): At("x"), ("delivery", "pause"): At("../.devops-tasks.yaml", 3, 3)},
)  # fmt: skip
INHERITING = Answers({name: value for name, value in ANSWERS.tree.items() if name != "feature"}, BELOW)


def test_what_is_inherited_is_offered_as_a_default_and_its_file_is_named() -> None:
    state = State(INHERITING, Place("key", ("delivery", "pause"), detour=True), (REVIEW,))
    shown = screen(state)
    assert (shown.default, shown.help.rpartition(". ")[2]) == ("30m", "Offered by ../.devops-tasks.yaml.")
    assert walk(state, "30m").answers == INHERITING, "it is not written again"
    assert walk(state, "25m").answers.tree["delivery"] == {"pause": "25m"}
    assert walk(state, "25m", "edit", "open delivery.pause").answers.inherited == BELOW
    assert "policy" in shown.judge("10m") or "at least 20m" in shown.judge("10m")
    assert screen(State(INHERITING, Place("menu", ("delivery",), detour=True))).options[1].label == (
        "pause: 30m (from ../.devops-tasks.yaml)"
    )


def test_what_is_inherited_is_not_asked_again_where_only_the_rest_is() -> None:
    state = begin(INHERITING, "required")
    assert state.place.path == ("feature", "name")
    assert step(state, Reply("Reports")).place == REVIEW


def test_an_inherited_item_can_be_changed_and_not_removed() -> None:
    history = (REVIEW, Place("menu", ("services",), detour=True))
    menu = State(INHERITING, Place("menu", ("services", 0), detour=True), history)
    assert walk(menu, "port", "9090").answers.tree["services"] == [{"name": "edge", "port": "9090"}]
    kept = walk(menu, "remove", "yes")
    assert (kept.answers, kept.notes) == (
        INHERITING,
        ("service edge is inherited from x: it cannot be removed here.",),
    )


# Answers


@pytest.mark.parametrize(
    ("answers", "path", "text", "expected"),
    [
        ({}, ("feature", "name"), "", "expected a name, not blank"),
        ({}, ("feature", "name"), "24", ""),
        ({}, ("feature", "name"), "Con", ""),
        ({}, ("feature", "name"), "a\tb", "expected a name without control characters or line breaks"),
        ({"feature": {"name": "24"}}, ("feature", "slug"), "x", ""),
        ({"feature": {"name": "24"}}, ("feature", "engineer"), "x", ""),
        ({}, ("sprint", "name"), "[24]", ""),
        ({}, ("services", 0, "name"), "api-blue", ""),
        ({"services": [{"name": "api"}]}, ("services", 1, "name"), "api-blue", "api-blue is what the blue"),
        ({"sprint": {"starts": "2026-12-02"}}, ("sprint", "ends"), "2026-12-01", "is before the sprint starts"),
        ({"sprint": {"ends": "2026-12-01"}}, ("sprint", "starts"), "2026-12-02", "sprint.ends: "),
        ({}, ("rollback", "criteria", 2, "metric"), "auth_failures", ""),
    ],
)  # fmt: skip
def test_an_answer_is_judged_by_the_whole_spec(answers: Tree, path: KeyPath, text: str, expected: str) -> None:
    told = complaint(Answers(answers), path, text)
    assert expected in told
    assert bool(told) == bool(expected)


def test_a_required_key_has_no_default_but_an_item_of_a_default_list_has() -> None:
    assert default_at(NONE, ("feature", "name")) is None
    assert default_at(ANSWERS, ("services", 0, "name")) == "saved-reports-api"
    assert default_at(ANSWERS, ("services", 1, "name")) is None


def test_a_default_list_is_written_out_with_few_words() -> None:
    assert write_out(ANSWERS, ("databases",)).at(("databases",)) == [{"name": "saved-reports-db"}]
    criteria = write_out(ANSWERS, ("rollback", "criteria")).at(("rollback", "criteria"))
    assert criteria == [{"metric": "latency_p95", "above": "500ms"}, {"metric": "error_ratio", "above": "2%"}]


@settings(max_examples=25)
@given(FREE, FREE, FREE)
def test_answers_that_are_taken_read_back_from_the_file_as_they_were_given(
    name: str, engineer: str, hypothesis: str
) -> None:
    answers = ANSWERS
    for path, text in ((("feature", "name"), name), (("feature", "engineer"), engineer),
                       (("experiment", "hypothesis"), hypothesis)):  # fmt: skip
        if not complaint(answers, path, text.strip()):
            answers = give(answers, path, text.strip())
    answers = give(answers, ("feature", "slug"), "a-slug")
    kept = essential(answers.tree)
    assert parse_spec(spec_text(kept, "x", remarks(kept)), "x").tree == kept
    assert load_tree(kept).tree == load_tree(answers.tree).tree


# Any way through


SAMPLES = (
    *(
        "x",
        "Saved Reports",
        "5m",
        "10%",
        "100/min",
        "5",
        "2026-12-01",
        "a.example.com",
        "10.0.0.0/24",
        "/a",
        "4Gi",
        "A=b",
    ),
    *("https://a.b/c", "DO-010", "latency_p95", "10%, 100%", "s3://b/c", "none", "1000 USD", "true", "500ms"),
)


def any_reply(state: State, chance: random.Random) -> Reply:
    """Reply as somebody who tries everything: an option, or a text that is taken."""
    shown = screen(state)
    if chance.random() < 0.1:
        return Reply(back=True)
    if shown.options:
        assert shown.default in {option.value for option in shown.options}
        return Reply(chance.choice([each.value for each in shown.options if each.value not in {"cancel", "save"}]))
    field = field_at(SPEC, state.place.path)
    texts = [shown.default, str(field.sample) if field else "", *chance.sample(SAMPLES, len(SAMPLES))]
    return next((Reply(text) for text in texts if not shown.judge(text)), Reply(back=True))


@pytest.mark.parametrize(
    "place",
    [
        Place("quiz"),
        Place("key", ("feature", "motto")),
        Place("menu", ("services", 0, "color")),
        Place("group", (99,)),
        Place("file"),
    ],
    ids=["no such question", "no such key", "a key of an item", "a group", "no file"],
)
def test_a_draft_whose_place_is_there_no_more_begins_with_its_answers(place: Place) -> None:
    state = walk(begin(NONE), "Saved Reports", "@dana")
    assert resume(state) == state
    for left in (state._replace(place=place), state._replace(history=(place,))):
        again = resume(left)
        assert (again.answers, again.history) == (state.answers, ())
        assert screen(again).message == screen(state).message


@settings(max_examples=int(os.environ.get("WALKS", "6")))
@given(st.integers(0, 10**6))
def test_no_way_through_the_wizard_ends_in_a_fault(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - chance that can be repeated
    state = begin(NONE)
    for _ in range(40):
        state = step(state, any_reply(state, chance))._replace(outcome="")
        json.dumps(state)  # as a draft does
        for place in (place for place in state.history if place.kind == "menu"):
            assert not place.path or isinstance(place.path[0], int) or shape_at(SPEC, place.path)
    if not load_faults(state.answers.tree):
        kept = essential(state.answers.tree)
        made = load_spec(parse_spec(spec_text(kept, "x", remarks(kept)), "x"))
        assert made.tree == load_spec(Source("", state.answers.tree, {})).tree
        assert assignments_of(kept) is not None
    assert isinstance(shape_at(SPEC, ("services",)), Listing)
