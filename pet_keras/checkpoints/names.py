"""The names of a checkpoint's variables: Google's, and bert4keras' for the GPTs, whatever the file format."""

MLM_HEAD = ['cls/predictions/transform/dense/kernel', 'cls/predictions/transform/dense/bias',
            'cls/predictions/transform/LayerNorm/gamma', 'cls/predictions/transform/LayerNorm/beta',
            'cls/predictions/output_bias']
_NETWORKS = ('bert/', 'cls/', 'gpt/', 'newslm/')
_NOT_ASKED = ('bert/pooler/', 'cls/seq_relationship/')  # for sentence pairs: a cloze does without them


def is_of_optimizer(name):
    """Whether a variable is left over from pretraining: the optimizer's moments, the step counter."""
    return any(part in name for part in ('adam_', 'Adam', 'adafactor_', 'global_step', 'LAMB'))


def is_of_cloze(name):
    """Whether a variable can count in a cloze's answer: neither optimizer, nor pooler, nor next-sentence head."""
    return name.startswith(_NETWORKS) and not name.startswith(_NOT_ASKED) and not is_of_optimizer(name)
