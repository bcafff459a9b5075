"""The folder of a saved classifier, whatever its kind and its way of tuning.

- `model.json`: kind, way of tuning, pattern, maxlen, history, how many texts it learned from and their digest, the
  checkpoint's name and fingerprint, and the versions of what wrote it;
- `task.json`;
- where the checkpoint's own weights trained: a checkpoint in Google's format, with these weights;
- `added.safetensors`: weights that no checkpoint holds (a prompt's rows, a prefix, a new output layer), kilobytes.
"""
import glob
import json
import os

import numpy as np

from pet_keras import __version__
from pet_keras.checkpoints.atomic import present_files, to_disk, written_at_once
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.checkpoints.google import check_dtype
from pet_keras.checkpoints.source import open_source
from pet_keras.classifiers.kinds import KINDS
from pet_keras.cloze.task import Task
from pet_keras.errors import UserError

HEADER, ADDED = 'model.json', 'added.safetensors'
EXPORT = 'export.json'  # of a folder that `serving.export` wrote, which is no saved classifier
_HEADERS = (HEADER, 'prompt.json', 'classifier.json')  # version 0.1 wrote the others


def write_json(path, fields):
    """Writes a JSON file whole or not at all."""
    with open(path + '.tmp', 'w', encoding='utf-8') as writer:
        json.dump(fields, writer, ensure_ascii=False, indent=1)
    to_disk(path + '.tmp')
    os.replace(path + '.tmp', path)


def write(classifier, folder, dtype='float32'):
    """Writes a classifier; what stood there stays until all is written. See TextClassifier.save.

    Raises: UserError where the folder holds a model of another kind, or a checkpoint that is no saved model.
    """
    from safetensors.numpy import save
    from pet_keras.backend import BERT4KERAS, tf
    check_dtype(dtype)
    check_place(classifier, folder)
    checkpoint, tuning = classifier.checkpoint, classifier.tuning
    is_own = checkpoint is not None and checkpoint.is_in(folder)
    with written_at_once(folder) as new:
        if not tuning.keeps_checkpoint:
            tuning.merge()
            checkpoint.write(new, classifier.transformer, dtype)
        classifier.task.save(os.path.join(new, 'task.json'))
        added = {name: np.ascontiguousarray(value) for name, value in classifier.added_tensors().items()}
        if added:
            with open(os.path.join(new, ADDED), 'wb') as writer:
                writer.write(save(added))
        write_json(os.path.join(new, HEADER), dict(
            classifier.settings(), kind=classifier.kind, keeps_checkpoint=tuning.keeps_checkpoint,
            offset=classifier.offset.tolist(), history=classifier.history, trained_on=classifier.trained_on,
            versions={'pet_keras': __version__, 'tensorflow': tf.__version__, 'bert4keras': BERT4KERAS},
            checkpoint=checkpoint and _which(checkpoint, None if tuning.keeps_checkpoint else new, is_own)))
    if is_own:
        checkpoint.reread()


def _which(checkpoint, written=None, is_own=False):
    """What tells a checkpoint from others; `written`, the folder of the weights that trained, if they did; `is_own`,
    whether what they started from is gone with that."""
    where = os.path.abspath(checkpoint.folder) if os.path.isdir(checkpoint.name) else checkpoint.name
    new = {'written': Checkpoint(written, checkpoint.application).fingerprint} if written else {}
    digits = new['written'] if is_own else checkpoint.fingerprint
    return dict(new, name=where, application='lm' if checkpoint.is_causal else 'mlm', fingerprint=digits)


def check_place(classifier, folder):
    """Raises UserError where the folder holds what a save must not replace."""
    files = present_files(folder)
    if any(os.path.exists(os.path.join(files, name)) for name in _HEADERS):
        there, train = read_header(folder), classifier.tuning.settings()['train']
        if (there['kind'], there['tuning']['train']) != (classifier.kind, train):
            raise UserError('%s holds another model (%s, train=%r): choose another folder.' % (
                folder, there['kind'], there['tuning']['train']))
    elif glob.glob(os.path.join(glob.escape(files), '*.index')) or _is_checkpoint(files):
        raise UserError('%s already holds a checkpoint, which no model is saved over: choose another folder.' % folder)


def _is_checkpoint(folder):
    """Whether a folder holds a pretrained checkpoint of any format."""
    try:
        return os.path.isdir(folder) and bool(open_source(folder))
    except UserError:
        return False


def read_header(folder):
    """The fields of model.json, or of what version 0.1 wrote in its place; UserError where there is none."""
    for name in _HEADERS:
        path = os.path.join(present_files(folder), name)
        if os.path.isfile(path):
            break
    else:
        if os.path.isfile(os.path.join(folder, EXPORT)):
            raise UserError('%s is an exported model: %s.' % (
                folder, 'add --engine onnx (in Python: OnnxClassifier)' if os.path.isfile(os.path.join(
                    folder, 'model.onnx')) else 'its predict.py runs it'))
        raise UserError('%s holds no %s: it is not a model that pet_keras trained%s.' % (
            folder, HEADER, '' if os.path.isdir(folder) else ' (it is a file)' if os.path.exists(folder) else (
                ' (there is no such folder)')))
    try:
        with open(path, encoding='utf-8') as reader:
            fields = json.load(reader)
        if name != HEADER:
            fields = _of_version_0_1(fields, name == 'prompt.json')
        missing = {'kind', 'tuning', 'keeps_checkpoint', 'maxlen', 'history', 'checkpoint'} - set(fields)
        if _has_checkpoint(fields['kind']):
            missing |= {'name', 'application', 'fingerprint'} - set(fields['checkpoint'])
        missing |= {'train'} - set(fields['tuning'])
        if missing:
            raise KeyError(', '.join(sorted(missing)))
    except (ValueError, KeyError, TypeError, RecursionError) as e:
        raise damaged(path, e) from None
    return fields


def _has_checkpoint(kind):
    return not isinstance(kind, str) or kind not in KINDS or KINDS[kind].checkpoint


def read_task(folder):
    """The Task of a saved classifier; UserError for a damaged file."""
    return Task.load(os.path.join(present_files(folder), 'task.json'))


def damaged(path, error):
    """The UserError for a file that cannot be what `write` wrote."""
    why = 'it lacks %s' % error.args[0] if isinstance(error, KeyError) else error
    return UserError('%s is damaged, or pet_keras did not write it: %s' % (path, why))


def _of_version_0_1(fields, is_prompt):
    """The fields of `prompt.json` or `classifier.json` as model.json has them."""
    checkpoint = {'name': fields.get('checkpoint'), 'application': fields.get('application'),
                  'fingerprint': fields.get('fingerprint')}
    return {'kind': 'cloze', 'tuning': {'train': 'prompt' if is_prompt else 'all'}, 'keeps_checkpoint': is_prompt,
            'pattern': fields['pattern'], 'prompt_tokens': fields.get('tokens'), 'maxlen': fields['maxlen'],
            'history': fields['history'], 'checkpoint': checkpoint}


def read_added(folder):
    """The added weights, a dict name → array; UserError for a damaged file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file
    path = os.path.join(present_files(folder), ADDED)
    if not os.path.exists(path):
        path = os.path.join(folder, 'prompt.safetensors')  # version 0.1
    if not os.path.exists(path):
        return {}
    try:
        found = load_file(path)
    except (OSError, ValueError, SafetensorError, AttributeError, KeyError, TypeError) as e:  # of types NumPy has not
        raise damaged(path, 'it cannot be read (%s)' % e) from None
    if any(array.dtype.kind != 'f' for array in found.values()):
        raise damaged(path, 'its weights are no real numbers')
    return found


def find_checkpoint(folder, fields, checkpoint=None):
    """The Checkpoint of a saved classifier: in the folder itself, or the one that it was trained on.

    Arguments: `checkpoint`, where that one is now (a Checkpoint or a name), if not where it was.

    None of a kind that has none. Raises: UserError where it is another one.
    """
    if not _has_checkpoint(fields['kind']):
        if checkpoint is not None:
            raise UserError('%s holds a model without a checkpoint, so it takes none.' % folder)
        return None
    application = fields['checkpoint']['application']
    if not fields['keeps_checkpoint']:
        if checkpoint is not None:
            raise UserError('%s holds a whole model, so it takes no --checkpoint of its own.' % folder)
        checkpoint, written = Checkpoint(folder, application), fields['checkpoint'].get('written')
        if written not in (None, checkpoint.fingerprint):
            raise damaged(folder, 'its weights are not those that were saved (fingerprint %s, and %s is in it)' % (
                written, checkpoint.fingerprint))
        return checkpoint
    if checkpoint is None:
        try:
            # the folder may be a stranger's, who is not to decide what is downloaded
            checkpoint = Checkpoint(fields['checkpoint']['name'], application, download=False)
        except UserError as e:
            raise UserError(
                'What is in %s was trained on the checkpoint %s, which cannot be opened: %s Say where it is: '
                '--checkpoint FOLDER or hf:owner/name (in Python load(%r, checkpoint=FOLDER)).' % (
                    folder, fields['checkpoint']['name'], e, folder)) from None
    elif not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint(checkpoint, application)
    if checkpoint.is_causal != (application == 'lm'):
        causal, masked = 'causal (left-to-right)', 'masked'
        raise UserError('What is in %s was trained on a %s model, and %s is read as a %s one.' % (
            (folder, masked, checkpoint.folder, causal) if checkpoint.is_causal else
            (folder, causal, checkpoint.folder, masked)))
    if not checkpoint.is_fingerprint(fields['checkpoint']['fingerprint']):
        raise UserError('What is in %s was trained on another checkpoint (%s, fingerprint %s) and means nothing to '
                        '%s (fingerprint %s).' % (folder, fields['checkpoint']['name'],
                                                  fields['checkpoint']['fingerprint'], checkpoint.folder,
                                                  checkpoint.fingerprint))
    return checkpoint
