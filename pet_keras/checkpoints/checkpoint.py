"""Checkpoint: a pretrained model, found, checked and described, whatever its file format."""
import math
import os
import re

import numpy as np

from pet_keras.checkpoints.atomic import present_files, written_at_once
from pet_keras.checkpoints.config import normalise
from pet_keras.checkpoints.fingerprint import fingerprint
from pet_keras.checkpoints.google import write_google
from pet_keras.checkpoints.hub import fetch, is_hub_name
from pet_keras.checkpoints.names import family, is_of_optimizer, is_shared, mlm_head, word_table
from pet_keras.checkpoints.shipped import GET_ONE, shipped_checkpoints
from pet_keras.checkpoints.source import is_weights_file, open_source
from pet_keras.checkpoints.vocabulary import read_vocab
from pet_keras.errors import UserError


class Checkpoint(object):
    """A pretrained model in any format that `open_source` knows: docs/checkpoints.md.

    Arguments:
        name: a folder, a file of weights in one, a repository of the Hugging Face Hub (`hf:owner/name[@revision]`),
            or the name of a shipped model (`bert-mini-zh`).
        application: 'mlm' or 'lm' (a causal model: a token sees only what stands before it);
            None reads it from the config, where it is 'mlm' unless `"application": "lm"` says otherwise.
        download: whether a repository of the Hub may be fetched, or has to be in the cache.

    Raises: UserError when a file is missing or cannot be read; whether the files fit together, `check` says.

    >>> Checkpoint('bert-mini-zh').describe()['family']
    'bert'
    """
    def __init__(self, name, application=None, download=True):
        self.name, self._file = str(name), None
        self.folder = self._find(self.name, download)
        try:
            there = set(os.listdir(present_files(self.folder)))
        except OSError as e:
            raise UserError('%s cannot be read: %s.' % (self.folder, e.strerror)) from None
        if 'prompt.json' in there or ('model.json' in there and 'bert_config.json' not in there):
            raise UserError('%s is a prompt, not a checkpoint: open it with --model, or pet_keras.load.' % self.folder)
        self.reread()
        self.config = normalise(self.source.config, self.config_path)
        if application:
            self.config['application'] = application
        self.vocab = read_vocab(self.vocab_path, self.config['vocab_size'])

    def _find(self, name, download):
        """The folder that a name stands for; the weights' file is kept where the name is its."""
        if is_hub_name(name):
            return fetch(name, download)
        if is_weights_file(name):
            self.name, self._file = os.path.abspath(name), os.path.basename(name)
            return os.path.dirname(self.name)
        folder = name if os.path.isdir(name) else shipped_checkpoints().get(name)
        if folder is None:
            of_hub = re.fullmatch(r'(\w[\w.-]*/)?\w[\w.-]*', name)
            raise UserError('No checkpoint %r: it is neither a folder nor a shipped model%s. %s' % (
                name, '; a repository of the Hub is hf:%s' % (name if of_hub[1] else 'owner/' + name) if of_hub else '',
                GET_ONE))
        return folder

    def reread(self):
        """Looks at the folder anew: its files have changed."""
        folder = present_files(self.folder)
        self.source = open_source(os.path.join(folder, self._file) if self._file else folder)
        self._fingerprint = None

    @property
    def config_path(self):
        return self.source.config_path

    @property
    def vocab_path(self):
        return self.source.vocab_path

    @property
    def weights_path(self):
        return self.source.weights_path

    @property
    def shapes(self):
        """Shape of every variable in the weights file, by name."""
        return self.source.shapes

    def load_variable(self, name):
        """One variable of the weights file, as a NumPy array."""
        return self.source.read(name)

    @property
    def application(self):
        """'mlm' or 'lm'."""
        return self.config['application']

    @property
    def hidden_act(self):
        """The activation as bert4keras calls it: 'gelu_erf', 'gelu_tanh', 'relu'."""
        return self.config['hidden_act']

    @property
    def family(self):
        """'bert', 'albert', 'electra', 'nezha', 'roformer', 'gpt', 'gpt2' or 'gpt2_ml': see `names.family`."""
        found = family(self.shapes, self.config)
        if found is None:
            raise UserError('%s has no variable bert/embeddings/word_embeddings: it is not a BERT, NEZHA or GPT '
                            'checkpoint that pet_keras knows.' % self.weights_path)
        return found

    @property
    def is_causal(self):
        """Whether a token sees only what stands before it."""
        return self.application == 'lm' or self.family.startswith('gpt')

    @property
    def has_mlm_head(self):
        """Whether every variable of the family's MLM head is there."""
        return all(name in self.shapes for name in mlm_head(self.family))

    @property
    def mlm_head_has_bias(self):
        """False where the head is missing or its bias is all zero, as in many untrained ones."""
        return self.has_mlm_head and bool(self.load_variable(mlm_head(self.family)[-1]).any())

    @property
    def max_position(self):
        """The longest sequence in tokens, or None for a model with relative positions."""
        return None if self.family in ('nezha', 'roformer') else self.config['max_position_embeddings']

    @property
    def fingerprint(self):
        """Twelve hexadecimal digits that change with any weight, token or setting that changes an answer.

        They say nothing of the files: a copy in another format has the same. All weights are read once for it.
        """
        if self._fingerprint is None:
            application = 'lm' if self.is_causal else 'mlm'
            self._fingerprint = fingerprint(self.source, dict(self.config, application=application), self.vocab)
        return self._fingerprint

    def is_fingerprint(self, digits):
        """Whether `digits` are this model's fingerprint, or the one that version 0.1 took of these very files."""
        return digits == self.source.legacy_fingerprint or digits == self.fingerprint

    def check(self):
        """Raises UserError if the model cannot fill a blank: wrong sizes, no MLM head, no [MASK] (unless causal)."""
        if not self.is_causal and '[MASK]' not in self.vocab:
            raise UserError('%s has no [MASK].' % self.vocab_path)
        if not self.is_causal and self.vocab['[PAD]'] != 0:
            raise UserError('%s: the first token must be [PAD].' % self.vocab_path)
        self.check_vocabulary()
        if not self.family.startswith('gpt'):
            missing = [name for name in mlm_head(self.family) if name not in self.shapes]
            if missing:
                raise UserError(
                    '%s has no MLM head (%s is missing), so it cannot fill a blank. Many releases leave it out%s: '
                    'pretrained/README.md lists some that keep it.' % (
                        self.folder, missing[0],
                        ", and of ELECTRA's two networks only the generator has one" * (self.family == 'electra')))
        self.source.check(word_table(self.family))
        return self

    def check_vocabulary(self):
        """Raises UserError where vocabulary, config and embeddings have different numbers of tokens."""
        tokens, size = len(self.vocab), self.config['vocab_size']
        if tokens != size:
            raise UserError('%s holds %d tokens but %s says vocab_size %d: these files are not of one release.' % (
                self.vocab_path, tokens, self.config_path, size))
        rows = (self.shapes.get(word_table(self.family)) or (tokens,))[0]
        if rows != tokens:
            raise UserError('%s has embeddings of %d tokens, but %s holds %d.' % (
                self.weights_path, rows, self.vocab_path, tokens))

    def tokenizer(self):
        """bert4keras' Tokenizer over this vocabulary; lower-cases unless the config says otherwise.

        Full-width punctuation that the vocabulary lacks (`，`) is read as its half-width form (`,`).
        """
        from pet_keras.checkpoints.fast_tokenizer import FastTokenizer
        wide = {chr(n): chr(n - 0xfee0) for n in range(0xff01, 0xff5f)}
        tokenizer = FastTokenizer(self.vocab, do_lower_case=self.config['do_lower_case'], token_translate={
            w: narrow for w, narrow in wide.items() if w not in self.vocab and narrow in self.vocab})
        if '[MASK]' not in self.vocab:  # a causal model answers before it would read the blank
            tokenizer._token_mask_id = tokenizer._token_unk_id
        return tokenizer

    def describe(self):
        """What `pet-keras checkpoint inspect` prints, as a dict. Every weight is read for it.

        `parameters` are those stored, `parameters_applied` those that a pass computes with: an ALBERT stores one
        layer and applies it many times. `damaged` are the variables that hold NaN or infinite numbers.

        Raises: UserError where one cannot be read: the file is cut or damaged.
        """
        fingerprint, damaged = self.fingerprint, []
        for name in self.shapes:
            value = self.load_variable(name)
            if value.dtype.kind == 'f' and not np.isfinite(value).all():
                damaged.append(name)
        for name in self.source.left_out:
            self.source.tensors.read(name)
        sizes = {name: math.prod(shape) for name, shape in self.shapes.items() if not is_of_optimizer(name)}
        again = (self.config['num_hidden_layers'] - 1) * sum(n for name, n in sizes.items() if is_shared(name))
        if self.has_mlm_head:
            head = 'present' if self.mlm_head_has_bias else 'present (its bias is all zero)'
        else:
            head = 'tied to the embeddings' if self.family.startswith('gpt') else 'missing'
        return {
            'folder': self.folder, 'format': self.source.format, 'family': self.family,
            'application': 'lm' if self.is_causal else 'mlm',
            'layers': self.config['num_hidden_layers'], 'hidden_size': self.config['hidden_size'],
            'heads': self.config['num_attention_heads'], 'parameters': sum(sizes.values()),
            'parameters_applied': sum(sizes.values()) + again,
            'vocab_size': len(self.vocab), 'max_position': self.max_position, 'hidden_act': self.hidden_act,
            'mlm_head': head, 'fingerprint': fingerprint, 'damaged': damaged,
        }

    def is_in(self, folder):
        """Whether `folder` is this checkpoint's own."""
        return os.path.realpath(folder) == os.path.realpath(self.folder)

    def write(self, folder, transformer, dtype='float32'):
        """Writes this checkpoint with the present weights of `transformer` into `folder`, in Google's format.

        What stood there stays until all is written. `dtype` 'float16' takes half the bytes; when read again they
        are float32.

        Raises: UserError for another dtype, or weights beyond it; OSError where the folder cannot be written.
        """
        with written_at_once(folder) as new:
            write_google(new, self.source.config, self.vocab_path, transformer.variables(), dtype)
        if self.is_in(folder):
            self._file = None  # Google's files count before those of other formats
            self.reread()
