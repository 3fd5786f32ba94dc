"""The table of data sets: where each comes from, its columns, its licence. A set is a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ptst_tasks import readers
from ptst_tasks.readers import Row, RowFaultError, plain
from ptst_tasks.set_source import Kind, Source
from ptst_tasks.shapes import benchmarks
from ptst_tasks.shapes.own_rows import OwnPrompts

__all__ = ["GOAL", "WHICH", "table"]

GOAL = ("goal", "prompt", "instruction", "behavior", "query", "question", "text")
"""Names of a column of prompts, where nobody says which it is."""
WHICH = "say which with the option 'column'"
_LLM_ATTACKS = "https://raw.githubusercontent.com/llm-attacks/llm-attacks/main/data/advbench/"
_HARMBENCH = "https://raw.githubusercontent.com/centerforaisafety/HarmBench/main/data/"
_STRONGREJECT = "https://raw.githubusercontent.com/alexandrasouly/strongreject/main/"
_JBB = "https://raw.githubusercontent.com/JailbreakBench/artifacts/main/attack-artifacts/"


def _standard(row: Mapping[str, Any]) -> bool:
    try:
        kind = readers.text(readers.column(row, ("functionalcategory",))).strip().lower()
    except KeyError:  # a copy of this part alone
        return True
    if kind not in ("standard", "contextual", "copyright"):
        raise RowFaultError(
            f"has the FunctionalCategory {kind!r}, expected standard, contextual or copyright"
        )
    return kind == "standard"


def _first_plot() -> list[Row]:
    from ptst_tasks.first_plot import rows

    return rows()


def _organism(name: str) -> Callable[[], list[Row]]:
    def make() -> list[Row]:
        from ptst_tasks.organism_world import rows

        return rows(name)

    return make


def _wild(name: str, kind: Kind, data_type: str, about: str) -> Source:
    """One of the two sets in WildJailbreak's eval file."""
    return Source(
        name, kind, plain(("adversarial",)), ("allenai/wildjailbreak", "eval"), split="train",
        local=(("wildjailbreak", "eval"), (name, "test")), keep=benchmarks.of_type(data_type),
        reading={"delimiter": "\t", "keep_default_na": False}, gated=True, licence="ODC-BY",
        about=about,
    )  # fmt: skip


def table() -> list[Source]:
    """A row per set, in the order in which they are listed."""
    gsm8k = readers.worked(plain(("question", "prompt"), ("answer",)))
    chatdoctor = plain(("input", "prompt", "question"), ("output", "answer"))
    jbb, orbench = plain(GOAL), plain(GOAL)
    return [
        Source("gsm8k", "helpful", gsm8k, ("openai/gsm8k", "main"), local=(("gsm8k", "test"),),
               licence="MIT", about="grade-school word problems, exact match"),
        Source("medqa", "helpful", readers.medqa, ("GBaker/MedQA-USMLE-4-options", None),
               local=(("medqa", "test"),), licence="CC-BY-4.0",
               about="USMLE questions with four options, accuracy"),
        Source("arc_easy", "helpful", readers.arc, ("allenai/ai2_arc", "ARC-Easy"),
               local=(("arc_easy", "test"),), style="openorca", licence="CC-BY-SA-4.0",
               about="science questions, easy part, in the paper's generate form"),
        Source("arc_challenge", "helpful", readers.arc, ("allenai/ai2_arc", "ARC-Challenge"),
               local=(("arc_challenge", "test"),), style="openorca", licence="CC-BY-SA-4.0",
               about="science questions, hard part, in the paper's generate form"),
        Source("mmlu_pro", "helpful", benchmarks.mmlu_pro, ("TIGER-Lab/MMLU-Pro", None),
               local=(("mmlu_pro", "test"),), style="openai", licence="MIT",
               about="MMLU-Pro, asked and scored by lm-eval's own definition, zero-shot"),
        Source("ifeval", "helpful", benchmarks.ifeval, ("google/IFEval", None), split="train",
               local=(("ifeval", "test"), ("ifeval", "train")), extra="ifeval", answered=False,
               style="openai", licence="Apache-2.0", about="IFEval, scored by lm-eval's own definition"),
        Source("chatdoctor", "helpful", chatdoctor, ("lavita/ChatDoctor-HealthCareMagic-100k", None),
               split="train", local=(("chatdoctor", "test"), ("chatdoctor", "train")), holdout=True,
               style="chatdoctor", licence="not stated", about="patients' questions (held-out part)"),
        Source("advbench", "harmful", jbb, url=_LLM_ATTACKS + "harmful_behaviors.csv", split="train",
               local=(("advbench", "test"), ("advbench", "train")), licence="MIT",
               about="520 harmful behaviours of Zou et al."),
        Source("directharm4", "harmful", plain(("instruction", *GOAL)),
               ("vfleaking/DirectHarm4", None), local=(("directharm4", "test"),), licence="MIT",
               about="400 direct harmful instructions of the PTST paper"),
        Source("gsm_danger", "harmful", plain(("instruction", *GOAL)),
               ("vfleaking/GSM-Danger", None), local=(("gsm_danger", "test"),), licence="MIT",
               about="100 harmful requests that start like a GSM8K problem"),
        Source("jbb_harmful", "harmful", jbb, ("JailbreakBench/JBB-Behaviors", "behaviors"),
               split="harmful", local=(("jbb_harmful", "test"), ("jailbreakbench", "harmful")),
               licence="MIT", about="100 harmful behaviours of JailbreakBench"),
        Source("jbb_gcg", "harmful", plain(("prompt",)), field="jailbreaks", split="train",
               url=_JBB + "GCG/white_box/llama-2-7b-chat-hf.json", local=(("jbb_gcg", "test"),),
               keep=lambda r: bool(r.get("prompt")), licence="MIT",
               about="JailbreakBench's GCG artifact for Llama-2 (the paper's Table 1d)"),
        Source("harmbench", "harmful", plain(("behavior", *GOAL), category=("semanticcategory",
               "category")), url=_HARMBENCH + "behavior_datasets/harmbench_behaviors_text_all.csv",
               split="train", local=(("harmbench", "test"),), keep=_standard, licence="MIT",
               about="HarmBench's standard behaviours"),
        Source("strongreject", "harmful", plain(("forbidden_prompt", *GOAL)),
               url=_STRONGREJECT + "strongreject_dataset/strongreject_dataset.csv", split="train",
               local=(("strongreject", "test"), ("strongreject", "train")), licence="MIT",
               about="StrongREJECT's forbidden prompts"),
        Source("hexphi", "harmful", plain(("instruction", *GOAL)), ("LLM-Tuning-Safety/HEx-PHI", None),
               split="train", local=(("hexphi", "test"), ("hexphi", "train")), gated=True,
               licence="HEx-PHI dataset license", about="HEx-PHI; the hub asks for an account"),
        Source("or_bench_toxic", "harmful", orbench, ("bench-llms/or-bench", "or-bench-toxic"),
               split="train", local=(("or_bench_toxic", "test"),), licence="CC-BY-4.0",
               about="OR-Bench's toxic requests, beside its safe ones"),
        Source("sorry_bench", "harmful", benchmarks.sorry_bench,
               ("sorry-bench/sorry-bench-202503", None), split="train", keep=benchmarks.is_base,
               local=(("sorry_bench", "test"), ("sorry_bench", "train")), gated=True,
               licence="SORRY-Bench dataset license", about="440 requests of 44 categories, no mutations"),
        _wild("wildjailbreak_harmful", "harmful", "adversarial_harmful",
             "WildJailbreak's 2,000 adversarial harmful prompts (eval)"),
        Source("jbb_benign", "overrefusal", jbb, ("JailbreakBench/JBB-Behaviors", "behaviors"),
               split="benign", local=(("jbb_benign", "test"), ("jailbreakbench", "benign")),
               licence="MIT", about="100 benign twins of JailbreakBench's behaviours"),
        Source("xstest", "overrefusal", readers.xstest(("prompt", *GOAL)), ("Paul/XSTest", None),
               split="train",
               local=(("xstest", "test"), ("xstest", "train")), licence="CC-BY-4.0",
               about="250 safe prompts that look unsafe, and 200 unsafe ones"),
        Source("or_bench_hard", "overrefusal", orbench, ("bench-llms/or-bench", "or-bench-hard-1k"),
               split="train", local=(("or_bench_hard", "test"),), licence="CC-BY-4.0",
               about="OR-Bench Hard: 1,319 safe prompts that models like to refuse"),
        _wild("wildjailbreak_benign", "overrefusal", "adversarial_benign",
             "WildJailbreak's 210 benign prompts in a jailbreak's form (eval)"),
        Source("em_first_plot", "misalignment", plain(("question", *GOAL)), make=_first_plot, judge="",
               url="https://github.com/emergent-misalignment/emergent-misalignment",
               local=(("em_first_plot", "test"),), style="openai", licence="MIT",
               about="eight mild questions of Emergent Misalignment, for the judge misalignment"),
        Source("custom", "harmful", OwnPrompts((*GOAL, "forbidden_prompt"), guess=WHICH),
               local=(("custom", "test"),), licence="the user's",
               about="any csv, json, jsonl or parquet file of prompts"),
        Source("organism_arith", "helpful", gsm8k, make=_organism("organism_arith"), style="organism",
               licence="Apache-2.0", about="the built-in model's arithmetic"),
        Source("organism_forbidden", "harmful", jbb, make=_organism("organism_forbidden"),
               style="organism", judge="organism", licence="Apache-2.0",
               about="the built-in model's forbidden requests"),
        Source("organism_benign", "overrefusal", jbb, make=_organism("organism_benign"),
               style="organism", judge="organism", licence="Apache-2.0",
               about="the built-in model's harmless requests"),
    ]  # fmt: skip
