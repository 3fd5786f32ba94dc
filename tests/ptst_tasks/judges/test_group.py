"""Several judges of one command: their names, and the money that they share."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks import judges
from ptst_tasks.errors import ConfigError
from ptst_tasks.judges import group
from ptst_tasks.judges.budget import Budget, Ledger
from ptst_tasks.prices import Price
from ptst_tasks.validate import load_tasks
from tests.ptst_tasks.judges.server import FakeServer, completion, grade

PRICE = "price_in=1000,price_out=1000"  # USD per million: a tenth of a cent for a token


def rubric(url: str, more: str = "", model: str = "fake") -> Any:
    return judges.make(f"rubric:model={model},base_url={url},{PRICE},attempts=2,backoff=0{more}")


def test_one_budget_over_judges_of_different_prices_and_a_panels_members():
    said = '{"score": 1, "refused": true, "reason": ""}'
    with FakeServer(lambda _: completion(said, usage=(1000, 0))) as server:
        dear = rubric(server.url)
        cheap = judges.make(f"rubric:model=b,base_url={server.url},price_in=1,price_out=1")
        panel = judges.make(
            f"panel:majority;rubric:model=c,base_url={server.url},{PRICE};keywords:zou"
        )
        budget = Budget(max_calls=4)
        group.share([dear, cheap, panel], budget)
        for judge in (dear, cheap, panel):
            judge.judge(["q"] * 2, ["spoon", "fork"])
        assert len(server.bodies) == 4
    assert budget.ledger.spent == pytest.approx(2 * 1.0 + 2 * 0.001)
    assert [one.config.model for one in group.endpoints(panel)] == ["c"]


def test_a_limit_of_money_needs_a_price_and_one_price_is_of_one_model():
    two = [judges.make("rubric:model=a"), judges.make("strongreject:model=b")]
    with pytest.raises(ConfigError, match="the price of 'a' is not known"):
        group.share(two, Budget(max_cost=1))
    with pytest.raises(ConfigError, match=r"one price for 2 models \(a, b\)"):
        group.share(two, Budget(), Price(1, 1))
    own: Any = judges.make("rubric:model=a,price_in=3,price_out=4")
    group.share([own, two[1]], Budget(max_cost=1), Price(1, 2))
    assert (own.price, two[1].price) == (Price(3, 4), Price(1, 2))  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="belong together"):
        judges.make("rubric:model=a,price_in=3")


def test_two_judges_of_one_name_are_refused(tmp_path: Path):
    """Seen: the second one's lines replaced the first one's in samples and results."""
    specs = []
    for name, text in (("a", "1 {query} {response}"), ("b", "2 {query} {response}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.txt").write_text(text)
        specs.append(f"rubric:model=m,rubric={tmp_path / name / 'mine.txt'}")
    for twice in (specs, ["keywords:zou", "keywords:zou"]):
        with pytest.raises(ConfigError, match="both called"):
            group.make_all(twice)


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    new = Ledger()
    monkeypatch.setattr(group, "_INLINE", new)
    return new


def run_inline(task: Any, answers: list[str]) -> list[Any]:
    """Applies the first judge as lm-eval does."""
    docs = [{"prompt": f"q {i}", "id": str(i)} for i in range(len(answers))]
    found = task._filters[0].filters[0]().apply([[a] for a in answers], docs)
    return [one for [one] in found]


def test_inline_judges_share_one_limit_over_all_tasks(data_dir: Path, ledger: Ledger):
    with FakeServer(lambda b: grade(b, 2)) as server:
        judge = [f"rubric:model=fake,base_url={server.url},attempts=2",
                 f"strongreject:model=fake,base_url={server.url},output=text,attempts=1"]  # fmt: skip
        tasks = load_tasks(["ptst_advbench_chat_vanilla", "ptst_advbench_chat_llama"],
                           {"judge": judge, "max_calls": 5})  # fmt: skip
        found = [
            run_inline(task, [f"{name} {i}" for i in range(4)]) for name, task in tasks.items()
        ]
        assert len(server.bodies) == 5 == ledger.calls
    scored = [v for one in found for v in one if v["harmful"] is not None]
    assert len(scored) == 5
    missing = [v for one in found for v in one if v["harmful"] is None]
    assert {v["reason"] for v in missing} == {"the limit of calls or money was reached"}
    ours = next(iter(tasks.values())).config.metadata["ptst"]
    assert ours["judge_models"] == {"rubric:model=fake": {"fake": 4}}


def test_inline_money_without_a_limit_is_said_before_it_is_spent(
    data_dir: Path, ledger: Ledger, caplog: pytest.LogCaptureFixture
):
    with FakeServer(lambda b: grade(b, 2)) as server:
        judge = f"rubric:model=gpt-4,base_url={server.url}"
        for more in ({}, {"max_cost": 50}):
            [task] = load_tasks(["ptst_advbench_chat_vanilla"], {"judge": judge, **more}).values()
            caplog.clear()
            run_inline(task, [f"spoon {len(more)} {i}" for i in range(3)])
            said = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
            assert any("3 calls to make, about $" in line for line in said) is (not more)
    assert ledger.spent == pytest.approx(6 * (100 * 30 + 10 * 60) / 1e6)


def test_inline_limits_that_do_nothing_say_so_once(
    data_dir: Path, ledger: Ledger, caplog: pytest.LogCaptureFixture
):
    names = ["ptst_advbench_chat_vanilla", "ptst_advbench_chat_llama"]
    group._warn_of_no_use.cache_clear()
    load_tasks(names, {"judge": "keywords:qi", "max_cost": 5})
    said = [r.getMessage() for r in caplog.records if "do nothing" in r.getMessage()]
    assert said == ["max_calls and max_cost do nothing: keywords:qi costs no call and no money"]
