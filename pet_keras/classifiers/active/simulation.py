"""A person who labels, simulated: texts whose labels are known are asked for as a strategy wants them."""
import itertools

from pet_keras.classifiers.active.learner import ActiveLearner
from pet_keras.data.spool import Relabelled

_FIRST = 20  # texts that are asked for before the first training, and at least so many between two
_BATCH = 20  # of them the strategy chooses so many at once


def learn_as_asked(classifier, pile, strategy, counts, seed=0, **settings):
    """Teaches a classifier the texts of a pile that a strategy has labelled: yields the texts, a list of Example, each
    time that it has learned from so many.

    The first 20 are chosen by the zero-shot guesses. Then the model learns from what is labelled, the strategy chooses
    as many again by what it then thinks of the pile, and so on: at 20, 40, 80, 160, … labels. Which those are does not
    depend on the counts.

    Arguments:
        classifier: an untrained classifier, as ActiveLearner takes it.
        pile: a list of Example with labels.
        strategy: one of `strategies.STRATEGIES`.
        counts: how many texts, ascending; at most as many as the pile has.
        settings: of the trainings, see `TextClassifier.fit`.
    """
    learner, answers = ActiveLearner(classifier, Relabelled(pile), strategy, seed, **settings), {}
    while len(answers) < counts[-1]:
        before, whole = len(answers), min(max(_FIRST, 2 * len(answers)), len(pile))
        after = min(whole, counts[-1])
        learner.score(len(pile))
        if strategy == 'random':  # chance asks no model
            whole = after = counts[-1]
        chosen = learner.choose(whole - before, answers, _BATCH)[:after - before]
        answers.update({int(i): pile[i].label for i in chosen})
        for n in [n for n in counts if before < n < after] + [after]:
            some = dict(itertools.islice(answers.items(), n))
            if n == after < counts[-1]:  # more are chosen by what this model says
                learner.train(some)
            else:
                learner.learn(some)
            if n in counts:
                yield [pile[i] for i in some]
