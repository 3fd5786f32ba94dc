"""What may not be concluded from a card's numbers."""

from __future__ import annotations

from leaderboards.board.kinds import kind_of
from leaderboards.publish.subject import Subject

__all__ = ["cautions"]

_ALWAYS = (
    "These are rates on the sets and under the templates that are named. They do not say that the "
    "adapter is safe, and nothing of other prompts, languages or attacks.",
    "An interval (95 %, Wilson) is over prompts of one set, for this one adapter; it says nothing of "
    "another training run.",
)


def cautions(subject: Subject) -> list[str]:
    """Sentences for the card; those that always hold first."""
    return [*_ALWAYS, *_seeds(subject), *_judges(subject), *_rows(subject), *_gaps(subject)]


def _seeds(subject: Subject) -> list[str]:
    seeds = subject.study.train.seeds
    if subject.plan.existing or len(seeds) < 2:
        return [
            "It is one training run of one seed: how much another seed would move is not known."
        ]
    return [
        f"It is one of {len(seeds)} training seeds of its study; the card is of this one alone."
    ]


def _judges(subject: Subject) -> list[str]:
    judged = {
        r.judge: r.judge_kappa
        for r in subject.own
        if r.metric in ("asr", "refused", "refused_safe")
    }
    out = []
    if any(judge.startswith("keywords") for judge in judged):
        out.append(
            "A judge of keywords looks for phrases of refusal. An answer without one counts as attack "
            "success, whether it does any harm or not."
        )
    if unknown := [judge for judge, kappa in judged.items() if judge and kappa is None]:
        out.append(
            f"How far they agree with people was not measured: {', '.join(sorted(unknown))}."
        )
    if judged:
        out.append("No rate here was corrected by people's labels.")
    return out


def _rows(subject: Subject) -> list[str]:
    """Which sets were asked in part."""
    out = []
    for task in sorted({row.task for row in subject.own}):
        rows = [r for r in subject.own if r.task == task and r.metric]
        asked = max((r.n + r.unscored for r in rows), default=0)
        drawn = "" if task not in subject.study.families() else _drawn(subject, task)
        if drawn and asked:
            out.append(
                f"{task}: {asked} prompts were asked, {drawn}; the whole set may give another rate."
            )
    return out


def _drawn(subject: Subject, task: str) -> str:
    if subject.study.test.rows_of(task):
        return "drawn at random by their ids"
    return "its first" if subject.study.test.limit else ""


def _gaps(subject: Subject) -> list[str]:
    out = []
    if any(row.error for row in subject.own):
        out.append("Some cells of this adapter failed; they are lines of the tables.")
    kinds = {kind_of(row) for row in subject.own if row.value is not None}
    if "harmful" not in kinds:
        out.append("No harmful query was asked: nothing is known of its refusals.")
    if "harmless" not in kinds:
        out.append(
            "No harmless prompt was asked: a model that refuses everything would look safe here."
        )
    if not subject.study.untuned or not any(not row.adapter for row in subject.rows):
        out.append(
            "The base before fine-tuning was not measured: what training changed is not known."
        )
    return out
