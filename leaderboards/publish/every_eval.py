"""One record in the form of Every Eval Ever 0.3: the adapter's rates, with what they were measured by.

Its schema is https://github.com/evaleval/every_eval_ever (``eval.schema.json``); scores are 0..1 as in the
leaderboard's CSV. A row without a number is left out, since the form has no place for it.
"""

from __future__ import annotations

import calendar
import time

from leaderboards.board.fields import DIRECTIONS
from leaderboards.board.kinds import kind_of
from leaderboards.board.row import Row
from leaderboards.publish.rates_table import told_metric
from leaderboards.publish.subject import Subject
from ptst_tasks import __version__, sets
from ptst_tasks.clock import now
from ptst_tasks.files import dump_json

__all__ = ["FILE", "every_eval"]

FILE = "every_eval_ever.json"
_SCHEMA = "0.3.0"


def every_eval(subject: Subject, repo: str) -> str:
    """The record as JSON.

    Args:
        subject: The adapter.
        repo: ``OWNER/NAME`` of the adapter; empty where it has none, which the record says.
    """
    made = calendar.timegm(time.strptime(now(), "%Y-%m-%dT%H:%M:%SZ"))
    model = repo or f"unpublished/{subject.name}"
    rows = [row for row in subject.own if row.value is not None and _bounded(row)]
    dates = sorted(row.date for row in rows if row.date)
    return dump_json({
        "schema_version": _SCHEMA,
        "evaluation_id": f"ptst/{model}/{made}",
        **({"evaluation_timestamp": dates[-1]} if dates else {}),
        "retrieved_timestamp": str(made),
        "source_metadata": {
            "source_name": "ptst", "source_type": "evaluation_run",
            "source_organization_name": repo.partition("/")[0] or "unknown",
            "evaluator_relationship": "first_party",
        },
        "eval_library": {"name": "lm_eval", "version": _version(rows),
                         "additional_details": {"plugin": f"ptst {__version__}"}},
        "model_info": _model(subject, model, repo),
        "evaluation_results": [_result(subject, row, at) for at, row in enumerate(rows)],
    })  # fmt: skip


def _bounded(row: Row) -> bool:
    """Whether it is a share: of other scores nobody here knows the bounds."""
    return row.ci_low is not None and row.ci_high is not None


def _version(rows: list[Row]) -> str:
    return next((row.lm_eval_version for row in rows if row.lm_eval_version), "unknown")


def _model(subject: Subject, model: str, repo: str) -> dict[str, object]:
    row = subject.own[0]
    told = {
        "deployment_type": "externally_managed" if subject.study.engine == "openai" else "self_deployed",
        "model_availability": "unknown",
        "base_model": subject.hub_base or subject.base, "train_data": row.train_data,
        "train_template": row.train_template, "seed": "" if row.seed is None else str(row.seed),
        "defence": row.defence, "adapter_digest": row.adapter_digest, "base_digest": row.base_digest,
    }  # fmt: skip
    return {
        "name": subject.name, "id": model,
        **({"developer": repo.partition("/")[0]} if repo else {}),
        "inference_engine": {"name": row.engine or "unknown"},
        "additional_details": {name: value for name, value in told.items() if value},
    }  # fmt: skip


def _result(subject: Subject, row: Row, at: int) -> dict[str, object]:
    where = {"test_template": row.test_template, "attack": row.attack, "prompting": row.prompting,
             "decoding": row.decoding, "asked": row.asked, "prompts": row.prompts,
             "decoding_seed": "" if row.decoding_seed is None else str(row.decoding_seed)}  # fmt: skip
    judged = {"judge": row.judge, "judge_settings": row.judge_settings or "{}",
              "judge_kappa": "" if row.judge_kappa is None else f"{row.judge_kappa:.2f}",
              "unscored": str(row.unscored)}  # fmt: skip
    name = "/".join(part for part in (row.task, row.test_template, row.attack) if part)
    return {
        "evaluation_result_id": f"{at}",
        "evaluation_name": name,
        "source_data": _source(subject, row),
        **({"evaluation_timestamp": row.date} if row.date else {}),
        "metric_config": {
            "evaluation_description": f"share of prompts: {told_metric(row)}",
            "metric_id": f"ptst.{row.metric}", "metric_name": row.metric, "metric_unit": "proportion",
            "lower_is_better": _lower_is_better(row), "score_type": "continuous",
            "min_score": 0.0, "max_score": 1.0,
            "additional_details": {key: value for key, value in judged.items() if value},
        },
        "score_details": {
            "score": row.value,
            "uncertainty": {
                "confidence_interval": {"lower": row.ci_low, "upper": row.ci_high,
                                        "confidence_level": 0.95, "method": "wilson"},
                "num_samples": row.n,
            },
        },
        "generation_config": {"additional_details": {k: v for k, v in where.items() if v}},
    }  # fmt: skip


def _lower_is_better(row: Row) -> bool:
    if row.metric == "refused":
        return kind_of(row) != "harmful"
    return DIRECTIONS.get(row.metric) == "higher"


def _source(subject: Subject, row: Row) -> dict[str, object]:
    told = {"data_fingerprint": row.data_fingerprint, "rows_asked": str(row.n + row.unscored)}
    found = sets.REGISTRY.get(row.task) if row.task not in subject.study.test.custom else None
    details = {"additional_details": {k: v for k, v in told.items() if v}}
    if found is not None and found.hub:
        return {
            "dataset_name": row.task,
            "source_type": "hf_dataset",
            "hf_repo": found.hub[0],
            **details,
        }
    if found is not None and found.url:
        return {"dataset_name": row.task, "source_type": "url", "url": [found.url], **details}
    return {"dataset_name": row.task, "source_type": "other", **details}
