import pickle

from pet_keras.errors import UserError


def test_a_message_is_as_it_was_given_and_survives_its_process():
    for error in (UserError('a.tsv, line 2: no label.\n- more'), pickle.loads(pickle.dumps(UserError('好' * 2000)))):
        assert str(error) in ('a.tsv, line 2: no label.\n- more', '好' * 2000)


def test_a_line_that_quotes_too_much_keeps_its_beginning_and_its_end():
    said = str(UserError("a.tsv, line 2: the label '%s' is unknown.\nDelete it." % ('[' * 10000)))
    assert said.startswith("a.tsv, line 2: the label '[[") and said.endswith("[' is unknown.\nDelete it.")
    assert ' … ' in said and len(said) < 2100
