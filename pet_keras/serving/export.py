"""export: a classifier as one graph, with all that is needed to run it without pet_keras."""
import contextlib
import importlib.util
import json
import logging
import os
import shutil

from pet_keras.backend import no_chatter, tf
from pet_keras.errors import UserError
from pet_keras.networks.models import model_inputs
from pet_keras.serving import questions
from pet_keras.serving.answers import check_servable
from pet_keras.serving.onnx_graph import to_onnx

INPUTS = ('token_ids', 'segment_ids', 'positions')
INSTALL = 'Type:  pip install "pet-keras[onnx]"'
_SCRIPT = '''\
"""Labels for texts, and the probability of each:  python predict.py {usage}      ({needs})"""
import os
import sys

import numpy as np
{imports}
from questions import Questions

folder = os.path.dirname(os.path.abspath(__file__))
questions, texts = Questions(folder), {texts}
{run}
for text, row in zip(texts, log_probs):
    print(questions.labels[row.argmax()], '%.4f' % np.exp(row.max()), text)
'''
_RUN = {
    'onnx': {'imports': 'import onnxruntime', 'needs': 'it needs numpy and onnxruntime', 'run': '''\
session = onnxruntime.InferenceSession(os.path.join(folder, 'model.onnx'), providers=['CPUExecutionProvider'])
log_probs, = session.run(None, questions.inputs(texts))'''},
    'savedmodel': {'imports': 'import tensorflow as tf', 'needs': 'it needs numpy and tensorflow', 'run': '''\
ask = tf.saved_model.load(folder).signatures['serving_default']
inputs = {name: tf.constant(array) for name, array in questions.inputs(texts).items()}
log_probs = ask(**inputs)['log_probs'].numpy()'''},
}


def export(classifier, folder, to='onnx', int8=False):
    """Writes a classifier as one graph, from token ids to log-probabilities of the labels, into a new folder.

    The graph's inputs are int32 `token_ids [questions, length]`, `segment_ids` of that shape and `positions
    [questions, n]`; its output is `log_probs`, float32 `[texts, labels]`, with the offset that calibration set. A text
    is asked about in one question, or in more, one after the other, where its label words have different lengths or
    the model is causal. Beside it stand `predict.py`, a script that runs it, `questions.py`, which makes the inputs of
    texts, `vocab.txt`, `export.json` (labels, and the pattern as token ids) and `task.json`.

    Arguments:
        classifier: any but a bag of words or a priming one, trained or not.
        folder: one that is not there yet.
        to: 'onnx' (`model.onnx`, for onnxruntime and others; see OnnxClassifier) or 'savedmodel' (TensorFlow's).
        int8: ONNX alone: weights of dense layers take one byte a number, and their products are of integers:
            onnxruntime's dynamic quantization. docs/export.md says what that gains and costs.

    Raises: UserError for such a classifier, where the folder is there, onnx is not installed, or the network has an
    operation that is not known; OSError where the folder cannot be written. After any of them it is not there.
    """
    check(folder, to, int8)
    if not classifier.exports:
        raise UserError('A model of the kind %s is more than one graph: it cannot be exported.' % classifier.kind)
    check_servable(classifier.task, classifier.settings().get('long'))
    network, layer = classifier.build_scorer()
    layer.offset.assign(classifier.offset[None])

    @tf.function(input_signature=[tf.TensorSpec([None, None], 'int32', name) for name in INPUTS], autograph=False)
    def log_probs(token_ids, segment_ids, positions):
        scores = network(model_inputs(network, token_ids, segment_ids, positions), training=False)
        return {'log_probs': tf.cast(tf.nn.log_softmax(scores), 'float32')}
    function = log_probs.get_concrete_function()
    with _new_folder(folder) as new:
        if to == 'onnx':
            _write_onnx(to_onnx(function, INPUTS), os.path.join(new, 'model.onnx'), int8)
        else:
            _write_savedmodel(function, new)
        _write_questions(classifier, new)
        is_pair = classifier.task.is_pair
        with open(os.path.join(new, 'predict.py'), 'w', encoding='utf-8') as writer:
            writer.write(_SCRIPT.format(
                usage='TEXT_A TEXT_B …' if is_pair else 'TEXT …',
                texts='list(zip(sys.argv[1::2], sys.argv[2::2]))' if is_pair else 'sys.argv[1:]', **_RUN[to]))


def check(folder, to, int8=False):
    """Raises UserError for what `export` could not write, before any model is read."""
    if to not in _RUN:
        raise UserError('to=%r: choose one of %s.' % (to, ', '.join(_RUN)))
    if int8 and to != 'onnx':
        raise UserError('int8 is for ONNX: a SavedModel keeps its float32 weights.')
    if os.path.lexists(folder):
        raise UserError('%s exists already; nothing is overwritten: name a new folder.' % folder)
    missing = [name for name in ('onnx', 'onnxruntime')[:1 + int8] if not importlib.util.find_spec(name)]
    if to == 'onnx' and missing:
        raise UserError('To write ONNX%s needs %s. %s' % (' with int8' * int8, ' and '.join(missing), INSTALL))


@contextlib.contextmanager
def _new_folder(folder):
    """A folder to write into that is called `folder` once everything is in it, and else is taken away."""
    folder = os.path.abspath(folder)
    partial = folder + '.partial'
    shutil.rmtree(partial, ignore_errors=True)  # of one that was killed
    os.makedirs(partial)
    try:
        yield partial
        os.rename(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_onnx(model, path, int8):
    if not int8:
        with open(path, 'wb') as writer:
            writer.write(model.SerializeToString())
        return
    from onnxruntime.quantization import QuantType, quantize_dynamic
    silent = logging.NullHandler()  # it recommends a preparation that changes nothing in these graphs
    logging.getLogger().addHandler(silent)
    try:
        quantize_dynamic(model, path, op_types_to_quantize=['MatMul'], per_channel=True, weight_type=QuantType.QInt8)
    finally:
        logging.getLogger().removeHandler(silent)


def _write_savedmodel(function, folder):
    module = tf.Module()
    module.weights, module.log_probs = list(function.variables), function
    try:
        with no_chatter():
            tf.saved_model.save(module, folder, signatures=function)
    except tf.errors.OpError as e:
        raise OSError('%s: %s' % (folder, e.message)) from None


def _write_questions(classifier, folder):
    """What `Questions` reads, and a copy of its source."""
    tokenizer, task = classifier.tokenizer, classifier.task
    pattern = getattr(classifier, 'pattern', None)  # fine-tuning has none
    asked = classifier.questions([[-1], [-2]][:1 + task.is_pair])  # -1, -2: where the texts' tokens go
    fields = {
        'labels': task.labels, 'pattern': pattern and pattern.string, 'is_pair': task.is_pair,
        'maxlen': classifier.maxlen, 'lower_case': tokenizer._do_lower_case, 'translate': tokenizer._token_translate,
        'questions': [{name: list(map(int, part)) for name, part in zip(INPUTS, question)} for question in asked]}
    with open(os.path.join(folder, 'export.json'), 'w', encoding='utf-8') as writer:
        json.dump(fields, writer, ensure_ascii=False, indent=1)
    with open(os.path.join(folder, 'vocab.txt'), 'w', encoding='utf-8', newline='\n') as writer:
        writer.writelines(token + '\n' for token in sorted(classifier.checkpoint.vocab,
                                                           key=classifier.checkpoint.vocab.get))
    task.save(os.path.join(folder, 'task.json'))
    shutil.copyfile(questions.__file__, os.path.join(folder, 'questions.py'))
