"""Ways of tuning: what each adds to a network, which weights train, and what of them is saved."""
from pet_keras.backend import Embedding, keras, tf
from pet_keras.errors import UserError
from pet_keras.networks.prompt_rows import initial_rows
from pet_keras.networks.ptuning_embedding import PtuningEmbedding


def default_learning_rate(hidden_size, labelled=True):
    """2e-5 for a base model (768 wide), more for a narrower one: 1.8e-4 for 256.

    A quarter of it where there are no labels: with more, the shipped model's zero-shot accuracy fell.
    """
    return 2e-5 * (768. / hidden_size) ** 2 * (1 if labelled else .25)


class AllWeights(object):
    """Every weight trains and nothing is added: PET and plain fine-tuning. The base class of the other ways.

    An object of it belongs to one network. `name` says it in files and as `train=`; with
    `keeps_checkpoint` the checkpoint's own weights stay as they are, and only `tensors` are saved.
    """
    name, keeps_checkpoint = 'all', False

    def layer(self, layer, arguments):
        """What stands in the network for a layer of bert4keras: (its class, its arguments)."""
        return layer, arguments

    def attach(self, transformer):
        """Once the checkpoint's weights are read: freezes what does not train, starts what was added."""
        self.transformer = transformer

    def start(self, task, pattern, tokenizer, seed):
        """Gives what was added a start that depends on the task."""

    def learning_rate(self, labelled):
        """The default, with or without labelled texts."""
        return default_learning_rate(self.transformer.hidden_size, labelled)

    def optimizer(self, learning_rate, prompt_learning_rate=None):
        """Adam; UserError for a rate that this way of tuning has no use for."""
        if prompt_learning_rate:
            raise UserError("prompt_learning_rate is for train='all' and a pattern with [unused] tokens; with "
                            "train='prompt' learning_rate is the prompt's.")
        return keras.optimizers.Adam(learning_rate)

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
        """For the file of a model: `train`, the way's name, and the arguments that make its object anew."""
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
        self.embedding.set_prompt(initial_rows(self.embedding, task, pattern, tokenizer, self.init, seed))

    def learning_rate(self, labelled):
        if self.keeps_checkpoint:
            return self.ENCODER_RATE if self.embedding.encoder else self.ROWS_RATE
        return super(Prompt, self).learning_rate(labelled)

    def optimizer(self, learning_rate, prompt_learning_rate=None):
        if self.keeps_checkpoint or not prompt_learning_rate:
            return super(Prompt, self).optimizer(learning_rate, prompt_learning_rate)
        return PromptAdam(learning_rate, self.embedding.prompt_weights, prompt_learning_rate / learning_rate)

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


WAYS = {way.name: way for way in (AllWeights, Prompt)}  # what a saved model's `train` may be


class PromptAdam(keras.optimizers.Adam):
    """Adam whose steps for the prompt's weights are `ratio` times those for the others."""
    def __init__(self, learning_rate, prompt_weights, ratio):
        super(PromptAdam, self).__init__(learning_rate)
        self._prompt_weights, self._ratio = {w.ref() for w in prompt_weights}, ratio

    def update_step(self, gradient, variable):
        if variable.ref() not in self._prompt_weights:
            return super(PromptAdam, self).update_step(gradient, variable)
        start = tf.identity(variable)
        super(PromptAdam, self).update_step(gradient, variable)
        variable.assign(start + self._ratio * (variable - start))
