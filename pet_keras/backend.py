"""TensorFlow, the Keras 2 API and bert4keras, loaded in the one order that works.

The only module that imports bert4keras. The switches it checks are set by `import pet_keras`.
"""
import contextlib
import functools
import itertools
import os
import random
import sys
import time
import weakref

import numpy as np

BERT4KERAS = '0.11.5'
INSTALL = 'pip install --no-deps bert4keras==%s' % BERT4KERAS


@contextlib.contextmanager
def no_chatter():
    """Drops what TensorFlow's C++ side writes to standard error meanwhile (errors are exceptions).

    Unless the user asks for it, as for the reason why no GPU is found: TF_CPP_MIN_LOG_LEVEL=0.
    """
    if os.environ.get('TF_CPP_MIN_LOG_LEVEL') in ('0', '1'):
        yield
        return
    try:
        sys.stderr.flush()
        saved = os.dup(2)
    except (OSError, AttributeError):  # no standard error to guard
        yield
        return
    with open(os.devnull, 'w') as null:
        os.dup2(null.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _legacy_keras():
    """tf.keras as Keras 2, or an ImportError that says why it is not."""
    import tensorflow as tf
    try:
        module = tf.keras.layers.Layer.__module__
    except ImportError:
        raise ImportError('pet_keras needs tf-keras, the Keras 2 API. Type:  pip install "tf-keras~=%s.0"'
                          % '.'.join(tf.__version__.split('.')[:2])) from None
    if not module.startswith('tf_keras'):
        raise ImportError(
            'TensorFlow was imported before pet_keras and has already loaded Keras 3, but bert4keras needs '
            'Keras 2. Put `import pet_keras` above the first import of tensorflow, or set the environment '
            'variable TF_USE_LEGACY_KERAS=1.')
    return tf, tf.keras


def _bert4keras():
    """Imports bert4keras, or raises an ImportError that says what to type."""
    why = 'its metadata asks for a Keras of 2019, so pip cannot install it as a dependency'
    try:
        import bert4keras
    except ImportError:
        raise ImportError('pet_keras needs bert4keras %s (%s). Type:  %s' % (BERT4KERAS, why, INSTALL)) from None
    version = getattr(bert4keras, '__version__', '0')
    if tuple(int(n) for n in version.split('.')[:3]) < (0, 11, 5):
        raise ImportError('bert4keras %s is too old; pet_keras needs %s (%s). Type:  %s'
                          % (version, BERT4KERAS, why, INSTALL))
    imported = sys.modules.get('bert4keras.backend')
    if imported is not None and not imported.is_tf_keras:
        raise ImportError('bert4keras was imported before pet_keras, without TF_KERAS=1. '
                          'Put `import pet_keras` above it, or set the environment variable TF_KERAS=1.')
    try:
        import distutils  # noqa: F401  bert4keras uses it; Python 3.12 has it only through setuptools
    except ImportError:
        raise ImportError('bert4keras needs distutils, which Python %d.%d has only with setuptools. '
                          'Type:  pip install setuptools' % sys.version_info[:2]) from None


with no_chatter():
    tf, keras = _legacy_keras()
    tf.config.list_physical_devices('GPU')  # looks for CUDA now, while its complaint is not heard
    _bert4keras()
    from bert4keras.backend import K, apply_rotary_position_embeddings, gelu_erf  # noqa: F401
    from bert4keras.layers import Embedding, FeedForward, Input, Layer, LayerNormalization  # noqa: F401
    from bert4keras.layers import MultiHeadAttention  # noqa: F401
    from bert4keras.models import ALBERT, BERT, GPT, GPT2, GPT2_ML, NEZHA, LM_Mask, RoFormer  # noqa: F401
    from bert4keras.models import build_transformer_model  # noqa: F401
    from bert4keras.tokenizers import Tokenizer  # noqa: F401
    from tensorflow.python.eager.context import context as tf_context
    from tensorflow.python.framework import config as determinism
    from tensorflow.python.framework.ops import gradient_registry
    from tensorflow.python.ops import gen_random_ops
    from tf_keras.src.backend import _SEED_GENERATOR as keras_seeds

PRECISIONS = ('float32', 'bfloat16', 'auto')
_BFLOAT16 = 'auto_mixed_precision_onednn_bfloat16'  # TensorFlow's rewriting of graphs


@contextlib.contextmanager
def precision(name):
    """Within it graphs run their products in float32 or, with float32 sums, in bfloat16; weights stay float32.

    'auto' takes bfloat16 where the processor is faster with it.
    """
    if name == 'float32' or (name == 'auto' and not has_fast_bfloat16()):
        yield
        return
    before = tf.config.optimizer.get_experimental_options().get(_BFLOAT16, False)
    try:
        tf.config.optimizer.set_experimental_options({_BFLOAT16: True})
        yield
    finally:
        tf.config.optimizer.set_experimental_options({_BFLOAT16: before})


@functools.lru_cache
def has_fast_bfloat16():
    """Whether this processor multiplies bfloat16 matrices faster than float32 ones, as measured."""
    def seconds(dtype):
        matrix = tf.zeros([512, 512], dtype)
        taken = []
        for _ in range(5):
            begun = time.perf_counter()
            tf.matmul(matrix, matrix).numpy()
            taken.append(time.perf_counter() - begun)
        return min(taken)
    return seconds('bfloat16') < .8 * seconds('float32')


@contextlib.contextmanager
def seeded(seed):
    """Within it Python, NumPy, Keras and TensorFlow draw from `seed`, and TensorFlow's operations are deterministic.

    On leaving it, by an exception too, all of them are as they were before. Of TensorFlow's random operations
    those in functions that are traced within it repeat. (After `tf.random.set_seed` the others would as well, but
    it starts the random numbers of every function anew, the caller's too.)
    """
    context, deterministic = tf_context(), determinism.is_op_determinism_enabled()
    states = random.getstate(), np.random.get_state(), context._seed, getattr(context, '_rng', None)
    keras_generator = getattr(keras_seeds, 'generator', None)
    try:
        random.seed(seed)
        np.random.seed(seed % 2 ** 32)
        context._seed, context._rng = seed, random.Random(seed)
        keras_seeds.generator = None  # Keras then draws from Python's
        determinism.enable_op_determinism()
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        context._seed, context._rng = states[2:]
        keras_seeds.generator = keras_generator
        if not deterministic:
            determinism.disable_op_determinism()


@contextlib.contextmanager
def drawn_from(seed):
    """Within it TensorFlow's uniform and normal numbers, and so dropout's, depend on `seed` and their turn alone.

    Traced here, a random operation keeps no state that would be lost with the process: it is replaced by its stateless
    twin. (Of the others, such as `tf.random.shuffle`, those within `seeded` repeat from the start of the process.)

    Arguments: `seed`, an integer tensor `[2]`.
    """
    turns = itertools.count()

    def drawing(function):
        return lambda shape, dtype, *_, **__: function(shape, _next(), dtype=dtype)

    def _next():
        return tf.random.fold_in(seed, next(turns))
    twins = {'random_uniform': drawing(tf.random.stateless_uniform),
             'random_standard_normal': drawing(tf.random.stateless_normal),
             'truncated_normal': drawing(tf.random.stateless_truncated_normal),
             'random_uniform_int': lambda shape, low, high, *_, **__: tf.random.stateless_uniform(
                 shape, _next(), low, high, low.dtype)}
    before = {name: getattr(gen_random_ops, name) for name in twins}
    try:
        vars(gen_random_ops).update(twins)
        yield
    finally:
        vars(gen_random_ops).update(before)


def custom_gradient(f):
    """tf.custom_gradient, but for this: TensorFlow's keeps every graph that `f` was ever traced in.

    Its registry of gradients holds their functions, and these the tensors. Here each graph holds its own.
    """
    decorated = tf.custom_gradient(f)

    @functools.wraps(f)
    def call(*args):
        result = decorated(*args)
        if not tf.executing_eagerly():
            operation = tf.nest.flatten(result)[0].op
            entry = gradient_registry._registry[operation.get_attr('_gradient_op_type').decode()]
            operation.graph.add_to_collection('custom gradients', entry['type'])
            entry['type'] = _weak(entry['type'])
        return result
    return call


def _weak(function):
    reference = weakref.ref(function)
    return lambda *args: reference()(*args)
