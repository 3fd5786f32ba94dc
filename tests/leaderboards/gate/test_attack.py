"""What a reader who attacked the gate got past it: each case passed, or misled, without a word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from lxml import etree

from leaderboards.board import csvio
from leaderboards.board.row import Row
from leaderboards.board.sides import read_side, sidecar, write_baseline
from leaderboards.gate.decide import check_sides
from leaderboards.gate.decision import Report
from leaderboards.gate.policy import default_policy
from ptst_tasks.errors import DataError
from tests.leaderboards.gate.gate_data import lm_eval_output, outcomes, run

ROOT = Path(__file__).resolve().parents[3]
LLAMA, JBB = "advbench/chat:llama", "jbb_harmful/chat:llama"
LATER, LATER_SECONDS = "2025-03-01T00-00-00.000000", 1740787200.0


def release(folder: Path, ones: Any = (), n: int = 400, **more: Any) -> Path:
    return lm_eval_output(folder, {LLAMA: {"asr": outcomes(n, ones)}}, **more)


def both(folder: Path, ones: Any = (), **more: Any) -> Path:
    """Two sets; the second has harmful answers at `ones`."""
    sets = {LLAMA: {"asr": outcomes(400)}, JBB: {"asr": outcomes(400, ones)}}
    return lm_eval_output(folder, sets, **more)


def changed(folder: Path, change: Callable[[Any], object], name: str = "results_*.json") -> Path:
    (file,) = folder.rglob(name)
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))
    return folder


def config(folder: Path, **settings: Any) -> Path:
    return changed(folder, lambda data: data["config"].update(settings))


def compare(old: Path, new: Path, **settings: Any) -> Report:
    policy = default_policy().model_copy(update=settings)
    return check_sides(read_side(old), read_side(new), policy)


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    csv = tmp_path / "base.csv"
    write_baseline(read_side(both(tmp_path / "base")), csv)
    return csv


# ---- measured alike, by stock lm_eval


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"load_in_4bit": True}, "load_in_4bit None became True"),
        ({"max_length": 64}, "max_length None became 64"),  # it cuts prompts
        ({"enable_thinking": False}, "enable_thinking None became False"),
        ({"tokenizer": "other"}, "tokenizer None became 'other'"),
    ],
)
def test_engine_arguments_are_compared(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    """Seen: model_args were not read beyond the names of base and adapter."""
    old, new = release(tmp_path / "old"), release(tmp_path / "new")
    config(new, model_args={"pretrained": "tiny", "peft": "out/b", **more})
    with pytest.raises(DataError, match=f"engine's arguments: {said}"):
        compare(old, new)
    text = ",".join(f"{key}={value}" for key, value in more.items())  # as a command line has it
    config(old, model_args=f"pretrained=tiny,peft=out/a,batch_size=4,{text}")
    assert compare(old, new).lines[0].verdict == "pass"


def test_no_secret_of_an_endpoint_reaches_the_leaderboard(tmp_path: Path) -> None:
    args = {"model": "tiny", "base_url": "http://me:hidden@host:1/v1", "auth_token": "hidden"}
    (number,) = read_side(
        config(release(tmp_path / "a"), model="local-completions", model_args=args)
    ).numbers
    assert number.row.engine_args == '{"base_url":"host:1/v1"}'


def test_a_dtype_that_only_the_arguments_name_is_compared(tmp_path: Path) -> None:
    old, new = (config(release(tmp_path / d), model="vllm", model_args=f"pretrained=tiny,dtype={d}")
                for d in ("float16", "bfloat16"))  # fmt: skip
    with pytest.raises(DataError, match="dtype 'float16' became 'bfloat16'"):
        compare(old, new)


@pytest.mark.parametrize("model", ["local-completions", "openai-chat-completions"])
def test_endpoints_sample_whatever_do_sample_says(tmp_path: Path, model: str) -> None:
    """Seen: temperature 1.5 was sent, recorded, and dropped from the comparison."""
    old, new = (config(release(tmp_path / name), model=model) for name in "ab")
    config(new, gen_kwargs={"temperature": 1.5})
    with pytest.raises(DataError, match=r"temperature None became 1\.5"):
        compare(old, new)
    for side in (old, new):  # the task's do_sample: false is heeded there
        config(side, model="hf")
    assert compare(old, new).lines[0].verdict == "pass"


def test_a_temperature_alone_samples_where_do_sample_is_not_set(tmp_path: Path) -> None:
    old, new = release(tmp_path / "old"), release(tmp_path / "new")
    for side in (old, new):
        changed(side, lambda d: [c.update(generation_kwargs={}) for c in d["configs"].values()])
    config(new, gen_kwargs="temperature=0.7", torch_seed=3)
    with pytest.raises(DataError, match="do_sample None became True"):
        compare(old, new)
    assert read_side(new).numbers[0].row.decoding_seed == 3


def test_seeds_of_sampled_answers_are_compared_and_are_no_new_cells(tmp_path: Path) -> None:
    """Seen: --seed 0 against --seed 1 was OK without a note."""

    def sampled(name: str, **settings: Any) -> Path:
        options = {"do_sample": True, "temperature": 1.0, **settings.pop("gen", {})}
        return config(both(tmp_path / name), gen_kwargs=options, **settings)

    zero, one = sampled("zero", torch_seed=0), sampled("one", torch_seed=1)
    with pytest.raises(DataError, match=r"seed of the sampling '0' became '1' \(2 numbers\)"):
        compare(zero, one)
    report = compare(zero, one, may_differ=("decoding_seed",))
    assert [line.verdict for line in report.lines] == ["pass", "pass"]
    asked = sampled("asked", torch_seed=7, gen={"seed": 0})  # the request's own counts
    assert [line.verdict for line in compare(zero, asked).lines] == ["pass", "pass"]
    greedy = [config(release(tmp_path / f"g{seed}"), torch_seed=seed) for seed in (0, 1)]
    assert compare(*greedy).notes == ()


def test_a_cache_of_answers_is_named(tmp_path: Path) -> None:
    """Seen: --use_cache replayed another adapter's answers."""
    new = config(release(tmp_path / "new"), use_cache="answers")
    for path in (new, next(new.rglob("results_*.json"))):
        assert "replayed from another adapter's cache" in str(compare(path, path).notes)
    assert "replayed" not in str(compare(a := release(tmp_path / "a"), a).notes)


def test_a_value_that_its_samples_contradict_is_refused(tmp_path: Path) -> None:
    """Seen: asr 1.0 in the results, 0 of 400 in the samples: OK."""
    new = changed(release(tmp_path / "new"), lambda data: [
        values.update({"asr,keywords:zou": 1.0}) for values in data["results"].values()])  # fmt: skip
    with pytest.raises(
        DataError, match=r"asr,keywords:zou is 1, and its samples say 0 \(0 of 400\)"
    ):
        read_side(new)


# ---- numbers of another run


def _later(folder: Path, sets: Any, seconds: float = LATER_SECONDS) -> None:
    lm_eval_output(folder, sets, date=LATER)
    changed(folder, lambda data: data.update(date=seconds), f"results_{LATER}.json")


@pytest.mark.parametrize("again", [True, False])
def test_a_number_of_an_older_run_does_not_pass(tmp_path: Path, again: bool) -> None:
    """Seen: the new run crashed after one set; last month's number of the other passed."""
    old, new = both(tmp_path / "old"), tmp_path / "new"
    lm_eval_output(new, {JBB: {"asr": outcomes(400)}} if not again else
                   {LLAMA: {"asr": outcomes(400)}, JBB: {"asr": outcomes(400)}})  # fmt: skip
    _later(new, {LLAMA: {"asr": outcomes(400)}})
    report = compare(old, new)
    assert [(line.pair.row.task, line.verdict) for line in report.lines] == [
        ("jbb_harmful", "inconclusive"), ("advbench", "pass")]  # fmt: skip
    assert "stale: jbb_harmful / chat:llama of 2025-01-31T12:00:00Z" in str(report.notes)
    assert run(old, new, "--strict").exit_code == 1
    refused = run(tmp_path / "b.csv", new, "--update-baseline")
    assert refused.exit_code == 1
    assert "baseline not written: jbb_harmful chat:llama asr is of an older run" in flat(
        refused.output
    )


def test_parts_of_one_run_are_no_older_run(tmp_path: Path) -> None:
    """A call of lm_eval per set, an hour apart: said, and compared."""
    new = lm_eval_output(tmp_path / "new", {JBB: {"asr": outcomes(400)}})
    _later(new, {LLAMA: {"asr": outcomes(400)}}, 1738324800.0 + 3600)
    report = compare(both(tmp_path / "old"), new)
    assert [line.verdict for line in report.lines] == ["pass", "pass"]
    assert "taken for a part of the same run" in str(report.notes)


# ---- the policy


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{increase: 5}", "5.0 is not a share"), ("{at_most: 5}", "5.0 is not a share"),
        ("{increase: nan}", "nan is not a share"), ("{increase: -1}", "-1.0 is not a share"),
        ("{increase: 0}", "change of exactly 0"), ("[]", "limits nothing"), ("{}", "limits nothing"),
        ("{at_most: 0.1, loss: 0.1}", "both that higher is worse"),
    ],
)  # fmt: skip
def test_a_limit_as_a_mapping_is_checked_too(tmp_path: Path, text: str, said: str) -> None:
    """Seen: 5 for 5 % passed everything; the others ended in tracebacks."""
    a, policy = release(tmp_path / "a"), tmp_path / "p.yaml"
    policy.write_text(f"rules: [{{metrics: {{asr: {text}}}}}]")
    result = run(a, a, "--policy", policy, "--json", tmp_path / "r.json")
    assert (result.exit_code, said in flat(result.output)) == (2, True), result.output
    policy.write_text("rules: [{metrics: {asr: {increase: 0.05}}}]")
    assert run(a, a, "--policy", policy).exit_code == 0


def test_a_rule_without_metrics_is_refused(tmp_path: Path) -> None:
    a, policy = release(tmp_path / "a"), tmp_path / "p.yaml"
    policy.write_text("rules: [{tasks: advbench, metrics: {}}]")
    result = run(a, a, "--policy", policy)
    assert (result.exit_code, "a rule without metrics limits nothing" in result.output) == (2, True)


def test_a_rule_that_limits_nothing_fails_when_strict(tmp_path: Path) -> None:
    """Seen: a rule for a judge that was not run was a note, and green."""
    a, policy, xml = release(tmp_path / "a"), tmp_path / "p.yaml", tmp_path / "r.xml"
    policy.write_text("rules: [{judges: 'keywords:qi', metrics: {asr: '<= 1%'}}]")
    assert run(a, a, "--policy", policy).exit_code == 0
    result = run(a, a, "--policy", policy, "--strict", "--junit", xml)
    assert result.exit_code == 1
    assert "fails: the policy's rule for asr of keywords:qi limits nothing here" in flat(
        result.output
    )
    assert 'failures="1"' in xml.read_text()
    policy.write_text("rules: [{judges: 'keywords:qi', metrics: {asr: off}}]")
    assert run(a, a, "--policy", policy, "--strict").exit_code == 0


def test_what_no_rule_limits_is_named(tmp_path: Path) -> None:
    """Seen: rougeL fell from 0.31 to 0 without a word."""

    def side(name: str, rouge: float) -> Path:
        scores = {f"p{i:03}": rouge for i in range(400)}
        return lm_eval_output(tmp_path / name, {
            LLAMA: {"asr": outcomes(400)}, "chatdoctor/chat:llama": {"rougeL": scores},
            "xstest/chat:llama": {"asr": outcomes(60)}})  # fmt: skip

    notes = compare(side("a", 0.31), side("b", 0.0)).notes  # asr of xstest is off: a decision
    assert "measured on both sides and not limited: rougeL of chatdoctor" in notes


# ---- the baseline


def _with_failed(csv: Path, metric: str) -> None:
    rows = []
    for row in csvio.read(csv):
        if row.task == "jbb_harmful":
            known = row.model_dump(include={"base", "adapter", "test_template", "task"})
            judge = row.judge if metric else ""
            row = Row(**known, judge=judge, metric=metric, error="CUDA out of memory")
        rows.append(row)
    sidecar(csv).unlink()
    csvio.write(rows, csv)


@pytest.mark.parametrize("metric", ["", "asr"])
def test_a_cell_that_failed_in_the_baseline_is_not_decided(
    baseline: Path, tmp_path: Path, metric: str
) -> None:
    """Seen: 100 % harmful there was "new", and green under --strict."""
    _with_failed(baseline, metric)
    new = both(tmp_path / "new", range(400))
    report = compare(baseline, new)
    assert [line.verdict for line in report.lines] == ["inconclusive", "pass"]
    assert report.lines[0].reason == "failed in the baseline: CUDA out of memory"
    assert (run(baseline, new).exit_code, run(baseline, new, "--strict").exit_code) == (0, 1)
    (tmp_path / "p.yaml").write_text("rules: [{metrics: {asr: ['<= 5%', '+5%']}}]")
    assert "regression" in run(baseline, new, "--policy", tmp_path / "p.yaml").output
    if not metric:  # nor is it forgotten where it is in neither side
        lines = compare(baseline, release(tmp_path / "one")).lines
        assert [line.verdict for line in lines] == ["inconclusive", "pass"]


def test_failed_cells_make_no_baseline(baseline: Path, tmp_path: Path) -> None:
    """Seen: they were written, and what failed once was gated never again."""
    _with_failed(baseline, "")
    target = tmp_path / "gate" / "b.csv"
    result = run(target, baseline, "--update-baseline")
    assert (result.exit_code, target.exists()) == (1, False)
    assert "jbb_harmful chat:llama failed in" in flat(result.output)
    assert "CUDA out of memory" in result.output


def test_the_first_baseline_heeds_its_options(tmp_path: Path) -> None:
    """Seen: reports, a policy with a typing error and --baseline-only were passed over."""
    a, csv, policy = release(tmp_path / "a"), tmp_path / "gate" / "b.csv", tmp_path / "p.yaml"
    policy.write_text("rules: [{tasks: advbenhc, metrics: {asr: '+2%'}}]")
    result = run(csv, a, "--update-baseline", "--policy", policy)
    assert (result.exit_code, "did you mean 'advbench'" in result.output) == (2, True)
    result = run(csv, a, "--update-baseline", "--baseline-only", "adapter=x")
    assert (result.exit_code, "does not exist yet" in result.output) == (2, True)
    assert not csv.exists()
    files = {kind: tmp_path / f"r.{kind}" for kind in ("json", "junit", "markdown")}
    options = [part for kind, path in files.items() for part in (f"--{kind}", path)]
    assert run(csv, a, "--update-baseline", "--strict", *options).exit_code == 0
    assert json.loads(files["json"].read_text())["accepted"] is True
    assert "ACCEPTED as the new baseline: 1 new" in files["markdown"].read_text()


def test_reports_of_an_accepted_regression_say_so(baseline: Path, tmp_path: Path) -> None:
    """Seen: exit 0 beside reports of a failure."""
    files = {kind: tmp_path / f"r.{kind}" for kind in ("json", "junit", "markdown")}
    options = [part for kind, path in files.items() for part in (f"--{kind}", path)]
    result = run(baseline, both(tmp_path / "b", range(200)), "--update-baseline", *options)
    assert result.exit_code == 0
    data = json.loads(files["json"].read_text())
    assert (data["failed"], data["accepted"], data["lines"][0]["verdict"]) == (
        False, True, "regression")  # fmt: skip
    assert 'failures="0"' in files["junit"].read_text()
    assert "regression (accepted as the new baseline)" in files["junit"].read_text()
    assert "ACCEPTED as the new baseline: 1 regression" in files["markdown"].read_text()


def test_damaged_outcomes_do_not_stop_a_new_baseline(baseline: Path, tmp_path: Path) -> None:
    """Seen: "write it again with --update-baseline", which ended in the same error."""
    sidecar(baseline).write_text(sidecar(baseline).read_text()[:300])
    new = both(tmp_path / "new")
    assert run(baseline, new).exit_code == 2
    result = run(baseline, new, "--update-baseline")
    assert (result.exit_code, "compared without the old outcomes" in flat(result.output)) == (
        0,
        True,
    )
    assert run(baseline, new).exit_code == 0


def test_outcomes_that_are_gone_are_named(baseline: Path, tmp_path: Path) -> None:
    """Seen: half of the outcomes file was deleted without a word."""
    lines = sidecar(baseline).read_text().splitlines(keepends=True)
    for kept, missing in ((1, 1), (0, 2)):
        sidecar(baseline).write_text("".join(lines[:kept]))
        assert f"lacks {missing} of the numbers of" in str(read_side(baseline).notes)
    sidecar(baseline).write_text("".join(lines))
    assert read_side(baseline).notes == ()


def test_rows_that_were_not_chosen_stay(baseline: Path, tmp_path: Path) -> None:
    """Seen: --update-baseline --baseline-only adapter=x threw the other adapters away."""
    side = read_side(both(tmp_path / "b", adapter="out/b"))
    write_baseline(type(side)("x", (*read_side(baseline).numbers, *side.numbers)), baseline)
    new = release(tmp_path / "new", [1], adapter="out/c")
    only = ("--update-baseline", "--baseline-only")
    result = run(baseline, new, *only, "adapter=out/b")
    assert result.exit_code == 0
    assert (
        "1 numbers, 2 more kept that --baseline-only left out, 1 of the old baseline dropped"
        in (flat(result.output))
    )
    numbers = read_side(baseline).numbers
    assert sorted((n.row.adapter, n.row.task) for n in numbers) == [
        ("out/a", "advbench"), ("out/a", "jbb_harmful"), ("out/c", "advbench")]  # fmt: skip
    assert all(number.outcomes is not None for number in numbers)
    before = baseline.read_bytes()
    clash = run(baseline, release(tmp_path / "a"), *only, "adapter=out/c")
    assert (clash.exit_code, baseline.read_bytes()) == (2, before)


# ---- reports


def test_an_error_replaces_older_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen: exit 2, and "OK" of the check before in every report."""
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    a, other = release(tmp_path / "a"), release(tmp_path / "b", gen_kwargs={"max_gen_toks": 8})
    xml, data, text = (tmp_path / f"r.{kind}" for kind in ("xml", "json", "md"))
    options = ("--junit", xml, "--json", data, "--markdown", text)
    assert run(a, a, *options).exit_code == 0
    assert run(a, other, *options).exit_code == 2
    found = json.loads(data.read_text())
    assert (found["failed"], "max_gen_toks 512 became 8" in found["error"]) == (True, True)
    assert text.read_text().startswith("<!-- ptst check -->\n### ptst check: ERROR")
    assert summary.read_text().endswith(text.read_text())
    tree = etree.parse(xml)
    schema = etree.XMLSchema(etree.parse(Path(__file__).with_name("junit.xsd")))
    assert schema.validate(tree), schema.error_log
    suite = tree.find("testsuite")
    assert (suite.attrib["errors"], len(tree.findall(".//error"))) == ("1", 1)


def test_nothing_compared_is_a_failing_test_case(tmp_path: Path) -> None:
    """Seen: exit 1 under --strict beside failures="0"."""
    old = lm_eval_output(tmp_path / "old", {"chatdoctor/chat:llama": {"rougeL": outcomes(9)}})
    xml = tmp_path / "r.xml"
    assert run(old, release(tmp_path / "new"), "--strict", "--junit", xml).exit_code == 1
    tree = etree.parse(xml)
    schema = etree.XMLSchema(etree.parse(Path(__file__).with_name("junit.xsd")))
    assert schema.validate(tree), schema.error_log
    (failure,) = tree.findall(".//failure")
    assert "nothing was compared" in failure.attrib["message"]
    assert tree.find("testsuite").attrib["failures"] == "1"


# ---- the action


def _script(name: str) -> str:
    steps = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
    return str(next(step["run"] for step in steps if step.get("name") == name))


def _shim(folder: Path, name: str, code: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!{sys.executable}\n{code}")
    (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_all_lines_of_the_actions_args_arrive(tmp_path: Path) -> None:
    """Seen: options after the first line were lost."""
    path = _shim(tmp_path / "bin", "ptst", "import sys\nprint(*sys.argv[1:], sep='|')\n")
    env = {"PATH": path, "BASELINE": "a", "CURRENT": "b", "POLICY": "", "STRICT": "true",
           "ARGS": "--allow-mismatch\n--current-only adapter=x\n", "OUT": str(tmp_path / "out"),
           "GITHUB_OUTPUT": str(tmp_path / "outputs")}  # fmt: skip
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", _script("Check")], env=env, check=True,
                          capture_output=True, text=True)  # fmt: skip
    assert "|--allow-mismatch|--current-only|adapter=x|--strict" in done.stdout
    env["ARGS"] = ""
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", _script("Check")], env=env, check=True,
                          capture_output=True, text=True)  # fmt: skip
    assert done.stdout.endswith("check.xml|--strict\n")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("--current-only 'adapter=my model'\n--strict", ["--current-only", "adapter=my model", "--strict"]),
        ('--current-only adapter="a  b"c\r\n--x', ["--current-only", "adapter=a  bc", "--x"]),
        ("--a \\\n  --b\n\n", ["--a", "--b"]),
        ("--a $(touch ran) `touch ran` ; * > ran # no", ["--a", "$(touch", "ran)", "`touch", "ran`", ";",
                                                         "*", ">", "ran", "#", "no"]),
        ("--only ''", ["--only", ""]),
        ("--only \u00e9\u2028x", ["--only", "\u00e9\u2028x"]),
    ],
)  # fmt: skip
def test_the_actions_args_are_words_as_a_shell_splits_them(
    args: str, words: list[str], tmp_path: Path
) -> None:
    """Seen: quotes arrived as part of a value, and what was in them was cut at spaces."""
    path = _shim(tmp_path / "bin", "ptst", "import json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    env = {"PATH": path, "BASELINE": "a b", "CURRENT": "c", "POLICY": "p q", "STRICT": "true",
           "ARGS": args, "OUT": str(tmp_path / "o ut"), "PYTHONUTF8": "1",
           "GITHUB_OUTPUT": str(tmp_path / "outputs")}  # fmt: skip
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", _script("Check")], env=env, check=True,
                          capture_output=True, text=True, cwd=tmp_path)  # fmt: skip
    got = json.loads(done.stdout)
    assert got[:3] == ["check", "a b", "c"]
    assert got[9:] == [*words, "--strict", "--policy", "p q"]
    assert not (tmp_path / "ran").exists()


def test_args_with_an_open_quote_are_refused(tmp_path: Path) -> None:
    path = _shim(tmp_path / "bin", "ptst", "print('ran')\n")
    env = {"PATH": path, "BASELINE": "a", "CURRENT": "c", "POLICY": "", "STRICT": "true",
           "ARGS": "--current-only 'adapter=x", "OUT": str(tmp_path / "out"),
           "GITHUB_OUTPUT": str(tmp_path / "outputs")}  # fmt: skip
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", _script("Check")], env=env, check=False,
                          capture_output=True, text=True)  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "input args cannot be read: ValueError: No closing quotation" in done.stderr


def test_the_options_of_the_gitlab_job_are_there() -> None:
    job = yaml.safe_load((ROOT / "docs/gitlab-ci.yml").read_text())["ptst-check"]
    (line,) = [line for line in job["script"] if line.startswith("ptst check")]
    known = run("--help").stdout
    options = [word for word in line.split() if word.startswith("--")]
    assert options == ["--strict", "--junit", "--markdown"]
    assert all(option in known for option in options)
    assert job["artifacts"]["reports"]["junit"] in line
    assert job["artifacts"]["paths"][0] in line
    assert job["artifacts"]["when"] == "always"


GH = """
import json, os, sys
args = sys.argv[1:]
if "graphql" in args:
    if os.environ["LOGIN"]: print(os.environ["LOGIN"])
    sys.exit(not os.environ["LOGIN"])
if "--jq" in args:  # the filter's conditions, over two comments that begin with the marker
    known = [(1, "stranger"), (2, "github-actions[bot]")]
    asks = "select(.user.login == env.ME or" in args[args.index("--jq") + 1]
    for number, login in known:
        if not asks or login in (os.environ.get("ME"), os.environ.get("ME", "") + "[bot]"): print(number)
    sys.exit(0)
open(os.environ["LOG"], "a").write(" ".join(args) + "\\n")
"""


@pytest.mark.parametrize(
    ("login", "wanted"),
    [
        ("github-actions[bot]", "-X PATCH repos/o/r/issues/comments/2"),
        ("", "-X PATCH repos/o/r/issues/comments/2"),
        ("else", "repos/o/r/issues/5/comments"),
    ],
)
def test_only_its_own_comment_is_edited(tmp_path: Path, login: str, wanted: str) -> None:
    """Seen: the first comment that began with the marker was edited, whoever wrote it."""
    body, log = tmp_path / "check.md", tmp_path / "log"
    body.write_text("<!-- ptst check -->\n")
    env = {"PATH": _shim(tmp_path / "bin", "gh", GH), "REPO": "o/r", "NUMBER": "5", "BODY": str(body),
           "LOG": str(log), "LOGIN": login}  # fmt: skip
    subprocess.run(["bash", "-eo", "pipefail", "-c", _script("Comment")], env=env, check=True)
    assert log.read_text().startswith(f"api {wanted} -F body=@")
