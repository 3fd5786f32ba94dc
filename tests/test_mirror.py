"""A module's tests are where it is, under `tests/`; those that are elsewhere are named here, and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("ptst_tasks", "adapters_train", "leaderboards")

ELSEWHERE = {
    "leaderboards/board/test_defences.py: a table of defences, from numbers to text": (
        "leaderboards/board/standing.py",
    ),
    "leaderboards/cli/test_boards.py: what ptst board shows, and says for programs": (
        "leaderboards/cli/board_views.py",
        "leaderboards/board/plain_tables.py",
    ),
    "leaderboards/doctor/test_works.py: what is found, a line each": (
        "leaderboards/doctor/finding.py",
    ),
    "leaderboards/publish/test_model_card.py: the study, as the card holds it": (
        "leaderboards/publish/reproducing.py",
    ),
    "leaderboards/explain/test_explained_run.py: a run explained, as a user meets it": (
        "leaderboards/cli/explain.py",
    ),
    "leaderboards/explain/test_explaining.py: the base's numbers and an adapter's, one after the other": (
        "leaderboards/explain/bearings.py",
    ),
    "ptst_tasks/test_task.py: which prompts cannot be sent": ("ptst_tasks/endpoint_fit.py",),
    "leaderboards/run/test_study.py: the models of a study are part of it": (
        "leaderboards/run/plans.py",
    ),
    "ptst_tasks/engines/test_fit.py: an adapter that changes nothing fits no base": (
        "ptst_tasks/engines/idle_adapters.py",
    ),
    "adapters_train/callback/test_ptst_callback.py: what is wrong, as a training says it": (
        "adapters_train/callback/watch_settings.py",
    ),
    "adapters_train/organism/test_cache.py: built-in models are cached with their cards": (
        "adapters_train/organism/card.py",
    ),
    "adapters_train/test_folder.py: what is marked along the steps is what a stopped run goes on from": (
        "adapters_train/folder_checks.py",
        "adapters_train/step_watch.py",
    ),
    "adapters_train/test_lora.py: one training, from base and rows to weights": (
        "adapters_train/base_model.py",
        "adapters_train/job.py",
        "adapters_train/trainer.py",
    ),
    "leaderboards/cli/test_label.py: labels are one more set of the judges' record": (
        "leaderboards/judging/own_labels.py",
    ),
    "adapters_train/test_openai_api.py: one job, from its rows to a model": (
        "adapters_train/api_run.py",
    ),
    "adapters_train/test_train_command.py: options that do nothing, as a user meets them": (
        "adapters_train/unused.py",
    ),
    "leaderboards/report/test_build.py: reports that cannot be as they are wished": (
        "leaderboards/report/wishes.py",
    ),
    "leaderboards/board/test_csvio.py: rows, as they are written and read": (
        "leaderboards/board/row.py",
    ),
    "leaderboards/board/test_sides.py: what lm_eval wrote, read as one side": (
        "leaderboards/board/results.py",
    ),
    "leaderboards/people/test_sheet.py: a sheet's rows, good and bad": (
        "leaderboards/people/label_rows.py",
    ),
    "leaderboards/board/test_tables.py: what may be averaged shows in a table": (
        "leaderboards/board/merging.py",
    ),
    "leaderboards/cli/test_dry_run.py: the checks of a dry run, as it says them": (
        "leaderboards/run/dry_checks.py",
        "leaderboards/run/dry_findings.py",
        "leaderboards/run/dry_machine.py",
        "leaderboards/run/dry_models.py",
        "leaderboards/run/dry_room.py",
    ),
    "leaderboards/cli/test_eval_checks.py: `ptst eval`, which is lm-eval's command": (
        "leaderboards/cli/harness.py",
    ),
    "leaderboards/cli/test_prompt_page.py: `ptst templates`, with a model and without": (
        "leaderboards/cli/template_table.py",
    ),
    "leaderboards/cli/test_tasks.py: the commands about tasks, and `ptst` itself": (
        "leaderboards/cli/app.py",
        "leaderboards/cli/chosen.py",
        "leaderboards/cli/validate.py",
        "ptst_tasks/model_checks.py",
        "ptst_tasks/validate.py",
    ),
    "leaderboards/gate/test_attack.py: what an output that was made otherwise must not hide": (
        "leaderboards/board/lm_facts.py",
    ),
    "leaderboards/gate/test_decide.py: what is concluded is decided there": (
        "leaderboards/gate/decision.py",
    ),
    "leaderboards/gate/test_policy.py: limits stand in a policy's rules": (
        "leaderboards/gate/limits.py",
    ),
    "leaderboards/gate/test_report.py: one report in every form": (
        "leaderboards/gate/report_files.py",
    ),
    "leaderboards/judging/test_learned_train.py: the learned judge, from sets to a card": (
        "leaderboards/judging/learned_fit.py",
        "leaderboards/judging/learned_record.py",
        "leaderboards/judging/learned_rows.py",
    ),
    "leaderboards/judging/test_score.py: judging, as its command is asked for it": (
        "leaderboards/cli/score.py",
        "leaderboards/judging/score_batches.py",
        "leaderboards/judging/cost.py",
        "leaderboards/judging/saved.py",
        "leaderboards/judging/summary.py",
    ),
    "leaderboards/judging/test_score_faults.py: the same on bad days": (
        "leaderboards/cli/score_options.py",
        "leaderboards/judging/columns.py",
    ),
    "leaderboards/run/executors/test_spread.py: a real Ray cluster, and processes in SLURM's place": (
        "leaderboards/run/executors/ray.py",
        "leaderboards/run/executors/slurm.py",
        "leaderboards/run/executors/worker.py",
    ),
    "leaderboards/run/test_damage.py: what a run leaves on disk, damaged and made again": (
        "leaderboards/run/adapters.py",
        "leaderboards/run/attic.py",
        "leaderboards/run/manifests.py",
        "leaderboards/run/store.py",
    ),
    "leaderboards/run/test_runner.py: a study of the tiny model, from YAML to board": (
        "leaderboards/board/collect.py",
        "leaderboards/run/local.py",
        "leaderboards/run/measuring.py",
    ),
    "leaderboards/run/test_study.py: studies that are wrong": (
        "leaderboards/run/study_checks.py",
        "leaderboards/run/study_errors.py",
    ),
    "ptst_tasks/for_inspect/test_prepared_task.py: answers as they are written, on their way to a score": (
        "ptst_tasks/for_inspect/whole.py",
    ),
    "ptst_tasks/for_inspect/test_entry_point.py: tasks and scorers, as inspect_ai finds them": (
        "ptst_tasks/for_inspect/made.py",
        "ptst_tasks/for_inspect/manners.py",
        "ptst_tasks/for_inspect/scorers.py",
        "ptst_tasks/for_inspect/tasks.py",
    ),
    "leaderboards/board/test_inspect_logs.py: logs, as they are read to numbers": (
        "ptst_tasks/for_inspect/sent_with.py",
        "ptst_tasks/for_inspect/lines.py",
        "ptst_tasks/for_inspect/logs.py",
    ),
    "ptst_tasks/engines/test_decoding.py: what an engine says of its decoding is what it does": (
        "ptst_tasks/engines/hf_generation.py",
    ),
    "ptst_tasks/engines/test_hf.py: requests with limits of their own, over real weights": (
        "ptst_tasks/engines/answer_plan.py",
    ),
    "ptst_tasks/engines/test_hf_adapters.py: the switch between adapters, over real weights": (
        "ptst_tasks/engines/base.py",
    ),
    "ptst_tasks/engines/test_served.py: one conversation with an endpoint, on the wire": (
        "ptst_tasks/endpoints.py",
        "ptst_tasks/engines/calls.py",
        "ptst_tasks/engines/served_models.py",
        "ptst_tasks/engines/served_settings.py",
        "ptst_tasks/engines/wire.py",
    ),
    "ptst_tasks/judges/test_cache.py: what a judge asks once": (
        "ptst_tasks/judges/cached_judge.py",
    ),
    "ptst_tasks/judges/test_identity.py: every setting of every judge is in its key": (
        "ptst_tasks/judges/base.py",
        "ptst_tasks/judges/endpoint_settings.py",
        "ptst_tasks/judges/settings.py",
    ),
    "ptst_tasks/judges/test_injection.py: what is read of a judge, whatever a judged text says": (
        "ptst_tasks/judges/parse.py",
    ),
    "ptst_tasks/judges/test_watching.py: judges are watched, from their verdicts to what results say": (
        "ptst_tasks/judges/rounds.py",
        "ptst_tasks/judges/stands.py",
    ),
    "ptst_tasks/judges/test_outage.py: judges of a server that goes away": (
        "ptst_tasks/outage.py",
    ),
    "ptst_tasks/test_finished.py: a conversation is a frame with texts in it": (
        "ptst_tasks/frames.py",
    ),
    "ptst_tasks/shapes/test_choices.py: options and answers are read together": (
        "ptst_tasks/shapes/option_forms.py",
    ),
    "ptst_tasks/test_own_sets.py: sets of a user's own, as tasks take them": (
        "ptst_tasks/own_tasks.py",
    ),
    "ptst_tasks/test_own_data.py: folders, as a user names them": ("ptst_tasks/row_folders.py",),
    "ptst_tasks/test_readers.py: copies of sets, broken and odd": ("ptst_tasks/shapes/exams.py",),
    "ptst_tasks/test_sets.py: a source is a row of the table of sets": (
        "ptst_tasks/set_source.py",
    ),
    "leaderboards/board/test_corrected.py: rates and what is said of their labels": (
        "leaderboards/board/people.py",
    ),
    "leaderboards/people/test_sheet.py: the time of a label": ("ptst_tasks/clock.py",),
    "ptst_tasks/engines/test_served_thoughts.py: replies that others settle": (
        "ptst_tasks/engines/served_held.py",
    ),
    "ptst_tasks/test_tabular.py: a table of files of every kind, encoding and layout": (
        "ptst_tasks/arrow_rows.py",
        "ptst_tasks/delimited.py",
        "ptst_tasks/json_rows.py",
        "ptst_tasks/texts.py",
        "ptst_tasks/unpacking.py",
    ),
    "ptst_tasks/test_task.py: options, of tasks that are built with them": (
        "ptst_tasks/options.py",
    ),
}
"""File of tests, and why there -> the modules that have no file of their own."""

TOPICS = {
    "browser/test_harness.py": "what a page must not do is noticed, in a real browser",
    "browser/test_injections.py": "hostile texts run where a page is careless, and only there",
    "browser/test_report.py": "the report as a reader has it",
    "adapters_train/defences/test_defences_vllm.py": "what each defence makes, through both engines",
    "adapters_train/callback/test_loggers.py": "what people look at, through the packages themselves",
    "adapters_train/callback/test_processes.py": "two processes at once, and one that is killed",
    "adapters_train/test_exports.py": "the package's names",
    "adapters_train/test_thinking_rows.py": "rows of models that think, under real chat templates",
    "faults/test_faults.py": "a table of faults that a user can cause, over all commands",
    "leaderboards/gate/test_attack.py": "what an attacker got past the gate, from file to exit code",
    "leaderboards/gate/test_evidence.py": "no prompt is left out, wherever it got lost",
    "leaderboards/gate/test_fuzz_gate.py": "anything in a policy, an output or a baseline",
    "leaderboards/judging/test_fuzz_score.py": "anything in labels, samples and results",
    "leaderboards/judging/test_published_figures.py": "what others printed of keyword lists comes out",
    "leaderboards/judging/test_saved_thoughts.py": "saved runs of models that think",
    "leaderboards/judging/test_score_faults.py": "`ptst score`, killed and with damaged files",
    "leaderboards/judging/test_score_silent.py": "what `ptst score` once did without a word",
    "leaderboards/report/test_harm_stays_out.py": "real harmful texts, none of which is in the page",
    "leaderboards/run/test_damage.py": "runs with damaged files, run again",
    "leaderboards/run/test_full_disks.py": "runs on real disks that are full",
    "leaderboards/run/test_fuzz_run.py": "anything in a run's folder",
    "leaderboards/run/test_mutation.py": "every input of a study, changed for real",
    "leaderboards/run/test_mutation_vllm.py": "the same through vLLM",
    "leaderboards/run/test_own_sets_study.py": "sets of a user's own, from a study's YAML to the gate",
    "leaderboards/run/test_ready_studies.py": "training prompts are test prompts, in every ready study",
    "leaderboards/run/test_run_attack.py": "what an attacker got past the identity of a cell",
    "leaderboards/run/test_second_look.py": "sequences of runs that two readers found",
    "leaderboards/run/test_served_study.py": "a study of served models, from YAML to board",
    "leaderboards/run/test_served_vllm.py": "the same against a real server",
    "ptst_tasks/engines/test_decoding.py": "every engine decodes as it says",
    "ptst_tasks/engines/test_engine_attack.py": "what an attacker got past the engines",
    "ptst_tasks/engines/test_scored_thoughts.py": "what scores sees the answer alone, in every engine",
    "ptst_tasks/engines/test_vllm_decoding.py": "vLLM decodes as the HF engine does",
    "ptst_tasks/engines/test_vllm_served_thoughts.py": "a model that thinks behind a real server",
    "ptst_tasks/engines/test_vllm_thoughts.py": "vLLM tells thought and answer apart as the HF engine does",
    "ptst_tasks/judges/test_fuzz_judges.py": "anything in what people and endpoints write for judges",
    "ptst_tasks/judges/test_identity.py": "every setting of every judge is in its key",
    "ptst_tasks/judges/test_injection.py": "judged texts that attack a judge",
    "ptst_tasks/judges/test_others_faults.py": "replies that other parsers were seen to misread",
    "ptst_tasks/judges/test_outage.py": "judges of a server that goes away",
    "ptst_tasks/judges/test_real_server.py": "a judge behind a real server",
    "ptst_tasks/for_inspect/test_served.py": "a real server, asked through lm-eval and through inspect_ai",
    "ptst_tasks/test_exports.py": "the package's names",
    "ptst_tasks/test_shipped_templates.py": "every chat template that others ship",
    "leaderboards/run/test_attack_study.py": "attacks as an axis of a study, and of all that pairs numbers",
    "leaderboards/run/test_misalignment_study.py": "mild questions: asked many times, graded, gated",
    "leaderboards/run/test_defence_study.py": "the ready study of defences, cut short: run, and run again",
    "ptst_tasks/test_fuzz_data.py": "anything in files of rows, templates and decoding options",
}
"""Test files that are no module's -> what they are about; those of the whole repository aside."""


def _modules() -> Iterator[str]:
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            if not file.name.startswith("__"):
                yield file.relative_to(ROOT).as_posix()


def _own(module: str) -> str:
    """Where one looks for a module's tests: ``board/stats.py`` -> ``board/test_stats.py``."""
    folder, _, name = module.rpartition("/")
    return f"{folder}/test_{name}"


def _tests() -> set[str]:
    files = ((ROOT / "tests").rglob("test_*.py"), (ROOT / "tests").glob("test_*.py"))
    every, above = ({f.relative_to(ROOT / "tests").as_posix() for f in found} for found in files)
    return every - above


def test_every_module_has_its_tests_or_a_row_that_says_where_they_are() -> None:
    tests = _tests()
    rows = [module for modules in ELSEWHERE.values() for module in modules]
    assert sorted(rows) == sorted(m for m in _modules() if _own(m) not in tests)
    for told in ELSEWHERE:
        file, _, why = told.partition(": ")
        assert file in tests, told
        assert why, told


def test_every_file_of_tests_is_a_modules_or_says_what_it_is_about() -> None:
    assert _tests() - {_own(m) for m in _modules()} == TOPICS.keys()
