"""`pet-keras export`: a model as one graph that runs without pet_keras."""
from pet_keras.cli.options import add_command

EXAMPLE = """\
  pet-keras export --model my_model --to onnx my_onnx
  python my_onnx/predict.py 房间很干净
  pet-keras predict --engine onnx --model my_onnx reviews.txt

The first needs pip install "pet-keras[onnx]", the script NumPy and onnxruntime alone."""


def add_parser(commands):
    add = add_command(commands, 'export', run, 'A model as one graph, with a script that runs it without pet_keras.',
                      EXAMPLE).add_argument
    add('out', metavar='OUT', help='a new folder')
    add('--model', metavar='DIR', required=True, help='a folder that pet-keras train wrote')
    add('--to', required=True, choices=['onnx', 'savedmodel'], help="for onnxruntime, or TensorFlow's SavedModel")
    add('--int8', action='store_true', help='of onnx: weights of one byte, products of integers; smaller, on most '
        'processors faster, and a little less exact')
    add('--checkpoint', help='where the checkpoint of a prompt is now')


def run(args):
    from pet_keras.classifiers.loading import load
    from pet_keras.serving.export import check, export
    check(args.out, args.to, args.int8)
    classifier = load(args.model, args.checkpoint)
    export(classifier, args.out, args.to, args.int8)
    print('%s: %s; %s/predict.py runs it.' % (args.out, args.to + ' with int8' * args.int8, args.out))
