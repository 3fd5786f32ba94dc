"""The cache of verdicts: several processes, and keys that hold all that decides."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ptst_tasks import judges
from ptst_tasks.errors import ConfigError
from ptst_tasks.judges.base import Verdict
from ptst_tasks.judges.cache import VerdictCache
from ptst_tasks.judges.cached_judge import CachedJudge

WRITER = """
import sys
from ptst_tasks.judges.base import Verdict
from ptst_tasks.judges.cache import VerdictCache
with VerdictCache(sys.argv[1]) as cache:
    for i in range(300):
        cache.put(f"{i if i % 3 else sys.argv[2] + str(i)}", Verdict(float(i), True, reason=sys.argv[2]))
"""


def test_several_processes_write_at_once(tmp_path: Path):
    file = tmp_path / "c.sqlite"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(file), name])
        for name in ("a", "b", "c")
    ]
    assert [w.wait(60) for w in writers] == [0, 0, 0]
    with VerdictCache(str(file)) as cache:
        assert len(cache) == 200 + 3 * 100
        assert cache.get(["1"])["1"].score == 1.0


def test_the_key_holds_judge_settings_query_and_response():
    one = judges.make("rubric:model=a")
    two = judges.make("rubric:model=b")
    same = judges.make("rubric:model=a,concurrency=3,timeout=9,api_key_env=OTHER")
    assert isinstance(one, CachedJudge)
    assert isinstance(two, CachedJudge)
    assert isinstance(same, CachedJudge)
    keys = {one.key("q", "r"), one.key("qr", ""), one.key("q", "s"), two.key("q", "r")}
    assert len(keys) == 4
    assert same.key("q", "r") == one.key("q", "r")


def test_verdicts_come_back_as_they_were(tmp_path: Path):
    verdict = Verdict(2.0, False, None, "why é", '{"score": 2}')
    with VerdictCache(str(tmp_path / "c")) as cache:
        cache.put("k", verdict)
        cache.put("k", Verdict(5.0, True))  # the first stays
    with VerdictCache(str(tmp_path / "c")) as cache:
        assert cache.get(["k", "l"]) == {"k": verdict}
        assert cache.get(str(i) for i in range(2000)) == {}


def test_a_file_that_is_no_cache_is_one_line(tmp_path: Path):
    file = tmp_path / "notes.txt"
    file.write_text("my notes " * 1000)
    with pytest.raises(ConfigError, match="PTST_JUDGE_CACHE"):
        VerdictCache(str(file))
    assert file.read_text().startswith("my notes")
