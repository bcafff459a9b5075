import gc

from pet_keras.backend import tf
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.data.example import Example


def test_a_trained_classifier_that_is_gone_leaves_no_graph(still):
    examples, counts = [Example('房间很干净', label='正面'), Example('又吵又脏', label='负面')] * 2, []
    for _ in range(2):  # the first of a process leaves the graph that TensorFlow has by default
        ClozeClassifier('sentiment', still, maxlen=24).fit(examples, epochs=1, batch_size=2).predict(examples)
        gc.collect()
        counts.append(sum(isinstance(thing, tf.Graph) for thing in gc.get_objects()))
    assert counts[0] == counts[1]
