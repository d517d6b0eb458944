"""What an expression asks: its series, how far back it looks, why no rule can have it (more in ``test_rules``)."""

from __future__ import annotations

import pytest

from devops_tasks.promql import read_query


def test_a_query_tells_its_series_and_their_labels() -> None:
    query = read_query('sum by (le) (rate(a:b{job="x", c=~"d"}[5m])) / {__name__="e"} > max_over_time(f[1h:5m])')
    assert [(each.name, dict(each.labels)) for each in query.selectors] == [
        ("a:b", {"job": "x"}),
        ("e", {"__name__": "e"}),
        ("f", {}),
    ]


@pytest.mark.parametrize(
    ("expr", "reach"),
    [
        ("up", "0"),
        ("up offset 90s", "90"),
        ("up offset -90s", "0"),
        ("rate(up[5m])", "300"),
        ("rate(up[5m] offset 1h)", "3900"),
        ("max_over_time(rate(up[5m])[1h:1m] offset 1d)", "90300"),
        ("up offset 1m + on (job) sum(up offset 2m)", "120"),
        ("scalar(up offset 1w)", "604800"),
        ("quantile_over_time(0.5, up[1500ms])", "1.5"),
    ],
)
def test_how_far_back_an_expression_looks(expr: str, reach: str) -> None:
    assert str(read_query(expr).reach.seconds) == reach


@pytest.mark.parametrize(
    ("expr", "windows"),
    [
        ("rate(a[1m]) / increase(b:c[2m])", [("a", "1m"), ("b:c", "2m")]),
        ('irate({__name__="a"}[1m])', [("a", "1m")]),
        ("predict_linear((a[1m]), 60)", [("a", "1m")]),
        ("max_over_time(a[1m]) + avg_over_time(rate(a[3m])[1h:1m])", [("a", "3m")]),
        ("rate(max_over_time(a[1m])[5m:1m])", []),
    ],
)
def test_over_what_a_function_needs_several_samples(expr: str, windows: list[tuple[str, str]]) -> None:
    assert [(each.series, each.length.text) for each in read_query(expr).windows] == windows


@pytest.mark.parametrize(
    ("expr", "why"),
    [
        ("sum(rate(a_total[5m])) > 3", "it compares by itself, and gives nothing where that does not hold"),
        ("((up == 0))", "it compares by itself, and gives nothing where that does not hold"),
        ("absent(up)", "absent() gives nothing while its series is there"),
        ("absent_over_time(up[5m])", "absent_over_time() gives nothing while its series is there"),
        ("up == bool 0", ""),
        ("(up > 3) or vector(0)", ""),
        ("a / (b > 0)", ""),
        ("sum(up == 0)", ""),
        ("a + b", ""),
    ],
)
def test_a_query_that_gives_nothing_while_all_is_well_is_told_from_one_that_counts(expr: str, why: str) -> None:
    assert read_query(expr).silent == why


def test_what_is_no_promql_asks_for_nothing() -> None:
    query = read_query("rate(up)")
    assert (query.selectors, query.windows) == ((), ())
    assert query.fault == "expected type matrix in call to function 'rate', got vector"
