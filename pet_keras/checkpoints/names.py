"""The names of a checkpoint's variables: Google's, and bert4keras' for the GPTs, whatever the file format."""

MLM_HEAD = ['cls/predictions/transform/dense/kernel', 'cls/predictions/transform/dense/bias',
            'cls/predictions/transform/LayerNorm/gamma', 'cls/predictions/transform/LayerNorm/beta',
            'cls/predictions/output_bias']
# Google's ELECTRA release holds two networks, which share the embeddings; a cloze asks the generator
_NETWORKS = ('bert/', 'cls/', 'gpt/', 'newslm/', 'electra/embeddings/', 'generator/', 'generator_predictions/')
_NOT_ASKED = ('bert/pooler/', 'cls/seq_relationship/')  # for sentence pairs: a cloze does without them
_OF_ELECTRA = [('bert/embeddings/', 'electra/embeddings/'),
               ('bert/encoder/embedding_hidden_mapping_in', 'generator/embeddings_project'),
               ('bert/encoder/', 'generator/encoder/'), ('cls/predictions/transform/', 'generator_predictions/'),
               ('cls/predictions/', 'generator_predictions/')]
_SHARED = 'bert/encoder/transformer/'  # ALBERT's one layer, which is applied many times


def is_of_optimizer(name):
    """Whether a variable is left over from pretraining: the optimizer's moments, the step counter."""
    return any(part in name for part in ('adam_', 'Adam', 'adafactor_', 'global_step', 'LAMB'))


def is_of_cloze(name):
    """Whether a variable can count in a cloze's answer: neither optimizer, nor pooler, nor next-sentence head."""
    return name.startswith(_NETWORKS) and not name.startswith(_NOT_ASKED) and not is_of_optimizer(name)


def is_shared(name):
    """Whether a variable is applied once in each layer: all layers of an ALBERT are one."""
    return name.startswith(_SHARED)


def family(names, config):
    """'bert', 'albert', 'electra', 'nezha', 'roformer', 'gpt', 'gpt2' or 'gpt2_ml'; None for anything else.

    RoFormer's variables have the names and shapes of NEZHA's: `"model_type": "roformer"` in the config tells them
    apart.
    """
    if any(name.startswith('newslm/') for name in names):
        return 'gpt2_ml'
    if any(name.startswith('gpt/') for name in names):
        return 'gpt2' if 'gpt/output/LayerNorm/gamma' in names else 'gpt'
    if word_table('electra') in names:
        return 'electra'
    if word_table('bert') not in names:
        return None
    if any(name.startswith(_SHARED) for name in names):
        return 'albert'
    if 'bert/embeddings/position_embeddings' in names or (
            config.get('model_type') == 'bert' and not config.get('use_relative_position')):
        return 'bert'
    return 'roformer' if config.get('model_type') == 'roformer' else 'nezha'


def word_table(family):
    """The variable with a row a token."""
    return {'electra': 'electra/embeddings/word_embeddings', 'gpt2_ml': 'newslm/embeddings/word_embed',
            'gpt': 'gpt/embeddings/word_embeddings', 'gpt2': 'gpt/embeddings/word_embeddings'}.get(
                family, 'bert/embeddings/word_embeddings')


def mlm_head(family):
    """The variables of the MLM head, the output's bias last."""
    return [of_electra(name) for name in MLM_HEAD] if family == 'electra' else MLM_HEAD


def of_electra(name):
    """What Google's ELECTRA calls the variable of its generator that BERT calls `name`.

    >>> of_electra('cls/predictions/output_bias')
    'generator_predictions/output_bias'
    """
    for bert, electra in _OF_ELECTRA:
        if name.startswith(bert):
            return electra + name[len(bert):]
    return name


def layer_norm_eps(family, config):
    """What is added to a variance before its root: the config's, or that of the family's first release."""
    return config.get('layer_norm_eps') or (1e-5 if family.startswith('gpt') else 1e-12)


# --- what PyTorch calls them ------------------------------------------------------------------------------

# A module's tensors: {Hugging Face's ending: (ours, how its array becomes ours)}, see `of_modules`
DENSE = {'.weight': ('/kernel', 'T'), '.bias': ('/bias', None)}
CONV = {'.weight': ('/kernel', None), '.bias': ('/bias', None)}
NORM = {'.weight': ('/gamma', None), '.bias': ('/beta', None)}
TABLE = {'.weight': ('', None)}
BIAS = {'.bias': ('', None)}
_QKV = [{'.weight': ('%s/kernel' % part, n), '.bias': ('%s/bias' % part, n)}
        for n, part in enumerate(('query', 'key', 'value'))]
NSP = {'.weight': ('_weights', None), '.bias': ('_bias', None)}

_EMBEDDINGS = [('embeddings.word_embeddings', 'bert/embeddings/word_embeddings', TABLE),
               ('embeddings.position_embeddings', 'bert/embeddings/position_embeddings', TABLE),
               ('embeddings.token_type_embeddings', 'bert/embeddings/token_type_embeddings', TABLE),
               ('embeddings.LayerNorm', 'bert/embeddings/LayerNorm', NORM)]
_MAPPING = 'bert/encoder/embedding_hidden_mapping_in'
_BERT = _EMBEDDINGS + [('embeddings_project', _MAPPING, DENSE), ('pooler.dense', 'bert/pooler/dense', DENSE)] + [
    ('encoder.layer.%d.' + part.replace('/', '.'), 'bert/encoder/layer_%d/' + part, kind) for part, kind in (
        ('attention/self/query', DENSE), ('attention/self/key', DENSE), ('attention/self/value', DENSE),
        ('attention/output/dense', DENSE), ('attention/output/LayerNorm', NORM), ('intermediate/dense', DENSE),
        ('output/dense', DENSE), ('output/LayerNorm', NORM))]
_ALBERT = _EMBEDDINGS + [
    ('encoder.embedding_hidden_mapping_in', _MAPPING, DENSE), ('pooler', 'bert/pooler/dense', DENSE)] + [
    ('encoder.albert_layer_groups.0.albert_layers.0.' + theirs, _SHARED + 'group_0/inner_group_0/' + ours, kind)
    for theirs, ours, kind in (
        ('attention.query', 'attention_1/self/query', DENSE), ('attention.key', 'attention_1/self/key', DENSE),
        ('attention.value', 'attention_1/self/value', DENSE), ('attention.dense', 'attention_1/output/dense', DENSE),
        ('attention.LayerNorm', 'LayerNorm', NORM), ('ffn', 'ffn_1/intermediate/dense', DENSE),
        ('ffn_output', 'ffn_1/intermediate/output/dense', DENSE), ('full_layer_layer_norm', 'LayerNorm_1', NORM))]


def _head(dense, norm, bias):
    return [(dense, 'cls/predictions/transform/dense', DENSE), (norm, 'cls/predictions/transform/LayerNorm', NORM),
            (bias, 'cls/predictions/output_bias', BIAS)]


def _gpt(side, words, positions):
    """A GPT normalises after each part ('output'), a GPT2 before it ('input')."""
    return [
        (words, 'gpt/embeddings/word_embeddings', TABLE), (positions, 'gpt/embeddings/position_embeddings', TABLE)] + [
        ('h.%d.' + theirs, 'gpt/transformer/layer_%d/' + ours, kind) for theirs, ours, kind in [
            ('attn.c_attn', 'attention/self/', part) for part in _QKV] + [
            ('attn.c_proj', 'attention/output/dense', CONV), ('ln_1', 'attention/%s/LayerNorm' % side, NORM),
            ('mlp.c_fc', 'intermediate/dense', CONV), ('mlp.c_proj', 'output/dense', CONV),
            ('ln_2', '%s/LayerNorm' % side, NORM)]]


_BERT_HEAD = _head('cls.predictions.transform.dense', 'cls.predictions.transform.LayerNorm', 'cls.predictions') + [
    ('cls.seq_relationship', 'cls/seq_relationship/output', NSP)]
# family → (prefix of the body's names, its modules, the head's modules)
_MODULES = {
    'bert': ('bert.', _BERT, _BERT_HEAD), 'nezha': ('nezha.', _BERT, _BERT_HEAD),
    'roformer': ('roformer.', _BERT, _BERT_HEAD),
    'albert': ('albert.', _ALBERT, _head('predictions.dense', 'predictions.LayerNorm', 'predictions')),
    'electra': ('electra.', _BERT, _head('generator_predictions.dense', 'generator_predictions.LayerNorm',
                                         'generator_lm_head')),
    'gpt': ('transformer.', _gpt('output', 'tokens_embed', 'positions_embed'), []),
    'gpt2': ('transformer.', _gpt('input', 'wte', 'wpe') + [('ln_f', 'gpt/output/LayerNorm', NORM)], [])}


def hugging_face_names(family, layers, prefix=None):
    """[(Hugging Face's name, ours, how its array becomes ours)] of a family, as many as may be there.

    Arguments: `prefix` of the body's names, None for the usual one; see `of_modules` for the others.

    >>> ('pooler.dense.weight', 'bert/pooler/dense/kernel', 'T') in hugging_face_names('bert', 12, '')
    True
    """
    usual, body, head = _MODULES[family]
    modules = [((usual if prefix is None else prefix) + theirs, ours, kind) for theirs, ours, kind in body] + head
    if family == 'electra':
        modules = [(theirs, of_electra(ours), kind) for theirs, ours, kind in modules]
    return of_modules(modules, layers)


def of_modules(modules, layers):
    """[(PyTorch's name, ours, how its array becomes ours)] of the tensors in modules.

    How: None, as it is; 'T', transposed (PyTorch's Linear is [out, in]); n, the n-th third of the last axis (GPT's
    query, key and value stand in one array); 'rest', all rows but the first.

    Arguments: `modules`, [(PyTorch's name, ours, its tensors)], where `%d` stands for the number of the layer.
    """
    return [(theirs.replace('%d', str(i)) + ending, ours.replace('%d', str(i)) + ending_of_ours, how)
            for theirs, ours, kind in modules for i in range(layers if '%d' in theirs else 1)
            for ending, (ending_of_ours, how) in kind.items()]
