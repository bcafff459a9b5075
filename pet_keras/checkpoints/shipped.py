"""The models that come with pet_keras."""
import glob
import os

GET_ONE = 'Type `pet-keras checkpoint list` for the shipped models; pretrained/README.md says where others are.'
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

DEFAULT = 'bert-small-zh'


def shipped_checkpoints():
    """Names and folders of the models that come with pet_keras, as a dict."""
    found = {}
    for root in (os.path.join(_PACKAGE, '..', 'pretrained'), os.path.join(_PACKAGE, 'pretrained')):
        for config in sorted(glob.glob(os.path.join(root, '*', 'bert_config.json'))):
            folder = os.path.dirname(os.path.normpath(config))
            found[os.path.basename(folder)] = folder
    return found
