"""A task as people read it."""


def shown(task):
    """Every pattern of a Task filled with its example for every label word, as lines of text."""
    lines = ['%s: %s' % (task.name, task.description)] if task.description else [task.name]
    lines += ['', 'labels and their words (%s over several words):' % task.verbalizer.aggregation]
    if task.candidates:
        lines[-1] = 'labels, and the candidates that this example has for them:'
    for label, words in _words(task, task.verbalizer).items():
        aliases = ', '.join(task.aliases.get(label, []))
        also = '   (in files also: %s)' % aliases if aliases else ''
        lines.append('  %s → %s%s' % (label, ' '.join(words), also))
    names = {pattern.string: key for key, pattern in reversed(task.patterns.items())}
    default, causal = task.pattern(), task.pattern(None, causal=True)
    lines += ['', 'default: %s; of a causal model, which reads the blank last: %s' % (
        names[default.string], names[causal.string] if causal.mask_is_last else 'none of these')]
    example = task.example or ['…'] * len(task.slots.names)
    for key, pattern in task.patterns.items():
        lines += ['', '%s  %s' % (key, pattern.string)]
        for label, words in _words(task, task.verbalizer_of(pattern)).items():
            lines += ['  %s: %s' % (label, pattern.fill(*example, word=word)) for word in words]
    return '\n'.join(lines)


def _words(task, verbalizer):
    """dict label → words; of candidates those of the example."""
    return {k: [word] for k, word in zip(task.labels, verbalizer.shown)} if task.candidates else verbalizer.words
