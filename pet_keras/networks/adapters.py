"""Adapters: small layers within the layers train, and the layer norms; the checkpoint's other weights stay."""
from pet_keras.backend import FeedForward, Layer, LayerNormalization, gelu_erf, keras
from pet_keras.errors import UserError
from pet_keras.networks.tuning import AllWeights
from pet_keras.networks.unpadded import UnpaddedAttention


class Adapter(Layer):
    """A bottleneck with a skip connection, `[..., hidden_size]` → the same: arXiv 1902.00751, section 2.1.

    What it adds is exactly 0 at the start (near 0 in the paper): its second matrix is.
    """
    def __init__(self, size, **kwargs):
        super(Adapter, self).__init__(**kwargs)
        self.down = keras.layers.Dense(size, gelu_erf, name='down')  # of operations that ONNX has
        self.size = size

    def build(self, input_shape):
        self.up = keras.layers.Dense(input_shape[-1], kernel_initializer='zeros', name='up')
        super(Adapter, self).build(input_shape)

    def call(self, inputs):
        return inputs + self.up(self.down(inputs))


class _Adapted(object):
    """Mixed into a layer of bert4keras: an Adapter at its output, before the skip connection that follows the layer."""
    def __init__(self, adapter_size, **kwargs):
        super(_Adapted, self).__init__(**kwargs)
        self.adapter_size = adapter_size

    def build(self, input_shape):
        super(_Adapted, self).build(input_shape)
        self.checkpoint_layers = list(self._flatten_layers(include_self=False, recursive=False))
        self.adapter = Adapter(self.adapter_size, name='adapter')  # after these: see AtPositions.variables


class AdaptedAttention(_Adapted, UnpaddedAttention):
    """Attention with an Adapter behind its last product."""
    def call(self, inputs, mask=None, **kwargs):
        return self.adapter(super(AdaptedAttention, self).call(inputs, mask, **kwargs))


class AdaptedFeedForward(_Adapted, FeedForward):
    """A feed-forward layer with an Adapter behind its last product."""
    def call(self, inputs):
        return self.adapter(super(AdaptedFeedForward, self).call(inputs))


_ADAPTED = {UnpaddedAttention: AdaptedAttention, FeedForward: AdaptedFeedForward}


class Adapters(AllWeights):
    """An Adapter behind each attention and each feed-forward layer trains, and so do the layer norms.

    Source: arXiv 1902.00751, section 2.1. Layers that share their weights (ALBERT) share the adapters.

    Arguments: `size`, of the bottleneck.
    """
    name, keeps_checkpoint = 'adapters', True
    RATE = 1e-3

    def __init__(self, size=16):
        if size < 1:
            raise UserError("An adapter's size is at least 1.")
        self.size = size

    def layer(self, layer, arguments):
        if layer in _ADAPTED:
            return _ADAPTED[layer], dict(arguments, adapter_size=self.size)
        return layer, arguments

    def attach(self, transformer):
        super(Adapters, self).attach(transformer)
        for layer in transformer.model.layers:
            if isinstance(layer, _Adapted):
                for own in layer.checkpoint_layers:
                    own.trainable = False
            else:
                layer.trainable = isinstance(layer, LayerNormalization)

    def learning_rate(self, labelled):
        return self.RATE

    def epochs(self, labelled):
        return 8 if labelled else 1

    def _weights(self):
        """{name: variable} of what trains."""
        return {weight.name.split(':')[0]: weight for weight in self.transformer.model.trainable_weights}

    def tensors(self):
        return {name: weight.numpy() for name, weight in self._weights().items()}

    def set_tensors(self, tensors):
        for name, weight in self._weights().items():
            weight.assign(tensors[name])

    def settings(self):
        return {'train': self.name, 'size': self.size}

    def describe(self):
        return 'adapters of size %d and the layer norms train' % self.size
