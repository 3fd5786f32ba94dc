"""What a task says for a record: the same words whoever measures."""

from __future__ import annotations

from pathlib import Path

from ptst_tasks import task_facts
from ptst_tasks.validate import load_tasks


def test_a_seed_is_no_option_and_a_version_has_no_local_tag(data_dir: Path) -> None:
    (task,) = load_tasks(["ptst_advbench_chat_llama"]).values()
    task.config.generation_kwargs["seed"] = 3
    assert "seed" not in task_facts.requested(task)
    assert not task_facts.is_sampled(task)
    task.config.generation_kwargs["do_sample"] = True
    assert task_facts.is_sampled(task)
    assert task_facts.form(task)["template"] == "chat:llama"
    assert "+" not in task_facts.versions_of("hf")["torch"]
