"""PromptServer: several prompts on one frozen model."""
import copy

import numpy as np

from pet_keras.backend import keras, tf
from pet_keras.classifiers.model_folder import damaged, find_checkpoint, read_added, read_header, read_task
from pet_keras.cloze.batching import pad, question_batches
from pet_keras.cloze.cloze import Cloze
from pet_keras.cloze.pattern import tokenize
from pet_keras.errors import UserError
from pet_keras.networks.fill import fill_mask
from pet_keras.networks.label_scores import LabelScores
from pet_keras.networks.models import build, model_inputs
from pet_keras.networks.tuning import Prompt
from pet_keras.serving.answers import check_servable


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
            fields, rows, checkpoint = _read_prompt(folder, checkpoint)
            prompts.append((read_task(folder), fields, rows))
            check_servable(prompts[-1][0], fields.get('long'))
        self.checkpoint, vocab, size = checkpoint, checkpoint.vocab, len(checkpoint.vocab)
        self.tasks, self.clozes, self.tokenizer = [], [], checkpoint.tokenizer()
        all_rows = np.concatenate([rows for _, _, rows in prompts])
        tuning = Prompt(range(size, size + len(all_rows)))
        self.transformer = build(checkpoint, return_keras_model=False, tuning=tuning)
        tuning.embedding.set_prompt(all_rows)
        table = np.concatenate([tuning.embedding.embeddings.numpy(), all_rows])
        bias = self.transformer.layers.get('MLM-Bias')
        bias = np.zeros(size, 'float32') if bias is None else bias.beta.numpy()
        heads, start = [], size
        for task, fields, rows in prompts:
            own = {token: start + i for i, token in enumerate(fields['prompt_tokens'])}
            original = np.concatenate([np.arange(size), np.zeros(len(all_rows), int)])
            known = {token: i for token, i in own.items() if token in vocab}  # the others have no logit
            original[list(known.values())] = [vocab[token] for token in known]
            tokenizer = checkpoint.tokenizer()
            tokenizer._token_dict = dict(vocab, **own)
            pattern = task.pattern(fields['pattern'])
            cloze = Cloze(pattern, task.verbalizer_of(pattern).token_ids(tokenizer), tokenizer, fields['maxlen'],
                          checkpoint.is_causal)
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
        verbalizers = [task.verbalizer_of(cloze.pattern) for task, cloze in zip(self.tasks, self.clozes)]
        self._label_scores = LabelScores([(cloze.answers, verbalizer.aggregation, verbalizer.word_score)
                                          for cloze, verbalizer in zip(self.clozes, verbalizers)])
        self._label_scores.build(None)
        self._label_scores.offset.assign(pad([fields.get('offset', []) for _, fields, _ in prompts],
                                             self._label_scores.offset.shape[1], 'float64'))

    @tf.function(reduce_retracing=True)
    def _score(self, task, token_ids, segment_ids, positions):
        """Scores of each text's own labels; its words are normalised over its own vocabulary.

        Arguments: `task` int `[texts]`; the others `[texts * questions, …]`.
        """
        inputs = model_inputs(self._model, token_ids, segment_ids, positions)
        features = tf.cast(self._model(inputs, training=False), 'float32')
        each = tf.repeat(task, tf.shape(token_ids)[0] // tf.shape(task)[0])

        def logits(head):
            rows, bias = (tf.gather(part, each) for part in head)
            return tf.einsum('bnh,bwh->bnw', features, rows) + bias[:, None]
        everything = tf.einsum('bnh,vh->bnv', features, self._table) + self._bias
        everything = tf.where(tf.gather(self._replaced, each)[:, None], -np.inf, everything)
        total = tf.reduce_logsumexp(tf.concat([everything, logits(self._own)], -1), -1, keepdims=True)
        return self._label_scores(logits(self._words) - total, task)

    def predict_log_proba(self, items, batch_size=32):
        """One float64 array of label log-probabilities for each `(name, text)` or `(name, text, text)`."""
        tasks, questions = [], []
        for item in items:
            if isinstance(item, str):
                raise UserError('An item is (name of the prompt, text), not a text alone.')
            name, *texts = item
            k = self._index(name)
            if not texts:
                raise UserError('Prompt %r was asked about no text: an item is (name, text).' % name)
            self.clozes[k].pattern.texts(*texts)
            tasks.append(k)
            questions.append(self.clozes[k].questions(
                [self.tokenizer.tokens_to_ids(tokenize(self.tokenizer, text)) for text in texts]))
        result, tasks = [None] * len(tasks), np.array(tasks, 'int32')
        for batch, *inputs in question_batches(questions, batch_size):
            for i, scores in zip(batch, self._score(tasks[batch], *inputs).numpy()):
                scores = scores[:len(self.tasks[tasks[i]].labels)]
                result[i] = scores - np.logaddexp.reduce(scores)
        return result

    def predict(self, items, batch_size=32):
        """The likeliest label of each item, a list of str."""
        items = list(items)
        return [self.tasks[self.names.index(item[0])].labels[int(scores.argmax())]
                for item, scores in zip(items, self.predict_log_proba(items, batch_size))]

    def fill_mask(self, name, texts, top=10):
        """What the frozen model writes in the blanks of texts, in which a prompt's tokens (`[unused1]`…) are its own.

        Arguments, result and errors as in `networks.fill.fill_mask`. As an answer a token is always the vocabulary's.
        """
        own = copy.copy(self.checkpoint)
        own.tokenizer = lambda: self.cloze_of(name).tokenizer
        return fill_mask(texts, own, top, model=self.transformer.model)

    def cloze_of(self, name):
        """A prompt's Cloze; UserError where there is no such prompt."""
        return self.clozes[self._index(name)]

    def task_of(self, name):
        """A prompt's Task; UserError where there is no such prompt."""
        return self.tasks[self._index(name)]

    def _index(self, name):
        if name not in self.names:
            raise UserError('No prompt %r; there are %s.' % (name, ', '.join(self.names)))
        return self.names.index(name)


def _read_prompt(folder, checkpoint):
    """`(fields, rows, Checkpoint)` of a prompt folder; UserError where it is none."""
    fields = read_header(folder)
    if fields['tuning']['train'] != 'prompt':
        raise UserError('%s is not a prompt, but a model tuned with train=%r: it needs a network of its own, see '
                        'pet_keras.load.' % (folder, fields['tuning']['train']))
    for key in ('pattern', 'prompt_tokens'):
        if fields.get(key) is None:
            raise damaged(folder, KeyError(key))
    checkpoint = find_checkpoint(folder, fields, checkpoint)
    rows, width = read_added(folder).get('prompt'), checkpoint.config.get('embedding_size',
                                                                           checkpoint.config['hidden_size'])
    if rows is None or rows.shape != (len(fields['prompt_tokens']), width):
        raise UserError('%s is damaged: its rows have shape %s, not %s.' % (
            folder, None if rows is None else rows.shape, (len(fields['prompt_tokens']), width)))
    return fields, rows, checkpoint


def _stack(heads):
    """[(rows [w, h], bias [w])] of different w → float32 arrays [tasks, most, h] and [tasks, most], padded with
    words of no probability."""
    most = max(len(bias) for _, bias in heads)
    return (np.stack([np.pad(rows, ((0, most - len(rows)), (0, 0))) for rows, _ in heads]),
            np.stack([np.pad(bias, (0, most - len(bias)), constant_values=-np.inf) for _, bias in heads]))
