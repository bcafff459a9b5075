"""`pet-keras patterns`: patterns and label words, ranked on texts; new ones proposed."""
import itertools
import json

from pet_keras.cli.options import FILES, add_actions, add_command, open_checkpoint
from pet_keras.data.reading import FORMATS, format_by_ending, read_examples
from pet_keras.errors import UserError


def add_parser(commands):
    actions = add_actions(commands, 'patterns', 'rank', 'Ranks patterns and label words on texts, and proposes '
                          'new ones.')
    add = add_command(actions, 'rank', run, 'Ranks the patterns of a task, and others, on unlabelled texts (by how '
                      'much the answers depend on the text), or better on a few labelled ones (by AUC). Nothing is '
                      'trained.',
                      FILES).add_argument
    add('--task', required=True, help='a shipped task or a JSON file; see pet-keras task list')
    add('--labelled', metavar='FILE', help='texts with labels; 50 tell good patterns from bad ones')
    add('--unlabelled', metavar='FILE', help='texts of the same kind, labels not needed')
    add('--pattern', action='append', default=[], metavar='PATTERN', help='one more to rank, "[MASK]满意。{text}"; may '
        'be given several times')
    add('--words', action='append', default=[], metavar='LABEL=WORD,WORD', help='other label words to rank beside the '
        "task's, one --words a label")
    add('--propose', type=int, default=0, metavar='N', help='rank up to N new patterns as well, mined from the texts '
        'and paraphrased by the model, and, with --labelled, the label words that the model prefers; every second '
        'labelled text serves that alone, and the others rank')
    add('--checkpoint', help='a shipped model, a folder or hf:owner/name')
    add('--causal', action='store_true', help='the checkpoint is a left-to-right language model')
    add('--format', choices=FORMATS, help='of the files whose ending does not say it')
    add('--most', type=int, default=500, help='texts of each file that are read (default 500)')
    add('--json', action='store_true', help='one JSON object a line')


def run(args):
    from pet_keras.cloze.task import Task
    from pet_keras.experiments.ranking import rank_patterns
    if not args.labelled and not args.unlabelled:
        raise UserError('Ranking needs texts: --unlabelled, or, better, --labelled.')
    task, checkpoint = Task.load(args.task), open_checkpoint(args)

    def read(path, labelled):
        return read_examples(path, task, labelled, format_by_ending(path, args.format))[:args.most] if path else []
    labelled, unlabelled = read(args.labelled, True), read(args.unlabelled, False)
    words = _words(args.words, task)
    candidates = [(name, pattern.string, None) for name, pattern in task.patterns.items()
                  if pattern.mask_is_last or not checkpoint.is_causal]
    candidates += [('given %d' % i, string, None) for i, string in enumerate(args.pattern, 1)]
    candidates += [(name + ', given words', string, words) for name, string, _ in list(candidates) if words]
    if args.propose:  # what is proposed from a text must not be ranked on it
        candidates += _proposed(task, checkpoint, labelled[::2], unlabelled, args.propose)
        labelled = labelled[1::2]
    ranked = rank_patterns(task, candidates, unlabelled, labelled, checkpoint, verbose=not args.json)
    if args.json:
        return print('\n'.join(json.dumps(one._asdict(), ensure_ascii=False) for one in ranked))
    _print(task, ranked, len(labelled), len(unlabelled))


def _proposed(task, checkpoint, labelled, unlabelled, most):
    from pet_keras.experiments.proposals import mined_patterns, paraphrased_patterns, preferred_words
    texts, known = unlabelled + labelled, {pattern.string for pattern in task.patterns.values()}
    mined = [] if task.is_pair or task.fields else mined_patterns(task, texts, most)
    found = [('mined', string) for string in mined]
    if not checkpoint.is_causal:
        found += [('paraphrased', string) for string in paraphrased_patterns(task, task.pattern(), texts, checkpoint,
                                                                            most)]
    found = [pair for pair in found if pair[1] not in known and _can_ask(pair[1], checkpoint)]
    mixed = itertools.chain(*itertools.zip_longest(*[[p for p in found if p[0] == kind] for kind in (
        'mined', 'paraphrased')]))  # some of each
    candidates = [('%s %d' % (kind, i), string, None) for i, (kind, string) in enumerate(filter(None, mixed), 1)][:most]
    if labelled:
        pattern = task.pattern(None, checkpoint.is_causal)
        words = preferred_words(task, pattern, labelled, checkpoint)
        if set(words) == set(task.labels) and all(words.values()):
            candidates.append(("the model's words", pattern.string, words))
    return candidates


def _can_ask(string, checkpoint):
    from pet_keras.cloze.pattern import Pattern
    return Pattern(string).mask_is_last or not checkpoint.is_causal


def _words(given, task):
    """{label: words} of the --words options; None without any."""
    found = {}
    for part in given:
        label, _, words = part.partition('=')
        words = [word for word in words.split(',') if word]
        if not words:
            raise UserError('--words %s: write LABEL=WORD,WORD.' % part)
        found[task.label_of(label)] = words
    if found and set(found) != set(task.labels):
        raise UserError('--words is missing for %s.' % ', '.join(label for label in task.labels if label not in found))
    return found or None


def _print(task, ranked, labelled, unlabelled):
    print('\n%d labelled and %d unlabelled texts; 95 %% intervals in brackets.' % (labelled, unlabelled))
    example = task.example or ['…'] * len(task.slots.names)
    for place, one in enumerate(ranked, 1):
        figures = '%.3f bits' % one.information
        if one.auc is not None:
            figures = 'AUC %.3f [%.3f, %.3f], accuracy %.1f%% [%.1f, %.1f], %s' % (
                (one.auc,) + one.auc_interval + (one.accuracy,) + one.accuracy_interval + (figures,))
        print('\n%d. %s  %s\n   %s' % (place, one.name, one.pattern, figures))
        for label, words in one.words.items():
            print('   %s: %s%s' % (label, task.pattern(one.pattern).fill(*example, word=words[0]),
                                   '  (also %s)' % ' '.join(words[1:]) if words[1:] else ''))
