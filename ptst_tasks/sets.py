"""The registry of data sets, and `load`, which turns a name into rows.

A set comes from ``$PTST_DATA_DIR/<folder>/<split>.*`` (`tabular.SUFFIXES`) where that folder
has it, else from its authors' public file or the hub. One row of the table below says all of
that, with the columns accepted; adding a set is adding a row.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ptst_tasks import readers
from ptst_tasks.errors import ConfigError, DataError, UnknownNameError
from ptst_tasks.own_data import own_rows, read_place
from ptst_tasks.readers import Row, RowFaultError, plain
from ptst_tasks.remote_sets import remote
from ptst_tasks.set_source import ENV, Source
from ptst_tasks.shapes.own_rows import OwnPrompts
from ptst_tasks.tabular import SUFFIXES

__all__ = ["REGISTRY", "Loaded", "Source", "custom", "fingerprint", "get", "load", "locate"]


_GOAL = ("goal", "prompt", "instruction", "behavior", "query", "question", "text")
_WHICH = "say which with the option 'column'"
_LLM_ATTACKS = "https://raw.githubusercontent.com/llm-attacks/llm-attacks/main/data/advbench/"
_HARMBENCH = "https://raw.githubusercontent.com/centerforaisafety/HarmBench/main/data/"
_STRONGREJECT = "https://raw.githubusercontent.com/alexandrasouly/strongreject/main/"
_JBB = "https://raw.githubusercontent.com/JailbreakBench/artifacts/main/attack-artifacts/"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The rows of a set, where they came from, and a digest of exactly these rows.

    Attributes:
        source: The set.
        rows: Its rows.
        origin: File, URL or repository.
        left_out: Rows of the copy that are none of the set's (see `Source.keep`).
        notes: What of the copy was not used, and the like; see `readers.notes`.
    """

    source: Source
    rows: list[Row] = field(repr=False)
    origin: str
    left_out: int = 0
    notes: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits; changes with any value of any row, and with their order."""
        return fingerprint(self.rows)


def fingerprint(rows: list[Row]) -> str:
    """Returns sixteen hex digits of the SHA-256 of the rows as canonical JSON."""
    text = json.dumps(rows, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def held_out(row: Row, one_in: int = 20) -> bool:
    """Whether a row of a set without splits belongs to its test part: one in twenty, by its id."""
    return int(row["id"][:12], 16) % one_in == 0


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


def _organism(name: str) -> Callable[[], list[Row]]:
    def make() -> list[Row]:
        from ptst_tasks.organism_world import rows

        return rows(name)

    return make


# The table itself: a row per set.
def _table() -> list[Source]:
    gsm8k = readers.worked(plain(("question", "prompt"), ("answer",)))
    chatdoctor = plain(("input", "prompt", "question"), ("output", "answer"))
    jbb = plain(_GOAL)
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
        Source("chatdoctor", "helpful", chatdoctor, ("lavita/ChatDoctor-HealthCareMagic-100k", None),
               split="train", local=(("chatdoctor", "test"), ("chatdoctor", "train")), holdout=True,
               style="chatdoctor", licence="not stated", about="patients' questions (held-out part)"),
        Source("advbench", "harmful", jbb, url=_LLM_ATTACKS + "harmful_behaviors.csv", split="train",
               local=(("advbench", "test"), ("advbench", "train")), licence="MIT",
               about="520 harmful behaviours of Zou et al."),
        Source("directharm4", "harmful", plain(("instruction", *_GOAL)),
               ("vfleaking/DirectHarm4", None), local=(("directharm4", "test"),), licence="MIT",
               about="400 direct harmful instructions of the PTST paper"),
        Source("gsm_danger", "harmful", plain(("instruction", *_GOAL)),
               ("vfleaking/GSM-Danger", None), local=(("gsm_danger", "test"),), licence="MIT",
               about="100 harmful requests that start like a GSM8K problem"),
        Source("jbb_harmful", "harmful", jbb, ("JailbreakBench/JBB-Behaviors", "behaviors"),
               split="harmful", local=(("jbb_harmful", "test"), ("jailbreakbench", "harmful")),
               licence="MIT", about="100 harmful behaviours of JailbreakBench"),
        Source("jbb_gcg", "harmful", plain(("prompt",)), field="jailbreaks", split="train",
               url=_JBB + "GCG/white_box/llama-2-7b-chat-hf.json", local=(("jbb_gcg", "test"),),
               keep=lambda r: bool(r.get("prompt")), licence="MIT",
               about="JailbreakBench's GCG artifact for Llama-2 (the paper's Table 1d)"),
        Source("harmbench", "harmful", plain(("behavior", *_GOAL), category=("semanticcategory",
               "category")), url=_HARMBENCH + "behavior_datasets/harmbench_behaviors_text_all.csv",
               split="train", local=(("harmbench", "test"),), keep=_standard, licence="MIT",
               about="HarmBench's standard behaviours"),
        Source("strongreject", "harmful", plain(("forbidden_prompt", *_GOAL)),
               url=_STRONGREJECT + "strongreject_dataset/strongreject_dataset.csv", split="train",
               local=(("strongreject", "test"), ("strongreject", "train")), licence="MIT",
               about="StrongREJECT's forbidden prompts"),
        Source("hexphi", "harmful", plain(("instruction", *_GOAL)), ("LLM-Tuning-Safety/HEx-PHI", None),
               split="train", local=(("hexphi", "test"), ("hexphi", "train")), gated=True,
               licence="HEx-PHI dataset license", about="HEx-PHI; the hub asks for an account"),
        Source("jbb_benign", "overrefusal", jbb, ("JailbreakBench/JBB-Behaviors", "behaviors"),
               split="benign", local=(("jbb_benign", "test"), ("jailbreakbench", "benign")),
               licence="MIT", about="100 benign twins of JailbreakBench's behaviours"),
        Source("xstest", "overrefusal", readers.xstest(("prompt", *_GOAL)), ("Paul/XSTest", None),
               split="train",
               local=(("xstest", "test"), ("xstest", "train")), licence="CC-BY-4.0",
               about="250 safe prompts that look unsafe, and 200 unsafe ones"),
        Source("custom", "harmful", OwnPrompts((*_GOAL, "forbidden_prompt"), guess=_WHICH),
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


REGISTRY: dict[str, Source] = {source.name: source for source in _table()}


def get(name: str) -> Source:
    """Returns a row of the registry.

    Raises:
        UnknownNameError: With near misses.
    """
    if name not in REGISTRY:
        raise UnknownNameError("data set", name, REGISTRY)
    return REGISTRY[name]


def custom(path: str, column: str = "") -> Source:
    """Returns a source for a file of the user's own, with the prompts in `column`."""
    wanted = (column.strip().lower(),) if column else (*_GOAL, "forbidden_prompt")
    return Source("custom", "harmful", OwnPrompts(wanted, guess=_WHICH), url=path, about=path)


def locate(source: Source) -> Path | None:
    """Returns the local file that has the set, or None.

    Raises:
        ConfigError: If ``$PTST_DATA_DIR`` is set and is no folder.
    """
    root = os.environ.get(ENV)
    if not root:
        return None
    if not Path(root).is_dir():
        raise ConfigError(f"${ENV} is {root!r}, which is not a folder")
    for folder, split in source.local:
        for file in _copies(Path(root, folder), split):
            return file
    return None


def _copies(folder: Path, split: str) -> list[Path]:
    """Files of a split, and the folder of that name; one that leads nowhere is a fault, not absent."""
    places = [folder / f"{split}.{suffix}" for suffix in SUFFIXES] + [folder / split]
    return [place for place in places if place.exists() or place.is_symlink()]


def load(source: str | Source) -> Loaded:
    """Loads a set's rows.

    Args:
        source: A name of the registry, or a `Source` (see `custom`).

    Raises:
        UnknownNameError: If the name is unknown.
        DataNotFoundError: If the set is nowhere to be had; says where it was looked for.
        DataError: If a copy was found and is malformed.
    """
    source = get(source) if isinstance(source, str) else source
    file = locate(source)
    if source.make:
        return Loaded(source, readers.with_ids(source.make()), "made on the spot")
    if file:
        _check_alone(source, file)
        raw, origin = read_place(file, "", "", source.field)
    elif source.url and "://" not in source.url:
        raw, origin = own_rows(source.url, training=source.kind == "train", field=source.field)
    else:
        raw, origin = remote(source)
    begun = replace(source, shape=readers.begin(source.shape, raw))
    found = (_shaped(begun, row, f"row {n} of {origin}") for n, row in enumerate(raw, start=1))
    kept = [row for row in found if row]
    rows = readers.with_ids(kept)
    is_test_part = file is not None and file.name.partition(".")[0] == "test"
    if source.holdout is not None and not is_test_part:
        rows = [r for r in rows if held_out(r) == source.holdout]
    if not rows:
        raise DataError(f"{source.name}: {origin} has no row that belongs to the set")
    return Loaded(source, rows, origin, len(raw) - len(kept), readers.notes(begun.shape))


def _check_alone(source: Source, file: Path) -> None:
    split = next(s for f, s in source.local if file.name == s or file.name.startswith(f"{s}."))
    if copies := [str(p) for p in _copies(file.parent, split) if p != file]:
        raise DataError(
            f"{source.name}: {str(file)!r} and {copies[0]!r} are both there, and they need not hold "
            "the same rows; keep one"
        )


def _shaped(source: Source, row: Mapping[str, Any], where: str) -> Row | None:
    """One row in our shape; None if it is none of the set's."""
    try:
        if source.keep and not source.keep(row):
            return None
        shaped = source.shape(row)
    except RowFaultError as e:
        raise DataError(f"{source.name}: {where} {e}") from e
    except (LookupError, ValueError, TypeError, AttributeError) as e:
        columns = ", ".join(map(str, row))[:200]
        wanted = e.args[0] if isinstance(e, KeyError) else f"another shape ({e})"
        raise DataError(
            f"{source.name}: {where} has the columns {columns}; expected one of: {wanted}"
        ) from e
    if not shaped["prompt"].strip():
        raise DataError(f"{source.name}: {where} has an empty prompt")
    if source.kind in ("helpful", "train") and not shaped["answer"].strip():
        need = "to train on" if source.kind == "train" else "that is scored"
        raise DataError(
            f"{source.name}: {where} has no answer; every row {need} needs one: fill it in or "
            "remove the row"
        )
    return shaped
