"""What of a study's defences can be found wrong when it is read, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from adapters_train.defences import Defence, named
from adapters_train.defences.mix import Mixing
from leaderboards.run.styles import trained
from ptst_tasks.errors import ConfigError, PTSTError

if TYPE_CHECKING:
    from leaderboards.run.study import Study

__all__ = ["check_defences", "check_places"]


def check_defences(study: Study) -> Iterator[PTSTError]:
    """Names and parameters, and whether each does something of its own."""
    train, where, found = study.train, _where(study), list[Defence]()
    if not train.defences:
        yield ConfigError(f"{where} is empty; leave it out, or name none for plain training")
    for spec in train.defences:
        try:
            found.append(named(spec))
        except PTSTError as e:
            yield ConfigError(f"{where}: {e}")
    specs = [defence.spec for defence in found]
    for spec in dict.fromkeys(s for s in specs if specs.count(s) > 1):
        yield ConfigError(f"{where} names {spec!r} twice; leave one out")
    plain = list(dict.fromkeys(defence.spec for defence in found if defence.is_plain))
    if len(plain) > 1:
        yield ConfigError(
            f"{where}: {' and '.join(plain)} are all plain training; keep one of them"
        )
    for defence in found:
        if isinstance(defence, Mixing) and _is_mixed(defence, train.mix):
            yield ConfigError(
                f"{where} names {defence.spec!r}, which train.mix mixes into every training: it would do "
                "nothing; leave it out of one of the two"
            )
    if train.settings.get("unaligned") and not any(d.reads_unaligned for d in found):
        yield ConfigError(
            f"study {study.name!r}: train.settings.unaligned does nothing without defence safe_lora "
            "in train.defences; leave it out"
        )


def check_places(study: Study) -> Iterator[PTSTError]:
    """Whether the templates have a place for each defence, and the settings what it needs."""
    style = next((model.style for model in trained(study)[:1]), "")
    if not study.train.seeds:  # said of the seeds themselves
        return
    for defence in map(named, study.train.defences):
        for template in study.train.templates:
            try:
                defence.template(study.table.get(template, style), study.table)
                study.train_config(template, study.train.seeds[0], study.base, defence.spec)
            except PTSTError as e:
                yield ConfigError(f"{_where(study)}: {e}")
                break


def _is_mixed(defence: Mixing, mixed: Iterable[str]) -> bool:
    try:
        return defence.is_among(mixed)
    except ConfigError:  # said of train.mix itself
        return False


def _where(study: Study) -> str:
    return f"study {study.name!r}: train.defences"
