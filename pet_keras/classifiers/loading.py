"""`load`: any saved classifier, by its folder."""
from pet_keras.classifiers.kinds import KINDS, class_of
from pet_keras.classifiers.model_folder import read_header
from pet_keras.errors import UserError


def load(folder, checkpoint=None):
    """The classifier in a folder that `save`, `fit(out=...)` or `pet-keras train` wrote, of whatever kind.

    Arguments: `checkpoint`, for a model that is saved without its checkpoint (a prompt): where that is now, if
    not where it was.

    Raises: UserError where the folder holds no model, a damaged one, or one of another checkpoint.
    """
    kind = read_header(folder)['kind']
    if not isinstance(kind, str) or kind not in KINDS:
        raise UserError('%s holds a model of the kind %r, which this version does not know.' % (folder, kind))
    return class_of(kind).load(folder, checkpoint)
