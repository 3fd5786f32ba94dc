"""The words of ptst's own notes, and of the commonest errors: none names a place, a key or what to ask for.

A word that is missing costs a reader the rest of a note, and no more; see `leaderboards.report.sayable`.
"""

from __future__ import annotations

__all__ = ["WORDS"]

_WORDS = """
a adapter adapter's adapters again against alike all alone allowed along although an and another answer
answered answers apart are as ask asked at base baseline baseline's batch be became because been before
belong belongs beside between beyond both but by cache called calls cannot cell cells changed check
column columns compared comparison copies copy could count counted counts damaged data decided decides
decoding defence defences delete differ different differs digest digests do does draw draws each else
empty engine evaluate evaluated evaluation every exist existed expected failed failure false fewer field
fields file files filter first folder folders for found from further generation given greedy had half
has have header held help helpfulness here hold holds id ids if in instead interval intervals into is it
its itself judge judge's judged judges kept keys kind kinds known label labelled labels lack lacks
leaderboard leaderboards least left less likelihood limit limited limits line lines lists log logged
longer lost made many margin match matches mean means measure measured memory metric metrics missing
model model's models more most must name named names needs neither never new newer newest no node none
nor not note noted notes nothing now null number numbers object of off old older on once one only option
options or other others out outcome outcomes output over own machine paired pairs part parts passed
passes path people's per picture pictures point points policy policy's pool prompt prompting prompts
provenance ran rate rates rather read reason record recorded records refused regression replaced
replaces replayed report reports response responses result results row rows rule rule's run runs same
sample sampled samples sampling say says score scored scores scoring seed seeds set set's sets setting
settings several shape sheet shared show shown shows side sides since so some stale stand stands started
stay stayed step steps stopped study style such swapped take taken takes task task's tasks template
templates terminal test tested tests text texts than that the their them then there these they this
those thought thoughts time times to together too trade-off trained training trainings true twice two
type types under unequal unknown unscored until up use used uses value values verdict verdicts version
versions was way ways weights were what when where whether which while who whole whose why with within
without would write written wrong yes asr e.g i.e json lm_eval n n-samples p ptst vs --allow-mismatch
--log_samples --pool --update-baseline --use_cache ASR COLUMN CSV Filter JSON No None Prompt Results
Task The There They This VALUE API APIs Cannot Connect Connection CUDA Errno Expecting GPU GiB HTTP
HTTPS Input MiB OOM Rate SSL Server Service Timeout Too Tried Unauthorized abort aborted allocate
available busy bytes call capacity close closed connect connection connections context denied device
disk down exceeded exited free full gone killed large length long longest maximum network of operation
permission permitted process quota reached refuse requests retries retry server service space status
stop tensor timed timeout token tokens tokenizer total unavailable unreachable unsupported
"""
WORDS = frozenset(_WORDS.split())
