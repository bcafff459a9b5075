"""`pet-keras train`: a model from labelled texts, unlabelled ones or both."""
from pet_keras.cli.options import FILES, add_command, add_model_options, new_classifier, open_checkpoint
from pet_keras.data.reading import read_examples
from pet_keras.errors import UserError


def add_parser(commands):
    parser = add_command(commands, 'train', run, 'Trains on labelled texts (few-shot), unlabelled texts (continued '
                         'MLM pretraining) or both (semi-supervised).', FILES)
    add = parser.add_argument
    add('--task', required=True, help='a shipped task or a JSON file; see pet-keras task list')
    add('--labelled', metavar='FILE', help='texts with labels; 100 are a good start')
    add('--unlabelled', metavar='FILE', help='texts of the same kind, labels not needed')
    add('--dev', metavar='FILE', help='labelled texts to choose the best epoch by')
    add('--out', metavar='DIR', required=True, help='folder for the model; must not hold one yet')
    add('--resume', action='store_true', help='go on with the interrupted run in --out')
    add('--epochs', type=int, default=10, help='passes over the data (default 10; a prompt alone learns slower: take '
        '24 or more)')
    add('--batch-size', type=int, default=16, help='texts a step (default 16)')
    add('--learning-rate', type=float, help="Adam's; default 2e-5 for a base model (768 wide), 1.8e-4 for the shipped "
        'one; with --train prompt 0.01, through an encoder 0.001')
    add('--prompt-learning-rate', type=float, help="of the pattern's [unused] tokens, or their encoder, where all "
        'other weights train as well (default: as theirs)')
    add('--mask-rate', type=float, default=0.15, help='share of text tokens masked (default 0.15)')
    add('--whole-words', action='store_true', help='mask whole words (jieba), not single characters')
    add('--patience', type=int, help='stop after so many epochs without a better dev result')
    add('--train', choices=['all', 'prompt'], default='all', help="which weights train: all, or the rows of the "
        "pattern's [unused] tokens alone (P-tuning)")
    add('--prompt-tokens', type=int, metavar='N', help='a pattern of N [unused] tokens (default 8 with --train prompt '
        "or another --prompt option, unless --pattern or the task's first pattern has some)")
    add('--prompt-where', choices=['before', 'after', 'both'], help='where they stand: before the text (default; '
        'after it for a causal model), after it, or half and half')
    add('--prompt-encoder', choices=['lstm', 'mlp'], help='reparameterise the rows while they train')
    add('--prompt-init', choices=['unused', 'random', 'words'], help="the rows' start: the tokens' own rows "
        "(default), random, or the words of the task's first pattern")
    add('--seed', type=int, default=0, help='the same seed gives the same model (default 0)')
    add_model_options(parser)


def run(args):
    if not args.labelled and not args.unlabelled:
        raise UserError('Nothing to learn from: give --labelled, --unlabelled, or both.')
    checkpoint = open_checkpoint(args)
    args.pattern = _pattern(args, checkpoint)
    classifier = new_classifier(args, checkpoint, train=args.train, prompt_encoder=args.prompt_encoder,
                                prompt_init=args.prompt_init or 'unused', seed=args.seed)
    print('pattern %s; %s' % (classifier.pattern.string, classifier.tuning.describe()))
    read = lambda path, labelled=True: path and read_examples(path, classifier.task, labelled)  # noqa: E731
    classifier.fit(read(args.labelled), read(args.unlabelled, False), read(args.dev), epochs=args.epochs,
                   batch_size=args.batch_size, learning_rate=args.learning_rate,
                   prompt_learning_rate=args.prompt_learning_rate, mask_rate=args.mask_rate,
                   whole_words=args.whole_words, patience=args.patience, seed=args.seed, out=args.out,
                   resume=args.resume, verbose=1)
    print('The model is in %s. Try:  pet-keras predict --model %s FILE' % (args.out, args.out))


def _pattern(args, checkpoint):
    """The pattern that --pattern or the --prompt options ask for, as a string; None: the task's first."""
    from pet_keras.cloze.prompt_pattern import prompt_pattern, unused_tokens
    from pet_keras.cloze.task import Task
    task, given = Task.load(args.task), args.prompt_tokens is not None or args.prompt_where
    if args.pattern and given:
        raise UserError('--pattern and --prompt-tokens both give a pattern: leave one out.')
    wanted = args.train == 'prompt' or args.prompt_encoder or args.prompt_init or args.prompt_learning_rate
    if not given and (not wanted or args.pattern or unused_tokens(task.pattern().string)):
        return args.pattern
    where = args.prompt_where or ('after' if checkpoint.is_causal else 'before')
    pattern = prompt_pattern(8 if args.prompt_tokens is None else args.prompt_tokens, where, checkpoint.is_causal,
                             task.is_pair)
    words = ''.join(word for words in task.verbalizer.words.values() for word in words)
    if set(unused_tokens(words)) & set(unused_tokens(pattern)):
        raise UserError('The label words of task %s are [unused] tokens that the prompt would take too: give a '
                        '--pattern of other ones.' % task.name)
    return pattern
