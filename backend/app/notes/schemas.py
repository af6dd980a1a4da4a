"""Schema of extracted notes, common to all extractors."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.fields import Text

Mood = Literal["very_low", "low", "neutral", "positive", "very_positive"]
Trajectory = Literal["improving", "declining", "stable", "fluctuating"]

_Items = Annotated[list[Text], Field(default_factory=list, max_length=50)]


class Notes(BaseModel):
    """Notes of one session: a memory aid for the therapist, not a diagnosis."""

    model_config = ConfigDict(extra="ignore")

    extractor: str = Field(
        description="Extractor of the notes: `rules` (word lists, no understanding of the text) "
        "or `openai:<model>`."
    )
    summary: Text = Field(max_length=5000)
    key_topics: _Items
    strategies: _Items
    emotional_themes: _Items
    triggers: _Items
    action_items: _Items
    quotes: _Items
    mood: Mood
    mood_trajectory: Trajectory
    follow_ups: _Items
    risk_flags: _Items


class StoredNotes(Notes):
    """Notes in responses."""

    session_id: UUID
    created_at: datetime
