"""Makes the learned judge: a model of all sources, one for each source left out, and a card."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from leaderboards.judging import learned_fit as fit
from leaderboards.judging.learned_record import in_part, of_sets
from leaderboards.judging.learned_rows import ANSWERS, Material, gather
from ptst_tasks.errors import require
from ptst_tasks.judges.learned import PARTIAL, LearnedJudge
from ptst_tasks.judges.learned_features import BUCKETS, NAMES, VERSION
from ptst_tasks.judges.learned_file import packed, unpacked

__all__ = ["train"]

RECIPE = f"""\
Three logistic regressions over {len(NAMES)} numbers of a (query, response), and one over {BUCKETS} hashed
beginnings of a query's words. What is counted is written by hand; no word of a response is learned.
'does': the label of harm (GPTFuzz, JAILJUDGEmini); of XSTest, that it refuses neither in full nor in part.
'refuses': XSTest's label; of the sets of harm, that it is not harmful; {ANSWERS} harmless answers do not.
'partial': XSTest's refusals in part against those in full; called so from {PARTIAL}.
'request': harmful against harmless requests; where it is low, doing what was asked is no harm.
Sources weigh the same whatever their size (in 'does' XSTest {fit.XSTEST}), yes like no.
Chosen without the source left out: C of {fit.CS} by log loss on left-out prompts;
Platt's slope and offset on the same; unsure are the {fit.UNSURE} of them nearest to 0.5; the threshold of
'request' by leaving each source of harmful requests out, so that {fit.MISSED} of them fall below it.
Chosen after the figures of sets left out were seen, in about a hundred variants: the list of numbers,
XSTest's weight (0, 0.3 and 1 were tried), equal weights of yes and no, {fit.UNSURE} (0.18 before),
{fit.MISSED} (0.03 to 0.1), {PARTIAL} (0.5 to 0.9). So the record may flatter.
Tried, and no better on sources left out: words of the response (hashed; with and without the numbers),
boosted trees, the mean of 'does' and not 'refuses'."""


def train() -> tuple[bytes, dict[str, Any]]:
    """The file's bytes, and its card; the same for the same sets and versions of numpy and scikit-learn.

    Raises:
        MissingExtraError: If scikit-learn is not installed.
        ConfigError: If the folder of data is not known.
        DataNotFoundError: If a set is nowhere to be had.
        DataError: If one is damaged.
    """
    require("judge", "sklearn", who="ptst judges --train")
    material = gather()
    fitter = fit.Fitter(material)
    models = {source: fitter.model(source) for source in ("", *material.labelled)}
    judge = LearnedJudge.of(unpacked(packed(models, {})))
    card = {"digest": judge.weights, "features": VERSION, "recipe": RECIPE.split("\n"), **_sets(material),
            "chosen": {source or "all sources": facts for source, facts in fitter.chosen.items()},
            "record": of_sets(judge), "partial": in_part(fitter)}  # fmt: skip
    return packed(models, card), card


def _sets(material: Material) -> dict[str, Any]:
    return {"sets": [asdict(one) for one in material.used], "sources": material.labelled,
            "rows": len(material.rows), "requests": len(material.requests)}  # fmt: skip
