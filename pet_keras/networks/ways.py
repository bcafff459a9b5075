"""The ways of tuning that `train=` takes by name."""
from pet_keras.networks.adapters import Adapters
from pet_keras.networks.prefix import PrefixTuning
from pet_keras.networks.tuning import AllWeights, Prompt

SHIPPED = (AllWeights, Prompt, PrefixTuning, Adapters)
_BY_NAME = {way.name: way for way in (PrefixTuning, Adapters)}


def named_way(train):
    """An object, with its defaults, of the way that a name stands for; 'all', 'prompt' and anything else stay."""
    return _BY_NAME[train]() if isinstance(train, str) and train in _BY_NAME else train
