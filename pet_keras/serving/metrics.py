"""Metrics: what a server counts of itself, in Prometheus' text format."""
SECONDS = (.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics(object):
    """Counters of one server. Their labels take few values: no client's words are among them."""
    def __init__(self):
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
        disable_created_metrics()  # a line beside each counter, which says when it began
        self.registry = CollectorRegistry()

        def made(kind, name, help, *labels, **settings):
            return kind('pet_keras_' + name, help, labels, registry=self.registry, **settings)
        self.requests = made(Counter, 'requests', 'Answers, by path and HTTP status.', 'path', 'status')
        self.seconds = made(Histogram, 'request_seconds', 'From the request to its answer.', 'path', buckets=SECONDS)
        self.texts = made(Counter, 'texts', 'Texts answered, by model.', 'model')
        self.batches = made(Histogram, 'batch_texts', 'Texts that the model ran together.', buckets=SIZES)
        self.busy = made(Counter, 'busy_seconds', 'Time that the model ran.')
        self.waiting = made(Gauge, 'waiting_texts', 'Texts in the queue.')

    def observe_batch(self, texts, seconds):
        self.batches.observe(texts)
        self.busy.inc(seconds)

    def text(self, waiting):
        """The text, bytes. Arguments: `waiting`, texts in the queue now."""
        from prometheus_client import generate_latest
        self.waiting.set(waiting)
        return generate_latest(self.registry)
