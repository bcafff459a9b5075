"""Patterns for labels that have no task yet."""
from pet_keras.cloze.pattern import Pattern
from pet_keras.experiments.proposals import mined_patterns
from pet_keras.experiments.ranking import rank_patterns
from pet_keras.serving.labelling.tasks import make_task

# what suits nouns (a kind of text, a topic) and judgements alike; BLANK is as long as the longest word
_PATTERNS = ('BLANK：{text}', '这是BLANK。{text}', '{text}。这是BLANK。', '下面是关于BLANK的内容。{text}',
             '{text}。总的来说，BLANK。', '{text}。类别：BLANK')
_READ = 200  # texts that patterns are ranked on


def propose(words, examples, checkpoint, most=6):
    """Patterns for these labels, the best first, as a list of (pattern string, information in bits).

    Half a dozen that suit most labels, and some mined from the texts (`proposals.mined_patterns`), ranked by how much
    the answers depend on the text (`ranking.rank_patterns`): no label is needed for that.

    Arguments: `words`, dict label → words; `examples`, list of Example, of one text each; `checkpoint`, a Checkpoint.

    Raises: UserError where a label word is not in the vocabulary.
    """
    blank = '[MASK]' * max(len(word) for those in words.values() for word in those)
    strings = [pattern.replace('BLANK', blank) for pattern in _PATTERNS]
    strings += mined_patterns(make_task(words, strings), examples, most=3)
    if checkpoint.is_causal:
        strings = [string for string in strings if Pattern(string).mask_is_last]
    ranked = rank_patterns(make_task(words, strings), [(string, string, None) for string in strings],
                           examples[:_READ], checkpoint=checkpoint)
    return [(one.pattern, one.information) for one in ranked[:most]]
