"""Checkpoints in Google's format: found, checked, described, read and written."""
import glob
import hashlib
import json
import os
import shutil

from pet_keras.errors import UserError

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# GELU has two forms that differ by up to 5e-4; what the config names decides, as in the original releases.
_ACTIVATIONS = {'gelu': 'gelu_erf', 'gelu_new': 'gelu_tanh', 'gelu_tanh': 'gelu_tanh',
                'gelu_pytorch_tanh': 'gelu_tanh'}
_MLM_HEAD = ['cls/predictions/transform/dense/kernel', 'cls/predictions/transform/dense/bias',
             'cls/predictions/transform/LayerNorm/gamma', 'cls/predictions/transform/LayerNorm/beta',
             'cls/predictions/output_bias']
_GET_ONE = 'Type `pet-keras checkpoint list` for the shipped models; pretrained/README.md says where others are.'


def shipped_checkpoints():
    """Names and folders of the models that come with pet_keras, as a dict."""
    found = {}
    for root in (os.path.join(_PACKAGE, '..', 'pretrained'), os.path.join(_PACKAGE, 'pretrained')):
        for config in sorted(glob.glob(os.path.join(root, '*', 'bert_config.json'))):
            folder = os.path.dirname(os.path.normpath(config))
            found[os.path.basename(folder)] = folder
    return found


class Checkpoint(object):
    """A pretrained model in Google's format: `bert_config.json`, `vocab.txt`, `bert_model.ckpt.*`.

    Arguments:
        name: a folder, or the name of a shipped model (`bert-mini-zh`).
        application: 'mlm' or 'lm' (a causal model: a token sees only what stands before it);
            None reads it from the config, where it is 'mlm' unless `"application": "lm"` says otherwise.

    Raises: UserError when a file is missing or the files do not fit together.

    >>> Checkpoint('bert-mini-zh').describe()['family']
    'bert'
    """
    def __init__(self, name, application=None):
        self.name = str(name)
        self.folder = self.name if os.path.isdir(self.name) else shipped_checkpoints().get(self.name)
        if self.folder is None:
            raise UserError('No checkpoint %r: it is neither a folder nor a shipped model. %s' % (self.name, _GET_ONE))
        if os.path.isfile(os.path.join(self.folder, 'prompt.json')):
            raise UserError('%s is a prompt, not a checkpoint: open it with --model, or ClozeClassifier.load.' %
                            self.folder)
        self.config_path = self._find('config', ['bert_config.json', '*config*.json'])
        self.vocab_path = self._find('vocabulary', ['vocab.txt', '*vocab*.txt'])
        self.weights_path = self._find('weights', ['bert_model.ckpt.index', '*ckpt*.index'])[:-len('.index')]
        if not glob.glob(glob.escape(self.weights_path) + '.data-*'):
            raise UserError('%s.index has no .data file beside it: the download is incomplete.' % self.weights_path)
        try:
            with open(self.config_path, encoding='utf-8-sig') as reader:
                self.config = json.load(reader)
        except ValueError as e:
            raise UserError('%s is not JSON: %s' % (self.config_path, e)) from None
        if not isinstance(self.config, dict):
            raise UserError('%s is not a JSON object.' % self.config_path)
        for key in ('vocab_size', 'hidden_size', 'num_hidden_layers', 'num_attention_heads', 'intermediate_size'):
            if not isinstance(self.config.get(key), int):
                raise UserError('%s has no %r, a number: is it the config of a BERT-like model?' % (
                    self.config_path, key))
        self.application = application or self.config.get('application', 'mlm')
        self.vocab = self._read_vocab()
        self._shapes = None

    def _find(self, what, patterns):
        for pattern in patterns:
            found = sorted(glob.glob(os.path.join(glob.escape(self.folder), pattern)))
            if len(found) == 1:
                return found[0]
            if found:
                raise UserError('%s holds several files that could be the %s: %s. Leave one.' % (
                    self.folder, what, ', '.join(os.path.basename(f) for f in found)))
        raise UserError('%s holds no %s (%s). %s' % (self.folder, what, patterns[0], _GET_ONE))

    def _read_vocab(self):
        try:
            with open(self.vocab_path, encoding='utf-8') as reader:
                tokens = [line.rstrip('\r\n') for line in reader]
        except UnicodeDecodeError:
            raise UserError('%s is not UTF-8.' % self.vocab_path) from None
        vocab = {token: i for i, token in enumerate(tokens)}
        if len(tokens) != self.config['vocab_size']:
            raise UserError('%s holds %d tokens but %s says vocab_size %d: these files are not of one release.' % (
                self.vocab_path, len(tokens), self.config_path, self.config['vocab_size']))
        for token in ('[PAD]', '[UNK]', '[CLS]', '[SEP]'):
            if token not in vocab:
                raise UserError('%s has no %s.' % (self.vocab_path, token))
        return vocab

    @property
    def shapes(self):
        """Shape of every variable in the weights file, by name."""
        if self._shapes is None:
            from pet_keras.backend import tf
            try:
                self._shapes = dict(tf.train.list_variables(self.weights_path))
            except Exception as e:  # TensorFlow raises half a dozen types for a damaged file
                raise UserError('%s cannot be read: %s' % (self.weights_path, str(e).split('\n')[0])) from None
        return self._shapes

    @property
    def family(self):
        """'bert', 'nezha', 'gpt', 'gpt2' or 'gpt2_ml', read from the variables' names."""
        if any(name.startswith('newslm/') for name in self.shapes):
            return 'gpt2_ml'
        if any(name.startswith('gpt/') for name in self.shapes):
            return 'gpt2' if 'gpt/output/LayerNorm/gamma' in self.shapes else 'gpt'
        if 'bert/embeddings/word_embeddings' not in self.shapes:
            raise UserError('%s has no variable bert/embeddings/word_embeddings: it is not a BERT, NEZHA or GPT '
                            'checkpoint that pet_keras knows.' % self.weights_path)
        return 'bert' if 'bert/embeddings/position_embeddings' in self.shapes else 'nezha'

    @property
    def is_causal(self):
        """Whether a token sees only what stands before it."""
        return self.application == 'lm' or self.family.startswith('gpt')

    @property
    def has_mlm_head(self):
        """Whether every variable of BERT's MLM head is there."""
        return all(name in self.shapes for name in _MLM_HEAD)

    @property
    def mlm_head_is_trained(self):
        """False where the head's bias is all zero: the mark of a release with an initialised, untrained head."""
        return self.has_mlm_head and bool(self.load_variable('cls/predictions/output_bias').any())

    @property
    def max_position(self):
        """The longest sequence in tokens, or None for a model with relative positions."""
        return None if self.family == 'nezha' else self.config.get('max_position_embeddings', 512)

    @property
    def fingerprint(self):
        """Twelve hexadecimal digits that change with any weight.

        TensorFlow's index file holds a checksum of every variable, so it stands for the whole file.
        """
        digest = hashlib.sha256()
        for path in (self.weights_path + '.index', self.vocab_path):
            with open(path, 'rb') as reader:
                digest.update(reader.read())
        return digest.hexdigest()[:12]

    @property
    def hidden_act(self):
        name = self.config.get('hidden_act', 'gelu')
        return _ACTIVATIONS.get(name, name)

    def load_variable(self, name):
        """One variable of the weights file, as a NumPy array."""
        from pet_keras.backend import tf
        try:
            return tf.train.load_variable(self.weights_path, name)
        except Exception as e:  # of no one type, as above
            raise UserError('%s cannot be read (variable %s): %s. Is the download complete?' % (
                self.weights_path, name, str(e).split('\n')[0])) from None

    def check(self):
        """Raises UserError if the model cannot fill a blank: wrong sizes, no MLM head, no [MASK] (unless causal)."""
        if not self.is_causal and '[MASK]' not in self.vocab:
            raise UserError('%s has no [MASK].' % self.vocab_path)
        if not self.is_causal and self.vocab['[PAD]'] != 0:
            raise UserError('%s: the first token must be [PAD].' % self.vocab_path)
        if self.family in ('bert', 'nezha'):
            rows = self.shapes['bert/embeddings/word_embeddings'][0]
            if rows != len(self.vocab):
                raise UserError('%s has embeddings of %d tokens, but %s holds %d.' % (
                    self.weights_path, rows, self.vocab_path, len(self.vocab)))
            missing = [name for name in _MLM_HEAD if name not in self.shapes]
            if missing:
                raise UserError(
                    '%s has no MLM head (%s is missing), so it cannot fill a blank. Many releases leave it out: '
                    'pretrained/README.md lists some that keep it.' % (self.folder, missing[0]))
        return self

    def tokenizer(self):
        """bert4keras' Tokenizer over this vocabulary; lower-cases unless the config says otherwise.

        Full-width punctuation that the vocabulary lacks (`，`) is read as its half-width form (`,`).
        """
        from pet_keras.backend import Tokenizer
        wide = {chr(n): chr(n - 0xfee0) for n in range(0xff01, 0xff5f)}
        tokenizer = Tokenizer(self.vocab, do_lower_case=self.config.get('do_lower_case', True), token_translate={
            w: narrow for w, narrow in wide.items() if w not in self.vocab and narrow in self.vocab})
        if '[MASK]' not in self.vocab:  # a causal model answers before it would read the blank
            tokenizer._token_mask_id = tokenizer._token_unk_id
        return tokenizer

    def describe(self):
        """What `pet-keras checkpoint inspect` prints, as a dict."""
        sizes = [self._size(shape) for name, shape in self.shapes.items()
                 if not any(s in name for s in ('adam_', 'Adam', 'global_step', 'LAMB'))]
        head = 'present' if self.mlm_head_is_trained else 'untrained (its bias is all zero)'
        return {
            'folder': self.folder, 'family': self.family, 'application': 'lm' if self.is_causal else 'mlm',
            'layers': self.config['num_hidden_layers'], 'hidden_size': self.config['hidden_size'],
            'heads': self.config['num_attention_heads'], 'parameters': sum(sizes),
            'vocab_size': len(self.vocab), 'max_position': self.max_position, 'hidden_act': self.hidden_act,
            'mlm_head': head if self.has_mlm_head else 'missing', 'fingerprint': self.fingerprint,
        }

    @staticmethod
    def _size(shape):
        size = 1
        for n in shape:
            size *= n
        return size

    def write(self, folder, transformer):
        """Writes this checkpoint with the present weights of `transformer` into `folder`.

        Everything is written under another name first and renamed when whole, so that a full disk or an
        interrupt leaves what stood there.
        """
        from pet_keras.backend import tf
        names, tensors = [], []
        for name, weight in transformer.variables():
            names.append(name)
            tensors.append(tf.cast(weight, 'float32'))
        os.makedirs(folder, exist_ok=True)
        prefix, partial = os.path.join(folder, 'bert_model.ckpt'), os.path.join(folder, 'partial.tmp')
        renames = {'.data-00000-of-00001': prefix + '.data-00000-of-00001', '.index': prefix + '.index',
                   '.config': os.path.join(folder, 'bert_config.json'), '.vocab': os.path.join(folder, 'vocab.txt')}
        try:
            shutil.copyfile(self.config_path, partial + '.config')
            shutil.copyfile(self.vocab_path, partial + '.vocab')
            tf.raw_ops.SaveV2(prefix=partial, tensor_names=names, shape_and_slices=[''] * len(names), tensors=tensors)
            for suffix, target in renames.items():
                os.replace(partial + suffix, target)
        except tf.errors.OpError as e:
            raise OSError('%s cannot be written: %s' % (prefix, e.message.split('\n')[0])) from None
        finally:
            for path in glob.glob(glob.escape(partial) + '*'):
                os.remove(path)
