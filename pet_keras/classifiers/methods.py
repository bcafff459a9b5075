"""Every method by its name: which classifier it is, with which settings, and what can be set of it."""
import inspect
from collections import namedtuple

from pet_keras.classifiers.kinds import class_of
from pet_keras.errors import UserError

# kind: a name in KINDS, which saved models bear; settings: the constructor's arguments that make it this method; line:
# what it does, for people
Method = namedtuple('Method', 'kind settings line')

METHODS = {
    'cloze': Method('cloze', {}, "the word in a pattern's blank; all weights train"),
    'p-tuning': Method('cloze', {'train': 'prompt'}, "the word in a pattern's blank; the rows of its [unused] tokens "
                                                     'train, nothing else'),
    'prefix-tuning': Method('cloze', {'train': 'prefix'}, "the word in a pattern's blank; keys and values before each "
                                                          "layer's own train, nothing else"),
    'adapters': Method('cloze', {'train': 'adapters'}, "the word in a pattern's blank; small layers inside each layer "
                                                       'train'),
    'autoprompt': Method('autoprompt', {}, 'characters around the blank, searched by gradient; nothing trains'),
    'lm-bff': Method('lm-bff', {}, "label words, searched on the labelled texts, in a pattern's blank; all weights "
                                   'train'),
    'fine-tuning': Method('fine-tuning', {}, 'a new output layer on the text alone; all weights train'),
    'vat': Method('vat', {}, 'fine-tuning, and answers that small moves of the embeddings do not change; of unlabelled '
                             'texts too'),
    'p-tuning-v2': Method('fine-tuning', {'train': 'prefix'}, 'a new output layer, and keys and values before each '
                                                              "layer's own; the rest is frozen"),
    'frozen-features': Method('frozen-features', {}, 'a new output layer on vectors of the frozen model; it alone is '
                                                     'learned'),
    'priming': Method('priming', {}, 'a causal model reads labelled texts before each text; nothing trains'),
    'bag-of-words': Method('bag-of-words', {}, 'which words and characters a text has; no checkpoint: the floor'),
}
DEFAULT = 'cloze'


def named(name):
    """The Method of a name in an experiment file: those above, and 'pet', which has a command of its own."""
    return METHODS.get(name) or Method(name, {}, '')


def arguments(kind):
    """What can be set of a kind: (names of its constructor's arguments, names of its `fit`'s), two sets.

    Task and texts are not among them.
    """
    return arguments_of(class_of(kind))


def arguments_of(cls):
    """As `arguments`, of a class."""
    from pet_keras.classifiers.training import Trainer
    fit = set()
    for function in [vars(base)['fit'] for base in cls.__mro__ if 'fit' in vars(base)] + [Trainer.__init__]:
        parameters = inspect.signature(function).parameters.values()
        fit.update(p.name for p in parameters if p.kind == p.POSITIONAL_OR_KEYWORD)
        if all(p.kind != p.VAR_KEYWORD for p in parameters):  # it hands nothing on
            break
    fit -= {'self', 'classifier', 'labelled', 'unlabelled', 'dev'}
    return set(inspect.signature(cls.__init__).parameters) - {'self', 'task'}, fit - set(cls.without)


def check_given(name, given):
    """Raises UserError for the first of the command's options in `given` that a method does not take."""
    def taken(method):
        own, fit = arguments(method.kind)
        found = (own | fit) - set(method.settings)
        found.update(['causal'] * ('checkpoint' in own) + ['prompt_tokens', 'prompt_where'] * ('prompt_init' in own))
        return found
    for option in given:
        if option not in taken(METHODS[name]):
            others = [other for other, method in METHODS.items() if option in taken(method)]
            raise UserError('--%s does not belong to --method %s, but to %s.' % (
                option.replace('_', '-'), name, ', '.join(others)))
