"""Prompts of [unused] tokens: their patterns, their first rows and their files."""
import json
import os

import numpy as np

from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.cloze.prompt_pattern import unused_tokens
from pet_keras.cloze.task import Task
from pet_keras.errors import UserError

def add_tokens(tokenizer, tokens):
    """Gives the tokens that the vocabulary lacks ids beyond it."""
    missing = [token for token in tokens if token not in tokenizer._token_dict]
    tokenizer._token_dict = dict(tokenizer._token_dict,
                                 **{token: tokenizer._vocab_size + i for i, token in enumerate(missing)})


def initial_rows(classifier, how, seed):
    """The rows to start from, float `[n, hidden]`: 'unused', 'random' or 'words', see ClozeClassifier.

    Only the pattern's tokens are set; label words keep their rows. Tokens beyond the vocabulary, which have
    none, start at random.
    """
    rows, table = classifier.embedding.prompt.numpy(), classifier.embedding.embeddings.numpy()
    random = np.random.default_rng(seed).normal(0, table.std(), rows.shape).astype('float32')
    n = len(unused_tokens(classifier.pattern.string))  # they come first
    if how == 'random':
        return np.concatenate([random[:n], rows[n:]])
    if how == 'words':
        natural = [p for p in classifier.task.patterns.values() if not unused_tokens(p.string)]
        words = ''.join(value for kind, value in (natural[0].pieces if natural else []) if kind == 'text')
        ids = classifier.tokenizer.tokens_to_ids(classifier.tokenizer.tokenize(words)[1:-1])
        if not ids:
            raise UserError("prompt_init='words' takes the words of the task's first natural pattern, and task %s "
                            "has none." % classifier.task.name)
        return np.concatenate([table[[ids[i % len(ids)] for i in range(n)]], rows[n:]])
    if how != 'unused':
        raise UserError("prompt_init=%r: choose 'unused', 'random' or 'words'." % how)
    beyond = np.array(classifier.embedding.trainable_token_ids) >= len(table)
    return np.where(beyond[:, None], random, rows)


def write_json(path, fields):
    """Writes a JSON file whole or not at all."""
    with open(path + '.tmp', 'w', encoding='utf-8') as writer:
        json.dump(fields, writer, ensure_ascii=False, indent=1)
    os.replace(path + '.tmp', path)


def save_prompt(classifier, folder):
    """Writes the prompt's rows (safetensors) and pattern, task and checkpoint's fingerprint (JSON)."""
    from safetensors.numpy import save
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, 'prompt')
    fields = {'pattern': classifier.pattern.string, 'tokens': classifier.prompt_tokens,
              'maxlen': classifier.maxlen, 'checkpoint': os.path.abspath(classifier.checkpoint.folder)
              if os.path.isdir(classifier.checkpoint.name) else classifier.checkpoint.name,
              'application': 'lm' if classifier.checkpoint.is_causal else 'mlm',
              'fingerprint': classifier.checkpoint.fingerprint, 'history': classifier.history}
    classifier.task.save(os.path.join(folder, 'task.json'))
    with open(path + '.tmp', 'wb') as writer:
        writer.write(save({'prompt': np.ascontiguousarray(classifier.embedding.rows().numpy())}))
    os.replace(path + '.tmp', path + '.safetensors')
    write_json(path + '.json', fields)


def read_prompt(folder, checkpoint=None):
    """`(fields, rows, Checkpoint)` of a prompt folder; UserError where the checkpoint is another one."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file
    if not os.path.isfile(os.path.join(folder, 'prompt.json')):
        raise UserError('%s is not a prompt that pet_keras saved: it holds no prompt.json%s.' % (
            folder, ', but a whole model' if os.path.isfile(os.path.join(folder, 'classifier.json')) else ''))
    try:
        with open(os.path.join(folder, 'prompt.json'), encoding='utf-8') as reader:
            fields = json.load(reader)
        rows = load_file(os.path.join(folder, 'prompt.safetensors'))['prompt']
        where, application, n = fields['checkpoint'], fields['application'], len(fields['tokens'])
        if not {'pattern', 'maxlen', 'fingerprint', 'history'} <= set(fields) or rows.shape[0] != n:
            raise ValueError('%d rows for %d tokens, or a key is missing' % (len(rows), n))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as e:
        raise UserError('%s is not a prompt that pet_keras saved, or it is damaged: %s' % (folder, e)) from None
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint(where if checkpoint is None else checkpoint, application=application)
    if checkpoint.is_causal != (application == 'lm'):
        causal, masked = 'causal (left-to-right)', 'masked'
        raise UserError('The prompt in %s was trained on a %s model, and %s is read as a %s one.' % (
            (folder, masked, checkpoint.folder, causal) if checkpoint.is_causal else
            (folder, causal, checkpoint.folder, masked)))
    if checkpoint.fingerprint != fields['fingerprint']:
        raise UserError('The prompt in %s was trained on another checkpoint (%s, fingerprint %s) and means nothing to '
                        '%s (fingerprint %s).' % (folder, fields['checkpoint'], fields['fingerprint'],
                                                  checkpoint.folder, checkpoint.fingerprint))
    if rows.shape[1:] != (checkpoint.config.get('embedding_size', checkpoint.config['hidden_size']),):
        raise UserError('%s is damaged: its rows have shape %s.' % (folder, rows.shape))
    return fields, rows, checkpoint


def load_prompt(cls, folder, checkpoint=None):
    """The classifier of a prompt folder; `cls` is ClozeClassifier."""
    fields, rows, checkpoint = read_prompt(folder, checkpoint)
    classifier = cls(Task.load(os.path.join(folder, 'task.json')), checkpoint, fields['pattern'], fields['maxlen'],
                     train='prompt')
    if classifier.prompt_tokens != fields['tokens']:
        raise UserError('%s is damaged: its pattern and label words have the tokens %s, its rows are those of %s.' % (
            folder, ' '.join(classifier.prompt_tokens), ' '.join(fields['tokens'])))
    classifier.embedding.set_prompt(rows)
    classifier.history = fields['history']
    return classifier
