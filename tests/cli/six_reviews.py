"""Six labelled reviews, and what tests of several commands do with files and printed figures."""
import io
import sys

import numpy as np

TEXTS = ['房间很干净', '又吵又脏再也不来了', '好', '这本书纸张不错字也大', '充电器发烫', '味道好吃']
LABELS = ['正面', '负面', '正面', '正面', '负面', '正面']
P = 'p(正面)', 'p(负面)'


def write(path, text):
    with open(str(path), 'w', encoding='utf-8') as writer:
        writer.write(text)
    return str(path)


def stdin(monkeypatch, text):
    monkeypatch.setattr(sys, 'stdin', io.TextIOWrapper(io.BytesIO(text.encode('utf-8'))))


def check(classifier, texts, labels, probabilities):
    """The printed labels and probabilities are the classifier's."""
    assert list(labels) == classifier.predict(texts)
    np.testing.assert_allclose(np.array(probabilities, 'float64'), classifier.predict_proba(texts), atol=2e-6)
