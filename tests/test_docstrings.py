"""The examples in the docstrings of the package give what they show; those marked `+SKIP` need files of one's own."""
import doctest
import importlib
import pkgutil

import pytest

import pet_keras


def _tests(module):
    """The docstrings of a module that hold an example."""
    return [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]


def _modules():
    names = [found.name for found in pkgutil.walk_packages(pet_keras.__path__, 'pet_keras.')]
    return [importlib.import_module(name) for name in names if not name.endswith('__main__')]


TESTS = [test for module in _modules() for test in _tests(module)]


@pytest.mark.parametrize('test', TESTS, ids=lambda test: test.name)
def test_a_docstrings_examples_give_what_they_show(test):
    said = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=said.append)
    assert result.failed == 0, ''.join(said)
    if not result.attempted:
        pytest.skip('needs files of one\'s own')


def test_examples_are_found_wherever_they_stand():
    assert {'pet_keras.classifiers.cloze_classifier.ClozeClassifier', 'pet_keras.cloze.pattern.Pattern',
            'pet_keras.cloze.masking.word_groups'} <= {test.name for test in TESTS}


def test_a_wrong_example_is_seen():
    test = doctest.DocTestParser().get_doctest('>>> 1 + 1\n3\n', {}, 'wrong', None, 0)
    assert doctest.DocTestRunner().run(test, out=lambda said: None).failed == 1
