"""What answers requests to an exported classifier: an engine as those of `serving.engines`, without TensorFlow."""
from pet_keras.errors import UserError
from pet_keras.serving.answers import description
from pet_keras.serving.onnx_classifier import OnnxClassifier


class OnnxEngine(object):
    """An OnnxClassifier. Its graph holds one pattern and the label words' rows of the vocabulary: it takes no other
    pattern and fills no blanks. Arguments: `batch_size`, sequences a step."""
    can_fill = False

    def __init__(self, classifier, batch_size=32):
        self.classifier, self.batch_size = classifier, batch_size

    def check(self, name, pattern, texts):
        """Raises UserError for a pattern, or a number of texts that does not fit."""
        if pattern is not None:
            raise UserError('%s was exported with its pattern and takes no other.' % name)
        self.classifier.task.pattern().texts(*texts)

    def classify(self, items):
        """Log-probabilities of the labels, an array for each `(name, None, texts)`."""
        return self.classifier.predict_log_proba([tuple(texts) if len(texts) > 1 else texts[0]
                                                  for _, _, texts in items], self.batch_size)

    def describe(self, name):
        """What a client wants to know of it, a dict for JSON."""
        return description(name, self.classifier.kind, self.classifier.task, self.classifier.pattern)


def load_onnx_engines(folders, batch_size=32):
    """dict name → OnnxEngine for a dict name → folder; UserError where `export` wrote no ONNX into one."""
    return {name: OnnxEngine(OnnxClassifier(folder), batch_size) for name, folder in folders.items()}
