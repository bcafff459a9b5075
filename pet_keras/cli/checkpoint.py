"""`pet-keras checkpoint`: the shipped models, what a checkpoint holds, and copies in another format."""
import json
import sys

from pet_keras.cli.options import add_actions, add_command
from pet_keras.errors import UserError

NAME = 'a shipped model, a folder, a weights file, or hf:owner/name'


def add_parser(commands):
    actions = add_actions(commands, 'checkpoint', 'list|inspect|convert', 'The shipped models; what a checkpoint '
                          'holds, and whether its MLM head was trained; a copy of one in another format, or with fewer '
                          'tokens.')
    add_command(actions, 'list', list_shipped, 'names')
    add = add_command(actions, 'inspect', inspect, 'everything about one').add_argument
    add('name', help=NAME)
    add('--task', nargs='+', action='extend', default=[], help='has the vocabulary the label words of these: shipped '
        'tasks or JSON files')
    add('--causal', action='store_true', help='the checkpoint is a left-to-right language model (NEZHA-GPT); the '
        'shipped GPT and the gpt families are known')
    add('--no-measure', action='store_true', help='do not fill the blanks of 305 sentences, which shows whether the '
        'head was trained and takes some seconds')
    add('--json', action='store_true', help='print one JSON object')
    add = add_command(actions, 'convert', convert, 'a copy of one in another format, or with fewer tokens').add_argument
    add('name', metavar='SRC', help=NAME)
    add('out', metavar='OUT', help='a new folder')
    add('--to', required=True, choices=['google', 'safetensors'], help="the format: Google's (TensorFlow), or that of "
        'Hugging Face')
    add('--dtype', choices=['float32', 'float16', 'keep'], default='float32', help="of the weights; float16 takes half "
        "the bytes, keep leaves each as the source has it (default float32)")
    add('--causal', action='store_true', help='as of inspect; the copy says so itself')
    add('--keep-tokens', nargs='+', action='extend', default=[], metavar='FILE|TASK', help='leave only the tokens of '
        'these texts and tasks, besides special tokens, ASCII and punctuation')


def list_shipped(args):
    from pet_keras.checkpoints.shipped import shipped_checkpoints
    for name, folder in sorted(shipped_checkpoints().items()):
        print('%-14s %s' % (name, folder))


def inspect(args):
    """Everything about one checkpoint; nothing is printed before all of it is known."""
    from pet_keras.checkpoints.checkpoint import Checkpoint
    from pet_keras.cloze.task import Task
    checkpoint = Checkpoint(args.name, 'lm' if args.causal else None)
    found = checkpoint.describe()
    found['tensors'], found['not_used'] = len(checkpoint.shapes), checkpoint.source.left_out
    found['vocabulary'] = vocabulary(checkpoint)
    found['tasks'] = {name: missing_words(Task.load(name), checkpoint.tokenizer()) for name in args.task}
    if not args.no_measure:
        from pet_keras.networks.diagnosis import diagnose_mlm_head
        try:
            found['diagnosis'] = diagnose_mlm_head(checkpoint)
        except UserError as e:  # the rest of the report says what it is
            found['diagnosis'] = {'verdict': 'unusable', 'reason': str(e), 'blanks': None}
        if found['diagnosis']['blanks']:  # it was measured
            found['mlm_head'] = '%s, %s' % ('present' if checkpoint.has_mlm_head else found['mlm_head'],
                                            found['diagnosis']['verdict'])
    if args.json:
        return print(json.dumps(found, ensure_ascii=False))
    for key, value in found.items():
        for line in _WRITTEN.get(key, lambda value: [(key.replace('_', ' '), value)])(value):
            print('%-18s %s' % line)


def convert(args):
    """Writes a copy, and says what became of it."""
    from pet_keras.checkpoints import conversion
    from pet_keras.checkpoints.checkpoint import Checkpoint
    checkpoint = Checkpoint(args.name, 'lm' if args.causal else None)
    found = conversion.convert(checkpoint, args.out, args.to, args.dtype, args.keep_tokens, sys.stderr.isatty())
    print('%s: %s, %s, %d tensors, %.1f MB' % (
        args.out, args.to, found['dtype'], found['tensors'], found['bytes'] / 1e6))
    if args.keep_tokens:
        print('vocabulary: %d of %d tokens are left' % (found['tokens'], found['tokens_before']))
    print('fingerprint: %s, %s' % (found['fingerprint'], "the source's" if checkpoint.is_fingerprint(
        found['fingerprint']) else 'another than the source\'s, %s' % checkpoint.fingerprint))
    dropped = found['dropped']
    if dropped:
        print('dropped: %s%s' % (', '.join(dropped[:10]), ', and %d more' % (len(dropped) - 10) * (len(dropped) > 10)))


def vocabulary(checkpoint):
    """How many tokens there are, how many rows the embedding table has for them, how many tokens are `[unused*]`."""
    from pet_keras.checkpoints.names import word_table
    from pet_keras.checkpoints.vocabulary import padding_tokens
    from pet_keras.cloze.prompt_pattern import unused_tokens
    rows, size = checkpoint.shapes[word_table(checkpoint.family)][0], len(checkpoint.vocab)
    return {'size': size - padding_tokens(checkpoint.vocab), 'table_rows': rows, 'matches': rows == size,
            'unused': sum(unused_tokens(token) == [token] for token in checkpoint.vocab)}


def missing_words(task, tokenizer):
    """The label words of a task, in any of its patterns, that have a token outside the vocabulary."""
    from pet_keras.cloze.verbalizer import word_tokens
    by_label = [words for pattern in task.patterns.values() for words in task.verbalizer_of(pattern).words.values()]
    words = dict.fromkeys(word for words in by_label for word in words)
    return [word for word in words if not all(token in tokenizer._token_dict for token in word_tokens(word, tokenizer))]


def _write_names(key, what):
    """The writer of a list of names, of which three are shown."""
    def write(names):
        if names:
            yield key, '%d %s: %s%s' % (len(names), what, ', '.join(names[:3]), ', …' * (len(names) > 3))
    return write


def _write_vocabulary(found):
    more = found['table_rows'] - found['size']
    yield 'vocabulary', 'the embedding table has %s rows: %s' % (
        found['table_rows'], 'THEY DO NOT BELONG TOGETHER' if not found['matches'] else
        '%d more than there are tokens, which no text can ask for' % more if more else 'they match')
    yield 'unused tokens', '%d [unused*]' % found['unused']


def _write_tasks(found):
    for name, missing in found.items():
        yield 'task ' + name, ('not in the vocabulary: ' + '、'.join(missing)) if missing else (
            'every label word is in the vocabulary')


def _write_diagnosis(found):
    if found['blanks']:
        yield 'blanks filled', '%.1f %% of %d right; by always taking the commonest character %.1f %%' % (
            100 * found['accuracy'], found['blanks'], 100 * found['unigram_accuracy'])
        yield 'log-likelihood', '%.2f nats a blank; by frequency alone %.2f' % (
            found['log_likelihood'], found['unigram_log_likelihood'])
        yield 'bias', 'this model has none' if found['bias_correlation'] is None else (
            'rank correlation with frequency %.2f' % found['bias_correlation'])
    yield 'diagnosis', '%s: %s' % (found['verdict'], found['reason'])


_WRITTEN = {'tensors': lambda count: [('tensors', '%d, every one was read' % count)],
            'not_used': _write_names('not used', 'tensors'),
            'damaged': _write_names('DAMAGED', 'tensors hold NaN or infinite numbers'),
            'vocabulary': _write_vocabulary, 'tasks': _write_tasks, 'diagnosis': _write_diagnosis}
