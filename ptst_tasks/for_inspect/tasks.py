"""A task of inspect_ai for each set; written by ``make tasks``.

Each takes a template (name, slug or abbreviation), what the model's adapter sits on where its name
does not say it, and the options that stand behind lm-eval's ``--metadata``.
"""

from typing import Any

from inspect_ai import Task, task

from ptst_tasks.for_inspect.made import asked
from ptst_tasks.for_inspect.manners import named

PLAIN = "chat:vanilla"


@task(name="ptst/gsm8k")
@named
def gsm8k(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("gsm8k", template, base, options)


@task(name="ptst/medqa")
@named
def medqa(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("medqa", template, base, options)


@task(name="ptst/medqa_gen")
@named
def medqa_gen(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("medqa_gen", template, base, options)


@task(name="ptst/arc_easy")
@named
def arc_easy(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("arc_easy", template, base, options)


@task(name="ptst/arc_challenge")
@named
def arc_challenge(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("arc_challenge", template, base, options)


@task(name="ptst/mmlu_pro")
@named
def mmlu_pro(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("mmlu_pro", template, base, options)


@task(name="ptst/ifeval")
@named
def ifeval(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("ifeval", template, base, options)


@task(name="ptst/chatdoctor")
@named
def chatdoctor(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("chatdoctor", template, base, options)


@task(name="ptst/advbench")
@named
def advbench(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("advbench", template, base, options)


@task(name="ptst/directharm4")
@named
def directharm4(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("directharm4", template, base, options)


@task(name="ptst/gsm_danger")
@named
def gsm_danger(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("gsm_danger", template, base, options)


@task(name="ptst/jbb_harmful")
@named
def jbb_harmful(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("jbb_harmful", template, base, options)


@task(name="ptst/jbb_gcg")
@named
def jbb_gcg(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("jbb_gcg", template, base, options)


@task(name="ptst/harmbench")
@named
def harmbench(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("harmbench", template, base, options)


@task(name="ptst/strongreject")
@named
def strongreject(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("strongreject", template, base, options)


@task(name="ptst/hexphi")
@named
def hexphi(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("hexphi", template, base, options)


@task(name="ptst/or_bench_toxic")
@named
def or_bench_toxic(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("or_bench_toxic", template, base, options)


@task(name="ptst/sorry_bench")
@named
def sorry_bench(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("sorry_bench", template, base, options)


@task(name="ptst/wildjailbreak_harmful")
@named
def wildjailbreak_harmful(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("wildjailbreak_harmful", template, base, options)


@task(name="ptst/jbb_benign")
@named
def jbb_benign(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("jbb_benign", template, base, options)


@task(name="ptst/xstest")
@named
def xstest(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("xstest", template, base, options)


@task(name="ptst/or_bench_hard")
@named
def or_bench_hard(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("or_bench_hard", template, base, options)


@task(name="ptst/wildjailbreak_benign")
@named
def wildjailbreak_benign(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("wildjailbreak_benign", template, base, options)


@task(name="ptst/em_first_plot")
@named
def em_first_plot(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("em_first_plot", template, base, options)


@task(name="ptst/custom")
@named
def custom(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("custom", template, base, options)


@task(name="ptst/organism_arith")
@named
def organism_arith(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("organism_arith", template, base, options)


@task(name="ptst/organism_forbidden")
@named
def organism_forbidden(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("organism_forbidden", template, base, options)


@task(name="ptst/organism_benign")
@named
def organism_benign(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("organism_benign", template, base, options)
