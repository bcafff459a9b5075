"""`pet-keras fill`: what a language model would write in the blanks of a text."""
import json

from pet_keras.checkpoints.shipped import DEFAULT
from pet_keras.cli.options import add_command, open_checkpoint
from pet_keras.data.reading import read_rows
from pet_keras.errors import UserError

EXAMPLE = """\
  pet-keras fill "科学技术是第一生[MASK]力"

A masked model fills several blanks in one pass, each as if the others stayed blank; the likeliest token of each makes
the line after the arrow. With a causal model the blanks stand at the end, and each is read after the likeliest token
of the one before:
  pet-keras fill --checkpoint gpt-mini-zh "今天天气[MASK][MASK]"

[unused1] and the like are tokens, [SEP] parts two segments. Random tokens, all of nearly the same probability, are a
sign of an MLM head that was never trained: see pet-keras checkpoint inspect."""


def add_parser(commands):
    parser = add_command(commands, 'fill', run, 'The likeliest tokens of each [MASK] in a text, with probabilities.',
                         EXAMPLE)
    parser.add_argument('texts', nargs='*', metavar='TEXT', help='a text with [MASK] for each blank; - reads standard '
                        'input, one text a line')
    parser.add_argument('--file', metavar='FILE', help='plain text, one text a line')
    parser.add_argument('--checkpoint', help='a shipped model, a folder or hf:owner/name (default %s)' % DEFAULT)
    parser.add_argument('--causal', action='store_true', help='the checkpoint is a left-to-right language model '
                        '(NEZHA-GPT); the shipped GPT and the gpt families are known')
    parser.add_argument('--top', type=int, default=10, help='tokens a blank (default 10)')
    parser.add_argument('--json', action='store_true', help='print one JSON object a text')


def run(args):
    if (args.texts + [args.file]).count('-') > 1:
        raise UserError('Standard input can be read once.')
    texts = [text for given in args.texts for text in (_lines('-') if given == '-' else [given])]
    texts += _lines(args.file) if args.file else []
    if not texts:
        raise UserError('Nothing to fill: give a text with [MASK], - for standard input, or --file.')
    if args.top < 1:
        raise UserError('--top is at least 1.')
    checkpoint = open_checkpoint(args)
    from pet_keras.networks.fill import fill_mask, filled_text
    for i, (text, blanks) in enumerate(zip(texts, fill_mask(texts, checkpoint, args.top))):
        filled = filled_text(text, blanks)
        if args.json:
            print(json.dumps({'text': text, 'filled': filled, 'blanks': [
                [{'token': token, 'probability': p} for token, p in pairs] for pairs in blanks]}, ensure_ascii=False))
            continue
        print('\n' * (i > 0) + text)
        for n, pairs in enumerate(blanks, 1):
            print('\n'.join((['blank %d' % n] if len(blanks) > 1 else []) + ['  %.4f  %s' % (p, token)
                                                                           for token, p in pairs]))
        if len(blanks) > 1:
            print('→ ' + filled)


def _lines(path):
    """The texts of a file of one text a line, or of standard input (`-`)."""
    return [row.example.text for row in read_rows(path, None, False, 'text')]
