import os
import random
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import pet_keras
from pet_keras.backend import BERT4KERAS, K, determinism, drawn_from, keras, no_chatter, seeded, tf

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))
TRACED = True  # it is about what graphs draw and multiply
KERAS_SWITCHES = ('TF_KERAS', 'TF_USE_LEGACY_KERAS')


def _python(script, *path):
    """What a script prints in a fresh Python, whose environment has none of the Keras switches."""
    env = {k: v for k, v in os.environ.items() if k not in KERAS_SWITCHES}
    env['PYTHONPATH'] = os.pathsep.join([*map(str, path), ROOT, os.environ.get('PYTHONPATH', '')])
    done = subprocess.run([sys.executable, '-c', textwrap.dedent(script)], env=env, capture_output=True,
                          encoding='utf-8')
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_keras_is_the_keras_2_of_tf_keras():
    import tf_keras
    assert tf_keras.__version__.startswith('2.') and tf.keras.layers.Layer is keras.layers.Layer
    assert keras.layers.Layer.__module__.startswith('tf_keras')
    assert K.floatx() == 'float32'


def _draw():
    """A number of each generator; TensorFlow's in a function of its own."""
    return (random.random(), np.random.rand(), float(tf.function(lambda: tf.random.uniform([]))()),
            float(keras.initializers.RandomUniform(0., 1.)([])))


def test_what_is_drawn_within_one_seed_repeats():
    drawn = []
    for seed in (7, 7, 8, 2 ** 40):
        with seeded(seed):
            assert determinism.is_op_determinism_enabled()
            drawn.append(_draw())
    assert drawn[0] == drawn[1] and len(set(drawn)) == 3 and len(set(np.ravel(drawn))) == 12


@pytest.mark.parametrize('is_deterministic', [False, True])
def test_after_a_seed_the_callers_state_is_as_before_though_an_exception_ended_it(is_deterministic):
    tf.random.set_seed(3)  # without a seed TensorFlow refuses to be deterministic
    if is_deterministic:
        determinism.enable_op_determinism()
    try:
        numbers = []
        for within in (False, True):
            keras.utils.set_random_seed(3)
            once = tf.function(lambda: tf.random.uniform([]))
            first = float(once())
            if within:
                with pytest.raises(KeyboardInterrupt):
                    with seeded(7):
                        _draw()
                        raise KeyboardInterrupt
            numbers.append((first, float(once()), float(tf.random.uniform([])), random.random(), np.random.rand(),
                            float(keras.initializers.RandomUniform(0., 1.)([]))))
        assert numbers[0] == numbers[1] and numbers[0][0] != numbers[0][1]
        assert determinism.is_op_determinism_enabled() == is_deterministic
    finally:
        determinism.disable_op_determinism()


def test_every_public_name_is_there_and_no_other():
    assert set(pet_keras.__all__) >= {'Checkpoint', 'ClozeClassifier', 'Pattern', 'Task', 'Verbalizer', 'build_mlm',
                                      'read_examples', '__version__'}
    for name in pet_keras.__all__:
        assert getattr(pet_keras, name) is not None
    assert set(dir(pet_keras)) == set(pet_keras.__all__)
    with pytest.raises(AttributeError, match='no attribute'):
        pet_keras.nothing_of_this_name


def test_import_help_and_task_show_do_not_load_tensorflow():
    printed = _python('''
        import os, sys
        import pet_keras
        assert os.environ['TF_KERAS'] == os.environ['TF_USE_LEGACY_KERAS'] == '1'
        from pet_keras.cli.main import main
        for args in (['--help'], ['train', '--help']):
            try:
                main(args)
            except SystemExit as stop:
                assert stop.code == 0
        for args in (['task', 'show', 'news'], ['task', 'list'], ['checkpoint', 'list']):
            assert main(args) == 0
        assert main(['task', 'show', 'weather']) == 1
        loaded = {name.split('.')[0] for name in sys.modules}
        print(sorted(loaded & {'tensorflow', 'keras', 'tf_keras', 'bert4keras', 'jieba'}))
    ''')
    assert printed.splitlines()[-1] == '[]'


@pytest.mark.parametrize('level,heard', [('0', True), ('1', True), ('2', False), ('3', False), (None, False)])
def test_what_tensorflow_says_while_it_loads_is_heard_where_the_user_asks_for_its_log(level, heard, monkeypatch, capfd):
    monkeypatch.delenv('TF_CPP_MIN_LOG_LEVEL', raising=False)
    if level:
        monkeypatch.setenv('TF_CPP_MIN_LOG_LEVEL', level)
    with no_chatter():
        os.write(2, b'Could not find cuda drivers')
    os.write(2, b'.')
    assert capfd.readouterr().err == ('Could not find cuda drivers.' if heard else '.')


def test_tensorflow_loaded_first_with_keras_3_is_an_error_that_says_what_to_move():
    printed = _python('''
        import tensorflow as tf
        tf.keras.layers
        from pet_keras.cli.main import main
        try:
            from pet_keras import ClozeClassifier
        except ImportError as e:
            print(e)
        assert main(['evaluate', '--task', 'sentiment', 'x.tsv']) == 1  # the command line shows it in a line
    ''')
    assert 'Keras 3' in printed and 'Put `import pet_keras` above the first import of tensorflow' in printed
    assert 'TF_USE_LEGACY_KERAS=1' in printed


def test_bert4keras_missing_too_old_or_loaded_without_its_switch_is_an_error_that_says_what_to_type(tmp_path):
    """Three cases in one Python, since loading TensorFlow is what takes the time."""
    fake = tmp_path / 'old' / 'bert4keras'
    fake.mkdir(parents=True)
    (fake / '__init__.py').write_text("__version__ = '0.8.1'\n")
    missing, old, unswitched = _python('''
        import importlib.abc, sys, types
        import pet_keras
        from pet_keras.cli.main import main

        def message():
            try:
                import pet_keras.backend
            except ImportError as e:
                assert main(['evaluate', '--task', 'sentiment', 'x.tsv']) == 1
                return print(e)
            raise AssertionError('no error')

        class Blocker(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                if name.split('.')[0] == 'bert4keras':
                    raise ModuleNotFoundError('No module named %r' % name)

        sys.meta_path.insert(0, Blocker())
        message()
        sys.meta_path.pop(0)
        message()
        sys.modules['bert4keras'].__version__ = '0.11.5'
        sys.modules['bert4keras.backend'] = types.SimpleNamespace(is_tf_keras=False)
        message()
    ''', tmp_path / 'old').splitlines()
    install = 'pip install --no-deps bert4keras==%s' % BERT4KERAS
    assert BERT4KERAS == '0.11.5'
    assert missing.endswith('Type:  ' + install) and 'needs bert4keras 0.11.5' in missing
    assert '0.8.1 is too old' in old and old.endswith('Type:  ' + install)
    assert 'Put `import pet_keras` above it' in unswitched and 'TF_KERAS=1' in unswitched


def test_a_precision_holds_within_it_alone_and_changes_little():
    backend = pytest.importorskip('pet_keras.backend')
    tf = backend.tf
    product = tf.function(lambda a, b: tf.nn.relu(tf.matmul(a, b)))
    a, b = (tf.random.stateless_normal([64, 64], [seed, 0]) for seed in (1, 2))
    exact = product(a, b).numpy()
    for name in ('bfloat16', 'auto', 'float32'):
        with backend.precision(name):
            inside = product(a, b).numpy()
        assert abs(inside - exact).max() < .3  # of products that reach 30
        is_less = name == 'bfloat16' or (name == 'auto' and backend.has_fast_bfloat16())
        assert (abs(inside - exact).max() > 1e-3) == is_less or not backend.has_fast_bfloat16()
        assert (product(a, b).numpy() == exact).all()


def test_an_unknown_precision_is_refused():
    from pet_keras import ClozeClassifier
    from pet_keras.errors import UserError
    with pytest.raises(UserError, match="precision='half': choose float32, bfloat16, auto"):
        ClozeClassifier('sentiment', 'bert-mini-zh', precision='half')


def test_what_is_drawn_depends_on_seed_and_turn_alone_and_is_distributed_as_it_should_be():
    @tf.function
    def draw(seed):
        with drawn_from(seed):
            return (tf.random.uniform([5000]), tf.random.normal([5000], 1., 2.), tf.random.truncated_normal([5000]),
                    tf.random.uniform([5000], 3, 6, 'int32'), tf.nn.dropout(tf.ones([5000]), .3),
                    tf.random.uniform([5000]))
    one, again, other = (draw(tf.constant(seed, 'int64')) for seed in ([1, 7], [1, 7], [1, 8]))
    for a, b, c in zip(one, again, other):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)
    uniform, normal, truncated, integers, dropped, second = (part.numpy() for part in one)
    assert not np.array_equal(uniform, second) and 0 <= uniform.min() and uniform.max() < 1
    assert abs(uniform.mean() - .5) < .02 and abs(normal.mean() - 1) < .1 and abs(normal.std() - 2) < .1
    assert abs(truncated).max() <= 2 and abs(truncated.std() - .88) < .03
    assert set(integers) == {3, 4, 5} and abs((dropped == 0).mean() - .3) < .03
    assert not np.array_equal(tf.random.uniform([9]), tf.random.uniform([9]))  # outside it all is as it was
