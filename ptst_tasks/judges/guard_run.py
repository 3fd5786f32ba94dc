"""Runs a guard on this machine, with transformers or, where it is installed, vLLM."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from ptst_tasks.digests import digest_json
from ptst_tasks.errors import ConfigError, JudgeError, UnknownNameError, require
from ptst_tasks.judges.base import Verdict
from ptst_tasks.judges.cached_judge import Book, CachedJudge, Pairs
from ptst_tasks.judges.guards import GUARDS, Guard
from ptst_tasks.judges.parse import nonce
from ptst_tasks.judges.settings import JudgeSettings
from ptst_tasks.judges.weights import folder_digest, hub_commit

__all__ = ["GuardJudge", "GuardSettings"]


class GuardSettings(JudgeSettings):
    """Settings of a guard.

    Attributes:
        name: A row of `GUARDS`; may come bare.
        model: Other weights of the same kind: a hub id or a folder.
        revision: Of the hub id; empty for the one in the hub's cache here, or else the newest.
        engine: ``transformers``, ``vllm``, or ``auto`` for vLLM where it is installed.
        batch_size: Responses at once (transformers).
        dtype: Of the weights.
    """

    FIRST: ClassVar[str] = "name"
    VOLATILE: ClassVar[Mapping[str, str]] = {
        "engine": "the one that `auto` comes to is in the settings: two programs may differ in near "
        "ties, and vLLM runs other dtypes under dtype=auto",
        "batch_size": "padding moves the last bits only",
    }
    FILES: ClassVar[frozenset[str]] = frozenset({"model", "revision"})  # a key holds the weights

    name: str = Field(min_length=1)
    model: str = ""
    revision: str = ""
    engine: Literal["auto", "transformers", "vllm"] = "auto"
    batch_size: int = Field(default=8, ge=1)
    dtype: Literal["auto", "bfloat16", "float", "float16", "float32", "half"] = "auto"


class GuardJudge(CachedJudge):
    """A local classifier; its weights are loaded with the first response that is not in the cache.

    Args:
        text: The settings as typed.

    Raises:
        UnknownNameError: If there is no such guard.
    """

    def __init__(self, text: str) -> None:
        self.config = GuardSettings.read("guards", text)
        if self.config.name not in GUARDS:
            raise UnknownNameError("guard", self.config.name, GUARDS)
        self.guard: Guard = GUARDS[self.config.name]
        self.model = self.config.model or self.guard.model
        self.spec = self.config.spec("guards")
        self.identity = self.config.spec("guards", files=False)
        guard = self.guard
        # The table's row decides verdicts too: a changed one must not meet old cached verdicts.
        row = [guard.tokens, guard.opening, guard.bos, guard.special, guard.reading]
        self.settings: dict[str, Any] = {
            "prompt": nonce(str(guard.prompt("", "")), ""),
            "row": digest_json(row)[:16],
            "dtype": self.config.dtype,
            "engine": self._engine_name(),
        }
        self._engine: _Transformers | _VLLM | None = None
        self._weights = ""
        self._commit = self.config.revision

    def _engine_name(self) -> str:
        if self.config.engine != "auto":
            return self.config.engine
        return "vllm" if importlib.util.find_spec("vllm") else "transformers"

    @property
    def weights(self) -> str:
        """Digest of the folder's contents, or the hub's commit; loads what only loading tells.

        Raises:
            JudgeError: If it cannot be told.
        """
        self._weights = self._weights or self._identify()
        return self._weights

    def _identify(self) -> str:
        if Path(self.model).is_dir():
            try:
                return folder_digest(Path(self.model))
            except (ConfigError, OSError) as e:
                raise JudgeError(f"judge {self.spec!r}: {self.model!r} cannot be read: {e}") from e
        # What is keyed is what runs: the commit found here is the one that is loaded.
        self._commit = hub_commit(self.model, self.config.revision) or self.config.revision
        if not re.fullmatch("[0-9a-f]{40}", self._commit):
            engine = self._engine = self._engine or self._load()
            self._commit = engine.commit
        if not self._commit:
            raise JudgeError(
                f"judge {self.spec!r}: {self.model!r} does not say which commit it is, so its "
                "verdicts could not be told from another's; give a folder (model=FOLDER)"
            )
        return f"hub:{self._commit}"

    def decide(self, todo: Pairs, book: Book) -> None:
        """Classifies every pair, the longest first so that memory runs out early or never."""
        engine = self._engine = self._engine or self._load()
        prompts = {key: engine.encode(self.guard, q, r) for key, (q, r) in todo.items()}
        limit = engine.longest - self.guard.tokens
        for key in [key for key, ids in prompts.items() if len(ids) > limit]:
            tokens = len(prompts.pop(key))
            book.done(key, Verdict(reason=f"{tokens} tokens; the guard reads at most {limit}"))
        order = sorted(prompts, key=lambda key: -len(prompts[key]))
        answers = iter(engine.answer(self.guard, [prompts[key] for key in order]))
        for key in order:
            try:
                answer = next(answers)
            except RuntimeError as e:  # out of memory, for one
                why = " ".join(str(e).split())[:300]
                raise JudgeError(
                    f"judge {self.spec!r} failed ({why}); the verdicts so far are kept, try a "
                    "smaller batch_size"
                ) from e
            missing = Verdict(reason="not an answer that the guard's card documents", raw=answer)
            book.done(key, self.guard.read(answer) or missing)

    def check_ready(self) -> None:
        """Checks that its engine is installed, and that what is plainly meant as a folder is one."""
        if self.model.startswith((".", "/", "~")) and not Path(self.model).is_dir():
            raise JudgeError(f"judge {self.spec!r}: {self.model!r} cannot be loaded: it is no folder; "
                             "expected a model's folder, or its id on the hub")  # fmt: skip
        if self.settings["engine"] == "vllm":
            require("vllm", "vllm", who=f"judge {self.spec!r}")
        else:
            require("hf", "torch", "transformers", who=f"judge {self.spec!r}")

    def _load(self) -> _Transformers | _VLLM:
        self.check_ready()
        kind = _VLLM if self.settings["engine"] == "vllm" else _Transformers
        try:
            return kind(self.model, self.config, self._commit)
        except (OSError, ValueError, ImportError, RuntimeError) as e:
            why = " ".join(str(e).split())[:300]
            raise JudgeError(f"judge {self.spec!r}: {self.model!r} cannot be loaded: {why}") from e


class _Transformers:
    """Greedy generation in batches padded on the left."""

    def __init__(self, model: str, config: GuardSettings, commit: str) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.batch_size = config.batch_size
        loaded = AutoModelForCausalLM.from_pretrained(
            model, dtype=config.dtype, revision=commit or "main"
        )
        self.commit = str(getattr(loaded.config, "_commit_hash", None) or commit)
        self.tokenizer = AutoTokenizer.from_pretrained(
            model, padding_side="left", revision=self.commit or "main"
        )
        self.model: Any = loaded.to(device).eval()
        self.longest = int(getattr(self.model.config, "max_position_embeddings", 0) or 1 << 30)

    def encode(self, guard: Guard, query: str, response: str) -> list[int]:
        """The token ids that the guard's card would give."""
        return _encode(self.tokenizer, guard, query, response)

    def answer(self, guard: Guard, prompts: Sequence[list[int]]) -> Iterator[str]:
        """Generates; yields each batch as it is done."""
        for start in range(0, len(prompts), self.batch_size):
            yield from self._batch(guard, prompts[start : start + self.batch_size])

    def _batch(self, guard: Guard, prompts: Sequence[list[int]]) -> list[str]:
        import torch

        pad = self.tokenizer.pad_token_id
        pad = self.tokenizer.eos_token_id if pad is None else pad
        width = max(len(ids) for ids in prompts)
        rows = [[pad] * (width - len(ids)) + ids for ids in prompts]
        mask = [[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts]
        device = self.model.device
        with torch.inference_mode():
            out = self.model.generate(
                input_ids=torch.tensor(rows, device=device),
                attention_mask=torch.tensor(mask, device=device),
                max_new_tokens=guard.tokens,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                pad_token_id=pad,
            )
        new = out[:, width:].tolist()
        return [self.tokenizer.decode(ids, skip_special_tokens=not guard.special) for ids in new]


class _VLLM:
    """The same through vLLM, which batches by itself."""

    def __init__(self, model: str, config: GuardSettings, commit: str) -> None:
        self._vllm = importlib.import_module("vllm")
        at = {"revision": commit, "tokenizer_revision": commit} if commit else {}
        self.llm: Any = self._vllm.LLM(model=model, dtype=config.dtype, **at)
        found = self.llm.llm_engine.model_config.hf_config
        self.commit = str(getattr(found, "_commit_hash", None) or commit)
        self.tokenizer = self.llm.get_tokenizer()
        self.longest = int(self.llm.llm_engine.model_config.max_model_len)

    def encode(self, guard: Guard, query: str, response: str) -> list[int]:
        """As with transformers."""
        return _encode(self.tokenizer, guard, query, response)

    def answer(self, guard: Guard, prompts: Sequence[list[int]]) -> Iterator[str]:
        """Generates all at once."""
        how = self._vllm.SamplingParams(
            temperature=0.0, max_tokens=guard.tokens, skip_special_tokens=not guard.special
        )
        asked = [{"prompt_token_ids": ids} for ids in prompts]
        for result in self.llm.generate(asked, how, use_tqdm=False):
            yield result.outputs[0].text


def _encode(tokenizer: Any, guard: Guard, query: str, response: str) -> list[int]:
    prompt = guard.prompt(query, response)
    if isinstance(prompt, str):
        ids = tokenizer(prompt, add_special_tokens=guard.bos)["input_ids"]
        return [int(i) for i in ids]
    text = tokenizer.apply_chat_template(
        prompt, tokenize=False, add_generation_prompt=guard.opening
    )
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]  # the template writes BOS
    return [int(i) for i in ids]
