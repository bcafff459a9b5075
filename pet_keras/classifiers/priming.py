"""Priming: labelled texts are shown before the text that is asked about; nothing is trained."""
import numpy as np

from pet_keras.classifiers.at_once import AtOnce
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.networks.tuning import Frozen


class PrimingClassifier(AtOnce, ClozeClassifier):
    """A causal model reads some texts with their label words, then the text, and goes on: arXiv 2005.14165, section 2.

    `fit` draws the texts to show, each label once a round; `shown` holds them. Before each text stand as many as fit
    without cutting it more than it would be alone, in whole rounds: one label more would lean the answer its way. None
    does before a long one.

    Arguments: as in ClozeClassifier, and `shot_length`, the most tokens that one text with its label takes: a longer
    text is cut. Saved are the texts that are shown; the checkpoint stays where it is.

    Raises: UserError for a masked model, a `shot_length` too short for the pattern, and as ClozeClassifier does; `fit`
        where a round does not even fit before an empty text.
    """
    kind, exports = 'priming', False  # how many texts are shown depends on the one that is asked about

    def __init__(self, task='sentiment', checkpoint='gpt-mini-zh', pattern=None, maxlen=128, precision='float32',
                 shot_length=24, check_head=True):
        self.shot_length, self._shown, self._tokens = shot_length, [], []
        super(PrimingClassifier, self).__init__(task, checkpoint, pattern, maxlen, Frozen(), precision=precision,
                                                check_head=check_head)
        self.check_causal(self.checkpoint)
        self._shot(self._nothing(), self.labels[0])

    @staticmethod
    def check_causal(checkpoint):
        """Raises UserError for a masked model."""
        if not checkpoint.is_causal:
            raise UserError('Priming is for a causal language model, as gpt-mini-zh is one; %s is masked.' % (
                checkpoint.name))

    @property
    def shown(self):
        """The texts to show, a list of Example, in the order in which they are."""
        return list(self._shown)

    @shown.setter
    def shown(self, examples):
        self._shown, self._tokens = list(examples), [self.tokenize(example) for example in examples]

    def learn(self, labelled, dev, seed):
        if any(isinstance(example.label, dict) for example in labelled):
            raise UserError('Priming shows texts with one label each, not soft ones.')
        rng = np.random.default_rng(seed)
        order = [labelled[i] for i in rng.permutation(len(labelled))]
        by_label = [of for of in ([e for e in order if e.label == label] for label in self.labels) if of]
        rounds = [[of[n] for of in by_label] for n in range(min(map(len, by_label)))]
        self.shown = [one[k] for one in rounds for k in rng.permutation(len(one))]
        most = self._fitting(super(PrimingClassifier, self).questions(self._nothing()))
        if not most:
            raise UserError('A text of each of %d labels does not fit into %d tokens: make shot_length (%d) smaller or '
                            'maxlen larger.' % (len(by_label), self.maxlen, self.shot_length))
        self.shown = self._shown[:len(most)]  # the others never stand before any text
        return {'shown': len(most)}

    def questions(self, texts):
        """See `Cloze.questions`; the texts to show stand after the first token."""
        asked = super(PrimingClassifier, self).questions(texts)
        shown = [token for shot in self._fitting(asked) for token in shot]
        return [question._replace(token_ids=question.token_ids[:1] + shown + question.token_ids[1:],
                                  segment_ids=[0] * len(shown) + question.segment_ids,
                                  positions=[position + len(shown) for position in question.positions])
                for question in asked]

    def _fitting(self, asked):
        """The shots that fit before questions, a list of lists of token ids."""
        room, shots = self.maxlen - max(len(question.token_ids) for question in asked), []
        for example, texts in zip(self._shown, self._tokens):
            shot = self._shot(texts, example.label)
            room -= len(shot)
            if room < 0:
                break
            shots.append(shot)
        in_a_round = len({example.label for example in self._shown}) or 1
        return shots[:len(shots) // in_a_round * in_a_round]

    def _shot(self, texts, label):
        """The token ids of an example's texts with its label's first word in the blank, and `[SEP]`."""
        word = next(ids for k, ids in self.words if self.labels[k] == label)
        encoded = self.pattern.encode(self.tokenizer, *texts, word_length=len(word), maxlen=1 + self.shot_length)
        for position, token_id in zip(encoded.mask_positions, word):
            encoded.token_ids[position] = token_id
        return encoded.token_ids[1:]

    def _nothing(self):
        return [[]] * len(self.task.slots.names)

    def settings(self):
        return dict(super(PrimingClassifier, self).settings(), shot_length=self.shot_length, shown=self.shown)

    @classmethod
    def from_settings(cls, task, checkpoint, fields):
        classifier = cls(task, checkpoint, fields['pattern'], fields['maxlen'], shot_length=fields['shot_length'],
                         check_head=False)
        try:
            classifier.shown = classifier.examples([Example(*example) for example in fields['shown']], labelled=True)
        except UserError as e:
            raise ValueError('of the texts to show: %s' % e) from None
        return classifier
