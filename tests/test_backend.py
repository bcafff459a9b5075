import os
import subprocess
import sys
import textwrap

import pytest

import pet_keras
from pet_keras.backend import BERT4KERAS, K, keras, set_seed, tf

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))
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


def test_set_seed_makes_all_three_generators_repeat():
    import random

    import numpy as np
    drawn = []
    for _ in range(2):
        set_seed(7)
        drawn.append((random.random(), np.random.rand(), float(tf.random.uniform([]))))
    assert drawn[0] == drawn[1]


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
