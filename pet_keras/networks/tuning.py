"""Ways of tuning: what each adds to a network, which weights train, and what of them is saved."""
import numpy as np

from pet_keras.backend import Embedding, LM_Mask
from pet_keras.errors import UserError
from pet_keras.networks.optimizers import Adam, PromptAdam
from pet_keras.networks.prompt_start import initial_rows
from pet_keras.networks.ptuning_embedding import PtuningEmbedding


def default_learning_rate(hidden_size, labelled=True):
    """2e-5 for a base model (768 wide), more for a narrower one, by the square of the width.

    8e-5 at 384 and 1.8e-4 at 256, as good as any on development texts for the shipped models of these widths. A
    quarter of it where there are no labels: more harms zero-shot accuracy.
    """
    return 2e-5 * (768. / hidden_size) ** 2 * (1 if labelled else .25)


_WAYS = {}  # name → class


class AllWeights(object):
    """Every weight trains and nothing is added: PET and plain fine-tuning. The base class of the other ways.

    An object of it belongs to one network. `name` says it in files; with `keeps_checkpoint` the checkpoint's own
    weights stay as they are, and only `tensors` are saved. A way of one's own is a subclass with a name of its
    own, passed as `train=`; its saved models load wherever the class is defined.
    """
    name, keeps_checkpoint, transformer = 'all', False, None
    schedule = 'linear'  # the default of the learning rate, see Trainer

    def __init_subclass__(cls, **kwargs):
        super(AllWeights, cls).__init_subclass__(**kwargs)
        _WAYS[cls.name] = cls

    def layer(self, layer, arguments):
        """What stands in the network for a layer of bert4keras: (its class, its arguments).

        Attention is `unpadded.UnpaddedAttention`; what layers are called with is `[tokens, hidden_size]`.
        """
        return layer, arguments

    def attach(self, transformer):
        """Once the checkpoint's weights are read: freezes what does not train, starts what was added."""
        if self.transformer is not None:
            raise UserError('This way of tuning belongs to another classifier: make an object for each.')
        self.transformer = transformer

    def start(self, task, pattern, tokenizer, seed):
        """Gives what was added a start that depends on the task."""

    def learning_rate(self, labelled):
        """The default, with or without labelled texts."""
        return default_learning_rate(self.transformer.hidden_size, labelled)

    def epochs(self, labelled):
        """The default number of passes, with or without labelled texts."""
        return 6 if labelled else 1

    def optimizer(self, learning_rate, prompt_ratio=None):
        """Adam; UserError for a prompt's rate where this way of tuning has no use for one.

        Arguments: `learning_rate`, a number or a Keras schedule; `prompt_ratio`, the prompt's rate by it.
        """
        if prompt_ratio:
            raise UserError("prompt_learning_rate is for train='all' and a pattern with [unused] tokens; with "
                            "train='prompt' learning_rate is the prompt's.")
        return Adam(learning_rate)

    def finish(self):
        """After training: drops what served it alone."""

    def merge(self):
        """Puts what was added into the weights that a checkpoint holds."""

    def tensors(self):
        """What is saved beside a checkpoint, as a dict name → array."""
        return {}

    def set_tensors(self, tensors):
        """Takes back what `tensors` gave; ValueError for wrong shapes, KeyError for a missing one."""

    def settings(self):
        """For the file of a model: `train`, the way's name, and, in one of your own, its constructor's arguments."""
        return {'train': self.name}

    def describe(self):
        """A few words for people."""
        return 'all weights train'


class Prompt(AllWeights):
    """The rows of a few tokens train, alone or beside all other weights: kexue.fm 8295; arXiv 2103.10385.

    Arguments:
        trainable_token_ids, encoder, trainable_table: see PtuningEmbedding; with `trainable_table` all
            weights train, and a checkpoint is saved.
        init: what the rows start from, see `initial_rows`.
    """
    name = 'prompt'
    ROWS_RATE, ENCODER_RATE = 1e-2, 1e-3  # where nothing else trains; rows' rate upsets an encoder

    def __init__(self, trainable_token_ids, encoder=None, trainable_table=False, init='unused'):
        self.arguments = {'trainable_token_ids': list(trainable_token_ids), 'encoder': encoder,
                          'trainable_table': trainable_table}
        self.init, self.keeps_checkpoint = init, not trainable_table
        self.schedule = 'constant' if self.keeps_checkpoint else 'linear'

    def layer(self, layer, arguments):
        if layer is Embedding and arguments.get('name') == 'Embedding-Token':
            return PtuningEmbedding, dict(arguments, **self.arguments)
        return layer, arguments

    def attach(self, transformer):
        super(Prompt, self).attach(transformer)
        self.embedding = transformer.layers['Embedding-Token']
        self.embedding.prompt_from_table()
        if self.keeps_checkpoint:
            for layer in transformer.model.layers:
                layer.trainable = layer is self.embedding

    def start(self, task, pattern, tokenizer, seed):
        causal = isinstance(self.transformer, LM_Mask)
        self.embedding.set_prompt(initial_rows(self.embedding, task, pattern, tokenizer, self.init, seed, causal))

    def learning_rate(self, labelled):
        if self.keeps_checkpoint:
            return self.ENCODER_RATE if self.embedding.encoder else self.ROWS_RATE
        return super(Prompt, self).learning_rate(labelled)

    def epochs(self, labelled):
        return 24 if self.keeps_checkpoint else super(Prompt, self).epochs(labelled)

    def optimizer(self, learning_rate, prompt_ratio=None):
        if self.keeps_checkpoint or not prompt_ratio:
            return super(Prompt, self).optimizer(learning_rate, prompt_ratio)
        return PromptAdam(learning_rate, self.embedding.prompt_weights, prompt_ratio)

    def finish(self):
        self.embedding.absorb_encoder()

    def merge(self):
        self.embedding.prompt_to_table()

    def tensors(self):
        return {'prompt': self.embedding.rows().numpy()} if self.keeps_checkpoint else {}

    def set_tensors(self, tensors):
        if self.keeps_checkpoint:
            self.embedding.set_prompt(tensors['prompt'])

    def settings(self):
        encoder = self.embedding.encoder
        return {'train': 'prompt' if self.keeps_checkpoint else 'all', 'prompt_init': self.init,
                'prompt_encoder': encoder.kind if encoder else None}

    def describe(self):
        return '%d rows train' % len(self.arguments['trainable_token_ids']) if self.keeps_checkpoint else (
            super(Prompt, self).describe())


class Frozen(AllWeights):
    """No weight of the checkpoint trains, and none is saved: what learns, if anything, stands beside it."""
    name, keeps_checkpoint = 'frozen', True

    def attach(self, transformer):
        super(Frozen, self).attach(transformer)
        for layer in transformer.model.layers:
            layer.trainable = False

    def describe(self):
        return 'no weight of a checkpoint trains'


def numbers_in(variables):
    """How many numbers variables hold."""
    return sum(int(np.prod(variable.shape)) for variable in variables)


def way_of(settings):
    """What `train=` was, from the settings of a saved model: 'all', 'prompt', or an object of one's own class."""
    settings = dict(settings)
    name = settings.pop('train')
    if name in ('all', 'prompt'):
        return name
    if name not in _WAYS:
        raise UserError('The model was tuned in the way %r: import the module that defines it before you load.' % name)
    return _WAYS[name](**settings)
