import os

import numpy as np
import pytest

from pet_keras.classifiers.pet.stages import Run, digest
from pet_keras.data.example import Example
from pet_keras.errors import UserError

SETTINGS = {'temperature': 2., 'seeds': 1}


def test_a_stage_that_is_done_gives_back_what_it_left(tmp_path, capsys):
    with Run(str(tmp_path), SETTINGS, 2, verbose=1) as run:
        assert run.begin('a', 'the first') is None
        run.finish('a', {'dev': .5}, scores=np.arange(4.))
        assert run.begin('b', 'the second') is None  # and does not come to its end
    with Run(str(tmp_path), SETTINGS, 2, verbose=1) as run:
        result, arrays = run.begin('a', 'the first')
        assert result['dev'] == .5 and arrays['scores'].tolist() == [0., 1., 2., 3.]
        assert run.begin('b', 'the second') is None
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith('Stage')] == [
        'Stage 1 of 2, the first', 'Stage 2 of 2, the second',
        'Stage 1 of 2, the first: done before.', 'Stage 2 of 2, the second']


def test_a_run_of_other_settings_is_refused_and_each_is_named(tmp_path):
    with Run(str(tmp_path), SETTINGS, 1):
        pass
    with pytest.raises(UserError, match='temperature was 2.0 and is 3.0; new was None and is 1; seeds was 1 and is '
                                        'None. Go on with its settings, or choose another folder'):
        with Run(str(tmp_path), {'temperature': 3., 'new': 1}, 1):
            pass
    with Run(str(tmp_path), SETTINGS, 1):  # none of it harmed the run, or kept the lock
        pass


def test_one_run_at_a_time_works_in_a_folder(tmp_path):
    with Run(str(tmp_path), SETTINGS, 1):
        with pytest.raises(UserError, match='another pet-keras works in this folder'):
            with Run(str(tmp_path), SETTINGS, 1):
                pass
    with Run(str(tmp_path), SETTINGS, 1):
        pass


def test_a_folder_with_a_model_and_a_file_in_the_way_are_refused(tmp_path):
    (tmp_path / 'model.json').write_text('{}')
    with pytest.raises(UserError, match='already holds a model of another run'):
        with Run(str(tmp_path), SETTINGS, 1):
            pass
    for below in ('model.json', 'model.json/more'):
        with pytest.raises(UserError, match='cannot be written'):
            with Run(str(tmp_path / below), SETTINGS, 1):
                pass


def test_a_stage_that_cannot_be_written_is_not_done(tmp_path, monkeypatch):
    def full(file, **arrays):
        file.write(b'half')
        raise OSError(28, 'No space left on device')
    with Run(str(tmp_path), SETTINGS, 1) as run:
        run.begin('a', 'the first')
        with monkeypatch.context() as patch:
            patch.setattr(np, 'savez', full)
            with pytest.raises(OSError, match='No space left'):
                run.finish('a', {}, scores=np.arange(4.))
        assert not os.path.exists(str(tmp_path / 'a' / 'scores.npz'))
        assert run.begin('a', 'the first') is None
        run.finish('a', {}, scores=np.arange(4.))
        assert run.begin('a', 'the first')[1]['scores'].tolist() == [0., 1., 2., 3.]


def test_an_interrupt_says_how_to_go_on(tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt):
        with Run(str(tmp_path), SETTINGS, 3, verbose=1) as run:
            run.begin('a', 'the first')
            run.begin('b', 'the second')
            raise KeyboardInterrupt
    said = capsys.readouterr().out
    assert 'Interrupted in stage 2 of 3. The same command' in said and str(tmp_path) in said


def test_a_digest_changes_with_any_text_and_label():
    lists = [[Example('好', label='正面')], [Example('坏', label='正面')], [Example('好', label='负面')], []]
    assert len({digest(one) for one in lists}) == 4 and digest(lists[0]) == digest([Example('好', label='正面')])


@pytest.mark.parametrize('name', ['run.json', 'a/stage.json', 'a/scores.npz'])
@pytest.mark.parametrize('content', [b'', b'[' * 5000, b'PK\3\4', b'[1]'])
def test_a_damaged_file_of_a_run_is_named(name, content, tmp_path):
    with Run(str(tmp_path), SETTINGS, 1) as run:
        run.begin('a', 'the first')
        run.finish('a', {}, scores=np.arange(4.))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match='%s is damaged' % name):
        with Run(str(tmp_path), SETTINGS, 1) as run:
            run.begin('a', 'the first')
