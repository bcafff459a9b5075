"""A person who labels, simulated: texts whose labels are known are asked for as a strategy wants them."""
from pet_keras.classifiers.active.learner import ActiveLearner
from pet_keras.data.spool import Relabelled

_FIRST = 20  # texts that are asked for before the first training, and at least so many between two
_BATCH = 20  # of them the strategy chooses so many at once


def choose_labelled(classifier, pile, strategy, n, seed=0, **settings):
    """The `n` texts of a pile that a strategy has labelled, a list of Example.

    The first 20 are chosen by the zero-shot guesses. Then the model learns from what is labelled, the strategy chooses
    as many again by what it then thinks of the pile, and so on: at 20, 40, 80, 160, … labels.

    Arguments:
        classifier: an untrained classifier, as ActiveLearner takes it; it is left untrained.
        pile: a list of Example with labels.
        strategy: one of `strategies.STRATEGIES`.
        n: at most as many as the pile has texts.
        settings: of the trainings between, see `TextClassifier.fit`.
    """
    learner, answers = ActiveLearner(classifier, Relabelled(pile), strategy, seed, **settings), {}
    learner.score(len(pile))
    first = n if strategy == 'random' else _FIRST  # chance asks no model
    while len(answers) < n:
        if answers:
            learner.train(answers)
            learner.score(len(pile))
        wanted = min(max(first, len(answers)), n - len(answers))
        answers.update({int(i): pile[i].label for i in learner.choose(wanted, answers, _BATCH)})
    learner.restart()
    return [pile[i] for i in answers]
