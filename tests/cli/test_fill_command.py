import json

import pytest
from six_reviews import stdin, write

from pet_keras.cli.main import main
from pet_keras.networks.fill import fill_mask, filled_text


def table(pairs):
    return ['  %.4f  %s' % (p, token) for token, p in pairs]


def test_one_blank_is_a_table(run, tiny):
    status, out, err = run('fill', '--checkpoint', tiny, '--top', 3, '房间很[MASK]净')
    (blank,), = fill_mask(['房间很[MASK]净'], tiny, top=3)
    assert status == 0 and out.splitlines() == ['房间很[MASK]净', *table(blank)]


def test_several_blanks_are_a_table_each_and_the_text_with_the_likeliest(run, tiny):
    text = '房间[MASK][MASK]净'
    first, second = fill_mask([text], tiny, top=2)[0]
    assert run('fill', '--checkpoint', tiny, '--top', 2, text)[1].splitlines() == [
        text, 'blank 1', *table(first), 'blank 2', *table(second), '→ ' + filled_text(text, [first, second])]


def test_a_causal_model_writes_on(run, tiny, causal):
    text = '今天天气[MASK][MASK]'
    first, second = fill_mask([text], causal, top=10)[0]
    wanted = [text, 'blank 1', *table(first), 'blank 2', *table(second), '→ ' + filled_text(text, [first, second])]
    assert run('fill', '--checkpoint', causal, text)[1].splitlines() == wanted
    assert len(first) == 10
    causally, masked = (run('fill', '--checkpoint', tiny, *flag, text)[1] for flag in (['--causal'], []))
    assert causally != masked


def test_json_is_one_object_a_text(run, tiny):
    texts = ['房间很[MASK]净', '[MASK]好[MASK]']
    status, out, _ = run('fill', '--checkpoint', tiny, '--top', 2, '--json', *texts)
    found = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and [one['text'] for one in found] == texts
    for one, blanks in zip(found, fill_mask(texts, tiny, top=2)):
        assert one['filled'] == filled_text(one['text'], blanks)
        assert [[pair['token'] for pair in blank] for blank in one['blanks']] == [[t for t, _ in b] for b in blanks]
        assert [pair['probability'] for blank in one['blanks'] for pair in blank] == pytest.approx(
            [p for blank in blanks for _, p in blank])


@pytest.mark.parametrize('source', ['-', '--file'])
def test_texts_come_from_a_file_or_standard_input_one_a_line(run, tiny, tmp_path, monkeypatch, source):
    lines = '好[MASK]\n\n很[MASK]净\n'
    if source == '-':
        stdin(monkeypatch, lines)
    given = ['-'] if source == '-' else ['--file', write(tmp_path / 'texts', lines)]
    status, out, err = run('fill', '--checkpoint', tiny, '--top', 1, *given)
    rows = out.splitlines()
    assert status == 0 and [rows[0], rows[2], rows[3]] == ['好[MASK]', '', '很[MASK]净'] and 'blank line' in err


@pytest.fixture
def no_model(monkeypatch):
    """A network that is built is an error: what is wrong is seen before."""
    def built(*args, **kwargs):
        raise AssertionError('a model was built')
    monkeypatch.setattr('pet_keras.networks.fill.build', built)


def test_a_text_without_a_blank_is_one_line_that_shows_how(fails, tiny, no_model):
    error = fails('fill', '--checkpoint', tiny, '房间很干净')
    assert '房间很干净' in error and '科学技术是第一生[MASK]力' in error


def test_a_long_text_is_one_line_that_names_the_limit(fails, tiny, no_model):
    assert 'at most 64' in fails('fill', '--checkpoint', tiny, '好' * 100 + '[MASK]')


@pytest.mark.parametrize('args, said', [([], 'Nothing to fill'), (['--top', '0', '[MASK]'], '--top is at least 1'),
                                        (['--file', 'missing.txt'], 'missing.txt'), (['-', '-'], 'once'),
                                        (['--checkpoint', 'missing', '[MASK]'], 'missing')])
def test_what_is_wrong_with_the_command_is_one_line(fails, no_model, args, said):
    assert said in fails('fill', *args)


def test_help_names_every_flag_and_shows_an_example(capsys):
    with pytest.raises(SystemExit) as stop:
        main(['fill', '--help'])
    out = capsys.readouterr().out
    assert stop.value.code == 0 and 'pet-keras fill "科学技术是第一生[MASK]力"' in out and 'each as if the others' in out
    for flag in ('--checkpoint', '--causal', '--top', '--json', '--file', 'TEXT'):
        assert flag in out


def test_an_empty_name_is_no_checkpoint(fails):
    assert "No checkpoint ''" in fails('fill', '--checkpoint', '', '很[MASK]')
