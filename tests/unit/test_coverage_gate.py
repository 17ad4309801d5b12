"""The coverage gates fail when they should."""

import json
from pathlib import Path

from coverage_gate import failures, read_percent

PERCENT = {"": 96.0, "src/a/x.py": 100.0, "src/a/y.py": 99.5, "src/b/z.py": 50.0}


def test_nothing_is_said_when_every_gate_is_reached() -> None:
    assert failures(PERCENT, total=95, gates={"src/a/*": 99}) == []


def test_each_file_below_its_gate_is_named() -> None:
    assert failures(PERCENT, total=97, gates={"src/a/*": 100, "src/b/z.py": 60}) == [
        "total: 96.00 % of 97 %",
        "src/a/y.py: 99.50 % of 100 %",
        "src/b/z.py: 50.00 % of 60 %",
    ]


def test_a_gate_for_files_that_are_gone_fails() -> None:
    assert failures(PERCENT, total=0, gates={"src/c/*": 1}) == ["src/c/*: fits no file"]


def test_a_report_is_read_by_file(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    file = {"summary": {"percent_covered": 80}}
    report.write_text(
        json.dumps({"files": {"src/a.py": file}, "totals": {"percent_covered": 90}})
    )
    assert read_percent(report) == {"": 90.0, "src/a.py": 80.0}
