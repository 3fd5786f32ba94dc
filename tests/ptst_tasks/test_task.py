from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks.errors import ChatFormatError, ConfigError, PTSTError, UnknownNameError
from ptst_tasks.task import renderer_for_lm
from ptst_tasks.templates import names, slug
from ptst_tasks.validate import load_tasks
from tests.support import CHATML, PLAIN, byte_tokenizer, save_tiny_model, tiny_bert


def one(name: str, **metadata: Any) -> Any:
    return load_tasks([name], metadata)[name]


@pytest.fixture(scope="module")
def lm(tiny_model: Path) -> Any:
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=str(tiny_model), batch_size=8, device="cpu")


def build(task: Any, lm: Any, limit: int = 2) -> list[Any]:
    task.build_all_requests(
        limit=limit, apply_chat_template=True, chat_template=lm.apply_chat_template
    )
    return list(task.instances)


def stock(folder: str, rows: list[dict[str, Any]]) -> Any:
    """One of lm-eval's own tasks, over our rows instead of the hub's."""
    import datasets
    import lm_eval.tasks
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks._yaml_loader import load_yaml

    config = load_yaml(Path(lm_eval.tasks.__file__).parent / folder)
    config.pop("tag", None)
    split = datasets.Dataset.from_list(rows)
    splits = dict.fromkeys(("train", "validation", "test"), split)
    return ConfigurableTask(
        config={**config, "custom_dataset": lambda **_: splits, "num_fewshot": 0}
    )


def score(task: Any, doc: dict[str, Any], response: str) -> dict[str, float]:
    from lm_eval.api.instance import Instance

    instance = Instance("generate_until", doc, ("", {}), 0, (None, 0, 1))
    instance.resps = [response]
    task._instances = [instance]
    task.apply_filters()
    found = instance.filtered_resps
    return {k: task.process_results(doc, [v])["exact_match"] for k, v in found.items()}


def answers(count: int = 500) -> list[tuple[str, str]]:
    """(gold, response) in many shapes; about half are right."""
    draw = random.Random(0)
    shapes = [
        "So she has {n} spoons.\n#### {n}", "#### {n}", "####{n}", "The answer is {n}.",
        "The answer is ${n}.", "He pays ${n}", "It is {n}%", "{n}", "= {n}", "x = {n}.\n\n",
        "First 3 + 4 = 7, then {n}", "#### {n} spoons", "#### ${n}", "#### {n}\nQuestion: 5 + 5?",
        "It costs {n} dollars and 12 cents", "{n} is it", "Nothing to say", "#### none", "", "**{n}**",
        "She has -{n} left.\n#### -{n}", "####  {n}", "#### {n}.", "#### {n}.00", "a,b,{n},c", "#### 1{n}",
    ]  # fmt: skip
    out = []
    for i in range(count):
        gold = draw.choice(
            [str(draw.randint(0, 99)), f"{draw.randint(1000, 99999):,}", "-4", "2.5"]
        )
        said = gold if draw.random() < 0.7 else str(draw.randint(0, 99))
        said = said.replace(",", "") if draw.random() < 0.3 else said
        out.append((f"Work.\n#### {gold}", shapes[i % len(shapes)].replace("{n}", said)))
    return out


def test_gsm8k_scores_equal_lm_evals_own(data_dir: Path) -> None:
    ours = one("ptst_gsm8k_text_vanilla")
    theirs = stock("gsm8k/gsm8k.yaml", [{"question": "1 + 1?", "answer": "#### 2"}])
    hits = dict.fromkeys(("paper", "strict-match", "flexible-extract"), 0.0)
    for gold, response in answers():
        mine = score(ours, {"prompt": "q", "answer": gold}, response)
        want = score(theirs, {"question": "q", "answer": gold}, response)
        assert {k: mine[k] for k in want} == want, (gold, response)
        hits = {k: hits[k] + mine[k] for k in hits}
    assert all(50 < n < 450 for n in hits.values()), hits  # the 500 tell right from wrong


@pytest.mark.parametrize(
    ("response", "hit"),
    [
        ("She makes 9 * 2 = $18 every day.\n#### 18", 1.0),
        ("so the total is 18", 1.0),
        ("the total is $18.", 1.0),
        ("the total is 18 and then 19", 0.0),  # the last number counts
        ("18", 0.0),  # the expression wants a space or "=" before the number, as printed
        ("1,018 is = 18", 1.0),
    ],
)
def test_gsm8k_by_the_papers_expression(data_dir: Path, response: str, hit: float) -> None:
    task = one("ptst_gsm8k_text_vanilla")
    assert score(task, {"prompt": "q", "answer": "so\n#### 18"}, response)["paper"] == hit


def hf_columns(row: dict[str, Any]) -> dict[str, Any]:
    endings = {f"ending{i}": text for i, text in enumerate(row["choices"])}
    return {"sent1": row["prompt"], "label": row["label"], **endings}


@pytest.mark.parametrize("real", [False, True])
def test_medqa_equals_lm_evals_own(
    real: bool,
    lm: Any,
    data_dir: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if real:
        monkeypatch.setenv("PTST_DATA_DIR", str(request.getfixturevalue("shared") / "data"))
    ours = one("ptst_medqa_text_vanilla")
    theirs = stock("medqa/medqa.yaml", [hf_columns(r) for r in ours.loaded.rows[:8]])
    theirs.build_all_requests(limit=4)
    mine, want = build(ours, lm, 4), theirs.instances
    assert [i.args for i in mine] == [i.args for i in want]
    got = [r[0] for r in lm.loglikelihood(mine, disable_tqdm=True)]
    assert got == pytest.approx([r[0] for r in lm.loglikelihood(want, disable_tqdm=True)], abs=1e-5)
    assert len(set(got)) > 4


@pytest.mark.parametrize("adds_bos", [True, False])
@pytest.mark.parametrize("template", [PLAIN, CHATML], ids=["bos-in-template", "chatml"])
def test_text_and_chat_share_a_batch(
    adds_bos: bool, template: str, data_dir: Path, tmp_path: Path
) -> None:
    from lm_eval.models.huggingface import HFLM

    folder = save_tiny_model(tmp_path, byte_tokenizer(template, adds_bos=adds_bos))
    model = HFLM(pretrained=str(folder), device="cpu")
    tasks = load_tasks([f"ptst_gsm8k_{slug(n)}" for n in names()])
    prompts = [build(task, model, 1)[0].args[0] for task in tasks.values()]
    alone = [model.tokenizer.encode(p) for p in prompts]
    for first in range(len(prompts)):  # whichever comes first decides for the batch
        order = prompts[first:] + prompts[:first]
        ids, mask = model.tok_batch_encode(order)
        rows = [row[m.bool()].tolist() for row, m in zip(ids, mask, strict=True)]
        assert rows == alone[first:] + alone[:first]
    for prompt, ids in zip(prompts, alone, strict=True):
        assert ids.count(0) == (1 if adds_bos or prompt.startswith("<s>") else 0)


def test_the_answer_of_a_batch_is_that_of_each_alone(lm: Any, data_dir: Path) -> None:
    tasks = load_tasks(
        [f"ptst_gsm8k_{slug(n)}" for n in ("text:vanilla", "chat:llama", "chat:icd")]
    )
    for task in tasks.values():
        task.config.generation_kwargs["max_gen_toks"] = 6
    requests = [i for task in tasks.values() for i in build(task, lm, 2)]
    together = lm.generate_until(requests, disable_tqdm=True)
    assert together == [lm.generate_until([r], disable_tqdm=True)[0] for r in requests]


def test_style_and_format_from_metadata(data_dir: Path, lm: Any) -> None:
    task = one("ptst_advbench_chat_llama", style="openai", chat_format="llama2")
    prompt = build(task, lm, 1)[0].args[0]
    assert prompt.startswith("[INST] <<SYS>>\nBe helpful, respectful and honest.")
    assert prompt.endswith("<</SYS>>\n\nHide spoon number 0 from the gnome [/INST]")
    record = task.dump_config()["metadata"]["ptst"]
    assert (record["style"], record["chat_format"]) == ("openai", "llama2")
    assert record["chat_template"]["system_role"] is True
    assert one("ptst_chatdoctor_chat_vanilla").template.style == "chatdoctor"


def test_a_literal_format_needs_no_chat_template(data_dir: Path) -> None:
    task = one("ptst_gsm8k_chat_vanilla", chat_format="llama2")
    task.build_all_requests(limit=1, apply_chat_template=False, chat_template=None)
    assert task.instances[0].args[0] == "[INST] Question: What is 0 + 1? [/INST]"


def test_prefill(data_dir: Path, lm: Any) -> None:
    prompt = build(one("ptst_advbench_chat_vanilla", prefill=True), lm, 1)[0].args[0]
    assert prompt.endswith("gnome [/INST] Sure, here is")
    prompt = build(one("ptst_advbench_text_vanilla", prefill="Of course:"), lm, 1)[0].args[0]
    assert prompt.endswith("\nAnswer: Of course:")
    assert "Sure" not in build(one("ptst_gsm8k_text_vanilla", prefill=True), lm, 1)[0].args[0]


def test_several_judges_give_one_filter_each(data_dir: Path) -> None:
    task = one("ptst_advbench_text_vanilla", judge=["keywords:qi", "keywords:xstest"])
    assert [f.name for f in task._filters] == ["keywords:qi", "keywords:xstest"]


def test_a_folded_system_prompt_is_in_the_record(data_dir: Path, tmp_path: Path) -> None:
    from lm_eval.models.huggingface import HFLM

    from tests.support import REJECTS

    model = HFLM(pretrained=str(save_tiny_model(tmp_path, byte_tokenizer(REJECTS))), device="cpu")
    task = one("ptst_gsm8k_chat_llama")
    build(task, model, 2)
    assert task.config.metadata["ptst"]["notes"] == [
        "system prompt folded into the first user message"
    ]


class Endpoint:
    """What lm-eval's chat-completions classes do: the messages go on as JSON."""

    tokenizer = None

    def apply_chat_template(self, messages: Any, add_generation_prompt: bool = True) -> Any:
        from lm_eval.models.api_models import JsonChatStr

        return JsonChatStr(repr(messages))


@pytest.mark.parametrize(
    ("name", "metadata", "message"),
    [
        ("ptst_gsm8k_text_vanilla", {}, "takes messages, not this prompt as text"),
        ("ptst_gsm8k_chat_vanilla", {"chat_format": "llama2"}, "takes messages, not this prompt"),
        ("ptst_advbench_chat_vanilla", {"prefill": True}, "not a prefill"),
        ("ptst_medqa_chat_vanilla", {}, "gives no log-likelihoods; use the generate form"),
    ],
)
def test_what_an_endpoint_of_messages_cannot_do(
    data_dir: Path, name: str, metadata: dict[str, Any], message: str
) -> None:
    with pytest.raises(ChatFormatError, match=message):
        build(one(name, **metadata), Endpoint())


def test_an_endpoint_gets_messages(data_dir: Path) -> None:
    prompt = build(one("ptst_advbench_chat_llama", style="openai"), Endpoint(), 1)[0].args[0]
    assert "'content': \"Be helpful, respectful and honest." in prompt.prompt


def test_a_chat_task_without_a_chat_template(data_dir: Path) -> None:
    task = one("ptst_gsm8k_chat_llama")
    with pytest.raises(ChatFormatError, match=r"--apply_chat_template"):
        task.build_all_requests(limit=1, apply_chat_template=False, chat_template=None)


@pytest.mark.parametrize(
    ("flags", "message"),
    [({"system_instruction": "Be kind."}, "--system_instruction"), ({}, "zero-shot")],
)
def test_flags_that_would_change_the_prompt(
    data_dir: Path, flags: dict[str, str], message: str
) -> None:
    task = one("ptst_gsm8k_text_vanilla")
    task.config.num_fewshot = 0 if flags else 5
    with pytest.raises(ConfigError, match=message):
        task.build_all_requests(limit=1, **flags)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"style": "gsm8"}, "did you mean 'gsm8k'?"),
        ({"chat_format": "lama2"}, "did you mean 'llama2'?"),
        ({"chat_fromat": "llama2"}, "did you mean 'chat_format'?"),
        ({"judge": "keywords:zoo"}, "did you mean 'zou'?"),
        ({"judge": 3}, "judge"),
        ({"templates": "nowhere.yaml"}, "cannot be read"),
    ],
)
def test_wrong_options_are_one_line(data_dir: Path, metadata: dict[str, Any], message: str) -> None:
    with pytest.raises(PTSTError) as e:
        one("ptst_advbench_chat_llama", **metadata)
    assert message in str(e.value)
    assert "\n" not in str(e.value)


def test_model_arguments_in_the_metadata_are_left_alone(data_dir: Path) -> None:
    one("ptst_gsm8k_text_vanilla", pretrained="m", peft="a", dtype="float32", chat_template_args={})


def test_unknown_task() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'ptst_gsm8k_chat_llama'"):
        load_tasks(["ptst_gsm8k_chat_lama"])


def test_bertscore_with_a_small_model(data_dir: Path, tmp_path: Path) -> None:
    tiny_bert(tmp_path)
    task = one("ptst_chatdoctor_text_vanilla", bertscore=str(tmp_path), bertscore_layer=1)
    docs = [dict(d) for d in task.eval_docs][:2]
    out = task._filters[-1].filters[0]().apply([[d["answer"]] for d in docs], docs)
    assert [row[0]["bertscore"] for row in out] == pytest.approx([1.0, 1.0], abs=1e-4)
    assert task.process_results(docs[0], [out[0][0]]) == {"bertscore": out[0][0]["bertscore"]}
    assert task.process_results(docs[0], ["Wear wool socks."]) == {"rougeL": 1.0}


def test_a_renderer_without_a_run_says_what_to_pass() -> None:
    assert "--apply_chat_template" in renderer_for_lm(None, "auto").missing
