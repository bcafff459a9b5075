"""Texts that bert4keras' tokenizer and ours take apart a second, on one core: the shipped reviews.

    python benchmarks/tokenizing.py

Times are of the processor, so that other work on the machine does not count; medians of five.
"""
import statistics
import time

from pet_keras import Checkpoint, read_examples, shipped_texts


def main():
    from pet_keras.backend import Tokenizer
    checkpoint = Checkpoint('bert-mini-zh')
    texts = [e.text for e in read_examples(shipped_texts('reviews.unlabelled.txt'), labelled=False)]
    print('%d texts, %.0f characters each' % (len(texts), sum(map(len, texts)) / len(texts)))
    for name, tokenizer in (('bert4keras', Tokenizer(checkpoint.vocab, do_lower_case=True)),
                            ('pet_keras', checkpoint.tokenizer())):
        seconds = []
        for _ in range(5):
            begun = time.process_time()
            for text in texts:
                tokenizer.encode(text)
            seconds.append(time.process_time() - begun)
        print('%s: %.0f texts a second' % (name, len(texts) / statistics.median(seconds)))


if __name__ == '__main__':
    main()
