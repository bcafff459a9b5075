"""OnnxClassifier: an exported classifier, run by onnxruntime."""
import os

import numpy as np

from pet_keras.classifiers.answering import Answering, in_parts
from pet_keras.cloze.batching import question_batches
from pet_keras.cloze.cloze import Question
from pet_keras.cloze.task import Task
from pet_keras.errors import UserError
from pet_keras.serving.questions import Questions


class OnnxClassifier(Answering):
    """A classifier that `export` wrote as ONNX. It loads no TensorFlow, and it cannot learn.

    Arguments: `folder`; `threads` of onnxruntime, None for one a core.

    Raises: UserError where the folder is none of these, or damaged, or onnxruntime is not installed.

    >>> OnnxClassifier('exported').predict(['房间很干净，服务也热情'])    # doctest: +SKIP
    ['正面']
    """
    kind = 'exported'

    def __init__(self, folder, threads=None):
        path = os.path.join(folder, 'model.onnx')
        if not os.path.isfile(path):
            raise UserError('%s holds no model.onnx: it is no folder that pet-keras export --to onnx wrote%s.' % (
                folder, '' if os.path.isdir(folder) else ' (there is no such folder)'))
        try:
            import onnxruntime
        except ImportError:
            raise UserError('To run %s needs onnxruntime. Type:  pip install "pet-keras[onnx]"' % path) from None
        self.task, options = Task.load(os.path.join(folder, 'task.json')), onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        try:
            self._questions = Questions(folder)
            self._session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
            if (self._questions.labels, self._questions.is_pair) != (self.task.labels, self.task.is_pair):
                raise ValueError('export.json and task.json are of different tasks')
            trial = self._log_probs([('一',) * (1 + self.task.is_pair)], 1)
            if not np.isfinite(trial).any():
                raise ValueError('its graph gives no numbers')
        except Exception as e:  # onnxruntime's have no base of their own
            raise UserError('%s is damaged, or pet-keras export did not write it: %s' % (
                folder, str(e).splitlines()[0])) from None
        string = self._questions.pattern
        self.pattern = string and self.task.pattern(string)  # None of a fine-tuned one

    @property
    def labels(self):
        return self.task.labels

    def label_scores(self, examples, batch_size=32, verbose=0):
        """See TextClassifier; `verbose` shows nothing here. They are log-probabilities."""
        examples = self.examples(examples)
        return np.concatenate([np.zeros((0, len(self.labels)))] + [
            self._log_probs(map(self.task.texts, part), batch_size) for _, part in in_parts(examples)])

    def _log_probs(self, examples, batch_size):
        questions = [[Question(*question) for question in self._questions.encode(*texts)] for texts in examples]
        log_probs = np.zeros((len(questions), len(self.labels)))
        for batch, *inputs in question_batches(questions, batch_size):
            log_probs[batch], = self._session.run(None, dict(zip(Question._fields, inputs)))
        return log_probs
