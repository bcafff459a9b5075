"""The folder that `pet-keras predict` writes: whatever stops it, the same command goes on where it was."""
import io
import json
import os
import shutil

from pet_keras.classifiers.model_folder import write_json
from pet_keras.data.writing import write_fewclue, write_predictions
from pet_keras.errors import UserError

PROGRESS = 'progress.json'


class PredictionFolder(object):
    """Files of predictions, each of which appears when it is whole, and `progress.json` until all do.

    A file grows under the name of FILE.part. After every part of its rows, once that is on the disk, progress.json says
    how far it is: what a kill left beyond that is cut off.

    Arguments: `folder`, which this process alone works in; `settings`, dict for JSON of what the predictions depend on.

    Raises: UserError where the folder holds what another command began; OSError where it cannot be written.
    """
    def __init__(self, folder, settings):
        self.folder, self._path = os.path.abspath(folder), os.path.join(folder, PROGRESS)
        self._progress = progress_in(folder) or {'settings': settings, 'files': {}}
        if self._progress['settings'] != settings:
            raise UserError('%s holds the beginning of predictions for other files or options: give the command that '
                            'began them once more, or choose another folder, or remove %s.' % (folder, self._path))
        write_json(self._path, self._progress)

    def write(self, name, source, classifier, size, batch_size, verbose=0):
        """Predicts what is not done of a TextFile and writes it to the file `name`, `size` rows at a time."""
        target = os.path.join(self.folder, name)
        part, done = target + '.part', self._progress['files'].get(name, {'rows': 0, 'bytes': 0})
        if not os.path.exists(target):
            if not os.path.exists(part) or os.path.getsize(part) < done['bytes']:
                done = {'rows': 0, 'bytes': 0}
            with open(part, 'rb+' if done['rows'] else 'wb') as writer:
                writer.truncate(done['bytes'])
                writer.seek(done['bytes'])
                for rows in source.parts(size, done['rows']):
                    writer.write(predicted(classifier, source, rows, batch_size, done['rows'], verbose))
                    done = {'rows': done['rows'] + len(rows), 'bytes': writer.tell()}
                    self._keep(name, writer, done)
            os.replace(part, target)

    def _keep(self, name, writer, done):
        writer.flush()
        os.fsync(writer.fileno())
        self._progress['files'][name] = done
        write_json(self._path, self._progress)

    # --- files of blocks, which several processes write, each block whole or not at all ---

    def has(self, name):
        """Whether the file is there, whole."""
        return os.path.exists(os.path.join(self.folder, name))

    def missing_blocks(self, name, source, size):
        """The first rows of the blocks of `size` rows that are not written yet, a list of int."""
        os.makedirs(os.path.dirname(block_path(self.folder, name, 0)), exist_ok=True)
        return [start for start in range(0, source.count, size) if not os.path.exists(
            block_path(self.folder, name, start))]

    def assemble(self, name, source, size):
        """Makes the file of its blocks, which then go."""
        target = os.path.join(self.folder, name)
        if not self.has(name):
            with open(target + '.part', 'wb') as writer:
                for start in range(0, source.count, size):
                    with open(block_path(self.folder, name, start), 'rb') as reader:
                        shutil.copyfileobj(reader, writer)
                self._keep(name, writer, {'rows': source.count, 'bytes': writer.tell()})
            os.replace(target + '.part', target)
        shutil.rmtree(target + '.blocks', ignore_errors=True)

    def close(self):
        """All files are whole: progress.json goes."""
        os.remove(self._path)


def block_path(folder, name, start):
    """The file of the block that begins with row `start`, while the file `name` is not whole."""
    return os.path.join(folder, name + '.blocks', '%012d' % start)


def predicted(classifier, source, rows, batch_size, start, verbose=0):
    """The bytes of a part of a TextFile, from row number `start` on, with its predictions."""
    proba, stream = classifier.predict_proba([row.example for row in rows], batch_size, verbose), io.StringIO()
    if source.format_out == 'fewclue':
        write_fewclue(stream, classifier.task, rows, classifier.labels, proba, start)
    else:
        write_predictions(stream, source.format, rows, classifier.labels, proba, not start, source.names)
    return stream.getvalue().encode('utf-8')


def progress_in(folder):
    """What progress.json says, or None; UserError where it is damaged."""
    path = os.path.join(folder, PROGRESS)
    if not os.path.exists(path):
        return None
    try:
        with open(path, encoding='utf-8') as reader:
            found = json.load(reader)
        return dict(found, settings=found['settings'], files=dict(found['files']))
    except (ValueError, KeyError, TypeError, RecursionError) as e:
        raise UserError('%s is damaged (%s): remove it, and what is not done yet is done anew.' % (path, e)) from None
