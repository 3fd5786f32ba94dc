"""What of a study's defences can be found wrong when it is read: before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from adapters_train.config import SettingError
from adapters_train.defences import Defence, named
from leaderboards.run.styles import trained
from ptst_tasks.errors import ConfigError, PTSTError

if TYPE_CHECKING:
    from leaderboards.run.study import Study

__all__ = ["check_defences"]


def check_defences(study: Study) -> Iterator[PTSTError]:
    """Every defence of a study that trains something; each needs a name, a place and its weights."""
    where, found = f"study {study.name!r}: train.defences", list[Defence]()
    if not study.train.defences:
        yield ConfigError(f"{where} is empty; leave it out, or name none for plain training")
    for spec in study.train.defences:
        try:
            found.append(named(spec))
        except PTSTError as e:
            yield ConfigError(f"{where}: {e}")
    specs = [defence.spec for defence in found]
    for spec in dict.fromkeys(s for s in specs if specs.count(s) > 1):
        yield ConfigError(f"{where} names {spec!r} twice; leave one out")
    plain = [defence.spec for defence in found if defence.is_plain]
    if len(plain) > 1:
        yield ConfigError(
            f"{where}: {' and '.join(plain)} are all plain training; keep one of them"
        )
    for defence in found:
        yield from _usable(study, defence, where)
    if study.train.settings.get("unaligned") and not any(d.reads_unaligned for d in found):
        yield ConfigError(
            f"study {study.name!r}: train.settings.unaligned does nothing without defence safe_lora "
            "in train.defences; leave it out"
        )


def _usable(study: Study, defence: Defence, where: str) -> Iterator[PTSTError]:
    """Whether the study's templates have a place for it, and its settings what it needs."""
    style = next((model.style for model in trained(study)[:1]), "")
    for template in study.train.templates:
        try:
            defence.template(study.table.get(template, style), study.table)
            study.train_config(template, study.train.seeds[0], study.base, defence.spec)
        except SettingError as e:
            if e.field == "defence":
                yield ConfigError(f"{where}: {e}")
                return
        except PTSTError as e:
            yield ConfigError(f"{where}: {e}")
            return
