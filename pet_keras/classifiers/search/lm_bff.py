"""A cloze whose label words are searched on the labelled texts before it trains."""
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.items import check_hard
from pet_keras.classifiers.search.words import search_words
from pet_keras.errors import UserError


class LmBffClassifier(ClozeClassifier):
    """ClozeClassifier that takes label words of its own: arXiv 2012.15723, section 5.1.

    `fit` searches words of one character on the labelled texts, with dev texts to choose by (see `search_words`), and
    trains on the cloze with the best; `task` then has these words. (The paper ranks the last few by training with each,
    and has the texts shown to the model besides.)

    Arguments: as in ClozeClassifier.
    """
    kind = 'lm-bff'

    def fit(self, labelled=None, unlabelled=None, dev=None, **settings):
        """See ClozeClassifier.fit; labelled texts are needed, some of each label."""
        if not labelled:
            raise UserError('The method lm-bff searches label words on labelled texts: give some.')
        texts, others = (self.examples(some or [], labelled=True) for some in (labelled, dev))
        for some in (texts, others):
            check_hard(some, 'A text to search label words on')
        pattern = self.pattern
        best = search_words(self.task, texts, self.checkpoint, pattern, others, maxlen=self.maxlen, long=self.long,
                            precision=self.precision)[0]
        self.task = self.task.with_words(best.words)
        self.pattern = pattern
        return super(LmBffClassifier, self).fit(labelled, unlabelled, dev, **settings)
