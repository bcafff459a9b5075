"""PromptEncoder: what stands between a prompt's start and its rows while they train."""
from pet_keras.backend import Layer, keras, tf
from pet_keras.errors import UserError


@keras.utils.register_keras_serializable(package='pet_keras')
class PromptEncoder(Layer):
    """Reparameterises prompt rows while they train: kexue.fm 8295; arXiv 2103.10385, section 3.2.

    `kind='lstm'`: bidirectional LSTM, then a two-layer MLP, so that neighbouring prompt tokens depend
    on each other. `kind='mlp'`: the MLP alone. Input and output: `[n, hidden_size]`.
    """
    def __init__(self, hidden_size, kind='lstm', **kwargs):
        super(PromptEncoder, self).__init__(**kwargs)
        if kind not in ('lstm', 'mlp'):
            raise UserError("prompt encoder %r: choose 'lstm' or 'mlp'." % kind)
        self.hidden_size, self.kind = hidden_size, kind
        if kind == 'lstm':
            self.lstm = keras.layers.Bidirectional(keras.layers.LSTM(hidden_size // 2, return_sequences=True))
        self.hidden = keras.layers.Dense(hidden_size, activation='relu')
        self.output_dense = keras.layers.Dense(hidden_size)

    def build(self, input_shape):
        width = input_shape[-1]
        if self.kind == 'lstm':
            for layer in (self.lstm.forward_layer, self.lstm.backward_layer):
                with tf.name_scope(layer.name):  # HDF5 files need different names
                    layer.build((1, None, width))
            self.lstm.built = True
            width = self.hidden_size // 2 * 2
        for name, layer, size in (('hidden', self.hidden, width), ('output', self.output_dense, self.hidden_size)):
            with tf.name_scope(name):
                layer.build((None, size))
        super(PromptEncoder, self).build(input_shape)

    def call(self, inputs):
        x = self.lstm(inputs[None])[0] if self.kind == 'lstm' else inputs
        return self.output_dense(self.hidden(x))

    def get_config(self):
        return dict(super(PromptEncoder, self).get_config(), hidden_size=self.hidden_size, kind=self.kind)
