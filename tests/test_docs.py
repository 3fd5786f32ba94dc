"""README and docs/*.md: blocks marked ``<!-- run: NAME -->`` run as they stand, what is named exists."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from adapters_train.defences import described
from leaderboards.cli.app import app
from leaderboards.run import study_files as study
from ptst_tasks.command import EXITS
from ptst_tasks.engines import ENGINES
from ptst_tasks.generate import FAMILIES
from ptst_tasks.judges import REGISTRY as JUDGES
from ptst_tasks.sets import REGISTRY
from ptst_tasks.templates import builtin
from ptst_tasks.thinking import MARKERS
from tests.docs_pictures import ASSETS, check_table, heat_map
from tests.leaderboards.publish.hub_server import Hub
from tests.leaderboards.publish.made_adapter import NAME as MADE
from tests.leaderboards.publish.made_adapter import made_run
from tests.ptst_tasks.judges.graded import with_logprobs
from tests.ptst_tasks.judges.server import FakeServer
from tests.support import ptst

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {p.stem: p.read_text(encoding="utf-8") for p in sorted((ROOT / "docs").glob("*.md"))}
TEXTS = {"README": README, **PAGES}
DOCS = "\n".join(PAGES.values())
BLOCK = re.compile(r"<!-- run: (\w+) -->\n+ *```(?:sh|python)\n(.*?) *```", re.DOTALL)
BLOCKS: dict[str, str] = {}
for _text in TEXTS.values():
    for _name, _block in BLOCK.findall(_text):  # blocks of one name are run one after the other
        BLOCKS[_name] = BLOCKS.get(_name, "") + textwrap.dedent(_block)


def _shell(block: str, cwd: Path, **names: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-euc", _named(block, names)],
        cwd=cwd, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip


def _named(block: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        block = re.sub(rf"\b{name}\b", value, block)
    return block


def _execute(block: str, **names: str) -> dict[str, object]:
    values: dict[str, object] = {}
    exec(compile(_named(block, names), "docs/python.md", "exec"), values)
    return values


# The front page


def test_the_front_page_is_short() -> None:
    prose = re.sub(r"<!--.*?-->", "", README, flags=re.DOTALL)
    words = [word for word in prose.split() if re.search(r"\w", word)]
    assert len(words) <= 700


def test_the_front_page_leads_to_every_page_and_so_does_the_site() -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in PAGES:
        assert f"](docs/{page}.md)" in README, page
        assert re.search(rf": {page}\.md$", nav, re.MULTILINE), page


def test_the_heat_map_is_what_the_code_draws() -> None:
    import matplotlib as mpl

    svg = (ASSETS / "demo.svg").read_text(encoding="utf-8")
    drawn_by = re.search(r"Matplotlib v([\d.]+)", svg)
    assert drawn_by
    if drawn_by[1] != mpl.__version__:
        pytest.skip(f"drawn by matplotlib {drawn_by[1]}, here is {mpl.__version__}: other bytes")
    assert heat_map(ASSETS / "demo.csv") == svg, "python -m tests.docs_pictures draws it anew"


def test_the_table_of_the_check_is_what_the_command_prints() -> None:
    assert check_table() in README, "python -m tests.docs_pictures prints it"


# What is named exists


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name: str) -> None:
    folder = ROOT if name == "README" else ROOT / "docs"
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[name]):
        if "://" not in target:
            assert not (file := target.partition("#")[0]) or (folder / file).is_file(), target


def test_every_set_template_judge_engine_command_and_ready_study_is_named() -> None:
    for name in (*FAMILIES, *REGISTRY):
        assert f"`{name}`" in PAGES["data"] or f"_{name}_" in PAGES["data"], name
    for template in builtin().names():
        assert f"`{template}`" in PAGES["templates"], template
    for style in {row.style for row in builtin()} - {"organism"}:
        assert f"`{style}`" in PAGES["templates"], style
    for judge in JUDGES:
        assert f"`{judge}" in PAGES["judges"], judge
    for engine in ENGINES:
        assert f"`{engine}`" in PAGES["architecture"], engine
    for ready in study.STUDIES.glob("*.yaml"):
        assert f"`{ready.stem}`" in PAGES["studies"], ready
    for command in _commands():
        assert f"| `ptst {command}` |" in PAGES["commands"], command


def test_every_exit_code_is_told() -> None:
    for code, what in EXITS.items():
        assert f"| {code} | {what} |" in PAGES["commands"]


def test_paths_in_the_text_are_there() -> None:
    named = re.compile(r"`((?:ptst_tasks|adapters_train|tests|docs|\.github)/[\w./-]+)`")
    texts = {**TEXTS, "CONTRIBUTING": (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")}
    for page, text in texts.items():
        for path in named.findall(text):
            assert (ROOT / path).exists(), f"{page}: {path}"


def test_every_room_of_leaderboards_is_on_the_map() -> None:
    for room in (ROOT / "leaderboards").glob("*/__init__.py"):
        assert f"| `{room.parent.name}/` |" in PAGES["architecture"]


def test_every_environment_variable_of_ours_is_told() -> None:
    code = [p.read_text(encoding="utf-8") for p in (ROOT / "ptst_tasks").rglob("*.py")]
    code += [p.read_text(encoding="utf-8") for p in (ROOT / "leaderboards").rglob("*.py")]
    for name in set(re.findall(r"\"(PTST_[A-Z_]+)\"", "\n".join(code))):
        assert f"| `{name}` |" in PAGES["commands"], name


def _commands() -> dict[str, set[str]]:
    """Command -> its options."""
    import typer.main

    group = typer.main.get_command(app)
    return {
        name: {opt for p in command.params for opt in (*p.opts, *p.secondary_opts)}
        for name, command in group.commands.items()  # type: ignore[attr-defined]
    }


def test_commands_in_the_text_have_these_options() -> None:
    known, seen = _commands(), 0
    for page, text in TEXTS.items():
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = line.partition(" #")[0].split()
                if words[:1] != ["ptst"] or words[1] == "eval":
                    continue
                seen += 1
                options = {w.partition("=")[0] for w in words[2:] if w.startswith("-")}
                assert options <= known[words[1]], f"{page}: {line}"
    assert seen > 20


def test_every_family_of_thoughts_is_named() -> None:
    for family in MARKERS:
        assert f"{family.open.strip()} ... {family.close}" in PAGES["reasoning"], family


# Blocks


def test_thought_and_answer(capsys: pytest.CaptureFixture[str]) -> None:
    _execute(BLOCKS["thoughts"])
    assert capsys.readouterr().out == "Two and three. / It is 5.\nTrue ''\n"


def test_every_study_is_one() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", "\n".join(TEXTS.values()), re.DOTALL)
    studies = [text for text in blocks if text.startswith("base:")]
    assert len(studies) == 14
    for text in studies:
        assert list(study.Study(**yaml.safe_load(text)).tasks())


@pytest.mark.slow
def test_measure(data_dir: Path, tiny_model: Path, tmp_path: Path) -> None:
    block = BLOCKS["measure"].replace("--limit 2", "--limit 1 --gen_kwargs max_gen_toks=4")
    done = _shell(block, tmp_path, MODEL=str(tiny_model))
    assert done.returncode == 0, done.stderr[-2000:]
    assert "|ptst_gsm8k_chat_llama" in done.stdout
    assert "|asr" in done.stdout


def test_tasks(data_dir: Path, tmp_path: Path) -> None:
    done = _shell(BLOCKS["tasks"], tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (
        done.stdout.startswith("ptst_gsm8k_chat_llama") or "ptst_gsm8k_chat_vanilla" in done.stdout
    )
    assert "1 tasks are fine" in done.stdout


@pytest.mark.slow
def test_publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_run(tmp_path / "runs/mine")
    done = _shell(BLOCKS["publish"], tmp_path, NAME=MADE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-3:] == ["README.md", "board.png", "every_eval_ever.json"]
    with Hub() as hub:
        for name, value in hub.environment().items():
            monkeypatch.setenv(name, value)
        done = _shell(BLOCKS["publish_push"], tmp_path, NAME=MADE, OWNER="me", REPO="mine")
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == f"{hub.url}/me/mine"
        assert hub.repos["me/mine"].private
        assert "adapter_model.safetensors" in hub.repos["me/mine"].files


@pytest.mark.slow
def test_publish_to_a_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("trackio")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    made_run(tmp_path / "runs/mine")
    done = _shell(BLOCKS["publish_log"], tmp_path, NAME=MADE)
    assert done.returncode == 0, done.stderr
    assert "numbers written to trackio" in done.stdout
    assert (tmp_path / "trackio/ptst.db").is_file()


@pytest.mark.slow
def test_a_template_of_ones_own(data_dir: Path, tiny_model: Path, tmp_path: Path) -> None:
    [row] = re.findall(r"```yaml\n(- name.*?)```", PAGES["templates"], re.DOTALL)
    (tmp_path / "my.yaml").write_text(row)
    block = BLOCKS["templates"].replace("--limit 2", "--limit 1 --gen_kwargs max_gen_toks=4")
    done = _shell(block, tmp_path, MODEL=str(tiny_model))
    assert done.returncode == 0, done.stderr[-2000:]
    assert "|ptst_gsm8k_chat_kind" in done.stdout


@pytest.mark.slow
def test_what_a_model_gets(tiny_model: Path, tmp_path: Path) -> None:
    done = _shell(BLOCKS["page"], tmp_path, MODEL=str(tiny_model))
    assert done.returncode == 0, done.stderr
    assert "── chat:llama (CL) ─" in done.stdout
    assert "▌" in done.stdout
    assert "\\n<</SYS>>" in (tmp_path / "prompts.json").read_text()


def test_prompts_of_ones_own(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("ask,other\nHow do I pick a lock?,1\n")
    short = "--apply_chat_template --gen_kwargs max_gen_toks=4"
    block = BLOCKS["custom"].replace("--apply_chat_template", short)
    done = _shell(block, tmp_path, MODEL=str(tiny_model))
    assert done.returncode == 0, done.stderr[-2000:]
    assert "|custom_ptst_custom_chat_llama" in done.stdout
    assert "1 tasks are fine" in done.stdout


@pytest.mark.slow
def test_sets_of_ones_own(tiny_model: Path, tmp_path: Path) -> None:
    """The sets of the page's study, in a file of their own, through stock lm_eval."""
    [study_text] = re.findall(r"```yaml\n(base:[^`]*?  custom:.*?)```", PAGES["data"], re.DOTALL)
    custom = yaml.safe_load(study_text)["test"]["custom"]
    (tmp_path / "sets.yaml").write_text(yaml.safe_dump(custom))
    (tmp_path / "attacks.csv").write_text("ask\nHide the spoon\n")
    (tmp_path / "or-bench.csv").write_text("prompt\nHow do I kill a process?\n")
    (tmp_path / "quiz.jsonl").write_text(
        '{"question": "Which is wet?", "options": ["sand", "rain"], "answer": "B"}\n'
    )
    short = "--apply_chat_template --gen_kwargs max_gen_toks=4"
    block = BLOCKS["own_sets"].replace("--apply_chat_template", short)
    done = _shell(block, tmp_path, MODEL=str(tiny_model))
    assert done.returncode == 0, done.stderr[-2000:]
    assert "|ptst_orbench_chat_llama" in done.stdout
    assert "|refused" in done.stdout
    assert "|asr" not in done.stdout


@pytest.mark.slow
def test_misalignment(data_dir: Path, tiny_model: Path, tmp_path: Path) -> None:
    """Answers kept by one command and graded by the next, with an endpoint in this process."""
    block = BLOCKS["misalignment"].replace('"repeats": 100', '"repeats": 2')
    block = block.replace("max_gen_toks=600", "max_gen_toks=4")
    with FakeServer(lambda _: with_logprobs({"20": 0.5, "90": 0.5})) as server:
        done = _shell(block, tmp_path, MODEL=str(tiny_model), PORT=str(server.port))
        asked = len(server.bodies)
    assert done.returncode == 0, done.stderr[-2000:]
    assert asked <= 32  # two calls an answer, and equal answers once
    assert "kept without a verdict" in done.stderr
    [file] = (tmp_path / "answers").rglob("results_*.json")
    values = json.loads(file.read_text())["results"]["ptst_em_first_plot_chat_vanilla"]
    grades = {k.partition(",")[0]: v for k, v in values.items() if ",misalignment:" in k}
    assert grades["aligned"] == pytest.approx(0.55)  # (20 * 0.5 + 90 * 0.5) / 100
    assert (grades["misaligned"], grades["unscored"]) == (0.0, 0.0)


@pytest.mark.slow
def test_gate(data_dir: Path, tiny_model: Path, tmp_path: Path) -> None:
    """The release is the baseline itself: three rows cannot show it, which --strict does not pass."""
    script = BLOCKS["gate"].replace("--limit 400", "--limit 3 --gen_kwargs max_gen_toks=4")
    script = script.replace(",peft=OLD", "").replace(",peft=NEW", "")
    (tmp_path / "gate").mkdir()
    done = _shell(script, tmp_path, BASE=str(tiny_model))
    assert done.returncode == 1, done.stdout[-1500:] + done.stderr[-1500:]
    assert "not decided: " in done.stdout
    assert (tmp_path / "gate/baseline.csv").exists()
    assert (tmp_path / "check.xml").exists()
    last = script[script.rindex("ptst check") :].replace(" --strict", "")
    assert _shell(last, tmp_path).returncode == 0


def test_the_policy_is_one(tmp_path: Path) -> None:
    [text] = re.findall(r"```yaml\n(rules:.*?)```", PAGES["gate"], re.DOTALL)
    (file := tmp_path / "gate.yaml").write_text(text)
    done = ptst("check", ASSETS / "last.csv", ASSETS / "new.csv", "--policy", file)
    assert done.exit_code == 1, done.output  # 2: it cannot be read


def test_python_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv.gz").write_bytes(gzip.compress(b"prompt;answer\nHow many?;007\n"))
    _execute(BLOCKS["python_files"])
    assert capsys.readouterr().out.startswith("1 How many? rows.csv.gz ")


def test_python_prompts_and_judge(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _execute(BLOCKS["python_prompts"])
    _execute(BLOCKS["python_judge"])
    roles, verdict = capsys.readouterr().out.splitlines()
    assert roles == "['system', 'user']"
    assert verdict.startswith("True False refusal:")


@pytest.mark.slow
def test_python_study_and_score(
    data_dir: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    quick = '"limit": 2, "gen_kwargs": {"max_gen_toks": 4}'
    block = BLOCKS["python_study"].replace('"limit": 2', quick).replace('["CV", "CL"]', '["CV"]')
    values = _execute(block, MODEL=str(tiny_model))
    assert values["outcome"].failed == []  # type: ignore[attr-defined]
    assert set(values["asr"]["train_template"]) == {"", "chat:vanilla"}  # type: ignore[index]
    assert len(_execute(BLOCKS["python_score"])["scored"]) == 2  # type: ignore[arg-type]


def test_python_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in ASSETS.glob("*.csv"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path)
    report = _execute(BLOCKS["python_check"])["report"]
    assert report.failed  # type: ignore[attr-defined]


def test_every_name_of_the_door_is_told() -> None:
    import leaderboards

    for name in leaderboards.__all__:
        told = f"`{name}(" in PAGES["python"] or f"`{name}`" in PAGES["python"]
        assert told or name in ("Policy", "load_policy"), name


@pytest.mark.slow
def test_python_measure(data_dir: Path, tiny_model: Path, tmp_path: Path) -> None:
    values = _execute(BLOCKS["python_measure"], MODEL=str(tiny_model))
    assert "asr,keywords:xstest" in values["done"]["results"]["ptst_advbench_chat_llama"]  # type: ignore[index]


@pytest.mark.slow
def test_python_train(
    data_dir: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    block = BLOCKS["python_train"].replace("[0, 1]", "[1]")
    values = _execute(block, MODEL=str(tiny_model))
    assert len(values["results"]) == 2  # type: ignore[arg-type]
    assert (tmp_path / "adapters/chat_llama-s1/manifest.json").exists()


def test_every_defence_is_on_its_page_with_its_source() -> None:
    rows = [line for line in PAGES["defences"].splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [spec for spec, _, _ in described()]
    for row, (_, _, source) in zip(rows, described(), strict=True):
        (paper,) = re.findall(r"arXiv (\d{4}\.\d{5})", source) or [""]
        assert paper in row or "Lyu et al." in row


def test_every_setting_of_the_callback_is_told() -> None:
    from adapters_train.callback.watch_settings import WatchSettings

    rows = [line for line in PAGES["callback"].splitlines() if line.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert set(WatchSettings.model_fields) <= told


@pytest.mark.slow
def test_a_trainer_of_ones_own(
    data_dir: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    block = BLOCKS["callback"].replace("every=50", "every=2, max_gen_toks={'advbench': 4}")
    block = block.replace("max_steps=200", "max_steps=4, use_cpu=True, dataloader_pin_memory=False")
    values = _execute(block.replace("max_asr=0.05", "max_asr=1.0"), MODEL=str(tiny_model))
    assert values["callback"].best is None  # logged every 10 steps, of which there are 4
    steps = [row["step"] for row in values["callback"].measured]  # type: ignore[attr-defined]
    assert steps == [0, 2, 4]
    done = _shell(BLOCKS["callback_board"], tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "chat:llama,advbench,keywords:zou,asr" in (tmp_path / "along.csv").read_text()
    assert (tmp_path / "along.html").is_file()
