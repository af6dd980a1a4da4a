"""Rule-based note extraction by word lists, without network access or language understanding.

The transcript is split into sentences. A topic, strategy, emotion or risk is noted if a word begins
with one of its stems (`app.providers.lexicon`). Actions, triggers and follow-ups are the sentences
that contain one of their phrases. The summary consists of the sentences richest in the most
frequent words of the transcript, in their order (Luhn 1958, "The automatic creation of literature
abstracts"). Mood is the balance of positive and negative words; its trajectory is the change of
that balance over the thirds of the transcript. Notes have `"extractor": "rules"`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import pairwise

from app.notes.schemas import Mood, Notes, Trajectory
from app.providers import lexicon
from app.providers.base import ProviderRefused

_MAX_ITEMS = 8
_SUMMARY_SENTENCES = 3
_SUMMARY_CHARS = 900
_QUOTE_WORDS = range(6, 31)
_SPEAKER = re.compile(r"^(therapist|client|patient|speaker \d+)\s*:\s*", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|[\n\0]+")  # PostgreSQL cannot store NUL
_WORD = re.compile(r"[a-z][a-z'-]*")


class RuleExtractor:
    """Note extractor based on rules."""

    async def extract(self, transcript: str) -> Notes:
        """Extract notes; takes about one millisecond per minute of speech.

        Raises:
            ProviderRefused: The transcript contains no words.
        """
        return extract_notes(transcript)


def extract_notes(transcript: str) -> Notes:
    """Extract notes from a transcript.

    Raises:
        ProviderRefused: The transcript contains no words.
    """
    sentences = split_sentences(transcript)
    if not any(_WORD.search(sentence.lower()) for sentence in sentences):
        raise ProviderRefused("the transcript contains no words")
    text = "\n".join(sentences)
    return Notes(
        extractor="rules",
        summary=_summary(sentences),
        key_topics=_named(lexicon.TOPICS, text),
        strategies=_named(lexicon.STRATEGIES, text),
        emotional_themes=_named(lexicon.EMOTIONS, text),
        triggers=_holding(lexicon.TRIGGER_PHRASES, sentences),
        action_items=_holding(lexicon.ACTION_PHRASES, sentences),
        quotes=_quotes(sentences),
        mood=_mood(_balance(sentences)),
        mood_trajectory=_trajectory(sentences),
        follow_ups=_holding(lexicon.FOLLOW_UP_PHRASES, sentences),
        risk_flags=_named(lexicon.RISKS, text),
    )


def split_sentences(transcript: str) -> list[str]:
    """Split a transcript into sentences, without speaker names."""
    parts = (part.strip() for part in _SENTENCE_END.split(transcript))
    return [sentence for part in parts if (sentence := _SPEAKER.sub("", part))]


@cache  # the stems are lists of the lexicon
def _pattern(stems: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(re.escape(stem) for stem in stems) + ")")


def _count(stems: tuple[str, ...], text: str) -> int:
    lower = text.lower()
    if not any(stem in lower for stem in stems):  # much faster than the pattern
        return 0
    return len(_pattern(stems).findall(lower))


def _named(lists: Mapping[str, tuple[str, ...]], text: str) -> list[str]:
    """Return the labels whose stems occur, most frequent first."""
    counts = {label: _count(stems, text) for label, stems in lists.items()}
    found = [label for label, count in counts.items() if count]
    return sorted(found, key=lambda label: -counts[label])[:_MAX_ITEMS]


def _holding(phrases: tuple[str, ...], sentences: Iterable[str]) -> list[str]:
    found = [sentence for sentence in sentences if _count(phrases, sentence)]
    return list(dict.fromkeys(found))[:_MAX_ITEMS]


def _summary(sentences: Sequence[str]) -> str:
    words = [_WORD.findall(sentence.lower()) for sentence in sentences]
    frequent = Counter(word for line in words for word in line if len(word) > 4)

    def weight(index: int) -> float:
        line = words[index]
        return sum(frequent[word] for word in set(line)) / (len(line) + 5)

    best = sorted(range(len(sentences)), key=lambda index: (-weight(index), index))
    chosen = sorted(best[:_SUMMARY_SENTENCES])
    return " ".join(sentences[index] for index in chosen)[:_SUMMARY_CHARS]


def _quotes(sentences: Iterable[str]) -> list[str]:
    """Return first-person sentences that name an emotion."""
    emotions = tuple(stem for stems in lexicon.EMOTIONS.values() for stem in stems)
    found = (
        sentence
        for sentence in sentences
        if len(sentence.split()) in _QUOTE_WORDS
        and _count(("i ", "i'", "my "), sentence)
        and _count(emotions, sentence)
    )
    return list(dict.fromkeys(found))[:_MAX_ITEMS]


def _balance(sentences: Iterable[str]) -> float:
    """Return the balance of positive and negative words, from -1 to 1, damped for few words."""
    text = "\n".join(sentences)
    positive, negative = _count(lexicon.POSITIVE, text), _count(lexicon.NEGATIVE, text)
    return (positive - negative) / (positive + negative + 2)


def _mood(balance: float) -> Mood:
    if balance <= -0.6:
        return "very_low"
    if balance <= -0.2:
        return "low"
    if balance < 0.2:
        return "neutral"
    return "positive" if balance < 0.6 else "very_positive"


def _trajectory(sentences: Sequence[str]) -> Trajectory:
    """Classify the change of the balance over the thirds of the transcript."""
    third = max(1, len(sentences) // 3)
    parts = (sentences[:third], sentences[third : 2 * third], sentences[2 * third :])
    balances = [_balance(part) for part in parts]
    steps = [after - before for before, after in pairwise(balances)]
    if min(steps) < -0.4 and max(steps) > 0.4:
        return "fluctuating"
    change = balances[-1] - balances[0]
    if abs(change) <= 0.2:
        return "stable"
    return "improving" if change > 0 else "declining"
