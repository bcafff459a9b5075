"""`pet-keras patterns`: patterns and label words, ranked on texts; new ones proposed or searched."""
import itertools
import json

from pet_keras.cli.options import FILES, add_actions, add_command, open_checkpoint, read_texts
from pet_keras.data.reading import FORMATS
from pet_keras.errors import UserError


def add_parser(commands):
    actions = add_actions(commands, 'patterns', 'rank|search|words', 'Ranks patterns and label words on texts, '
                          'proposes new ones, and searches for them.')
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
    add = _add_search(actions, 'search', run_search, 'Searches a pattern on labelled texts: trigger characters beside '
                      'the blank, exchanged one by one as the gradient says (AutoPrompt). No weight is trained.')
    add('--triggers', type=int, default=3, metavar='N', help='how many (default 3)')
    add('--pattern', help='where they stand, as [unused] tokens: "[unused1][MASK][unused2]满意。{text}" (default: '
        'around the blank, before the text; for a causal model after it)')
    add('--candidates', type=int, default=10, metavar='N', help='characters tried for a trigger at a time (default 10)')
    add('--passes', type=int, default=3, metavar='N', help='over all triggers, at most (default 3)')
    add('--seed', type=int, default=0, help='draws 128 of more labelled texts to search on (default 0)')
    add = _add_search(actions, 'words', run_words, 'Searches label words of one character on labelled texts: the '
                      "likeliest in the blank of each label's texts, then the combination that is most accurate "
                      '(LM-BFF).')
    add('--pattern', help="a name in the task, or a pattern of your own (default: the task's first)")
    add('--top', type=int, default=30, metavar='N', help='words a label (default 30; fewer where there are many labels)')
    add('--keep', type=int, default=10, metavar='N', help='combinations that are ranked again on --dev (default 10)')
    add('--fine-tune', action='store_true', help='train with each of these before, as the paper does')


def _add_search(actions, name, run, help):
    """A search's command and the options that all have; returns its `add_argument`."""
    add = add_command(actions, name, run, help, FILES).add_argument
    add('--task', required=True, help='a shipped task or a JSON file; see pet-keras task list')
    add('--labelled', metavar='FILE', required=True, help='texts with labels to search on')
    add('--dev', metavar='FILE', help='other ones, to choose among what was found')
    add('--out', metavar='FILE', help='where the task with what was found is written, as JSON')
    add('--checkpoint', help='a shipped model, a folder or hf:owner/name')
    add('--causal', action='store_true', help='the checkpoint is a left-to-right language model')
    add('--format', choices=FORMATS, help='of the files whose ending does not say it')
    return add


def run(args):
    from pet_keras.cloze.task import Task
    from pet_keras.experiments.ranking import rank_patterns
    if not args.labelled and not args.unlabelled:
        raise UserError('Ranking needs texts: --unlabelled, or, better, --labelled.')
    task, checkpoint = Task.load(args.task), open_checkpoint(args)
    labelled = _read(args.labelled, task, args)[:args.most]
    unlabelled = _read(args.unlabelled, task, args, False)[:args.most]
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


def _read(path, task, args, labelled=True):
    return read_texts(path, task, args, labelled) if path else []


def run_search(args):
    from pet_keras.cloze.task import Task
    from pet_keras.classifiers.search.triggers import search_triggers
    task, checkpoint = Task.load(args.task), open_checkpoint(args)
    found = search_triggers(task, _read(args.labelled, task, args), checkpoint, _read(args.dev, task, args),
                            args.triggers, args.pattern, args.candidates, args.passes, seed=args.seed, verbose=1)
    print('\n%s\n%s' % (found[0].pattern, _figures(*found[0][1:])))
    _write(task.with_pattern('searched', found[0].pattern), args.out)


def run_words(args):
    from pet_keras.cloze.task import Task
    from pet_keras.classifiers.search.words import search_words
    task, checkpoint = Task.load(args.task), open_checkpoint(args)
    found = search_words(task, _read(args.labelled, task, args), checkpoint, args.pattern, _read(args.dev, task, args),
                         args.top, args.keep, fit={} if args.fine_tune else None)
    for place, one in enumerate(found, 1):
        words = '，'.join('%s: %s' % pair for pair in one.words.items())
        print('%d. %s\n   %s' % (place, words, _figures(one.log_likelihood, one.accuracy, one.dev_log_likelihood,
                                                       one.dev_accuracy)))
    _write(task.with_words(found[0].words), args.out)


def _figures(likely, accuracy, dev_likely, dev_accuracy):
    """Of what was searched, as people read it."""
    return 'accuracy %.1f%%, log-likelihood %.3f' % (accuracy, likely) + (
        '' if dev_accuracy is None else '; dev %.1f%%, %.3f' % (dev_accuracy, dev_likely))


def _write(task, path):
    if path:
        task.save(path)
        print('The task with the best of them is in %s. Try:  pet-keras evaluate --task %s FILE' % (path, path))


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
