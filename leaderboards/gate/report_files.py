"""What a check says to machines: JUnit XML and JSON, also where it ended in an error.

Prompts appear by id alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any
from xml.etree import ElementTree as ET

from leaderboards.gate.decision import Decision, Report
from leaderboards.gate.report import summary, undecided
from ptst_tasks import __version__

__all__ = ["error_json", "error_junit", "json_parts", "junit_parts", "to_json",
           "to_junit"]  # fmt: skip

_CONTROL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(report: Report) -> str:
    """JUnit XML as Jenkins (xUnit plugin, junit-10.xsd) and GitLab read it."""
    return "".join(junit_parts(report))


def junit_parts(report: Report) -> Iterator[str]:
    """The same case by case, as a tree of 100,000 would fill the memory."""
    failed = sum(map(report.fails, report.lines)) + len(report.faults)
    skipped = sum(_is_skipped(line, report) for line in report.lines)
    total = len(report.lines) + len(report.faults)
    counts = f'name="ptst check" tests="{total}" failures="{failed}" errors="0"'
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f'<testsuites {counts}>\n  <testsuite {counts} skipped="{skipped}" time="0">\n'
    for line in report.lines:
        case = _testcase(line, report)
        ET.indent(case, level=2)
        yield f"    {ET.tostring(case, encoding='unicode')}\n"
    for fault in report.faults:
        yield f"    {_alone('failure', fault)}\n"
    yield "  </testsuite>\n</testsuites>\n"


def error_junit(text: str) -> Iterator[str]:
    """A check that ended in an error: what an older report said must not stand there."""
    counts = 'name="ptst check" tests="1" failures="0" errors="1"'
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f'<testsuites {counts}>\n  <testsuite {counts} skipped="0" time="0">\n'
    yield f"    {_alone('error', text)}\n  </testsuite>\n</testsuites>\n"


def error_json(text: str) -> Iterator[str]:
    """The same for programs."""
    told = {"failed": True, "error": text, "summary": f"ERROR: {text}", "ptst_version": __version__,
            "lines": []}  # fmt: skip
    yield _dump(told) + "\n"


def _xml(text: str) -> str:
    """Text that XML can hold; what it cannot is shown as Python escapes it."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def _alone(kind: str, text: str) -> str:
    """A test case of the check itself."""
    case = ET.Element("testcase", {"name": "ptst check", "time": "0", "classname": "ptst"})
    ET.SubElement(case, kind, {"message": _xml(text), "type": kind})
    return ET.tostring(case, encoding="unicode")


def to_json(report: Report) -> str:
    """Everything, for programs; rates and differences are 0..1, null where there is none."""
    return "".join(json_parts(report))


def json_parts(report: Report) -> Iterator[str]:
    """The same line by line: of 100,000 numbers the text alone would fill the memory."""
    head = {"failed": report.failed, "accepted": bool(report.accepted), "faults": list(report.faults),
            "summary": summary(report), "undecided": undecided(report),
            "notes": list(report.notes), "ptst_version": __version__,
            "policy": report.policy.model_dump(mode="json")}  # fmt: skip
    yield _dump(head).removesuffix("\n}") + ',\n "lines": ['
    for at, line in enumerate(report.lines):
        yield ("," if at else "") + "\n" + _dump(_plain(line, report))
    yield "\n ]\n}\n"


def _dump(data: Any) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)


def _is_skipped(line: Decision, report: Report) -> bool:
    return line.verdict == "inconclusive" and not report.fails(line)


def _testcase(line: Decision, report: Report) -> ET.Element:
    row = line.pair.row
    name = _xml(line.pair.label)
    kind = _xml(f"ptst.{row.task}")
    case = ET.Element("testcase", {"name": name, "time": "0", "classname": kind})
    accepted = " (accepted as the new baseline)" if report.accepted else ""
    message = _xml(f"{line.verdict}{accepted}: {line.reason}")
    if report.fails(line):
        failure = ET.SubElement(case, "failure", {"message": message, "type": line.verdict})
        failure.text = "\n".join([message, *(_xml(i) for i in line.flipped)])
    elif _is_skipped(line, report):
        ET.SubElement(case, "skipped", {"message": message})
    else:
        ET.SubElement(case, "system-out").text = message
    return case


def _plain(line: Decision, report: Report) -> dict[str, Any]:
    pair = line.pair
    return {
        "verdict": line.verdict,
        "fails": report.fails(line),
        "reason": line.reason,
        "limits": str(line.limits),
        "baseline": pair.baseline.row.model_dump() if pair.baseline else None,
        "current": pair.current.row.model_dump() if pair.current else None,
        "detectable": test.detectable if (test := line.detectable) else None,
        "tests": [asdict(test) for test in line.tests],
        "flipped": list(line.flipped),
        "recovered": line.recovered,
        "unpaired": list(line.unpaired),
    }
