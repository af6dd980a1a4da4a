"""The declaration of a cause, and a cause found in a run."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from straingauge.diagnosis.code_lines import CodeView, code_evidence
from straingauge.diagnosis.location import Location
from straingauge.diagnosis.onset import TOLERANCE_S
from straingauge.diagnosis.result_view import ResultView
from straingauge.diagnosis.runtime_advice import advice_for
from straingauge.diagnosis.topic import Topic
from straingauge.result.format.result import CauseDict

UNLIKELY = 0.45
LIKELY = 0.5  # from this confidence on a cause explains others
MAX_CONFIDENCE = 0.95  # a rule sees measurements, not the code


@dataclass(frozen=True, slots=True)
class Evidence:
    """The outcome of a rule that applies.

    Attributes:
        confidence: From 0 to 1.
        sentences: Statements with their numbers, the strongest first.
        advice: What to do in this very case; the cause's general advice follows it.
        where: Places in the code, statements, calls or processes, the most important first.
        onset_s: When it began, in seconds of the load; None if it may have been there before.
    """

    confidence: float
    sentences: tuple[str, ...]
    advice: tuple[str, ...] = ()
    where: tuple[Location, ...] = ()
    onset_s: float | None = None


Rule = Callable[[ResultView], Evidence | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Everything the product knows about one cause; the only place that declares it.

    Attributes:
        id: Stable name that other programs may rely on.
        title: The same as a clause for people.
        advice: Documented remedies, in the order to try them.
        topics: What kinds of failed thresholds it can account for.
        charts: Charts and tables of the report that show its evidence, the best first; see
            `straingauge.report.evidence.TITLES`.
        explains: Ids of the symptoms it brings about.
        explained_by: Ids of the causes that bring it about, where they do not list it themselves.
        warns_from: Confidence from which it is a warning even if all thresholds pass; for causes
            that get worse with time, users or rows. None: never.
        code: Views of a profile that show its line of code, the most telling first; used where the
            rule itself has no place.
        passes: It comes and goes with the machine, so that one run says nothing about another.
        describes: It says which requests are slow, as the missed threshold does, and not why; only
            its place, if it has one, says more.
        rule: Finds it in a result; None where only tests can find it, which know what to expect.
    """

    id: str
    title: str
    advice: tuple[str, ...]
    topics: tuple[Topic, ...]
    charts: tuple[str, ...]
    explains: tuple[str, ...] = ()
    explained_by: tuple[str, ...] = ()
    warns_from: float | None = None
    code: tuple[CodeView, ...] = ()
    passes: bool = False
    describes: bool = False
    rule: Rule | None = None

    def detect(self, result: ResultView, broke_s: float | None = None) -> "FoundCause | None":
        """Apply the rule to a result.

        Args:
            result: The result.
            broke_s: When the run began to miss its thresholds, if known: what began later is not
                the cause of that.
        """
        evidence = self.rule(result) if self.rule is not None else None
        if evidence is None:
            return None
        evidence = self._with_code(evidence, result)
        language = result.at("resources", "service", "runtime", "language")
        advice = (*evidence.advice, *advice_for(self.id, language))
        found, onset_s = self.found(replace(evidence, advice=advice)), evidence.onset_s
        if broke_s is None or onset_s is None or onset_s <= broke_s + TOLERANCE_S:
            return found
        late = f"it began at {onset_s:,.0f} s, but thresholds were missed from {broke_s:,.0f} s on"
        return replace(
            found,
            confidence=min(found.confidence, UNLIKELY),
            evidence=(*found.evidence, late),
        )

    def _with_code(self, evidence: Evidence, result: ResultView) -> Evidence:
        """Add the line of code that the profile shows, if the rule has found no place."""
        code = None if evidence.where else code_evidence(result, self.code)
        if code is None:
            return evidence
        return replace(
            evidence, where=(code.location,), sentences=(*evidence.sentences, code.sentence)
        )

    def found(self, evidence: Evidence) -> "FoundCause":
        """This cause with the evidence for it."""
        return FoundCause(
            cause=self.id,
            title=self.title,
            confidence=min(evidence.confidence, MAX_CONFIDENCE),
            evidence=evidence.sentences,
            advice=(*evidence.advice, *self.advice),
            where=evidence.where,
        )


@dataclass(frozen=True, slots=True)
class FoundCause:
    """A cause that accounts for what was measured.

    Attributes:
        cause: The id of the `Cause`.
        title: Its title.
        confidence: From 0 to 1.
        evidence: Statements with their numbers, the strongest first.
        advice: What to do, the most specific first.
        where: Places in the code, statements, calls or processes, the most important first.
    """

    cause: str
    title: str
    confidence: float
    evidence: tuple[str, ...]
    advice: tuple[str, ...]
    where: tuple[Location, ...] = ()

    @property
    def is_likely(self) -> bool:
        """It is likely enough to explain others."""
        return self.confidence >= LIKELY

    def as_dict(self) -> CauseDict:
        """The object that the result file stores."""
        return {
            "cause": self.cause,
            "title": self.title,
            "confidence": round(self.confidence, 2),
            "evidence": list(self.evidence),
            "advice": list(self.advice),
            "where": [location.as_dict() for location in self.where],
        }


def cause(
    *,
    title: str,
    advice: tuple[str, ...],
    topics: tuple[Topic, ...],
    charts: tuple[str, ...],
    explains: tuple[str, ...] = (),
    explained_by: tuple[str, ...] = (),
    warns_from: float | None = None,
    code: tuple[CodeView, ...] = (),
    passes: bool = False,
    describes: bool = False,
) -> Callable[[Rule], Cause]:
    """Declare a cause whose rule is the decorated function and whose id is its name."""

    def declare(rule: Rule) -> Cause:
        return Cause(
            id=rule.__name__,
            title=title,
            advice=advice,
            topics=topics,
            charts=charts,
            explains=explains,
            explained_by=explained_by,
            warns_from=warns_from,
            code=code,
            passes=passes,
            describes=describes,
            rule=rule,
        )

    return declare


def scale(value: float, likely: float, certain: float) -> float:
    """Confidence in proportion to a value: 0.5 at `likely`, 0.95 from `certain` on, at least 0."""
    share = (value - likely) / (certain - likely)
    return max(0.0, min(MAX_CONFIDENCE, LIKELY + share * (MAX_CONFIDENCE - LIKELY)))
