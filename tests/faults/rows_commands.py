"""Wrong use of the command line itself."""

from __future__ import annotations

import os

from tests.faults.table import Fault, text

ROWS = [
    Fault("no such command", "runn", ("No such command 'runn'", "'run'")),
    Fault("no such option", "run study.yaml --dryrun", ("No such option", "--dry-run")),
    Fault("an argument is missing", "run", ("Missing argument", "ptst run --help")),
    Fault("an option without its value", "board run -o", ("-o", "requires an argument")),
    Fault("a number that is none", "train --epochs many", ("--epochs", "ptst train --help")),
    # Found by people who tried to make it fail.
    Fault(
        "score: --json on a cell's record",
        "score run --judge keywords:qi --json run/study.json",
        ("--json 'run/study.json' is read here or was measured",),
    ),
    Fault(
        "run: --json on the study",
        "run study.yaml --out other --json study.yaml",
        ("--json 'study.yaml' is read here",),
    ),
    Fault(
        "run: a dry run's --json on the study",
        "run study.yaml --dry-run --json study.yaml",
        ("--json 'study.yaml' is read here",),
    ),
    Fault(
        "board: -o on a model's configuration",
        "board run --format csv -o base/config.json",
        ("--out 'base/config.json' is read here or was measured",),
    ),
    Fault(
        "tasks: --json on an adapter's configuration",
        "tasks --json adapter/adapter_config.json",
        ("was measured, and would be written over",),
    ),
    Fault(
        "board: two outputs that are one file",
        "board run -o adapter/../t.csv --json t.csv",
        ("--out and --json are the same file",),
    ),
    Fault(
        "tasks: folders in one another without end",
        "tasks --json " + "x/" * 1100 + "t.json",
        ("--json", "cannot be written"),
    ),
    Fault(
        "eval: a key among the model's arguments",
        "eval --model hf --model_args pretrained=base,token=hf_abcdefghijklmnopqrstuvwxyz123456 "
        "--tasks ptst_advbench_chat_llama --limit 1 --apply_chat_template",
        ("--model_args.token looks like a key", "$HF_TOKEN"),
    ),
    Fault(
        "eval: --output_path in .json",
        "eval --model hf --model_args pretrained=base --limit 1 "
        "--tasks ptst_advbench_chat_llama --apply_chat_template --output_path o.json --log_samples",
        ("--output_path 'o.json'", "name a folder"),
    ),
    Fault(
        "train: into the current folder",
        "train --model base --data gsm8k --max-steps 1 --out .",
        ("--out '.' names no folder of its own",),
    ),
    Fault(
        "train: into the root",
        "train --model base --data gsm8k --max-steps 1 --out /",
        ("--out '/' names no folder of its own",),
    ),
    Fault(
        "train: into a folder's own parent",
        "train --model base --data gsm8k --max-steps 1 --out new/..",
        ("names no folder of its own",),
    ),
    Fault(
        "train: OUT.part is somebody else's",
        "train --model base --data gsm8k --max-steps 1 --out m",
        ("'m.part' exists and holds no run of ptst train",),
        text("m.part/adapter/weights.txt", "mine"),
    ),
    Fault(
        "run: the home of nobody",
        "run home.yaml --dry-run",
        ("'~nosuchuser/model' begins with the home of a user",),
        text("home.yaml", "base: ~nosuchuser/model\n"),
    ),
    Fault(
        "score: a record that is a pipe",
        "score run --judge keywords:qi --record pipe",
        ("record 'pipe' is no file",),
        lambda folder: os.mkfifo(folder / "pipe"),
    ),
    Fault("templates: no tokenizer", "templates --model data", ("the tokenizer 'data' cannot be",)),
    Fault("templates: a file", "templates --model base/config.json", ("it is a file",)),
    Fault(
        "templates: no such switch",
        "templates --model base --thinking x",
        ("unknown thinking 'x'",),
    ),
    Fault("templates: a switch alone", "templates --thinking off", ("without --model NAME",)),
    Fault(
        "templates: --json on the tokenizer",
        "templates --model base --json base/tokenizer.json",
        ("--json 'base/tokenizer.json'", "was measured"),
    ),
    Fault(
        "validate: a switch that the tokenizer has not",
        "validate --set gsm8k --template CV --tokenizer base --metadata '{\"thinking\": true}'",
        ("thinking: on does nothing to 'chat:vanilla'",),
    ),
    Fault(
        "eval: a switch that the model has not",
        "eval --model hf --model_args pretrained=base --tasks ptst_gsm8k_chat_vanilla --limit 1 "
        '--apply_chat_template --metadata \'{"thinking": "off"}\'',
        ("thinking: off does nothing to 'chat:vanilla'",),
    ),
    Fault(
        "eval: a switch at OpenAI's",
        "eval --model ptst-openai --model_args pretrained=gpt-4o-mini --limit 1 "
        '--tasks ptst_gsm8k_chat_vanilla --apply_chat_template --metadata \'{"thinking": "off"}\'',
        ("OpenAI's API has no such switch",),
        env={"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": ""},
    ),
]
