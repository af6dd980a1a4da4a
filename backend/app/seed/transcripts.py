"""Synthetic transcripts, assembled from stock sentences.

They describe no real person. Their length and vocabulary resemble real transcripts.
"""

import random

_OPENINGS = (
    "How have you been since we last spoke?",
    "Where would you like to begin today?",
    "What stood out for you this week?",
    "Last time we talked about small steps. How did that go?",
)
_PROBLEMS = (
    "Work has been difficult because my manager moved the deadline again.",
    "I felt anxious every time the phone rang at the office.",
    "I have not slept well, I lie awake and worry about the same things.",
    "My sister and I had an argument and I felt guilty afterwards.",
    "I felt lonely at the weekend and stayed at home alone.",
    "Whenever the train is crowded I feel a wave of panic.",
    "I was exhausted and cried on the way home, I could not say why.",
    "Money is tight this month and the rent makes me nervous.",
    "I keep thinking that everything is my fault.",
    "The exam at the college is close and I feel overwhelmed.",
    "My partner says I am distant, and I do feel numb at times.",
    "I was angry with a colleague and said nothing.",
)
_QUESTIONS = (
    "What went through your mind at that moment?",
    "Where did you notice that in your body?",
    "Is there another way to look at that?",
    "What would you say to a friend in that place?",
    "What helped, even a little?",
    "How strong was that, from one to ten?",
)
_SUGGESTIONS = (
    "Let's try the breathing exercise once more, slowly.",
    "A thought record might help: write down the situation and the evidence for the thought.",
    "We could plan the exposure step by step, beginning with one stop on the train.",
    "A bedtime routine without screens is worth another week.",
    "Setting a boundary can be one short sentence.",
    "Perhaps you could be kinder to yourself there.",
    "The grounding exercise with five things you can see works anywhere.",
)
_PROGRESS = (
    "I managed to take a walk on three days and felt calmer.",
    "The breathing helped, I felt lighter afterwards.",
    "I am proud that I said no to the extra shift.",
    "I slept better on two nights.",
    "I called a friend and enjoyed it more than I expected.",
    "I feel hopeful that it can get better.",
    "Writing in the journal made it smaller.",
)
_CLOSINGS = (
    "I will write down one good moment each day until next week.",
    "I am going to try the walk before work.",
    "Let us come back to the argument with your sister next time.",
    "Next session we will look at the thought record together.",
    "We agreed to keep the sleep routine for another week.",
)


def generate_transcript(rng: random.Random) -> str:
    """Generate a transcript of about 3 kB: opening, exchanges, closing."""
    lines = [f"Therapist: {rng.choice(_OPENINGS)}"]
    for _ in range(rng.randint(9, 14)):
        lines += [
            f"Client: {rng.choice(_PROBLEMS)} {rng.choice(_PROBLEMS)}",
            f"Therapist: {rng.choice(_QUESTIONS)}",
            f"Client: {rng.choice(_PROGRESS if rng.random() < 0.6 else _PROBLEMS)}",
            f"Therapist: {rng.choice(_SUGGESTIONS)}",
        ]
    lines += [f"Client: {rng.choice(_PROGRESS)}", f"Therapist: {rng.choice(_CLOSINGS)}"]
    return "\n".join([*lines, f"Client: {rng.choice(_CLOSINGS)}"])
