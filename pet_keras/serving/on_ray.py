"""Predictions and soft labels by many workers: `--engine ray` of `pet-keras predict` and `pet-keras pet`."""
import json
import logging
import os

import numpy as np

from pet_keras.data.example import Example
from pet_keras.errors import UserError


class Worker(object):
    """One model, which predicts the blocks that it is given. A block is a file of its own, whole or not there.

    Arguments: `open_classifier`, a function; `offset` of the labels' scores, or None; `sources`, dict name → TextFile;
    `folder`; `rows` of a block; `batch_size`; `cpus`, cores that it computes with.
    """
    def __init__(self, open_classifier, offset, sources, folder, rows, batch_size, cpus):
        os.environ.update(TF_NUM_INTRAOP_THREADS=str(cpus))  # TensorFlow is not loaded yet
        self._classifier, self._sources, self._folder = open_classifier(), sources, folder
        self._rows, self._batch_size = rows, batch_size
        if offset is not None:
            self._classifier.offset = offset

    def __call__(self, batch):
        """Writes the blocks of `{'name': […], 'start': […]}`; returns how many rows each has."""
        return {'rows': [self._write(str(name), int(start)) for name, start in zip(batch['name'], batch['start'])]}

    def _write(self, name, start):
        from pet_keras.checkpoints.atomic import to_disk
        from pet_keras.serving.prediction_folder import block_path, predicted
        source, path = self._sources[name], block_path(self._folder, name, start)
        rows, = source.parts(self._rows, start, start + self._rows)
        with open('%s.%d' % (path, os.getpid()), 'wb') as writer:
            writer.write(predicted(self._classifier, source, rows, self._batch_size, start))
        to_disk(writer.name)
        os.replace(writer.name, path)
        return len(rows)


def predict(ray, folder, sources, open_classifier, offset, rows, batch_size, cpus=1, gpus=0, say=lambda line: None):
    """Predicts what is not done of some TextFiles, block by block, wherever Ray has room for a Worker.

    Arguments: `ray`, connected; `folder`, a PredictionFolder; `sources`, dict name → TextFile; `cpus` and `gpus` that
    each Worker takes (a GPU may be shared: 0.5); `say` is called with a line now and then; others as of Worker.

    Raises: UserError where a worker fails, with what it said.
    """
    missing = [{'name': name, 'start': start} for name, source in sources.items() if not folder.has(name)
               for start in folder.missing_blocks(name, source, rows)]
    done = 0
    for row in _mapped(ray, Worker, missing, cpus, gpus, open_classifier=open_classifier, offset=offset,
                       sources=sources, folder=folder.folder, rows=rows, batch_size=batch_size):
        done += row['rows']
        say('%d texts are done' % done)
    for name, source in sources.items():
        folder.assemble(name, source, rows)


class Scorer(object):
    """One saved model, which scores the texts that it is given.

    Arguments: `model`, its folder; `precision` and `long`, see ClozeClassifier; `cpus`, cores that it computes with.
    """
    def __init__(self, model, precision, long, cpus):
        os.environ.update(TF_NUM_INTRAOP_THREADS=str(cpus))  # TensorFlow is not loaded yet
        from pet_keras.classifiers.loading import load
        self._classifier = load(model)
        self._classifier.precision, self._classifier.long = precision, long

    def __call__(self, batch):
        """The scores of blocks `{'start': […], 'examples': […, JSON]}`, each as bytes of float64."""
        found = [self._classifier.label_scores([Example(*fields) for fields in json.loads(block)])
                 for block in batch['examples']]
        return {'start': batch['start'], 'scores': [np.asarray(scores, 'float64').tobytes() for scores in found]}


def label_scores(ray, model, examples, labels, precision, long, rows, cpus=1, gpus=0, say=lambda line: None):
    """What `label_scores` of the model saved in a folder gives for a list of Example, float64 `[examples, labels]`.

    Arguments: `labels`, how many there are; `rows` of a block; others as of `predict` and of Scorer.

    Raises: UserError where a worker fails, with what it said.
    """
    blocks = [{'start': start, 'examples': json.dumps([list(e) for e in examples[start:start + rows]])}
              for start in range(0, len(examples), rows)]
    found = np.empty((len(examples), labels))
    done = 0
    for row in _mapped(ray, Scorer, blocks, cpus, gpus, model=os.path.abspath(model), precision=precision, long=long):
        scores = np.frombuffer(row['scores']).reshape(-1, labels)
        found[row['start']:row['start'] + len(scores)] = scores
        done += len(scores)
        say('  %d texts are labelled' % done)
    return found


def _mapped(ray, worker, items, cpus, gpus, **settings):
    """Yields the rows that workers make of items, each a dict, in any order.

    Arguments: `worker`, a class; `settings` of each, beside `cpus`. Raises: UserError where there is no room for one,
    or one fails.
    """
    if not items:
        return
    room = ray.cluster_resources()
    most = int(min(room.get(kind, 0) // each for kind, each in (('CPU', cpus), ('GPU', gpus)) if each))
    if not most:
        raise UserError('No machine has %d cores%s for a worker.' % (cpus, ' and %g GPUs' % gpus if gpus else ''))
    for name in ('ray.data', 'ray'):
        logging.getLogger(name).setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    blocks = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        worker, batch_size=1, compute=ray.data.ActorPoolStrategy(size=min(most, len(items))), num_cpus=cpus,
        num_gpus=gpus, fn_constructor_kwargs=dict(settings, cpus=cpus))
    try:
        yield from blocks.iter_rows()
    except ray.exceptions.RayError as e:
        raise UserError('A worker failed; what is done is kept, and the same command goes on. It said: %s' % (
            str(e).strip().split('\n')[-1])) from None
