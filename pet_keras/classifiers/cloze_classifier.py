"""ClozeClassifier: a text classifier that fills a blank."""
import json
import os

from pet_keras.backend import keras, set_seed, tf
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers.text_classifier import TextClassifier
from pet_keras.cloze.cloze import Cloze, ask, lesson_batches, merge_scores, score_words
from pet_keras.cloze.pattern import Pattern
from pet_keras.cloze.prompt_pattern import prompt_tokens
from pet_keras.cloze.task import Task
from pet_keras.errors import UserError
from pet_keras.networks.losses import masked_crossentropy
from pet_keras.networks.models import build, label_word_model, model_inputs
from pet_keras.networks.prompts import add_tokens, initial_rows, load_prompt, save_prompt, write_json


class ClozeClassifier(TextClassifier):
    """Classifies a text by the word that a language model puts into the blank of a pattern.

    It works before any training (zero-shot) and learns from labelled texts, unlabelled texts, or both
    (`fit`). Source: kexue.fm 7764; arXiv 2001.07676, section 3. With `train='prompt'` only the rows of the
    pattern's and label words' `[unused]` tokens train: kexue.fm 8295; arXiv 2103.10385.

    Arguments:
        task: a Task, a shipped task's name or a task's JSON file.
        checkpoint: a Checkpoint, a folder in Google's format, or a shipped model's name.
        pattern: a name in the task, or a pattern of your own; None takes the task's first.
        maxlen: longest sequence in tokens; at most what the checkpoint allows. Longer texts are cut.
        train: 'all' weights, or 'prompt': the `[unused]` tokens' rows alone.
        prompt_encoder: of the `[unused]` tokens: None, 'lstm' or 'mlp', see PromptEncoder.
        prompt_init: the pattern's `[unused]` tokens start from 'unused' (their rows as they are), 'random' rows, or
            'words' (those of the task's first natural pattern). An encoder reads this start, and puts out its own.
        seed: of the random rows and the encoder's weights.

    With train='prompt' a pattern may have more `[unused]` tokens than the vocabulary: they start at random.

    Raises: UserError where task and checkpoint do not fit: no MLM head, a label word outside the vocabulary.

    >>> ClozeClassifier('sentiment').predict(['房间很干净，服务也热情', '又吵又脏，再也不来了'])
    ['正面', '负面']
    """
    loss = staticmethod(masked_crossentropy)

    def __init__(self, task='sentiment', checkpoint='bert-mini-zh', pattern=None, maxlen=128, train='all',
                 prompt_encoder=None, prompt_init='unused', seed=0):
        self.task = task if isinstance(task, Task) else Task.load(task)
        self.checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
        self.tokenizer = self.checkpoint.tokenizer()
        self.maxlen = min(maxlen, self.checkpoint.max_position or maxlen)
        if train not in ('all', 'prompt'):
            raise UserError("train=%r: choose 'all' or 'prompt'." % train)
        if seed < 0:
            raise UserError('seed is 0 or more.')
        self.words = self.task.verbalizer.token_ids(self.tokenizer)
        pattern = self.task.pattern(pattern)
        self.prompt_tokens = prompt_tokens(pattern, self.task.verbalizer)
        if train == 'prompt':
            add_tokens(self.tokenizer, self.prompt_tokens)
        self.pattern = pattern
        self.train, self.history, self._scorer, prompt = train, [], None, None
        self.train_settings = [train, prompt_encoder, prompt_init]
        if self.prompt_tokens:
            prompt = {'trainable_token_ids': self.tokenizer.tokens_to_ids(self.prompt_tokens),
                      'encoder': prompt_encoder, 'trainable_table': train == 'all'}
            if prompt_encoder:
                set_seed(seed)
        elif self.train_settings != ['all', None, 'unused']:
            raise UserError("Pattern %r has no [unused] token, which train='prompt', prompt_encoder and prompt_init are "
                            "about. prompt_pattern(8), or --prompt-tokens 8, is a pattern of them." % pattern.string)
        self.transformer = build(self.checkpoint, return_keras_model=False, prompt=prompt)
        self.model = self.transformer.model
        if self.prompt_tokens:
            self.embedding.set_prompt(initial_rows(self, prompt_init, seed))

    @property
    def pattern(self):
        return self.cloze.pattern

    @pattern.setter
    def pattern(self, pattern):
        pattern = pattern if isinstance(pattern, Pattern) else self.task.pattern(pattern)
        if prompt_tokens(pattern, self.task.verbalizer) != self.prompt_tokens:
            raise UserError('This classifier was built for %s; for pattern %r build another.' % (
                'the prompt tokens ' + ' '.join(self.prompt_tokens) if self.prompt_tokens else
                'patterns without [unused] tokens', pattern.string))
        self.cloze = Cloze(pattern, self.words, self.tokenizer, self.maxlen, self.checkpoint.is_causal)

    @property
    def embedding(self):
        """The token Embedding layer."""
        return self.transformer.layers['Embedding-Token']

    def _score(self, *batch):
        """`(token_ids, segment_ids, positions)` → log-probabilities `[batch, n, columns]`, up to a constant."""
        if self._scorer is None:
            whole, columns = self.cloze.needs_whole_vocabulary, self.cloze.columns
            model = self.model if whole else label_word_model(self.transformer, columns)

            @tf.function(input_signature=[tf.TensorSpec([None, None], 'int32')] * 3)
            def score(token_ids, segment_ids, positions):
                inputs = model_inputs(model, token_ids, segment_ids, positions)
                logits = tf.cast(model(inputs, training=False), 'float32')
                return tf.gather(tf.nn.log_softmax(logits), columns, axis=-1) if whole else logits
            self._scorer = score.get_concrete_function()
        return self._scorer(*map(tf.constant, batch))

    def predict_log_proba(self, examples, batch_size=64, verbose=0):
        """Log-probabilities of the labels, float64 `[len(examples), len(labels)]`.

        Arguments: `examples` as in `predict`; `verbose` 1 shows a progress bar.
        """
        examples = self.examples(examples)
        questions, rows = ask(self.cloze, [self.tokenize(e) for e in examples])
        bar = keras.utils.Progbar(len(questions), unit_name='text') if verbose else None
        scores = score_words(questions, rows, lambda _, *batch: self._score(*batch), batch_size, bar and bar.add)
        return merge_scores(scores, self.task.verbalizer, self.words)

    def fit(self, labelled=None, unlabelled=None, dev=None, **settings):
        """Continues the model's own training on the cloze; the data given decide the regime.

        unlabelled only: continued MLM pretraining. labelled only: few-shot. Both: semi-supervised.
        In a labelled text the blank and random masks carry the loss, in an unlabelled one random masks.
        Arguments, result and errors: see TextClassifier.fit.
        """
        if unlabelled and self.train == 'prompt':
            raise UserError("Unlabelled texts stand in no pattern, so they teach a prompt nothing: leave them out, or "
                            "let all weights learn from them first (train='all').")
        super(ClozeClassifier, self).fit(labelled, unlabelled, dev, **settings)
        if self.prompt_tokens:
            self.embedding.absorb_encoder()
            self.train_settings[1] = None
            self._scorer = None  # it was traced with the encoder
        return self

    def lesson(self, *arguments):
        """What the Trainer shows of one example: see `Cloze.lesson`."""
        return self.cloze.lesson(*arguments)

    def batches(self, lessons, order):
        """What the Trainer feeds the model."""
        for inputs, targets in lesson_batches(lessons, order):
            yield tuple(model_inputs(self.model, *inputs)), targets

    def save(self, folder):
        """Writes a folder that `load` reads.

        With train='all' it is itself a checkpoint in Google's format; with 'prompt' it holds the prompt's
        rows alone, a few kilobytes. UserError where the folder holds a model of the other kind.
        """
        other = 'classifier.json' if self.train == 'prompt' else 'prompt.json'
        if os.path.exists(os.path.join(folder, other)):
            raise UserError('%s holds another model (%s): choose another folder.' % (folder, other))
        if self.train == 'prompt':
            return save_prompt(self, folder)
        if self.prompt_tokens:
            self.embedding.prompt_to_table()
        self.checkpoint.write(folder, self.transformer)
        self.task.save(os.path.join(folder, 'task.json'))
        write_json(os.path.join(folder, 'classifier.json'),
                   {'pattern': self.pattern.string, 'maxlen': self.maxlen, 'history': self.history,
                    'application': self.checkpoint.application})

    @classmethod
    def load(cls, folder, checkpoint=None):
        """The classifier that `save` wrote; UserError where the folder is not one.

        Arguments: `checkpoint`, for a prompt: where its checkpoint is now, if not where it was.
        """
        if os.path.isfile(os.path.join(folder, 'prompt.json')):
            return load_prompt(cls, folder, checkpoint)
        path = os.path.join(folder, 'classifier.json')
        if not os.path.isfile(path):
            raise UserError('%s holds no classifier.json: it is not a model that pet_keras trained%s.' % (
                folder, '' if os.path.isdir(folder) else ' (there is no such folder)'))
        if checkpoint is not None:
            raise UserError('%s holds a whole model, so it takes no --checkpoint of its own.' % folder)
        try:
            with open(path, encoding='utf-8') as reader:
                settings = json.load(reader)
        except ValueError as e:
            raise UserError('%s is damaged: %s' % (path, e)) from None
        classifier = cls(Task.load(os.path.join(folder, 'task.json')),
                         Checkpoint(folder, settings.get('application')), settings['pattern'], settings['maxlen'])
        classifier.history = settings['history']
        return classifier
