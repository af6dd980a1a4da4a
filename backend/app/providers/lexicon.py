"""Word lists of the rule-based extractor.

Each list maps a label in the notes to word stems. A stem matches any word that begins with it, so
"sleep" matches "sleeping" and "sleepless".
"""

TOPICS = {
    "work": ("work", "job", "boss", "colleague", "office", "deadline", "career", "manager"),
    "family": ("family", "mother", "father", "parent", "sister", "brother", "child", "daughter"),
    "relationship": ("partner", "husband", "wife", "relationship", "marriage", "boyfriend"),
    "sleep": ("sleep", "insomnia", "nightmare", "awake", "tired", "exhaust"),
    "anxiety": ("anxi", "panic", "worr", "nervous", "afraid", "fear"),
    "low mood": ("depress", "hopeless", "empty", "numb", "sad", "crying"),
    "grief": ("grief", "griev", "funeral", "mourn", "passed away"),
    "health": ("doctor", "medic", "illness", "pain", "headache", "hospital"),
    "friends": ("friend", "lonely", "alone", "isolat"),
    "money": ("money", "debt", "rent", "bills", "afford"),
    "school": ("school", "exam", "university", "college", "studying", "teacher"),
    "alcohol and drugs": ("alcohol", "drink", "drunk", "drug", "sober"),
}

STRATEGIES = {
    "breathing exercise": ("breath",),
    "grounding": ("grounding", "five things"),
    "mindfulness": ("mindful", "meditat"),
    "journaling": ("journal", "write down", "writing down", "wrote down"),
    "cognitive reframing": ("refram", "another way to look", "evidence for", "thought record"),
    "graded exposure": ("exposure", "step by step", "small steps"),
    "behavioural activation": ("schedul", "routine", "walk"),
    "sleep routine": ("bedtime", "sleep routine", "screens"),
    "boundaries": ("boundar", "saying no", "say no"),
    "self-compassion": ("self-compassion", "kind to yourself", "kinder to myself"),
    "asking for support": ("support group", "ask for help", "asked for help", "reach out"),
}

EMOTIONS = {
    "anxiety": ("anxi", "panic", "worr", "nervous", "afraid", "scared", "overwhelm"),
    "sadness": ("sad", "crying", "cried", "tears", "hopeless", "empty", "depress"),
    "anger": ("angry", "anger", "furious", "irritat", "frustrat"),
    "guilt and shame": ("guilt", "ashamed", "shame", "my fault"),
    "loneliness": ("lonely", "loneliness", "alone", "isolat"),
    "hope": ("hopeful", "hoping", "looking forward", "optimis"),
    "relief and calm": ("relie", "calm", "peaceful", "lighter", "relax"),
    "pride": ("proud", "pride", "accomplish", "managed to"),
}

POSITIVE = (
    *("better", "good", "great", "happy", "hopeful", "calm", "calmer", "proud", "relie", "enjoy"),
    *("improv", "lighter", "progress", "managed", "grateful", "confident", "peaceful", "relax"),
)
NEGATIVE = (
    *("worse", "bad", "terrible", "awful", "sad", "anxi", "panic", "hopeless", "afraid", "angry"),
    *("worr", "overwhelm", "exhaust", "lonely", "guilt", "asham", "cry", "cried", "stress", "numb"),
)

TRIGGER_PHRASES = ("whenever", "every time", "each time", "because of", "triggered", "sets me off")

ACTION_PHRASES = (
    *("i will", "i'll", "i am going to", "i'm going to", "homework", "this week try", "let us try"),
    *("let's try", "plan to", "agreed to", "until next"),
)

FOLLOW_UP_PHRASES = ("next session", "next time", "next week", "follow up", "come back to")

# Deliberately broad, because a missed risk costs more than a false alarm. Phrases match in any
# sentence, negated or not.
RISKS = {
    "suicidal thoughts mentioned": (
        *("suicid", "kill myself", "end my life", "end it all", "not be here anymore"),
        *("better off dead", "want to die", "no reason to live"),
    ),
    "self-harm mentioned": ("self-harm", "self harm", "hurt myself", "cut myself", "cutting"),
    "harm to others mentioned": ("kill him", "kill her", "hurt him", "hurt her", "hurt someone"),
    "abuse mentioned": ("abuse", "abusive", "hits me", "hit me", "beats me", "assault"),
    "substance misuse mentioned": ("overdose", "relaps", "drunk", "blackout"),
}
