"""A round: judges behind endpoints are asked the canaries once, for the verdicts that are owed a look.

They are asked after verdicts that are wanted of them, and what goes wrong here costs none. What results say
of a verdict is what stands in the cache beside it: the look that it was given under, be it this round's or
an earlier one's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any

from ptst_tasks.errors import said
from ptst_tasks.files import printable
from ptst_tasks.judges import canaries
from ptst_tasks.judges.base import Judge, Verdict
from ptst_tasks.judges.budget import Estimate
from ptst_tasks.judges.cache import default_path
from ptst_tasks.judges.canaries import UNCACHED
from ptst_tasks.judges.group import endpoints
from ptst_tasks.judges.look_store import LookStore
from ptst_tasks.judges.looks import Look, Watched, known
from ptst_tasks.judges.stands import Stands
from ptst_tasks.keys import hidden

if TYPE_CHECKING:
    from ptst_tasks.judges.endpoint import EndpointJudge

__all__ = ["Asked", "Round"]

Asked = tuple[Sequence[str], Sequence[str]]
"""What a judge was asked about: queries and responses."""
_Key = tuple[str, str, str]


class Round:
    """What judges say of the canaries in one process, or one run.

    Args:
        tell: Hears of changes, and of judges that are not asked: of each once, when it is seen.
    """

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._hears = tell
        self._looks: dict[_Key, int | None] = {}
        self._counted = set[_Key]()
        self._said = set[str]()
        self._lock = RLock()  # threads that judge at once pay for one look

    def due(self, judge: EndpointJudge) -> bool:
        """Whether a judge is to be asked once a verdict is owed a look."""
        return judge.watched and not _uncached(judge) and _key(judge) not in self._looks

    def add_to(self, estimate: Estimate, judge: EndpointJudge, asked: Iterable[Asked]) -> int:
        """Adds the canaries to what a judge is about to be asked, once; returns how many they are.

        Args:
            estimate: What it is about to be asked.
            judge: The judge.
            asked: What it is asked about, verdicts in its cache included: an earlier run may have been
                killed before it looked.
        """
        with self._lock:
            if not self.due(judge) or _key(judge) in self._counted:
                return 0
            if not estimate.calls and not any(_owed(judge, *pairs) for pairs in asked):
                return 0
            self._counted.add(_key(judge))
        return canaries.add_to(estimate, judge)

    def under(self, judge: Judge, queries: Sequence[str], responses: Sequence[str]) -> Stands:
        """The looks that verdicts of a judge, or of each of its panel, were given under.

        Asks the canaries where verdicts are owed a look, and that was not done in this round.
        """
        stands = Stands()
        for one in endpoints(judge):
            stands.looks.setdefault(one.spec, {})
            if not _uncached(one):
                stands.add(self._under(one, one.keys(queries, responses)))
            elif one.watched and one.answered:
                self.tell(f"{one.spec}: {UNCACHED}")
        return stands

    def told(self, stands: Stands) -> dict[str, dict[str, Any] | None]:
        """What results say of these looks; tells what there is to remark."""
        for name, one in stands.worst().items():
            self._remark(name, one)
        return stands.told()

    def tell(self, what: str) -> None:
        """Says something, once."""
        line = printable(what)  # a reply names its model as it likes
        if line not in self._said:
            self._said.add(line)
            self._hears(line)

    def take_batch(
        self, judge: EndpointJudge, batch: str, found: Mapping[str, Verdict]
    ) -> int | None:
        """Takes what a batch says of the canaries for a look; collected again, it is the same one.

        Args:
            judge: Who was asked.
            batch: Its id.
            found: Its verdicts on `canaries.pairs`, by key.

        Returns:
            The look's number, to be attached to the verdicts that came with it; None if it cannot be had.
        """
        look = None
        with self._told_failures(judge), LookStore(judge.cache_path) as store:
            look = store.of_batch(canaries.asked_of(judge), batch, len(canaries.rows()))
            if look is None:
                look = self._keep(judge, store, canaries.look(judge, found), (), batch)
        return look

    def settle(self, judge: EndpointJudge, look: int | None, asked: Iterable[Asked]) -> None:
        """Attaches a look to verdicts that are owed one; with None they stay without."""
        with self._told_failures(judge), LookStore(judge.cache_path) as store:
            for queries, responses in asked:
                _, owed = store.under(judge.keys(queries, responses))
                _settle(store, look, owed)

    def _under(self, judge: EndpointJudge, keys: Sequence[str]) -> Stands:
        stands = Stands()
        with self._told_failures(judge), LookStore(judge.cache_path) as store:
            given, owed = store.under(keys)
            if owed and judge.watched:
                with self._lock:
                    self._look(judge, store, owed)
                given, _ = store.under(keys)
            found = store.read(given, len(canaries.rows())) if given else {}
            stands.looks[judge.spec] = found
            stands.verdicts[judge.spec] = sum(given[number] for number in found)
        return stands

    def _look(self, judge: EndpointJudge, store: LookStore, owed: Sequence[str]) -> None:
        """Gives these verdicts the look of this round."""
        key = _key(judge)
        if key in self._looks:
            _settle(store, self._looks[key], owed)
            return
        number = None
        with self._told_failures(judge):
            store.check_writable()  # before they are paid for
            if why := _no_room(judge):
                self.tell(f"{judge.spec}: {why}")
            else:
                number = self._keep(judge, store, canaries.ask(judge), owed)
        self._looks[key] = number
        if number is None:  # that nothing is known was said: nobody is asked for these again
            _settle(store, None, owed)

    def _keep(
        self, judge: EndpointJudge, store: LookStore, now: Look, owed: Sequence[str],
        batch: str = "",
    ) -> int:  # fmt: skip
        """Compares, tells, and only then keeps: of two processes both tell, and a kill loses nothing."""
        who = canaries.asked_of(judge)
        past, damaged = store.past(who, len(canaries.rows()))
        found = Watched(now, known(past, now))
        if damaged:
            self.tell(f"{judge.spec}: {len(damaged)} earlier looks at its canaries are damaged, and are "
                      "left out")  # fmt: skip
        self._remark(judge.spec, found)
        return store.keep(who, found, owed, batch=batch, damaged=damaged)

    def _remark(self, name: str, found: Watched) -> None:
        if found.remark:
            self.tell(f"{name}: {found.remark}")

    @contextmanager
    def _told_failures(self, judge: EndpointJudge) -> Iterator[None]:
        try:
            yield
        except Exception as e:  # whatever it was: the verdicts are there, and are worth more
            self.tell(f"{judge.spec}: whether it changed is not known, its canaries failed: "
                      f"{hidden(said(e))}")  # fmt: skip


def _key(judge: EndpointJudge) -> _Key:
    """Who a judge is, whichever of its objects, where it is, and where what it said is kept."""
    return judge.cache_path or default_path(), judge.key("", ""), judge.endpoint.url


def _uncached(judge: EndpointJudge) -> bool:
    return (judge.cache_path or default_path()) == ":memory:"


def _owed(judge: EndpointJudge, queries: Sequence[str], responses: Sequence[str]) -> bool:
    with LookStore(judge.cache_path) as store:
        return bool(store.under(judge.keys(queries, responses))[1])


def _settle(store: LookStore, look: int | None, owed: Sequence[str]) -> None:
    if look is not None:
        store.attach(look, owed)
    else:
        store.forgo(owed)


def _no_room(judge: EndpointJudge) -> str:
    """Why a judge is not asked; empty if the limits leave what it may cost at the most."""
    estimate = Estimate(price=judge.price)
    if judge.budget.has_room(canaries.add_to(estimate, judge), estimate.dearest or 0.0):
        return ""
    return "canaries are not asked: max_calls or max_cost leaves no room for their 50 calls"
