"""Records as a run writes them, without running anything."""
import numpy as np

from pet_keras.classifiers.metrics import classification_report
from pet_keras.experiments import records

LABELS = ['正面', '负面']


def record(folder, right, key=None, test='t', texts='x', dev=None, **fields):
    """Adds the record of a run that was right on these texts; `right` is bool `[texts]`. Returns nothing."""
    right = np.array(right, bool)
    truth = np.arange(len(right)) % 2
    log_proba = np.log(np.where(np.eye(2, dtype=bool)[np.where(right, truth, 1 - truth)], .8, .2)).astype('float32')
    run = dict({'task': 'sentiment', 'data': {'tests': {test: {'file': 'a.tsv'}}}, 'checkpoint': 'one', 'method': 'm',
                'labelled': 0, 'seed': 0, 'learn': []}, **fields)
    report = classification_report([LABELS[i] for i in truth], log_proba, LABELS)
    found = {'pattern': run.pop('pattern', 'P1'), 'tests': {test: dict(report, texts=texts, corrected=50.)},
             'left_out': {test: 3}, 'shared': {test: {'labelled': 2}}, 'history': run.pop('history', []), 'seconds': 5.,
             'versions': run.pop('versions', {'pet_keras': '1', 'tensorflow': '2'})}
    if dev is not None:
        found['dev'] = {'accuracy': dev, 'log_likelihood': -.5}
    scores = {test: (log_proba, truth)}
    if run.get('withheld'):
        found['tests'], scores = {}, {}
    records.add(folder, run, key or 'k%d' % len(records.read(folder)), [(found, scores)])
