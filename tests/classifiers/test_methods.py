import inspect

import pytest

from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.classifiers.kinds import KINDS, class_of
from pet_keras.classifiers.methods import DEFAULT, METHODS, arguments, check_given, named
from pet_keras.errors import UserError


def test_every_kind_is_a_classifier_that_bears_its_name():
    assert {kind: class_of(kind).kind for kind in KINDS} == {kind: kind for kind in KINDS}
    assert class_of('fine-tuning') is FineTuningClassifier


@pytest.mark.parametrize('name', METHODS)
def test_a_methods_settings_are_arguments_of_its_classifier(name):
    own, fit = arguments(METHODS[name].kind)
    assert set(METHODS[name].settings) <= own and METHODS[name].line
    assert {'seed', 'out', 'resume', 'verbose'} <= fit
    assert ('pattern' in own, 'checkpoint' in own) == KINDS[METHODS[name].kind][3:]


def test_the_kind_cloze_is_the_default_method():
    assert named('cloze') == METHODS[DEFAULT] and named('p-tuning').settings == {'train': 'prompt'}


def test_what_can_be_set_is_read_from_the_functions_themselves():
    own, fit = arguments('cloze')
    assert own == set(inspect.signature(class_of('cloze').__init__).parameters) - {'self', 'task'}
    assert {'epochs', 'mask_rate', 'labelled_share', 'out'} <= fit
    assert not {'self', 'classifier', 'labelled', 'dev', 'settings'} & (own | fit)
    assert 'mask_rate' not in arguments('fine-tuning')[1] and 'epochs' in arguments('fine-tuning')[1]


@pytest.mark.parametrize('name,option', [('fine-tuning', 'mask_rate'), ('fine-tuning', 'pattern'),
                                         ('p-tuning', 'train'), ('fine-tuning', 'prompt_tokens')])
def test_an_option_of_other_methods_is_named_with_them(name, option):
    check_given('pet', [option])
    with pytest.raises(UserError, match='--%s does not belong to --method %s, but to pet' % (
            option.replace('_', '-'), name)):
        check_given(name, ['seed', option])
