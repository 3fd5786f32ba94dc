"""Wrong use of the command line itself."""

from __future__ import annotations

from tests.faults.table import Fault

ROWS = [
    Fault("no such command", "runn", ("No such command 'runn'", "'run'")),
    Fault("no such option", "run study.yaml --dryrun", ("No such option", "--dry-run")),
    Fault("an argument is missing", "run", ("Missing argument", "ptst run --help")),
    Fault("an option without its value", "board run -o", ("-o", "requires an argument")),
    Fault("a number that is none", "train --epochs many", ("--epochs", "ptst train --help")),
]
