import json
import os
import shutil
from collections import Counter

import numpy as np
import pytest
from scripted import LABELLED

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.loading import load
from pet_keras.classifiers.pet.pet import IPet, Pet
from pet_keras.classifiers.training import Trainer
from pet_keras.data.example import Example
from pet_keras.data.reading import read_examples
from pet_keras.data.spool import Spool
from pet_keras.errors import UserError

UNLABELLED = [a + b for a in ('店里', '菜品', '服务', '位置') for b in ('干净', '好吃', '安静', '很脏', '难吃', '吵人')] * 3
UNLABELLED = ['%s%d' % (text, i) for i, text in enumerate(UNLABELLED)]
DEV = LABELLED[1::3]
SETTINGS = {'epochs': 1, 'distillation': {'epochs': 1}}


def _arrays(folder):
    with np.load(os.path.join(str(folder), 'scores.npz')) as file:
        return dict(file)


@pytest.fixture
def fit(task, still, epochs, tmp_path):
    """Trains a Pet of P1 and P3 into tmp_path/out."""
    def run(labelled=LABELLED, dev=None, unlabelled=UNLABELLED, out=str(tmp_path / 'out'), settings=SETTINGS,
            **arguments):
        pet = Pet(task, still, **dict({'patterns': ['P1', 'P3']}, **arguments))
        return pet.fit(labelled, unlabelled, dev, out=out, **settings)
    return run


def test_the_soft_labels_come_from_the_models_scores_by_weights_and_temperature(fit, tmp_path, task):
    fit(weights='accuracy', temperature=3.)
    stages = [tmp_path / 'out' / 'ensemble' / 'generation0' / name for name in ('P1-seed0', 'P3-seed0')]
    weights = [json.loads((stage / 'stage.json').read_text('utf-8'))['before'] for stage in stages]
    scores = sum(w * _arrays(stage)['unlabelled'] for w, stage in zip(weights, stages)) / sum(weights)
    expected = np.exp(scores / 3.)
    expected /= expected.sum(axis=1, keepdims=True)
    soft = read_examples(str(tmp_path / 'out' / 'soft_labels.jsonl'), task)
    assert [e.text for e in soft] == UNLABELLED
    np.testing.assert_allclose([[e.label[label] for label in task.labels] for e in soft], expected, rtol=1e-9)


def test_the_classifier_learns_from_these_alone(fit, monkeypatch):
    seen = []
    monkeypatch.setattr(Trainer, '_train_epoch', lambda self, epoch, streams: seen.append(
        (self.classifier.kind, [target for _, target in streams[0].texts])) or 1.)
    fit()
    kinds, targets = zip(*seen)
    assert kinds == ('cloze', 'cloze', 'pet') and len(targets[-1]) == len(UNLABELLED)
    np.testing.assert_allclose(np.sum(targets[-1], axis=1), 1.)


def test_what_it_learns_with_is_divided_by_the_temperature_and_what_it_says_is_not(task, still):
    pet = Pet(task, still, ['P1'], temperature=4.)
    pet.run_eagerly = True
    question, = pet.questions(pet.tokenize(Example('房间很干净')))
    learned = pet.model([np.array([part]) for part in question[:3]]).numpy()[0, 0]
    said = pet.label_scores(['房间很干净'])[0]
    assert abs(said[0] - said[1]) > 1e-4
    np.testing.assert_allclose(said[0] - said[1], 4. * (learned[0] - learned[1]), rtol=1e-4)


def test_it_is_loaded_with_its_ensemble_and_without_once_that_is_deleted(fit, tmp_path):
    pet, out, texts = fit(), str(tmp_path / 'out'), UNLABELLED[:5]
    found = load(out)
    assert isinstance(found, Pet) and found.temperature == 2. and found.history == pet.history
    np.testing.assert_array_equal(found.predict_proba(texts), pet.predict_proba(texts))
    np.testing.assert_array_equal(found.ensemble.predict_proba(texts), pet.ensemble.predict_proba(texts))
    with pytest.raises(UserError, match='trained already'):
        found.fit(LABELLED, UNLABELLED)
    shutil.rmtree(os.path.join(out, 'ensemble'))
    alone = load(out)
    assert alone.ensemble is None and alone.predict(texts) == pet.predict(texts)
    alone.save(str(tmp_path / 'copy'))
    np.testing.assert_array_equal(load(str(tmp_path / 'copy')).predict_proba(texts), pet.predict_proba(texts))


def test_the_report_ends_with_the_classifier_and_is_in_the_folder(fit, tmp_path):
    pet = fit(dev=DEV)
    assert [row['name'] for row in pet.report] == ['P1', 'P3', 'mean', 'ensemble', 'distilled']
    assert pet.report[-1]['accuracy'] == pet.evaluate(DEV)['accuracy']
    assert json.loads((tmp_path / 'out' / 'report.json').read_text('utf-8')) == pet.report
    assert fit(out=None).report == []


def test_what_is_done_is_not_done_again_and_gives_the_same(fit, epochs):
    first = fit(generations=1, dev=DEV)
    assert epochs == ['cloze'] * 4 + ['pet']
    again = fit(generations=1, dev=DEV)
    assert len(epochs) == 5 and again.report == first.report
    np.testing.assert_array_equal(again.predict_proba(UNLABELLED), first.predict_proba(UNLABELLED))
    np.testing.assert_array_equal(again.ensemble.predict_proba(UNLABELLED), first.ensemble.predict_proba(UNLABELLED))


def test_an_interrupted_run_goes_on_in_the_stage_where_it_stopped(fit, epochs, monkeypatch, tmp_path):
    whole, begun, train_epoch = fit(generations=1, dev=DEV, out=str(tmp_path / 'whole')), [], Trainer._train_epoch

    def stopping(self, *arguments):
        begun.append(self.classifier.kind)
        if len(begun) in (1, 4, 7):  # the first stage, the third, and the fifth
            raise KeyboardInterrupt
        return train_epoch(self, *arguments)
    monkeypatch.setattr(Trainer, '_train_epoch', stopping)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            fit(generations=1, dev=DEV)
    resumed = fit(generations=1, dev=DEV)
    assert len(begun) == 5 + 3  # those that were interrupted began twice
    assert resumed.report == whole.report
    np.testing.assert_array_equal(resumed.predict_proba(UNLABELLED), whole.predict_proba(UNLABELLED))


def test_a_full_disk_stops_a_stage_and_the_run_goes_on_when_there_is_room(fit, epochs, monkeypatch, tmp_path):
    whole, savez, calls = fit(out=str(tmp_path / 'whole')), np.savez, []

    def full(file, **arrays):
        calls.append(file)
        if len(calls) == 2:
            raise OSError(28, 'No space left on device')
        savez(file, **arrays)
    monkeypatch.setattr(np, 'savez', full)
    with pytest.raises(OSError, match='No space left'):
        fit()
    trained = len(epochs)
    assert fit().report == whole.report
    assert len(epochs) == trained + 1  # the second model was whole; only the classifier was left


def test_other_settings_and_texts_are_refused_and_named(fit):
    fit()
    for arguments, says in (({'temperature': 3.}, 'temperature was 2.0 and is 3.0'),
                            ({'seeds': 2}, 'seeds was 1 and is 2'),
                            ({'labelled': LABELLED[:9]}, 'labelled was 24 .* and is 9'),
                            ({'settings': {'epochs': 2}}, 'epochs was 1 and is 2; distillation was')):
        with pytest.raises(UserError, match='other settings: ' + says):
            fit(**arguments)


def test_without_unlabelled_texts_there_is_nothing_to_distil_from(fit, tmp_path):
    with pytest.raises(UserError, match='unlabelled texts: give some. Without them Ensemble'):
        fit(unlabelled=None)
    with pytest.raises(UserError, match='temperature is above 0'):
        fit(temperature=0.)
    assert not (tmp_path / 'out').exists()


# --- iPET -------------------------------------------------------------------------------------------------

def test_each_generation_learns_from_five_times_the_texts_in_the_balance_of_the_labels(fit, tmp_path, task):
    labelled = LABELLED[:2] + LABELLED[-1:]
    pet = fit(labelled=labelled, generations=2, patterns=['P1', 'P2', 'P3'])
    assert pet.generations == 2
    for generation, counts in ((1, {'正面': 8, '负面': 4}), (2, {'正面': 48, '负面': 24})):
        for name in ('P1', 'P2', 'P3'):
            folder = tmp_path / 'out' / 'ensemble' / ('generation%d' % generation) / (name + '-seed0')
            drawn = read_examples(str(folder / 'labels.jsonl'), task)
            learned = json.loads((folder / 'stage.json').read_text('utf-8'))['learned_from']
            assert Counter(e.label for e in drawn) == counts and len({e.text for e in drawn}) == len(drawn)
            assert learned == {label: counts[label] + n for label, n in (('正面', 2), ('负面', 1))}


def test_a_models_texts_are_labelled_by_another_model(fit, tmp_path, task):
    fit(labelled=LABELLED[:2] + LABELLED[-1:], generations=1)
    generations = [tmp_path / 'out' / 'ensemble' / ('generation%d' % g) for g in (0, 1)]
    other = _arrays(generations[0] / 'P1-seed0')['unlabelled']
    by_text = dict(zip(UNLABELLED, other))
    drawn = read_examples(str(generations[1] / 'P3-seed0' / 'labels.jsonl'), task)
    proba = {label: sorted((by_text[e.text] @ [1, -1] if label == '正面' else by_text[e.text] @ [-1, 1])
                           for e in drawn if e.label == label) for label in task.labels}
    own = Counter(task.labels[scores.argmax()] for scores in other)
    for label, n in (('正面', 8), ('负面', 4)):
        assert len(proba[label]) == n and (own[label] < n or proba[label][0] >= 0)  # the other model's own labels


def test_only_the_last_generations_models_are_kept(fit, tmp_path):
    fit(generations=1, dev=DEV)
    for name in ('P1-seed0', 'P3-seed0'):
        folders = [tmp_path / 'out' / 'ensemble' / ('generation%d' % g) / name for g in (0, 1)]
        assert [(folder / 'model').exists() for folder in folders] == [False, True]
        assert all((folder / file).exists() for folder in folders for file in (
            'stage.json', 'scores.npz', 'predictions.jsonl'))


def test_without_labelled_texts_the_untrained_models_label_the_first_ten(task, still, epochs, tmp_path):
    pet = IPet(task, still, ['P1', 'P3'], generations=2)
    pet.fit(None, UNLABELLED, DEV, out=str(tmp_path / 'out'), **SETTINGS)
    assert epochs == ['cloze'] * 4 + ['pet']  # nothing was trained in generation 0
    for generation, n in ((1, 5), (2, 25)):
        drawn = read_examples(str(tmp_path / 'out' / 'ensemble' / ('generation%d' % generation) / 'P1-seed0' /
                                  'labels.jsonl'), task)
        assert Counter(e.label for e in drawn) == {'正面': n, '负面': n}
    assert [row['name'] for row in pet.report if row['generation'] == 0] == ['P1', 'P3', 'mean', 'ensemble']


def test_three_generations_are_ipets_default(task, still):
    assert IPet(task, still).generations == 3 and Pet(task, still).generations == 0


def test_a_causal_model_with_one_pattern_has_a_pet_too(causal, epochs):
    pet = Pet('sentiment', causal).fit(LABELLED, UNLABELLED, **SETTINGS)
    assert len(pet.ensemble.members) == 1 and len(pet.predict(UNLABELLED[:3])) == 3
    assert epochs == ['cloze', 'pet']


def test_a_task_of_pairs_has_a_pet_too(still, epochs, tmp_path):
    pairs = [Example('下雨了', '地湿了', '蕴含'), Example('下雨了', '天晴着', '矛盾')]
    pet = Pet('nli_binary', still, ['P2']).fit(pairs, [e[:2] for e in pairs], out=str(tmp_path), **SETTINGS)
    assert [e[:2] for e in read_examples(str(tmp_path / 'soft_labels.jsonl'), pet.task)] == [e[:2] for e in pairs]


def test_it_is_served_and_exported_as_the_one_network_that_it_is(fit, monkeypatch, tmp_path):
    from pet_keras.serving.engines import load_engines
    from pet_keras.serving.export import export
    from pet_keras.serving.onnx_classifier import OnnxClassifier
    pytest.importorskip('onnxruntime')
    pet = fit()
    monkeypatch.undo()  # it is asked in earnest
    found, = load_engines({'mine': str(tmp_path / 'out')})['mine'].classify([('mine', None, UNLABELLED[:1])])
    np.testing.assert_allclose(np.exp(found), pet.predict_proba(UNLABELLED[:1])[0], atol=1e-6)
    export(pet, str(tmp_path / 'onnx'), 'onnx')
    np.testing.assert_allclose(OnnxClassifier(str(tmp_path / 'onnx')).predict_proba(UNLABELLED[:4]),
                               pet.predict_proba(UNLABELLED[:4]), atol=1e-5)
    with pytest.raises(UserError, match='more than one graph'):
        export(pet.ensemble, str(tmp_path / 'more'), 'onnx')


def test_texts_in_spools_give_what_lists_of_them_do(fit, task, tmp_path):
    for name, examples in (('unlabelled.txt', UNLABELLED), ('labelled.tsv', LABELLED), ('dev.tsv', DEV)):
        (tmp_path / name).write_text('\n'.join(e if isinstance(e, str) else '%s\t%s' % (e.text, e.label)
                                               for e in examples), encoding='utf-8')
    labelled, dev = (Spool(str(tmp_path / name), task, labelled=True) for name in ('labelled.tsv', 'dev.tsv'))
    lists = fit(dev=DEV, generations=1, out=str(tmp_path / 'lists'))
    spools = fit(labelled, dev, Spool(str(tmp_path / 'unlabelled.txt')), str(tmp_path / 'spools'), generations=1)
    assert spools.report == lists.report and spools.trained_on == lists.trained_on
    for one, other in zip(spools.model.get_weights(), lists.model.get_weights()):
        np.testing.assert_array_equal(one, other)
    runs = [json.loads((tmp_path / name / 'run.json').read_text('utf-8')) for name in ('lists', 'spools')]
    assert runs[0] == runs[1]  # either run goes on with the other's files


def test_no_other_training_goes_into_the_folder_of_a_run_and_it_goes_on(fit, interrupt, still, task, tmp_path):
    interrupt(0, fit)
    with pytest.raises(UserError, match='holds a run of pet-keras pet'):
        ClozeClassifier(task, still).fit(LABELLED, epochs=1, out=str(tmp_path / 'out'))
    fit()
    assert load(str(tmp_path / 'out')).kind == 'pet'
