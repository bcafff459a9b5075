"""A way of `run.py`: this library. Arguments as JSON; prints its figures as JSON."""
import json
import sys
import time

import lessons
from pet_keras import ClozeClassifier
from pet_keras.backend import tf
from pet_keras.data.example import Example

args = json.loads(sys.argv[1])
work = args['work']
classifier = ClozeClassifier('sentiment', args['folder'], precision=args['precision'], **lessons.way_of(work))
texts = lessons.texts(args['texts'])
loaded = lessons.memory()
if work == 'scoring':
    classifier.predict_proba(texts[:lessons.BATCH_SIZE])
    begun = time.perf_counter()
    classifier.predict_proba(texts)
    seconds = time.perf_counter() - begun
else:
    labelled = None if work == 'continued MLM' else [
        Example(text, label=classifier.labels[i % 2]) for i, text in enumerate(texts)]
    classifier.fit(labelled, None if labelled else texts, epochs=args['epochs'], batch_size=lessons.BATCH_SIZE)
    seconds = classifier.step_seconds * -(-len(texts) // lessons.BATCH_SIZE)  # of the last epoch
peak = lessons.peak()

# the roofline: what the matrix products that this work cannot do without take alone
network = classifier.transformer
width, layers, inner = network.hidden_size, network.num_hidden_layers, network.intermediate_size
batch = [lessons.lesson(classifier, work, i, text) for i, text in enumerate(texts[:lessons.BATCH_SIZE])]
tokens, wanted = (sum(len(getattr(one, part)) for one in batch) for part in ('token_ids', 'positions'))
passes = {'scoring': 1, 'P-tuning': 2}.get(work, 3)
vocabulary = 2 if work == 'scoring' else network.vocab_size
products = [(tokens, width, width, 4 * layers - 2), (tokens, width, inner, 2 * layers - 2),
            (wanted, width, width, 3), (wanted, width, inner, 2), (wanted, width, vocabulary, 1)]


def product_seconds(rows, inner, columns, times):
    a, b = tf.random.normal([rows, inner]), tf.random.normal([inner, columns])
    multiply, taken = tf.function(lambda a, b: tf.matmul(a, b)), []
    for _ in range(12):
        begun = time.perf_counter()
        multiply(a, b)
        taken.append(time.perf_counter() - begun)
    return sorted(taken)[len(taken) // 2] * times * passes


roofline = sum(product_seconds(*product) for product in products)
print(json.dumps({'rate': len(texts) / seconds, 'memory': peak - loaded,
                  'roofline': lessons.BATCH_SIZE / roofline}))
