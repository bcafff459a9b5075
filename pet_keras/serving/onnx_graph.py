"""A TensorFlow graph as an ONNX model: a table of what each operation of these networks is called there.

Tensors keep TensorFlow's types; only shapes and indices, which ONNX wants in int64, are cast where they are used.
"""
import numpy as np

from pet_keras.backend import tf
from pet_keras.errors import UserError

OPSET, IR_VERSION = 18, 8  # of 2022: onnxruntime 1.14 reads them
MOST_BYTES = 2 ** 31 - 2 ** 20  # of a protobuf, names and all
_LAST = np.iinfo('int64').max  # of a slice: the end

# operations that differ by their name alone
_SAME = {
    'AddV2': 'Add', 'BiasAdd': 'Add', 'Sub': 'Sub', 'Mul': 'Mul', 'RealDiv': 'Div', 'Pow': 'Pow', 'Neg': 'Neg',
    'DivNoNan': 'Div', 'FloorDiv': 'Div',  # of a layer norm by its deviation, never 0; of sizes, never negative
    'Maximum': 'Max', 'Minimum': 'Min', 'Greater': 'Greater', 'Less': 'Less', 'LessEqual': 'LessOrEqual',
    'LogicalAnd': 'And', 'Exp': 'Exp', 'Log': 'Log', 'Erf': 'Erf', 'Tanh': 'Tanh', 'Relu': 'Relu',
    'Sin': 'Sin', 'Cos': 'Cos', 'SelectV2': 'Where', 'Range': 'Range'}
_LAST_AXIS = {'Softmax': 'Softmax', 'LogSoftmax': 'LogSoftmax'}
_REDUCTIONS = {'Mean': 'ReduceMean', 'Max': 'ReduceMax', 'Sum': 'ReduceSum', 'Prod': 'ReduceProd'}


def to_onnx(function, names):
    """The ONNX model (`onnx.ModelProto`) of a concrete function, its variables as constants.

    Arguments: `names` of its inputs, in order; its only output keeps the name `log_probs`.

    Raises: UserError for an operation that is in no table here, or numbers beyond what one file holds.
    """
    import onnx
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
    if sum(variable.shape.num_elements() * variable.dtype.size for variable in function.variables) > MOST_BYTES:
        raise UserError('The weights take more than 2 GB, which one ONNX file cannot hold: export a SavedModel.')
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)  # a loop would go in circles
    writer = _Writer(onnx)
    for name, tensor in zip(names, frozen.inputs):
        writer.names[tensor.name] = name
    output, = frozen.outputs
    for op in _in_order(output):
        if op.type != 'Placeholder':
            writer.add(op)
    writer.node('Identity', [writer.names[output.name]], outputs=['log_probs'])

    def info(name, tensor):
        return onnx.helper.make_tensor_value_info(name, writer.type_of(tensor.dtype), tensor.shape.as_list())
    nodes, read = [], {'log_probs'}
    for node in reversed(writer.nodes):  # without those that nothing reads any more
        if read.intersection(node.output):
            nodes.insert(0, node)
            read.update(node.input)
    graph = onnx.helper.make_graph(
        nodes, 'pet_keras', [info(*pair) for pair in zip(names, frozen.inputs)], [info('log_probs', output)],
        [onnx.numpy_helper.from_array(array, name) for name, array in writer.constants.items() if name in read])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', OPSET)], ir_version=IR_VERSION,
                                   producer_name='pet_keras')
    onnx.checker.check_model(model)
    return model


def _in_order(output):
    """The operations that a tensor is computed from, each after those that it reads."""
    done, stack = {}, [output.op]
    while stack:
        missing = [tensor.op for tensor in stack[-1].inputs if tensor.op.name not in done]
        if missing:
            stack.extend(missing)
        else:
            op = stack.pop()
            done[op.name] = op
    return list(done.values())


class _Writer(object):
    """The nodes and constants so far; `names`, what each TensorFlow tensor is called."""
    def __init__(self, onnx):
        self.onnx, self.nodes, self.constants, self.names = onnx, [], {}, {}

    def type_of(self, dtype):
        return self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype.as_numpy_dtype))

    def node(self, kind, inputs, outputs=None, **attributes):
        """Adds a node; returns the name of its first output."""
        outputs = outputs or ['%s_%d' % (kind, len(self.nodes))]
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, outputs, **attributes))
        return outputs[0]

    def constant(self, array, dtype=None):
        name = 'constant_%d' % len(self.constants)
        self.constants[name] = np.array(array, dtype)
        return name

    def int64(self, name):
        return self.node('Cast', [name], to=self.onnx.TensorProto.INT64)

    def add(self, op):
        """Adds the nodes of one operation."""
        inputs = [self.names[tensor.name] for tensor in op.inputs]
        if op.type in ('Identity', 'StopGradient'):
            found = inputs[0]
        elif op.type == 'IdentityN':  # of a gradient that is written out
            found = inputs
        elif op.type == 'Const':
            found = self.constant(tf.get_static_value(op.outputs[0]))
        elif op.type in _SAME:
            found = self.node(_SAME[op.type], inputs)
        elif op.type in _LAST_AXIS:
            found = self.node(_LAST_AXIS[op.type], inputs, axis=-1)
        elif op.type in _REDUCTIONS:
            axes = np.reshape(_value(op, 1), -1)
            found = self.node(_REDUCTIONS[op.type], [inputs[0], self.constant(axes, 'int64')],
                              keepdims=int(op.get_attr('keep_dims')))
        elif op.type in _OTHERS:
            found = _OTHERS[op.type](self, op, *inputs)
        else:
            raise UserError('The network has the operation %s (%s), for which pet_keras knows no ONNX: export a '
                            'SavedModel.' % (op.type, op.name))
        for tensor, name in zip(op.outputs, [found] if isinstance(found, str) else found):
            self.names[tensor.name] = name


def _value(op, i):
    """The value of an input that is known before the graph runs."""
    value = tf.get_static_value(op.inputs[i])
    if value is None:
        raise UserError('The network computes what %s (%s) takes as input %d, for which pet_keras knows no ONNX: '
                        'export a SavedModel.' % (op.type, op.name, i))
    return value


def _cast(writer, op, x):
    return writer.node('Cast', [x], to=writer.type_of(op.outputs[0].dtype))


def _shape(writer, op, x):
    return _cast(writer, op, writer.node('Shape', [x]))


def _matmul(writer, op, *names):
    def turned(name, tensor, flag):
        axes = list(range(tensor.shape.rank))
        return writer.node('Transpose', [name], perm=axes[:-2] + [axes[-1], axes[-2]]) if op.get_attr(flag) else name
    flags = ('transpose_a', 'transpose_b') if op.type == 'MatMul' else ('adj_x', 'adj_y')
    return writer.node('MatMul', [turned(*one) for one in zip(names, op.inputs, flags)])


def _gather(writer, op, x, indices, _):
    batch_dims, axis = op.get_attr('batch_dims'), int(_value(op, 2))
    if not batch_dims:
        return writer.node('Gather', [x, indices], axis=axis)
    assert axis == batch_dims  # as label_scores.py takes one of each text
    indices = writer.node('Unsqueeze', [writer.int64(indices), writer.constant([-1], 'int64')])
    return writer.node('GatherND', [x, indices], batch_dims=batch_dims)


def _filled(writer, op, shape):
    """Zeros of a shape (int64)."""
    zero = writer.onnx.helper.make_tensor('value', writer.type_of(op.outputs[0].dtype), [1], [0])
    return writer.node('ConstantOfShape', [shape], value=zero)


def _strided_slice(writer, op, x, begin, end, _):
    """x[begin:end:strides], where a bit of each mask says what stands at a place: `:`, `…`, `None`, or one index."""
    strides, rank = _value(op, 3), op.inputs[0].shape.rank
    masks = [op.get_attr(name + '_mask') for name in ('ellipsis', 'new_axis', 'shrink_axis', 'begin', 'end')]
    dropped, new, axis, place = [], [], 0, 0  # axis of x, and its place in the result, dropped axes not counted

    def bound(name, which, i, step=0):
        value = tf.get_static_value(op.inputs[which])
        if value is None:  # computed, as a length is
            return writer.node('Gather', [writer.int64(name), writer.constant([i], 'int64')])
        return writer.constant([value[i] + step or _LAST] if step else [value[i]], 'int64')
    for i, stride in enumerate(strides):
        is_ellipsis, is_new, is_index, no_begin, no_end = (mask >> i & 1 for mask in masks)
        if is_ellipsis:
            left_out = rank - sum(not masks[1] >> j & 1 for j in range(len(strides)) if j != i)
            axis, place = axis + left_out, place + left_out
        elif is_new:
            new.append(place)
            place += 1
        else:
            if is_index or not (no_begin and no_end and stride == 1):
                first = writer.constant([0], 'int64') if no_begin and not is_index else bound(begin, 1, i)
                last = bound(begin, 1, i, 1) if is_index else (
                    writer.constant([_LAST], 'int64') if no_end else bound(end, 2, i))
                x = writer.node('Slice', [x, first, last, writer.constant([axis], 'int64'),
                                          writer.constant([stride], 'int64')])
            if is_index:
                dropped.append(axis)
            axis, place = axis + 1, place + (not is_index)
    if dropped:
        x = writer.node('Squeeze', [x, writer.constant(dropped, 'int64')])
    return writer.node('Unsqueeze', [x, writer.constant(new, 'int64')]) if new else x


def _parts(writer, x, axis, count):
    """x in equal parts along an axis, a list of names."""
    names = ['Split_%d_%d' % (len(writer.nodes), i) for i in range(count)]
    writer.node('Split', [x], names, axis=axis, num_outputs=count)
    return names


def _unpack(writer, op, x):
    axis, count = op.get_attr('axis'), op.get_attr('num')
    return [writer.node('Squeeze', [part, writer.constant([axis], 'int64')])
            for part in (_parts(writer, x, axis, count) if count > 1 else [x])]


def _pack(writer, op, *parts):
    axis = op.get_attr('axis')
    return writer.node('Concat', [writer.node('Unsqueeze', [part, writer.constant([axis], 'int64')])
                                  for part in parts], axis=axis)


def _broadcast_args(writer, op, *shapes):
    """The shape that two shapes are broadcast to: the larger size of each axis, the shorter one filled up with 1."""
    ranks = [tensor.shape[0] for tensor in op.inputs]
    filled = [shape if rank == max(ranks) else
              writer.node('Concat', [writer.constant(np.ones(max(ranks) - rank), op.inputs[0].dtype.as_numpy_dtype),
                                     shape], axis=0) for rank, shape in zip(ranks, shapes)]
    return writer.node('Max', filled)


def _sqrt(writer, op, x):
    """Keras' square root first takes the larger of x and 0. In a layer norm x is above 0; without that step onnxruntime
    knows a layer norm when it sees one, and computes it at once."""
    of = op.inputs[0].op
    is_clipped = of.type == 'Maximum' and tf.get_static_value(of.inputs[1]) == 0
    return writer.node('Sqrt', [writer.names[of.inputs[0].name] if is_clipped else x])


def _is_finite(writer, op, x):
    return writer.node('Not', [writer.node('Or', [writer.node('IsInf', [x]), writer.node('IsNaN', [x])])])


_OTHERS = {
    'Cast': _cast, 'Shape': _shape, 'MatMul': _matmul, 'BatchMatMulV2': _matmul, 'GatherV2': _gather,
    'StridedSlice': _strided_slice, 'Unpack': _unpack, 'Pack': _pack, 'BroadcastArgs': _broadcast_args,
    'IsFinite': _is_finite, 'Sqrt': _sqrt,
    'GatherNd': lambda writer, op, x, indices: writer.node('GatherND', [x, writer.int64(indices)]),
    'Where': lambda writer, op, x: writer.node('Transpose', [writer.node('NonZero', [x])]),
    'Reshape': lambda writer, op, x, shape: writer.node('Reshape', [x, writer.int64(shape)]),
    'BroadcastTo': lambda writer, op, x, shape: writer.node('Expand', [x, writer.int64(shape)]),
    'Fill': lambda writer, op, shape, x: writer.node('Expand', [x, writer.int64(shape)]),
    'ZerosLike': lambda writer, op, x: _filled(writer, op, writer.node('Shape', [x])),
    'Square': lambda writer, op, x: writer.node('Pow', [x, writer.constant(2, op.inputs[0].dtype.as_numpy_dtype)]),
    'Einsum': lambda writer, op, *parts: writer.node('Einsum', parts, equation=op.get_attr('equation').decode()),
    'Cumsum': lambda writer, op, x, axis: writer.node('CumSum', [x, axis], exclusive=int(op.get_attr('exclusive')),
                                                      reverse=int(op.get_attr('reverse'))),
    'ConcatV2': lambda writer, op, *parts: writer.node('Concat', parts[:-1], axis=int(_value(op, len(parts) - 1))),
    'Split': lambda writer, op, _, x: _parts(writer, x, int(_value(op, 0)), op.get_attr('num_split')),
    'Transpose': lambda writer, op, x, _: writer.node('Transpose', [x], perm=_value(op, 1).tolist()),
    'ExpandDims': lambda writer, op, x, axis: writer.node('Unsqueeze', [x, writer.constant(
        np.reshape(_value(op, 1), -1), 'int64')]),
}
