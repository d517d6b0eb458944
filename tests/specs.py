"""Specs that several tests start from, as text."""

MINIMAL = """\
feature:
  name: Saved Reports
  engineer: "@dana"
sprint:
  name: "24"
experiment:
  hypothesis: We believe that analysts will adopt saved reports because they halve preparation time
  primary_metric:
    name: Weekly active users of reporting
    target: +20%
"""
