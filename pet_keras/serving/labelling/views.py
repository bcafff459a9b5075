"""What the page shows, as dicts for JSON."""
import numpy as np

from pet_keras.serving.labelling.tasks import filled

SHOWN = 50  # texts of a list at once


def view_of(session, board, place):
    """A text: id, texts, label ('' skipped, None not answered), guess (label → probability, or None)."""
    key, guess = session.ids[place], board.guess(place)
    return {'id': key, 'texts': [text for text in session.examples[place][:2] if text is not None],
            'label': session.said(key),
            'guess': None if guess is None else dict(zip(session.task.labels, np.round(guess, 4).tolist()))}


def state_of(session, board, strategy, folder, words=None):
    """All that the page shows beside texts. Arguments: `words`, dict label → words, while there is no task yet."""
    task, labelled = session.task, session.labelled()
    found = {'texts': len(session.examples), 'labelled': len(labelled), 'skipped': len(session.skipped()),
             'last': session.last(), 'balance': session.balance(), 'strategy': strategy, 'folder': folder,
             'task': None, 'words': words, 'doing': board.doing, 'problem': board.problem,
             'warnings': board.warnings, 'scored': board.scored, 'model': board.model, 'curve': board.curve,
             'agreement': board.agreement, 'stable': board.is_stable, 'finished': board.is_finished,
             'saved': board.model_folder()}
    if task is not None:
        found['task'] = {'name': task.name, 'description': task.description, 'labels': task.labels,
                         'pattern': board.pattern}
    return found


def proposals_of(session, board, words):
    """The proposed patterns, filled in with the first text; None while they are made."""
    found, example = board.proposals, session.examples[0]
    if found is None or isinstance(found, str):
        return {'proposals': None, 'problem': found}
    example = example._replace(text=example.text[:80])
    return {'problem': None, 'proposals': [{'pattern': pattern, 'bits': round(bits, 4),
                                            'filled': filled(words, pattern, example)} for pattern, bits in found]}


def list_of(session, board, search='', labelled=False, start=0):
    """Texts that hold `search`, whatever the case, SHOWN at a time: those to look at again first, then the latest.

    To look at again: the model that did not learn from it takes another label for likelier than the person's.

    Returns: dict with `texts`, `total`, and `doubtful`, how many of them are to be looked at again.
    """
    labels, search = session.labelled(), search.lower()

    def holds(place):
        return not search or any(text and search in text.lower() for text in session.examples[place][:2])
    places = [session.index[key] for key in reversed(labels)]
    found = [place for place in places if holds(place)]
    doubts = {place: doubt for place in found if (doubt := _doubt(session, board, place)) > 0}
    found = sorted(doubts, key=lambda place: -doubts[place]) + [place for place in found if place not in doubts]
    if not labelled:
        known = set(places)
        found += [place for place in range(len(session.examples)) if place not in known and holds(place)]
    return {'total': len(found), 'doubtful': len(doubts),
            'texts': [dict(view_of(session, board, place), doubtful=place in doubts)
                      for place in found[start:start + SHOWN]]}


def _doubt(session, board, place):
    """How much likelier the model takes another label than the person's, in probability; 0: it agrees, or is silent."""
    guess, label = board.guess(place), session.said(session.ids[place])
    return 0. if guess is None else float(guess.max() - guess[session.task.labels.index(label)])
