"""The network that scores labels, as it is run."""
from pet_keras.backend import precision, tf
from pet_keras.networks.models import model_inputs


class Scorer(object):
    """Runs a network whose output is scores of the labels.

    Arguments: what `build_scorer` returns, `network` and its LabelScores `layer`; `aggregation`, of the label words,
    which the network was made for.
    """
    def __init__(self, network, layer, aggregation):
        self.network, self.layer, self.aggregation = network, layer, aggregation
        shapes = [[None] * 2] * 3 + [[None] * 4 for tensor in network.inputs if len(tensor.shape) == 4]
        self._traced = tf.function(self._run, [tf.TensorSpec(shape, 'int32') for shape in shapes], autograph=False)

    def score(self, inputs, precision_of, run_eagerly=False):
        """Scores float64 `[texts, labels]` of a batch of questions, products in the precision of this name.

        Arguments: `inputs`, what `question_batches` gives after the indices.
        """
        run = self._run if run_eagerly else self._traced
        with precision(precision_of):
            return run(*map(tf.constant, inputs)).numpy()

    def _run(self, *inputs):
        return self.network(model_inputs(self.network, *inputs), training=False)
