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
        self._traced = tf.function(self._run, [tf.TensorSpec([None, None], 'int32')] * 3, autograph=False)

    def score(self, token_ids, segment_ids, positions, precision_of, run_eagerly=False):
        """Scores float64 `[texts, labels]` of a batch of questions, products in the precision of this name."""
        run = self._run if run_eagerly else self._traced
        with precision(precision_of):
            return run(*map(tf.constant, (token_ids, segment_ids, positions))).numpy()

    def _run(self, token_ids, segment_ids, positions):
        return self.network(model_inputs(self.network, token_ids, segment_ids, positions), training=False)
