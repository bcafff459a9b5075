"""PromptServer: several prompts on one frozen model."""
import os

import numpy as np

from pet_keras.backend import keras, tf
from pet_keras.cloze.cloze import Cloze, ask, merge_scores, score_words
from pet_keras.cloze.pattern import tokenize
from pet_keras.cloze.task import Task
from pet_keras.errors import UserError
from pet_keras.networks.models import build, model_inputs
from pet_keras.networks.prompts import read_prompt


class PromptServer(object):
    """Several prompts on one frozen model, any mix of them in one batch.

    In the sequences each prompt's tokens have ids of their own beyond the vocabulary; at the blank each
    text is compared with its own task's label words.

    Arguments: `folders`, dict name → prompt folder; `checkpoint`, a Checkpoint, or None where the prompts
    were trained.

    Raises: UserError where a prompt is of another checkpoint.

    >>> server = PromptServer({'reviews': 'p1', 'headlines': 'p2'})                 # doctest: +SKIP
    >>> server.predict([('reviews', '房间很干净'), ('headlines', '股市今日大涨')])   # doctest: +SKIP
    ['正面', '股票']
    """
    def __init__(self, folders, checkpoint=None):
        if not folders or not isinstance(folders, dict):
            raise UserError('Give at least one prompt folder, in a dict of name: folder.')
        self.names, prompts = list(folders), []
        for folder in folders.values():
            fields, rows, checkpoint = read_prompt(folder, checkpoint)
            prompts.append((Task.load(os.path.join(folder, 'task.json')), fields, rows))
        vocab, size = checkpoint.vocab, len(checkpoint.vocab)
        self.tasks, self.clozes, self.tokenizer = [], [], checkpoint.tokenizer()
        all_rows = np.concatenate([rows for _, _, rows in prompts])
        self.transformer = build(checkpoint, return_keras_model=False,
                                 prompt={'trainable_token_ids': range(size, size + len(all_rows))})
        self.transformer.layers['Embedding-Token'].set_prompt(all_rows)
        table = np.concatenate([self.transformer.layers['Embedding-Token'].embeddings.numpy(), all_rows])
        bias = self.transformer.layers.get('MLM-Bias')
        bias = np.zeros(size, 'float32') if bias is None else bias.beta.numpy()
        heads, start = [], size
        for task, fields, rows in prompts:
            own = {token: start + i for i, token in enumerate(fields['tokens'])}
            original = np.concatenate([np.arange(size), np.zeros(len(all_rows), int)])
            known = {token: i for token, i in own.items() if token in vocab}  # the others have no logit
            original[list(known.values())] = [vocab[token] for token in known]
            tokenizer = checkpoint.tokenizer()
            tokenizer._token_dict = dict(vocab, **own)
            cloze = Cloze(task.pattern(fields['pattern']), task.verbalizer.token_ids(tokenizer), tokenizer,
                          fields['maxlen'], checkpoint.is_causal)
            self.tasks.append(task)
            self.clozes.append(cloze)
            heads.append((cloze.columns, list(known.values()), [vocab[token] for token in known], original))
            start += len(rows)
        self._model = keras.models.Model(self.transformer.inputs, self.transformer.features)
        self._words = _stack([(table[columns], bias[original[columns]]) for columns, _, _, original in heads])
        self._own = _stack([(table[own], bias[original[own]]) for _, own, _, original in heads])
        replaced = np.zeros((len(heads), size), bool)  # each task's tokens: its own rows stand for the table's
        for mask, (_, _, ids, _) in zip(replaced, heads):
            mask[ids] = True
        self._table, self._bias, self._replaced = table[:size], bias, replaced

    @tf.function(reduce_retracing=True)
    def _score(self, task, token_ids, segment_ids, positions):
        """Log-probabilities of each text's own columns, normalised over its own vocabulary."""
        inputs = model_inputs(self._model, token_ids, segment_ids, positions)
        features = tf.cast(self._model(inputs, training=False), 'float32')

        def logits(head):
            rows, bias = (tf.gather(part, task) for part in head)
            return tf.einsum('bnh,bwh->bnw', features, rows) + bias[:, None]
        everything = tf.einsum('bnh,vh->bnv', features, self._table) + self._bias
        everything = tf.where(tf.gather(self._replaced, task)[:, None], -np.inf, everything)
        total = tf.reduce_logsumexp(tf.concat([everything, logits(self._own)], -1), -1, keepdims=True)
        return logits(self._words) - total

    def predict_log_proba(self, items, batch_size=64):
        """One float64 array of label log-probabilities for each `(name, text)` or `(name, text, text)`."""
        items, questions, rows, tasks = list(items), [], [], []
        for row, item in enumerate(items):
            if isinstance(item, str):
                raise UserError('An item is (name of the prompt, text), not a text alone.')
            name, *texts = item
            if name not in self.names:
                raise UserError('No prompt %r; there are %s.' % (name, ', '.join(self.names)))
            k = self.names.index(name)
            if not texts:
                raise UserError('Prompt %r was asked about no text: an item is (name, text).' % name)
            self.clozes[k].pattern.texts(*texts)
            tokens = [self.tokenizer.tokens_to_ids(tokenize(self.tokenizer, text)) for text in texts]
            asked, where = ask(self.clozes[k], [tokens], [row])
            questions, rows, tasks = questions + asked, rows + where, tasks + [k] * len(asked)
        tasks = np.array(tasks, 'int32')
        scores = score_words(questions, rows, lambda batch, *arrays: self._score(tasks[batch], *arrays), batch_size)
        result = []
        for (name, *_), case in zip(items, scores):
            k = self.names.index(name)
            result.append(merge_scores([case], self.tasks[k].verbalizer, self.clozes[k].words)[0])
        return result

    def predict(self, items, batch_size=64):
        """The likeliest label of each item, a list of str."""
        items = list(items)
        return [self.tasks[self.names.index(item[0])].labels[int(scores.argmax())]
                for item, scores in zip(items, self.predict_log_proba(items, batch_size))]


def _stack(heads):
    """[(rows [w, h], bias [w])] of different w → float32 arrays [tasks, most, h] and [tasks, most], padded with
    words of no probability."""
    most = max(len(bias) for _, bias in heads)
    return (np.stack([np.pad(rows, ((0, most - len(rows)), (0, 0))) for rows, _ in heads]),
            np.stack([np.pad(bias, (0, most - len(bias)), constant_values=-np.inf) for _, bias in heads]))
