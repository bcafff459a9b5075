"""ClozeClassifier: a text classifier that fills a blank."""
import copy
import warnings

from pet_keras.backend import seeded
from pet_keras.checkpoints.shipped import DEFAULT
from pet_keras.classifiers.calibration import METHODS
from pet_keras.classifiers.stepwise import StepwiseScorer
from pet_keras.classifiers.text_classifier import TextClassifier
from pet_keras.cloze.cloze import cloze_of
from pet_keras.cloze.prompt_pattern import prompt_tokens
from pet_keras.errors import UserError
from pet_keras.networks.diagnosis import looks_untrained
from pet_keras.networks.label_scores import label_scorer
from pet_keras.networks.models import build
from pet_keras.networks.prompt_start import add_tokens
from pet_keras.networks.tuning import AllWeights, Prompt, way_of
from pet_keras.networks.ways import named_way


class ClozeClassifier(TextClassifier):
    """Classifies a text by the word that a language model puts into the blank of a pattern.

    It works before any training (zero-shot) and learns from labelled texts, unlabelled texts, or both
    (`fit`). Source: kexue.fm 7764; arXiv 2001.07676, section 3. With `train='prompt'` only the rows of the
    pattern's and label words' `[unused]` tokens train: kexue.fm 8295; arXiv 2103.10385.

    Arguments:
        task: a Task, a shipped task's name or a task's JSON file.
        checkpoint: a Checkpoint, or its name: a shipped model ('bert-small-zh'), a folder or file of weights, or
            `hf:owner/name`.
        pattern: a name in the task, or a pattern of your own; None takes the task's first, or for a causal model the
            first whose blank comes last.
        maxlen: longest sequence in tokens; at most what the checkpoint allows. Longer texts are cut, as `long` says.
        train: 'all' weights; 'prompt': the `[unused]` tokens' rows alone; 'prefix' or 'adapters' (docs/tuning.md); or
            an object: PrefixTuning(length=16), Adapters(size=8), or one of your own, as those of `networks.tuning`.
        prompt_encoder: of the `[unused]` tokens: None, 'lstm' or 'mlp', see PromptEncoder.
        prompt_init: the pattern's `[unused]` tokens start from 'unused' (their rows as they are), 'random' rows, or
            'words' (those of the task's first natural pattern, for a causal model of the first whose blank comes
            last). An encoder reads this start, and puts out its own.
        dropout_rate: while training; None takes what the checkpoint's config says.
        seed: of the random rows and the encoder's weights.
        precision: of products: 'float32', 'bfloat16' (less exact; sums and weights stay float32), or 'auto', bfloat16
            where the processor is faster with it.
        long: of a text that does not fit, the 'head' is read, or the 'tail', or all of it in 'windows', whose scores
            are averaged; in training each time another window.
        check_head: whether to fill the blanks of a dozen sentences, and warn where the head looks untrained.

    With train='prompt' a pattern may have more `[unused]` tokens than the vocabulary: they start at random.

    Raises: UserError where task and checkpoint do not fit: no MLM head, a label word outside the vocabulary.

    >>> ClozeClassifier('sentiment').predict(['房间很干净，服务也热情', '又吵又脏，再也不来了'])
    ['正面', '负面']
    """
    kind, cloze, calibrations = 'cloze', None, tuple(METHODS)

    def __init__(self, task='sentiment', checkpoint=DEFAULT, pattern=None, maxlen=128, train='all',
                 prompt_encoder=None, prompt_init='unused', dropout_rate=None, seed=0, precision='float32',
                 long='head', check_head=True):
        super(ClozeClassifier, self).__init__(task, checkpoint, maxlen, dropout_rate, precision, long)
        if seed < 0:
            raise UserError('seed is 0 or more.')
        pattern = self.task.pattern(pattern, self.checkpoint.is_causal)
        self.words = self.task.verbalizer_of(pattern).token_ids(self.tokenizer)
        self.prompt_tokens = prompt_tokens(pattern, self.task.verbalizer_of(pattern))
        self._warn_of_lengths(pattern, stacklevel=3)
        self.tuning = self._tuning(pattern, train, prompt_encoder, prompt_init)
        self.pattern = pattern
        with seeded(seed):  # the encoder's weights
            self.transformer = build(self.checkpoint, return_keras_model=False, tuning=self.tuning, **self.dropout)
        self.model = self.transformer.model
        self.tuning.start(self.task, pattern, self.tokenizer, seed)
        if check_head and looks_untrained(self.transformer, self.checkpoint):
            warnings.warn('The head of %s looks untrained: what it puts into a blank is chance. `pet-keras checkpoint '
                          'inspect` measures it; unlabelled texts train it.' % self.checkpoint.name, stacklevel=2)

    def _warn_of_lengths(self, pattern, stacklevel):
        if self.task.verbalizer_of(pattern).word_score is None and len({len(ids) for _, ids in self.words}) > 1:
            warnings.warn("Label words of different numbers of tokens are compared by the mean of their tokens' "
                          "log-probabilities; words of one length are better. \"word_score\" in the task says it: "
                          "'per_token' or 'product'.", stacklevel=stacklevel)

    def beside(self, task, pattern=None):
        """A ClozeClassifier of another task on this one's network: what one learns, the other has learned.

        Arguments: as of the class; all else is as it is here.

        Raises: UserError where task and network do not fit; a pattern's `[unused]` tokens belong to one task.
        """
        other = copy.copy(self)
        TextClassifier.__init__(other, task, self.checkpoint, self.maxlen, None, self.precision, self.long)
        other.dropout = self.dropout
        other.pattern = pattern
        other._warn_of_lengths(other.pattern, stacklevel=3)
        return other

    def _tuning(self, pattern, train, prompt_encoder, prompt_init):
        """The way of tuning that the arguments ask for."""
        train = named_way(train)
        if isinstance(train, AllWeights):
            if isinstance(train, Prompt) or (prompt_encoder, prompt_init) != (None, 'unused'):
                raise UserError("A prompt is asked for by train='prompt', prompt_encoder and prompt_init alone: its "
                                "tokens are those of the pattern.")
            return train
        if train not in ('all', 'prompt'):
            raise UserError("train=%r: choose 'all', 'prompt', 'prefix' or 'adapters'." % train)
        if self.prompt_tokens:
            if train == 'prompt':
                add_tokens(self.tokenizer, self.prompt_tokens)
            return Prompt(self.tokenizer.tokens_to_ids(self.prompt_tokens), prompt_encoder, train == 'all', prompt_init)
        if (train, prompt_encoder, prompt_init) != ('all', None, 'unused'):
            raise UserError("Pattern %r has no [unused] token, which train='prompt', prompt_encoder and prompt_init "
                            "are about. prompt_pattern(8), or --prompt-tokens 8, is one of them." % pattern.string)
        return AllWeights()

    @property
    def pattern(self):
        return self.cloze.pattern

    @pattern.setter
    def pattern(self, pattern):
        pattern = self.task.pattern(pattern, self.checkpoint.is_causal)
        verbalizer = self.task.verbalizer_of(pattern)
        if prompt_tokens(pattern, verbalizer) != self.prompt_tokens:
            raise UserError('This classifier was built for %s; for pattern %r build another.' % (
                'the prompt tokens ' + ' '.join(self.prompt_tokens) if self.prompt_tokens else
                'patterns without [unused] tokens', pattern.string))
        if verbalizer.word_score == 'stepwise' and self.checkpoint.is_causal:
            raise UserError("word_score 'stepwise' is for masked models: a causal one reads a word's tokens one after "
                            'the other as it is.')
        cloze = cloze_of(self.task, pattern, self.tokenizer, self.maxlen, self.checkpoint.is_causal)
        if self.cloze and pattern.string != self.pattern.string:
            self.offset = [0.] * len(self.labels)  # it was another question's
        self.cloze = cloze
        if cloze.words != self.words:  # the scorer reads the logits of other words
            self.words, self._scorer = cloze.words, None

    @property
    def frame(self):
        """(its Pattern, how many tokens of texts fit into it)."""
        return self.pattern, self.cloze.room

    @property
    def embedding(self):
        """The token Embedding layer."""
        return self.transformer.layers['Embedding-Token']

    def questions(self, texts):
        """The sequences that ask about one example: see `Cloze.questions`."""
        return self.cloze.questions(texts)

    def _target(self, label):
        target = super(ClozeClassifier, self)._target(label)
        if isinstance(label, dict):
            self.cloze.check_soft(target)
        return target

    def build_scorer(self):
        return label_scorer(self.transformer, self.cloze, self.task.verbalizer_of(self.pattern))

    def scorer(self):
        verbalizer = self.task.verbalizer_of(self.pattern)
        if verbalizer.word_score == 'stepwise':
            return StepwiseScorer(self.transformer, self.cloze, verbalizer)
        return super(ClozeClassifier, self).scorer()

    def lesson(self, texts, label, rng, *arguments):
        """What a Trainer shows of one example: see `Cloze.lesson`."""
        return self.cloze.lesson(self.part(texts, rng), label, rng, *arguments)

    def fit(self, labelled=None, unlabelled=None, dev=None, **settings):
        """Continues the model's own training on the cloze; the data given decide the regime.

        unlabelled only: continued MLM pretraining. labelled only: few-shot. Both: semi-supervised.
        In a labelled text the blank and random masks carry the loss, in an unlabelled one random masks.
        Arguments, result and errors: see TextClassifier.fit.
        """
        check_masks(unlabelled, settings)
        if unlabelled and self.train == 'prompt':
            raise UserError("Unlabelled texts stand in no pattern, so they teach a prompt nothing: leave them out, or "
                            "let all weights learn from them first (train='all').")
        return super(ClozeClassifier, self).fit(labelled, unlabelled, dev, **settings)

    def settings(self):
        return dict(super(ClozeClassifier, self).settings(), pattern=self.pattern.string,
                    prompt_tokens=self.prompt_tokens)

    @classmethod
    def from_settings(cls, task, checkpoint, fields):
        """The untrained classifier that a saved one was, from what `settings` gave."""
        classifier = cls(task, checkpoint, fields['pattern'], fields['maxlen'], way_of(fields['tuning']),
                         long=fields.get('long', 'head'),
                         check_head=False)  # when it was made it was warned of, and it has learned since
        tokens = fields.get('prompt_tokens')
        if tokens is not None and tokens != classifier.prompt_tokens:
            raise ValueError('its pattern and label words have the tokens %s, its rows are those of %s' % (
                ' '.join(classifier.prompt_tokens), ' '.join(tokens)))
        return classifier


def check_masks(unlabelled, settings):
    """Raises UserError for unlabelled texts without masks; `settings`, those of a Trainer."""
    if unlabelled and settings.get('mask_rate') == 0:
        raise UserError('With mask_rate=0 unlabelled texts teach nothing: they have no loss but that of their masks.')
