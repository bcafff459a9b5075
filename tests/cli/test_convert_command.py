import os
import shutil

import numpy as np
import pytest
from six_reviews import TEXTS

from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.checkpoints.google import write_google
from pet_keras.cli.main import main


def test_convert_writes_a_copy_and_says_that_it_is_the_same_model(run, tiny, tmp_path):
    status, out, err = run('checkpoint', 'convert', tiny, tmp_path / 'copy', '--to', 'safetensors')
    digits, size = Checkpoint(tiny).fingerprint, os.path.getsize(str(tmp_path / 'copy' / 'model.safetensors'))
    assert (status, err) == (0, '')
    assert out.splitlines() == ['%s: safetensors, float32, 26 tensors, %.1f MB' % (tmp_path / 'copy', size / 1e6),
                                'fingerprint: %s, the source\'s' % digits]
    status, out, _ = run('checkpoint', 'inspect', tmp_path / 'copy', '--no-measure')
    assert status == 0 and digits in out and 'Hugging Face' in out


def test_convert_names_what_is_dropped_and_says_that_float16_is_another_model(run, tiny, tmp_path):
    from pet_keras.backend import tf
    folder, source = shutil.copytree(tiny, str(tmp_path / 'trained')), Checkpoint(tiny)
    variables = {name: source.load_variable(name) for name in source.shapes}
    variables.update({'cls/predictions/output_bias/adam_%d' % i: np.ones(3, 'float32') for i in range(12)})
    tf.raw_ops.SaveV2(prefix=os.path.join(folder, 'bert_model.ckpt'), tensor_names=list(variables),
                      shape_and_slices=[''] * len(variables), tensors=list(variables.values()))
    status, out, _ = run('checkpoint', 'convert', folder, tmp_path / 'copy', '--to', 'safetensors',
                         '--dtype', 'float16')
    assert status == 0 and 'safetensors, float16' in out
    assert "another than the source's, %s\n" % source.fingerprint in out
    assert 'dropped: cls/predictions/output_bias/adam_0, ' in out and out.endswith(', and 2 more\n')
    status, out, _ = run('checkpoint', 'convert', folder, tmp_path / 'google', '--to', 'google')
    assert status == 0 and 'dropped' not in out and ' 38 tensors' in out


@pytest.mark.parametrize('to, name', [('google', 'cls/predictions/output_bias'),
                                      ('safetensors', 'cls.predictions.bias')])
def test_convert_warns_of_tensors_that_are_no_numbers(run, tiny, tmp_path, to, name):
    folder, source = shutil.copytree(tiny, str(tmp_path / 'damaged')), Checkpoint(tiny)
    variables = {name: np.array(source.load_variable(name)) for name in source.shapes}
    variables['cls/predictions/output_bias'][3:5] = float('nan'), float('inf')
    write_google(folder, source.source.config, source.vocab_path, variables.items())
    status, out, err = run('checkpoint', 'convert', folder, tmp_path / 'copy', '--to', to)
    assert status == 0 and "the source's" in out
    assert err == 'pet-keras: warning: %s holds NaN or infinite numbers, and so does its copy, in 1 tensors: %s.\n' % (
        folder, name)


def test_convert_leaves_the_tokens_of_texts_and_tasks(run, tiny, reviews, tmp_path):
    status, out, _ = run('checkpoint', 'convert', tiny, tmp_path / 'cut', '--to', 'google', '--keep-tokens', reviews,
                         'sentiment')
    cut = Checkpoint(str(tmp_path / 'cut'))
    assert status == 0 and 'vocabulary: %d of 5970 tokens are left\n' % len(cut.vocab) in out
    assert {char for text in TEXTS for char in text} <= set(cut.vocab) and len(cut.vocab) < 1000


def test_convert_takes_a_model_for_a_causal_one_where_it_is_told_so(run, tiny, tmp_path):
    assert run('checkpoint', 'convert', tiny, tmp_path / 'lm', '--to', 'google', '--causal')[0] == 0
    assert Checkpoint(str(tmp_path / 'lm')).is_causal


def test_what_cannot_be_converted_is_one_line(fails, tiny, tmp_path):
    assert 'own folder' in fails('checkpoint', 'convert', tiny, tiny, '--to', 'google')
    assert "'none' names no texts" in fails('checkpoint', 'convert', tiny, tmp_path / 'x', '--to', 'google',
                                            '--keep-tokens', 'none')
    below_a_file = os.path.join(tiny, 'vocab.txt', 'x')
    assert below_a_file in fails('checkpoint', 'convert', tiny, below_a_file, '--to', 'google')
    assert not os.path.exists(str(tmp_path / 'x'))


def test_the_format_must_be_named(capsys, tiny, tmp_path):
    with pytest.raises(SystemExit):
        main(['checkpoint', 'convert', tiny, str(tmp_path / 'x')])
    assert '--to' in capsys.readouterr().err
