"""Predictions into files of the format that the texts came in."""
import csv
import json


def write_predictions(stream, format, rows, labels, probabilities, header=True, names=None):
    """Writes rows with `prediction` and a probability a label, in one of FORMATS.

    Plain text becomes TSV, since a line of text has no place for a prediction, and Parquet becomes JSON lines. A column
    that a row lacks, as the label in a table where some rows have one, is empty there.

    Arguments: `rows` list of Row; `labels` list of str; `probabilities` float `[rows, labels]`; `names`, the columns
    of a table of which these rows are a part.
    """
    columns = ['p(%s)' % label for label in labels]
    names = names or list(dict.fromkeys(name for row in rows for name in row.fields))
    table = csv.writer(stream, lineterminator='\n') if format == 'csv' else None
    for i, (row, scores) in enumerate(zip(rows, probabilities)):
        best = labels[int(scores.argmax())]
        if format in ('json', 'parquet'):
            fields = dict(row.fields, prediction=best,
                          probabilities={label: round(float(p), 6) for label, p in zip(labels, scores)})
            stream.write(json.dumps(fields, ensure_ascii=False) + '\n')
            continue
        cells = [str(row.fields.get(name, '')) for name in names] + [best] + ['%.6f' % p for p in scores]
        for values in ([names + ['prediction'] + columns] if header and i == 0 else []) + [cells]:
            table.writerow(values) if table else stream.write(
                '\t'.join(value.replace('\t', ' ') for value in values) + '\n')


def write_fewclue(stream, task, rows, labels, probabilities, start=0):
    """Writes what FewCLUE's leaderboard takes, a line of JSON a text: `{"id": 0, "label": "Positive"}`.

    The id is the row's (`id`, or `idx` as in cluewsc), or its number from 0; the label is spelled as in the benchmark's
    files, a string; of a task with candidates it is the place of one, `{"id": 0, "answer": 1}`. Source: the submission
    examples of github.com/CLUEbenchmark/FewCLUE, resources/fewclue_submit_examples.

    Arguments: `task`, a Task; `start`, the number of the first row; the others as of `write_predictions`.
    """
    for number, (row, scores) in enumerate(zip(rows, probabilities), start):
        best = labels[int(scores.argmax())]
        fields = {'id': row.fields.get('id', row.fields.get('idx', number))}
        fields.update({'answer': labels.index(best)} if task.candidates else {'label': task.spelling(best)})
        stream.write(json.dumps(fields, ensure_ascii=False) + '\n')
