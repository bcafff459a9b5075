"""Encoded sequences → padded batches of similar length."""
import numpy as np

from pet_keras.errors import UserError


def pad(sequences, length=None, dtype='int32'):
    """Lists of numbers → array `[batch, longest]`, padded with 0 (`[PAD]`)."""
    length = length or max(map(len, sequences))
    padded = np.zeros((len(sequences), length), dtype)
    for row, sequence in zip(padded, sequences):
        row[:len(sequence)] = sequence
    return padded


def batches_by_length(lengths, batch_size):
    """Index arrays of at most `batch_size`, each of sequences of similar length, longest first."""
    order = np.argsort(-np.asarray(lengths, int), kind='stable')
    return [order[i:i + batch_size] for i in range(0, len(order), batch_size)]


def lesson_batches(batches, auxiliary_weight=None):
    """Lists of Lessons → padded arrays `((token_ids, segment_ids, positions), (targets, weights))`.

    The loss is the sum of the targets' cross-entropies, each times its weight; padding has the weight 0. The
    weights of a batch's answers sum to 1, and those of its auxiliary targets to `auxiliary_weight`, or to 1
    where there are no answers. None makes one mean of both (kexue.fm 7764), in which an answer weighs the less
    the longer the texts beside it are.
    """
    for batch in batches:
        ids, segments, positions, targets, weights, answers = zip(*batch)
        n = max(1, max(map(len, positions)))
        weights = pad(weights, n, 'float32')
        answer = np.arange(n) < np.array(answers)[:, None]
        parts = [(np.ones_like(answer), 1.)] if auxiliary_weight is None or not any(answers) else [
            (answer, 1.), (~answer, auxiliary_weight)]
        for part, share in parts:
            weights[part] *= share / max(weights[part].sum(), 1e-9)
        yield (pad(ids), pad(segments), pad(positions, n)), (pad(targets, n), weights)


def question_batches(examples, batch_size):
    """`(indices of the examples, token_ids, segment_ids, positions)`, sequences of one example side by side.

    Where words are the examples' own, these are the fifth: int `[examples, questions, labels, tokens]`, -1 where there
    is none.

    Arguments: `examples`, a list of Questions each; `batch_size`, sequences in a batch (at least one
    example's). The examples of a batch have equally many questions.
    """
    if batch_size < 1:
        raise UserError('batch_size is at least 1.')
    counts = np.array([len(questions) for questions in examples], int)
    lengths = np.array([max(len(q.token_ids) for q in questions) for questions in examples], int)
    for count in np.unique(counts):
        # by their tokens: in whatever order texts come, each stands in the same place of the same batch
        same = np.array(sorted(np.flatnonzero(counts == count), key=lambda i: examples[i][0].token_ids))
        for batch in batches_by_length(lengths[same], max(1, batch_size // count)):
            ids, segments, positions, words = zip(*[q for i in same[batch] for q in examples[i]])
            positions = pad(positions)
            own = [_pad_words(words, count, positions.shape[1])] if words[0] else []
            yield (same[batch], pad(ids), pad(segments), positions, *own)


def _pad_words(questions, count, tokens):
    """Token ids of the words of each question, `count` an example → int32 `[examples, count, labels, tokens]`."""
    padded = np.full((len(questions), len(questions[0]), tokens), -1, 'int32')
    for row, words in zip(padded, questions):
        for place, ids in zip(row, words):
            place[:len(ids)] = ids
    return padded.reshape(-1, count, *padded.shape[1:])
